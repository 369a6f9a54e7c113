"""The evals put together with the real parts they measure."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from evals.abstention import company_cases, read_xquad, xquad_cases
from evals.abstention import report_of as abstention_report_of
from evals.answers import ask_all
from evals.answers import report_of as answers_report_of
from evals.company import opened, opened_for_questions, prepare
from evals.grounding import grounding
from evals.leak import leak, plant, world_of
from evals.prefixes import prefixes
from evals.privacy.datasets import read_generated
from evals.privacy_outgoing import privacy_outgoing
from evals.privacy_search import privacy_search
from evals.privacy_unmask import privacy_unmask
from evals.report import Report
from evals.retrieval import read_scifact, retrieval
from evals.serve import serve
from rag.db.folder import DataFolder
from rag.domain import digest_of
from rag.embedding.minilm import load_embedder
from rag.privacy.faces import offline_domains
from rag.privacy.keys import TenantKeys
from rag.privacy.recognize import load_recognizer
from rag.privacy.tenant import TenantPrivacy
from rag.settings import Settings, load_settings

Talk = Callable[[str], None]


async def leak_report(data_dir: Path | None, limit: int | None, planted: bool, talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder, opened(folder) as parts:
        key = DataFolder(folder).operator_key()
        return await plant(parts, key, talk) if planted else await leak(parts, key, limit, talk)


async def retrieval_report(data: Path, limit: int | None, talk: Talk) -> Report:
    settings = load_settings()
    dataset = read_scifact(data, limit)
    embedder = await asyncio.to_thread(load_embedder, settings.embedding)
    with tempfile.TemporaryDirectory(prefix="ringfence-eval-") as folder:
        return await retrieval(
            dataset, embedder, Path(folder) / "shard", conditions_max=settings.index.conditions_max, progress=talk
        )


async def abstention_report(data: Path, data_dir: Path | None, limit: int | None, talk: Talk) -> Report:
    paragraphs = read_xquad(data)
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder) as parts:
        world = await world_of(parts.database)
        cases = await company_cases(parts, world, talk)
        cases += await asyncio.to_thread(xquad_cases, paragraphs, parts.embedder, limit, talk)
        return abstention_report_of(cases, parts.settings.generator.answer_threshold, {"xquad_questions": limit})


async def answers_report(data_dir: Path | None, limit: int | None, talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder, remember=False) as parts:
        world = await world_of(parts.database)
        return answers_report_of(await ask_all(parts, world, limit, talk), {"limit": limit})


async def serve_report(data_dir: Path | None, streams: Sequence[int], talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder, remember=False) as parts:
        return await serve(parts, streams, talk)


async def prefixes_report(data: Path, seed: int, talk: Talk) -> Report:
    embedder = await asyncio.to_thread(load_embedder, load_settings().embedding)
    return await asyncio.to_thread(prefixes, data, embedder, seed, talk)


async def grounding_report(data: Path, limit: int | None, seed: int, talk: Talk) -> Report:
    embedder = await asyncio.to_thread(load_embedder, load_settings().embedding)
    return await asyncio.to_thread(grounding, data, embedder, limit, seed, talk)


async def privacy_search_report(notes: int, questions: int, seed: int, talk: Talk) -> Report:
    settings = load_settings()
    embedder = await asyncio.to_thread(load_embedder, settings.embedding)
    # The same pseudo-words for a seed: they weigh on what an embedder finds.
    privacy = await asyncio.to_thread(scratch_privacy, settings, digest_of(["privacy-search", str(seed)]))
    with tempfile.TemporaryDirectory(prefix="ringfence-eval-") as folder:
        return await privacy_search(
            embedder, privacy, Path(folder), notes=notes, questions=questions, seed=seed, talk=talk
        )


async def privacy_unmask_report(data_dir: Path | None, cases: int, seed: int, talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder) as parts:
        return await privacy_unmask(parts, cases=cases, seed=seed, talk=talk)


async def privacy_outgoing_report(data: Path, texts: int, seed: int, talk: Talk) -> Report:
    samples = await asyncio.to_thread(read_generated, data)
    privacy = await asyncio.to_thread(scratch_privacy, load_settings())
    return await privacy_outgoing(privacy, samples, texts=texts, seed=seed, talk=talk)


def scratch_privacy(settings: Settings, data_key: bytes | None = None) -> TenantPrivacy:
    """Masking for a tenant that does not exist, under a key that is forgotten at the end if none is given."""
    keys = TenantKeys.of(data_key or secrets.token_bytes(32))
    return TenantPrivacy("eval", keys, load_recognizer(settings.privacy), offline_domains())


@asynccontextmanager
async def company_folder(data_dir: Path | None, talk: Talk) -> AsyncIterator[Path]:
    """`data_dir`, or a new data folder with the sample company that is removed at the end."""
    if data_dir is not None:
        yield data_dir
        return
    scratch = Path(tempfile.mkdtemp(prefix="ringfence-eval-"))
    try:
        await asyncio.to_thread(prepare, scratch, talk)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
