"""`ringfence ingest` beside workers: what it overtakes is done whatever becomes of it, and nothing old over new."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingestion import jobs
from ingestion.direct import direct_run
from ingestion.leases import Progress
from ingestion.pipeline import ingest
from ingestion.queue import LEASE_S, WAIT_S_FIRST, JobQueue
from ingestion.sources.folder import FolderSource
from policies.rules import Level
from rag.db.documents import Documents
from rag.db.engine import Database, open_database
from rag.db.job_table import LOST, JobState
from rag.db.jobs import Jobs, JobView
from rag.errors import Conflict, IndexUnavailable
from tests.ingestion.test_worker import Crew, held_up, parts_for, seen, sync, until
from tests.ingestion.worlds import BEFORE, TENANT, make_visible, write_folder

SECRET = "department: company\nlevel: secret\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jobs, "PART", 2)
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", {name: text for name, text in BEFORE.items() if "later" not in name})


@pytest.fixture
def crew(folder: Path) -> Crew:
    return Crew(folder)


async def run_directly(
    database: Database, crew: Crew, fail: Callable[[], Any] = lambda: None, keep_s: float = 1000.0
) -> None:
    """What `ringfence ingest` does; `fail` may raise when everything is written, and nothing visible yet."""
    queue = JobQueue(database, "command", clock=crew.later)
    async with direct_run(queue, TENANT, "docs", {"folder": "elsewhere"}, Progress(), keep_s) as run:
        parts = parts_for(run.database)
        await ingest(FolderSource(crew.folder, "docs"), TENANT, parts)
        fail()
        await make_visible(run.database, TENANT)


async def newest(database: Database) -> JobView:
    async with database.reading() as session:
        return (await Jobs(session).listed(TENANT))[0]


async def levels(database: Database) -> set[int]:
    async with database.reading() as session:
        rows = await Documents(session).of_tenant(TENANT)
    assert len(rows) == 4
    assert all(row.current_version for row in rows)
    return {row.level for row in rows}


async def test_a_direct_run_ends_the_parts_of_an_older_listing_too(
    any_database: Database, crew: Crew, folder: Path
) -> None:
    first = await sync(any_database)
    async with held_up(crew, any_database) as (_, parser, running):
        (folder / "ringfence.yaml").write_text(SECRET)
        await run_directly(any_database, crew)
        parser.go.set()
        await running
    old = await seen(any_database, first)
    assert (old.settled, old.parts, old.incomplete) == (True, {"superseded": 2}, True)
    assert (await newest(any_database)).row.state is JobState.DONE
    assert await levels(any_database) == {int(Level.SECRET)}


def crash() -> None:
    raise IndexUnavailable("The index did not answer.")


def interrupt() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("fail", [crash, interrupt])
async def test_what_a_direct_run_leaves_undone_is_done_by_a_worker_if_it_was_queued(
    any_database: Database, crew: Crew, folder: Path, fail: Callable[[], None]
) -> None:
    """Whoever held an older listing while all this happened writes nothing of it."""
    await sync(any_database)
    async with held_up(crew, any_database) as (_, parser, running):
        (folder / "ringfence.yaml").write_text(SECRET)
        with pytest.raises((IndexUnavailable, asyncio.CancelledError)):
            await run_directly(any_database, crew, fail)
        left = await newest(any_database)
        assert (left.row.state, left.row.reason) == (
            JobState.QUEUED, "index_unavailable" if fail is crash else "interrupted"
        )  # fmt: skip
        crew.later.seconds += WAIT_S_FIRST
        parser.go.set()
        await running
    assert ("documents", "lost", "lease_lost") in crew.ends
    done = await newest(any_database)
    assert (done.row.id, done.row.state, done.settled) == (left.row.id, JobState.DONE, True)
    assert await levels(any_database) == {int(Level.SECRET)}


@pytest.mark.parametrize(
    ("fail", "state", "reason"),
    [(crash, JobState.DEAD, "index_unavailable"), (interrupt, JobState.CANCELLED, "interrupted")],
)
async def test_a_direct_run_that_nothing_was_queued_for_ends_with_its_reason_and_is_nobody_elses(
    database: Database, crew: Crew, fail: Callable[[], None], state: JobState, reason: str
) -> None:
    with pytest.raises((IndexUnavailable, asyncio.CancelledError)):
        await run_directly(database, crew, fail)
    ended = (await newest(database)).row
    assert (ended.state, ended.reason) == (state, reason)
    await crew.worker(database).run(once=True)
    assert crew.ends == []
    await run_directly(database, crew)
    assert len(await levels(database)) == 1


async def test_a_direct_run_that_a_later_sync_overtakes_writes_nothing_more_and_says_so(
    database: Database, crew: Crew
) -> None:
    async def overtaken() -> None:
        queue = JobQueue(database, "command", clock=crew.later)
        async with direct_run(queue, TENANT, "docs", {}, Progress()) as run:
            await sync(database)
            await crew.worker(database).run(once=True)
            (crew.folder / "ringfence.yaml").write_text(SECRET)
            await ingest(FolderSource(crew.folder, "docs"), TENANT, parts_for(run.database))

    with pytest.raises(Conflict, match="a later sync of 'docs' has begun"):
        await overtaken()
    assert await levels(database) == {int(Level.INTERNAL)}


async def test_a_direct_run_keeps_its_job_however_long_it_takes_and_tells_how_far_it_is(
    database: Database, crew: Crew
) -> None:
    queue = JobQueue(database, "command", clock=crew.later)
    progress = Progress()
    async with direct_run(queue, TENANT, "docs", {}, progress, keep_s=0.01):
        for done in (1, 2):
            progress.done, progress.total = done, 3
            crew.later.seconds += LEASE_S - 1
            await until(partial(_told, database, done))
            assert await JobQueue(database, "worker", clock=crew.later).claim() is None
        assert (await newest(database)).row.state is JobState.RUNNING
    assert (await newest(database)).row.state is JobState.DONE


async def _told(database: Database, done: int) -> bool:
    return (await newest(database)).done == done


async def test_a_direct_run_that_is_killed_is_not_called_done(database: Database, crew: Crew) -> None:
    await JobQueue(database, "command", clock=crew.later).begin(TENANT, "docs", {})
    crew.later.seconds += LEASE_S
    await crew.worker(database).run(once=True)
    killed = (await newest(database)).row
    assert (killed.state, killed.reason, crew.ends) == (JobState.DEAD, LOST, [])


def test_killed_before_any_commit_a_direct_run_loses_nothing_that_was_queued(
    tmp_path: Path, migrated_file: Path, crew: Crew
) -> None:
    """A worker does it, and what it leaves is what the run would have left: all of it once, and nothing old."""
    start = Path(shutil.copyfile(migrated_file, tmp_path / "start.db"))

    async def fill() -> None:
        database = await open_database(f"sqlite+aiosqlite:///{start}")
        await sync(database)
        worker = crew.worker(database)
        worker.tell = lambda *_: worker.stop()
        await worker.run()
        await database.close()

    asyncio.run(fill())
    (crew.folder / "ringfence.yaml").write_text(SECRET)
    (crew.folder / "changed.md").write_text("The canteen is run by Bo Chan now.")
    (crew.folder / "gone.txt").unlink()
    command = [sys.executable, "-m", "tests.ingestion.kill_every_step", str(start), str(crew.folder), "overtaking"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["different"], result["told"]) == ([], True)
    assert result["kills"] >= 8
