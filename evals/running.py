"""The evals put together with the real parts they measure."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from evals.abstention import company_cases, read_xquad, xquad_cases
from evals.abstention import report_of as abstention_report_of
from evals.answers import ask_all
from evals.answers import report_of as answers_report_of
from evals.company import opened, opened_for_questions, prepare
from evals.leak import leak, plant, world_of
from evals.report import Report
from evals.retrieval import read_scifact, retrieval
from rag.db.folder import DataFolder
from rag.embedding.minilm import load_embedder
from rag.settings import load_settings

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
