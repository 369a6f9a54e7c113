"""The evals put together with the real parts they measure."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from evals.abstention import Case, company_cases, read_xquad, xquad_cases
from evals.abstention import report_of as abstention_report_of
from evals.answers import ask_all
from evals.answers import report_of as answers_report_of
from evals.cases import FEEDBACK, ask_cases, cases_report_of, kept_cases, read_cases
from evals.company import opened, opened_for_questions, prepare
from evals.grounding.run import grounding
from evals.leak.plants import plant
from evals.leak.run import leak
from evals.leak.world import world_of
from evals.prefixes import prefixes
from evals.privacy.datasets import read_generated
from evals.privacy.outgoing import privacy_outgoing
from evals.privacy.search import privacy_search
from evals.privacy.unmask import privacy_unmask
from evals.questions import DOCUMENTS, POLICY, QUESTIONS, TENANT
from evals.retrieval.run import Searched, retrieval
from evals.retrieval.run import report_of as retrieval_report_of
from evals.retrieval.sets import Half, only, read_set
from evals.runner.provenance import digest_of_folder, note, sha256_of
from evals.runner.report import Report
from evals.runner.values import Json
from evals.serving.serve import serve
from evals.tuning import Recipe, tuning
from evals.watching.simulation import Sizes, simulate
from policies.store import PolicyStore
from policies.tenancy import within
from rag.db.engine import open_database
from rag.db.folder import DataFolder
from rag.domain import digest_of
from rag.embedding.minilm import load_embedder
from rag.index.lexical import LexicalEncoder
from rag.privacy.faces import offline_domains
from rag.privacy.keys import TenantKeys
from rag.privacy.recognize import load_recognizer
from rag.privacy.tenant import TenantPrivacy
from rag.query.cross_encoder import open_scorer
from rag.settings import Settings, load_settings

Talk = Callable[[str], None]


async def leak_report(
    data_dir: Path | None, limit: int | None, people: Sequence[str], planted: bool, talk: Talk
) -> Report:
    async with company_folder(data_dir, talk) as folder, opened(folder) as parts:
        key = DataFolder(folder).operator_key()
        return await plant(parts, key, talk) if planted else await leak(parts, key, limit, talk, people)


async def retrieval_report(data: Path, limit: int | None, sets: Sequence[str], final: bool, talk: Talk) -> Report:
    settings = load_settings()
    half: Half = "test" if final else "tune"
    embedder = await asyncio.to_thread(load_embedder, settings.embedding)
    scorer = await asyncio.to_thread(open_scorer, settings.generator)
    measured = {}
    for name in sets:
        talk(f"{name}: its half {half}")
        dataset = only(await asyncio.to_thread(read_set, name, data, limit), half)
        searched = Searched(dataset, embedder, LexicalEncoder(), settings.index.candidates, scorer)
        with tempfile.TemporaryDirectory(prefix="ringfence-eval-") as folder:
            measured[name] = await retrieval(
                searched, Path(folder) / "shard", conditions_max=settings.index.conditions_max, progress=talk
            )
    return retrieval_report_of(measured, embedder, settings.index.candidates, half)


async def abstention_report(
    data: Path, data_dir: Path | None, limit: int | None, sets: Sequence[str], talk: Talk
) -> Report:
    paragraphs = read_xquad(data) if "xquad" in sets else ()
    cases: list[Case] = []
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder) as parts:
        if "company" in sets:
            cases += await company_cases(parts, await world_of(parts.database), talk)
        if paragraphs:
            cases += await asyncio.to_thread(xquad_cases, paragraphs, parts.embedder, limit, talk)
        arguments: dict[str, Json] = {"xquad_questions": limit, "sets": list(sets)}
        return abstention_report_of(cases, parts.settings.generator.answer_threshold, arguments)


async def answers_report(data_dir: Path | None, limit: int | None, talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder, remember=False) as parts:
        world = await world_of(parts.database)
        return answers_report_of(await ask_all(parts, world, limit, talk), {"limit": limit})


async def cases_report(data_dir: Path, tenant: str, file: Path | None, limit: int | None, talk: Talk) -> Report:
    """Of the cases of a file, or of those that the tenant's database holds."""
    read = None if file is None else read_cases(file)
    with within(tenant):
        async with opened_for_questions(data_dir, remember=False) as parts:
            async with parts.database.reading() as session:
                found = (await kept_cases(session, tenant) if read is None else read)[:limit]
            name = f"answers-{FEEDBACK if read is None else 'cases'}"
            return cases_report_of(await ask_cases(parts, tenant, found, talk), name, {"cases": len(found)})


async def tuning_report(data_dir: Path | None, recipe: Recipe, talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder:
        return await asyncio.to_thread(tuning, folder, recipe, talk)


async def drift_report(days: int, plants: int, seed: int, talk: Talk) -> Report:
    return await asyncio.to_thread(simulate, Sizes(days, plants), seed, talk)


async def serve_report(data_dir: Path | None, streams: Sequence[int], questions: int, talk: Talk) -> Report:
    async with company_folder(data_dir, talk) as folder, opened_for_questions(folder, remember=False) as parts:
        return await serve(parts, streams, questions, talk)


async def prefixes_report(data: Path, limit: int | None, seed: int, talk: Talk) -> Report:
    embedder = await asyncio.to_thread(load_embedder, load_settings().embedding)
    return await asyncio.to_thread(prefixes, data, embedder, limit, seed, talk)


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
        await note_company(data_dir)
        yield data_dir
        return
    scratch = Path(tempfile.mkdtemp(prefix="ringfence-eval-"))
    try:
        await asyncio.to_thread(prepare, scratch, talk)
        await note_company(scratch)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def note_company(data_dir: Path) -> None:
    """Put the sample company's digest and the epoch of its policy into the manifest of the run."""
    database = await open_database(load_settings(data_dir=data_dir).database_url)
    try:
        async with database.reading() as session:
            note("policy_epoch", await PolicyStore(session).epoch(TENANT))
    finally:
        await database.close()
    files = {"policy": sha256_of(POLICY), "questions": sha256_of(QUESTIONS)}
    note("sample_company", {"documents": digest_of_folder(DOCUMENTS), **files})
