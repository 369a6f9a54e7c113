"""Ten thousand hostile and broken files in one run: it ends, every file is accounted for, and nothing is given away."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from evals.hostile.files import HostileFile, hostile_files
from evals.ingest.corpus import LABELS
from evals.ingest.ours import SOURCE, OurWay
from evals.ingest.unembedded import Unembedded
from evals.retrieval.run import TENANT
from evals.runner.report import Gate
from evals.runner.values import Json
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.folder import FolderSource
from rag.db.engine import open_database

HONEST = "honest.md"


@dataclass(frozen=True, slots=True)
class Survived:
    """What a run over hostile files left behind. `told` is everything that it logged and reported."""

    files: int
    wall_s: float
    report: Report = field(repr=False)
    unaccounted: int
    told_canaries: int
    written_outside: int


def survive(files: int, scratch: Path, seed: int, *, embed: bool = True) -> Survived:
    """Ingest so many hostile files and one honest one, in this process, which loads the models.

    Without `embed`, vectors are made up: endless texts would spend most of a run on them.
    """
    folder, data = scratch / "hostile", scratch / "hostile-data"
    canaries = _write(folder, hostile_files(seed, files))
    data.mkdir()
    way = OurWay("fast", 1)
    before, started = _everything_below(scratch, but=data), time.perf_counter()
    with _listened() as heard:
        report = asyncio.run(_ingested(way, folder, data, embed=embed))
    taken = time.perf_counter() - started
    told = "\n".join([*heard, json.dumps(report.as_json(), ensure_ascii=False)])
    return Survived(
        files=files,
        wall_s=taken,
        report=report,
        unaccounted=len(_unaccounted(folder, report)),
        told_canaries=sum(canary in told for canary in canaries),
        written_outside=len(_everything_below(scratch, but=data) - before),
    )


def figures_of(done: Survived) -> dict[str, Json]:
    reasons: Mapping[str, int] = Counter(str(one.reason) for one in done.report.failures)
    return {
        "hostile_files": done.files,
        "hostile_wall_s": round(done.wall_s, 1),
        "hostile_read": done.report.counts[Change.NEW],
        "hostile_refused": dict(sorted(reasons.items())),
        "hostile_left_alone": len(done.report.skipped),
        "hostile_unaccounted": done.unaccounted,
        "hostile_canaries_told": done.told_canaries,
        "hostile_written_outside": done.written_outside,
        "hostile_honest_read": any(one.path == HONEST and one.change is Change.NEW for one in done.report.outcomes),
    }


def gates_of(done: Survived) -> tuple[Gate, ...]:
    """Nothing is left out, told or written where it should not be, and the honest file is read."""
    figures = figures_of(done)
    none = ("hostile_unaccounted", "hostile_canaries_told", "hostile_written_outside")
    counts = (done.unaccounted, done.told_canaries, done.written_outside)
    return (
        *(Gate(name, "at most", 0, count) for name, count in zip(none, counts, strict=True)),
        Gate("hostile_honest_read", "at least", 1, float(bool(figures["hostile_honest_read"]))),
    )


async def _ingested(way: OurWay, folder: Path, data: Path, *, embed: bool) -> Report:
    settings = way.use(data)
    with way.parser(settings) as sandbox:
        database = await open_database(settings.database_url)
        try:
            parts = way.parts(database, sandbox)
            parts = parts if embed else replace(parts, embedder=Unembedded(parts.embedder))
            return await ingest(FolderSource(folder, SOURCE), TENANT, parts)
        finally:
            await database.close()


def _write(folder: Path, files: Iterable[HostileFile]) -> list[str]:
    """The files, and an honest one; the canaries of the hostile ones."""
    folder.mkdir()
    (folder / "ringfence.yaml").write_text(LABELS, encoding="utf-8")
    (folder / HONEST).write_text("# Hours\n\nThe canteen opens at eleven.\n", encoding="utf-8")
    canaries = []
    for file in files:
        (folder / file.name).write_bytes(file.data)
        canaries.append(file.canary)
    return canaries


def _unaccounted(folder: Path, report: Report) -> set[str]:
    """The files that neither became something nor were left alone; those inside archives stand for the archive."""
    told = {one.path.partition("/")[0] for one in report.outcomes}
    told |= {one.path.partition("/")[0] for one in report.skipped}
    silent = {path.name for path in folder.iterdir() if path.name != "ringfence.yaml"} - told
    # A name that cannot be printed stands in the report in another spelling.
    respelled = [one for one in report.skipped if "/" not in one.path and not (folder / one.path).exists()]
    return set() if len(silent) <= len(respelled) else silent


def _everything_below(scratch: Path, *, but: Path) -> set[str]:
    return {str(path) for path in scratch.rglob("*") if not path.is_relative_to(but)}


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


@contextmanager
def _listened() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, but what libraries say for their own debugging."""
    ear, root = _Ear(), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        yield ear.heard
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
