"""Bringing a folder up to date that has not changed, and then one of which one file in a hundred has.

The folder's files are really there. What an earlier run would have stored of them is written straight into the tables,
without chunks, as loading so many takes hours; that the run calls every file unchanged shows that it is what a run
stores. Changed files go the whole way, with real models.
"""

import asyncio
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from evals.ingest.corpus import LABELS
from evals.ingest.held import held_at_most_mb, held_from_now_on_mb
from evals.ingest.ours import SOURCE, OurWay
from evals.retrieval.run import TENANT
from evals.runner.report import Gate
from evals.runner.values import Json
from ingestion.digests import content_digest, document_id, identity_digest, pipeline_digest, revision_digest
from ingestion.parts import IngestionParts, TenantMasking
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.folder import SETTLED_NS, FileItem, FolderSource
from rag.db.engine import open_database
from rag.db.tables import DocumentRow, VersionRow

FILES_IN_FOLDER = 1000
CHANGED_SHARE = 100
"""One file in so many is changed."""
KB_PER_FILE_MAX = 2.0
"""What a run may hold of each file: where it is, its labels, and how it stands."""
_BATCH = 1000
_TEXT = "Note {0}. The case of file {0} was closed in May; the minutes are kept in cabinet {1}.\n"


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. `memory_mb` is how much more memory than before it was held at its highest."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    report: Report


@dataclass(frozen=True, slots=True)
class Resynced:
    files: int
    unchanged: Cost
    changed: Cost


def resync(files: int, scratch: Path) -> Resynced:
    """Both runs over so many files, in this process, which loads the models.

    Raises:
        Misuse: not on Linux, whose kernel tells how much memory was held at most.
    """
    held_from_now_on_mb()
    folder = scratch / "many"
    _write(folder, range(files), cabinet=1)
    data = scratch / "many-data"
    data.mkdir()
    return asyncio.run(_both(OurWay("fast", 1), folder, files, data))


async def _both(way: OurWay, folder: Path, files: int, data: Path) -> Resynced:
    settings = way.use(data)
    with way.parser(settings) as sandbox:
        database = await open_database(settings.database_url)
        try:
            parts = way.parts(database, sandbox)
            await _store(folder, parts)
            unchanged = await _run(folder, parts)
            _write(folder, range(0, files, CHANGED_SHARE), cabinet=2)
            return Resynced(files, unchanged, await _run(folder, parts))
        finally:
            await database.close()


def figures_of(done: Resynced) -> dict[str, Json]:
    """Seconds of both runs, and what a changed file costs beyond an unchanged one."""
    changed = done.changed.report.counts[Change.CHANGED]
    return {
        "resync_files": done.files,
        "resync_unchanged": done.unchanged.report.counts[Change.UNCHANGED],
        "resync_wall_s": round(done.unchanged.wall_s, 2),
        "resync_cpu_s": round(done.unchanged.cpu_s, 2),
        "resync_memory_kb_per_file": round(done.unchanged.memory_mb * 1024 / done.files, 2),
        "resync_changed": changed,
        "resync_changed_embedded_chunks": sum(one.chunks for one in done.changed.report.outcomes),
        "resync_changed_cpu_s": round(done.changed.cpu_s, 2),
        "resync_cpu_ms_per_changed_file": round(
            (done.changed.cpu_s - done.unchanged.cpu_s) / max(1, changed) * 1000, 1
        ),
    }


def gates_of(done: Resynced) -> tuple[Gate, ...]:
    """Every file is known again, exactly the changed ones are made again, and memory stays small."""
    expected = len(range(0, done.files, CHANGED_SHARE))
    return (
        Gate("resync_unchanged", "at least", done.files, done.unchanged.report.counts[Change.UNCHANGED]),
        Gate("resync_changed", "at least", expected, done.changed.report.counts[Change.CHANGED]),
        Gate("resync_changed", "at most", expected, done.changed.report.counts[Change.CHANGED]),
        Gate(
            "resync_memory_kb_per_file", "at most", KB_PER_FILE_MAX, done.unchanged.memory_mb * 1024 / done.files
        ),
    )  # fmt: skip


async def _run(folder: Path, parts: IngestionParts) -> Cost:
    before = held_from_now_on_mb()
    wall, cpu = time.perf_counter(), _cpu_s()
    report = await ingest(_settled(folder), TENANT, parts)
    return Cost(time.perf_counter() - wall, _cpu_s() - cpu, max(0.0, held_at_most_mb() - before), report)


def _settled(folder: Path) -> FolderSource:
    """The folder as it is listed some time after its files were written."""
    return FolderSource(folder, SOURCE, now_ns=lambda: time.time_ns() + 2 * SETTLED_NS)


def _write(folder: Path, numbers: Sequence[int], *, cabinet: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "ringfence.yaml").write_text(LABELS, encoding="utf-8")
    for number in numbers:
        place = folder / str(number // FILES_IN_FOLDER)
        place.mkdir(exist_ok=True)
        (place / f"{number}.txt").write_text(_TEXT.format(number, cabinet), encoding="utf-8")


async def _store(folder: Path, parts: IngestionParts) -> None:
    async with parts.database.unit_of_work() as session:
        privacy = await parts.privacy.for_tenant(session, TENANT)
    items = [item for item in _settled(folder).listing().items if isinstance(item, FileItem)]
    pipeline = pipeline_digest(parts, privacy.configuration)
    for start in range(0, len(items), _BATCH):
        rows = [_rows(item, privacy, pipeline) for item in items[start : start + _BATCH]]
        async with parts.database.unit_of_work() as session:
            await session.execute(insert(DocumentRow), [document for document, _ in rows])
            await session.execute(insert(VersionRow), [version for _, version in rows])


def _rows(item: FileItem, privacy: TenantMasking, pipeline: str) -> tuple[dict[str, object], dict[str, object]]:
    identity, document = identity_digest(privacy, SOURCE, item.identity), document_id(privacy, SOURCE, item.identity)
    now = datetime.now(UTC)
    with item.open() as file:
        data = file.read()
    version = f"ver_{document}"
    labels: dict[str, object] = {"department": "eval", "level": 0, "owner": "", "title": item.path, "path": item.path}
    labels |= {name: [] for name in ("tags", "shares", "denied_shares", "compartments", "flags")}
    stored = {
        "id": document, "tenant": TENANT, "source": SOURCE, "path_digest": identity, "media_type": "text/plain",
        "attribute_version": 1, "indexed_attribute_version": 1, "current_version": version, "updated_at": now,
    }  # fmt: skip
    made = {
        "id": version, "document": document, "tenant": TENANT, "content_digest": content_digest(privacy, item, data),
        "pipeline_digest": pipeline, "source_revision": revision_digest(privacy, SOURCE, item), "state": "published",
        "text": data.decode(), "policy_epoch": 0, "created_at": now,
    }  # fmt: skip
    return {**labels, **stored}, made


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
