"""Ingests the same folder again and again, each time killed at another step and then run to the end.

Usage: kill_every_step.py DATABASE FOLDER direct|jobs|overtaking. Prints, as JSON, at how many steps it was killed, and
those after which the tables did not hold what they hold after an uninterrupted run. Each run is a process of its own
(a fork), ended by SIGKILL: nothing of it can clean up.
"""

import asyncio
import gc
import json
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from sqlalchemy import Engine, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ingestion import jobs
from ingestion.direct import direct_run
from ingestion.jobs import JobParts
from ingestion.leases import Progress
from ingestion.parse.document import ParsedDocument
from ingestion.parse.formats import read
from ingestion.parse.members import Members
from ingestion.parse.pieces import Pieces
from ingestion.parse.structure import build
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.queue import JobQueue
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Listing
from ingestion.worker import Pace, Worker
from rag.db import engine
from rag.db.jobs import Jobs
from rag.db.tables import SourceCursorRow
from rag.hidden_content import DROP_ALL, HiddenPolicy
from tests.ingestion.worlds import TENANT, make_visible, opened_parts, state

Way: TypeAlias = "Callable[[Path, IngestionParts, Steps], Awaitable[object]]"


class ParsedHere:
    """Reads in this very process: what is killed here is the writing, a hundred times; a sandbox each is slow."""

    isolation = None

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        pieces = Pieces(100_000, read, hidden.indexed)
        return build(pieces.done(read(data, PurePosixPath(path).suffix, pieces)), path)

    def members(self, archive: BinaryIO) -> Members:
        raise NotImplementedError

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes:
        raise NotImplementedError


class Numbered(FolderSource):
    """A folder that says where its next listing may begin."""

    def listing(self, since: str = "") -> Listing:
        return replace(super().listing(since), cursor="1")


class Steps:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self._left = kill_at

    def __call__(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def direct(folder: Path, parts: IngestionParts, step: Steps) -> object:
    """`ringfence ingest`, killed at each step of each document."""
    await ingest(FolderSource(folder, "docs"), TENANT, parts, observe=step)
    return None


async def by_job(folder: Path, parts: IngestionParts, step: Steps) -> object:
    """A worker on a queued sync, killed before each commit: of the queue, of the documents, of publishing.

    Nothing else changes what is kept: a kill between two commits is one before the second. For a run after a kill an
    hour has gone by, so that what was being worked on is taken again.
    """
    hours = timedelta(hours=int(os.environ.get("HOURS", "0")))

    async def clock(session: AsyncSession) -> datetime:
        return datetime.now(UTC) + hours

    jobs.PART = 1
    event.listen(Engine, "commit", step)
    queue = JobQueue(parts.database, "worker", clock=clock)
    work = JobParts(parts, lambda lease: Numbered(folder, "docs"), make_visible)
    await Worker(queue, work, pace=Pace(poll_s=0.01)).run(once=True)
    event.remove(Engine, "commit", step)
    async with parts.database.reading() as session:
        (sync,) = await Jobs(session).listed(TENANT)
        shown = await Jobs(session).get(TENANT, sync.row.id)
        cursors = list(await session.scalars(select(SourceCursorRow.cursor)))
    # What it counted is not compared: after a kill, some of it is found to be done already.
    return shown.row.state, shown.settled, shown.parts, cursors


async def overtaking(folder: Path, parts: IngestionParts, step: Steps) -> object:
    """`ringfence ingest` over a source of which parts are queued, killed before each of its commits; then a worker, for
    whom an hour has gone by."""
    killed = not int(os.environ.get("HOURS", "0"))
    jobs.PART = 1
    if killed:
        event.listen(Engine, "commit", step)
        queue = JobQueue(parts.database, "command")
        async with direct_run(queue, TENANT, "docs", {"folder": "elsewhere"}, Progress()) as run:
            await ingest(FolderSource(folder, "docs"), TENANT, replace(parts, database=run.database))
            await make_visible(run.database, TENANT)
        event.remove(Engine, "commit", step)
    queue = JobQueue(parts.database, "worker", clock=an_hour_later)
    work = JobParts(parts, lambda lease: FolderSource(folder, "docs"), make_visible)
    await Worker(queue, work, pace=Pace(poll_s=0.01)).run(once=True)
    async with parts.database.reading() as session:
        return [view.settled for view in await Jobs(session).listed(TENANT)][-1]


async def an_hour_later(session: AsyncSession) -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def run(database: Path, folder: Path, way: Way, kill_at: int) -> None:
    async with opened_parts(database) as parts:
        told = await way(folder, replace(parts, parser=ParsedHere()), Steps(kill_at))
        found = [await state(parts.database), told]
        database.with_suffix(".json").write_text(json.dumps(found, sort_keys=True))


def forked(database: Path, folder: Path, way: Way, kill_at: int = 0) -> bool:
    """Run in a child; True if it came to its end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.environ["HOURS"] = "0" if kill_at else "1"
            asyncio.run(run(database, folder, way, kill_at))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise RuntimeError(f"the run that was to be killed at {kill_at} failed")
    return os.WIFEXITED(status)


async def up_to_date(_: AsyncEngine) -> None:
    """Migrates nothing."""


def main(start: Path, folder: Path, way: Way) -> None:
    whole = start.with_name("whole.db")
    shutil.copy(start, whole)
    # In this process: what a run imports, and what SQLAlchemy makes of the tables, each fork then has already.
    asyncio.run(run(whole, folder, way, 0))
    expected = whole.with_suffix(".json").read_text()
    gc.collect()
    gc.freeze()  # Else each fork copies, and searches for garbage, what was made here.
    engine.upgrade = up_to_date  # Every database is a copy of one that is: to make sure of it takes longest.
    kills, different = 0, []
    while True:
        database = start.with_name(f"killed-{kills + 1}.db")
        shutil.copy(start, database)
        if forked(database, folder, way, kills + 1):
            break
        kills += 1
        forked(database, folder, way)
        if database.with_suffix(".json").read_text() != expected:
            different.append(kills)
    told = json.loads(expected)[1]
    print(json.dumps({"kills": kills, "different": different, "rows": len(expected), "told": told}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), Path(sys.argv[2]), {"direct": direct, "jobs": by_job, "overtaking": overtaking}[sys.argv[3]]
    )
