"""Workers: what they do together, and that nothing is lost when one of them is stopped, held up or killed."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion import jobs
from ingestion.jobs import JobParts, Listings, open_configured
from ingestion.leases import Lease, LeaseLost, Progress
from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.queue import LEASE_S, JobQueue
from ingestion.sources.folder import SETTLED_NS, FileItem, FolderSource
from ingestion.sources.protocol import Listing, Source
from ingestion.worker import End, Pace, Worker
from policies.rules import Level
from rag.db.documents import Documents
from rag.db.engine import Database, open_database
from rag.db.job_table import SYNC, JobState
from rag.db.jobs import Jobs, JobView, NewJob
from rag.db.tables import SourceCursorRow, TenantKeyRow
from rag.errors import IndexUnavailable, Misuse
from rag.hidden_content import DROP_ALL, HiddenPolicy
from rag.ingestion_settings import IngestionSettings, SourceSettings
from rag.settings import Settings
from tests.ingestion.kill_every_step import ParsedHere
from tests.ingestion.worlds import AFTER, BEFORE, TENANT, make_visible, parts_on, state, write_folder

FEW = {"ringfence.yaml", "changed.md", "gone.txt", "relabelled.html", "new-bo_chan.txt"}
"""Of both worlds, one document for each kind of change."""
QUICK = Pace(poll_s=0.01, beat_s=0.02, keep_s=0.05, grace_s=5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jobs, "PART", 2)
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", BEFORE)


class Later:
    """The time, put forward by as many seconds as a test says."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __call__(self, session: AsyncSession) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)


def parts_for(database: Database, parser: Any = None) -> IngestionParts:
    return replace(parts_on(database, None), parser=parser or ParsedHere())  # type: ignore[arg-type] # replaced


class Crew:
    """Makes workers on one folder, and remembers how their jobs ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.later = Later()
        self.ends: list[tuple[str, End, str]] = []
        self.open_source: Callable[[Path, str], Source] = FolderSource

    def worker(self, database: Database, *, parser: Any = None, **more: Any) -> Worker:
        queue = JobQueue(database, "worker", clock=self.later)
        publish = more.pop("publish", make_visible)
        work = JobParts(parts_for(database, parser), lambda lease: self.open_source(self.folder, "docs"), publish)
        return Worker(queue, work, tell=self.tell, pace=more.pop("pace", QUICK), **more)

    def tell(self, lease: Lease, end: End, reason: str) -> None:
        self.ends.append((lease.kind, end, reason))


@pytest.fixture
def crew(folder: Path) -> Crew:
    return Crew(folder)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once. Time put forward would end the leases of the other jobs as well."""
    monkeypatch.setattr("ingestion.queue.WAIT_S_MAX", 0.0)


async def sync(database: Database, tenant: str = TENANT, **payload: Any) -> str:
    async with database.unit_of_work() as session:
        return (await Jobs(session).enqueue(NewJob(tenant, SYNC, "docs", payload)))[0].id


async def seen(database: Database, job: str) -> JobView:
    async with database.reading() as session:
        return await Jobs(session).get(TENANT, job)


async def directly(folder: Path, path: Path, migrated_file: Path, key: TenantKeyRow) -> Any:
    """What ingesting both states of the folder without jobs leaves in the tables, with the same tenant's key."""
    database = await open_database(f"sqlite+aiosqlite:///{shutil.copyfile(migrated_file, path)}")
    async with database.unit_of_work() as session:
        await session.merge(key)
    for files in (BEFORE, AFTER):
        await ingest(FolderSource(write_folder(folder, files), "docs"), TENANT, parts_for(database))
        await make_visible(database, TENANT)
    found = await state(database)
    await database.close()
    return found


async def test_two_workers_do_what_one_run_does_and_each_part_once(
    any_database: Database, database_url: str, crew: Crew, folder: Path, tmp_path: Path, migrated_file: Path
) -> None:
    second = await open_database(database_url)
    for files in (BEFORE, AFTER):
        write_folder(folder, files)
        job = await sync(any_database)
        await asyncio.gather(crew.worker(any_database, jobs=2).run(once=True), crew.worker(second).run(once=True))
        shown = await seen(any_database, job)
        assert (shown.row.state, shown.settled, shown.row.attempts) == (JobState.DONE, True, 1)
    await second.close()
    counts = {"new": 1, "changed": 1, "unchanged": 1, "relabelled": 1, "removed": 1, "failed": 2}
    assert shown.result == {"documents": counts, "reasons": {"broken": 1, "unlabelled": 1}}
    assert {end for _, end, _ in crew.ends} == {"done"}
    found = await state(any_database)
    async with any_database.reading() as session:
        key = await session.get_one(TenantKeyRow, TENANT)
    assert found == await directly(folder, tmp_path / "direct.db", migrated_file, key)


async def test_unchanged_files_are_no_jobs(database: Database, crew: Crew) -> None:
    await sync(database)
    await crew.worker(database).run(once=True)
    again = await sync(database)
    await crew.worker(database).run(once=True)
    shown = await seen(database, again)
    assert (shown.parts, shown.result) == ({}, {"documents": {"unchanged": 5}})


class Held:
    """A parser that stops at its first document until it is let go."""

    isolation = None

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        self.reached.set()
        assert self.go.wait(30)
        return ParsedHere().parse(data, path, hidden)


class Failing(ParsedHere):
    """Cannot read the file of this name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        if path == self._name:
            raise Refused(Reason.CRASHED)
        return super().parse(data, path, hidden)


class Waiting(ParsedHere):
    """Asks a service for the file of this name, which answers only after so many times."""

    def __init__(self, name: str, times: int, reason: Reason = Reason.OCR_UNAVAILABLE) -> None:
        self._name = name
        self._refusals = [reason] * times

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        if path == self._name and self._refusals:
            raise Refused(self._refusals.pop())
        return super().parse(data, path, hidden)


class Numbered(FolderSource):
    """A folder that counts its listings and says where the next one may begin."""

    listed: ClassVar[list[str]] = []

    def listing(self, since: str = "") -> Listing:
        self.listed.append(since)
        return replace(super().listing(since), cursor=str(len(self.listed)))


async def cursor(database: Database) -> str | None:
    async with database.reading() as session:
        row = await session.get(SourceCursorRow, (TENANT, "docs"))
        return None if row is None else row.cursor


@asynccontextmanager
async def held_up(
    crew: Crew, database: Database, **more: Any
) -> AsyncIterator[tuple[Worker, Held, "asyncio.Task[None]"]]:
    """A worker in the middle of a document."""
    parser = Held()
    worker = crew.worker(database, parser=parser, **more)
    running = asyncio.create_task(worker.run(once=True))
    assert await asyncio.to_thread(parser.reached.wait, 30)
    try:
        yield worker, parser, running
    finally:
        parser.go.set()
        await running


async def test_a_worker_that_was_held_up_writes_nothing_once_another_has_its_job(
    any_database: Database, database_url: str, crew: Crew
) -> None:
    job = await sync(any_database)
    other = await open_database(database_url)
    slow = Pace(poll_s=0.01, beat_s=1000)  # It is not heard of, as when its machine is asleep.
    async with held_up(crew, any_database, pace=slow) as (_, parser, running):
        crew.later.seconds += LEASE_S
        await crew.worker(other).run(once=True)
        before = await state(other)
        assert (await seen(other, job)).settled
        parser.go.set()
        await running
    assert await state(other) == before
    assert [end for end in crew.ends if end[1] != "done"] == [("documents", "lost", "lease_lost")]
    await other.close()


async def test_a_live_worker_keeps_its_job_however_long_it_takes(
    database: Database, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART", 100)
    await sync(database)
    async with held_up(crew, database, pace=Pace(poll_s=0.01, beat_s=0.01, keep_s=0.03)) as (_, parser, running):
        for _ in range(3):
            crew.later.seconds += LEASE_S - 5
            await until(lambda: _lease_is_fresh(database, crew.later))
            assert await JobQueue(database, "other", clock=crew.later).claim() is None
        parser.go.set()
        await running
    assert {end for _, end, _ in crew.ends} == {"done"}


async def _lease_is_fresh(database: Database, clock: Later) -> bool:
    async with database.reading() as session:
        running = await Jobs(session).listed(TENANT, states=(JobState.RUNNING,))
        now = await clock(session)
        return all(view.row.lease_until and view.row.lease_until > now + timedelta(seconds=30) for view in running)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - what is waited for happens in the database
            await asyncio.sleep(0.01)


async def test_told_to_stop_a_worker_ends_what_it_has_and_takes_no_more(database: Database, crew: Crew) -> None:
    job = await sync(database)
    async with held_up(crew, database) as (worker, parser, running):
        worker.stop()
        parser.go.set()
        await running
    assert crew.ends == [("sync", "done", ""), ("documents", "done", "")]
    assert (await seen(database, job)).parts["queued"] == 2
    await crew.worker(database).run(once=True)
    assert (await seen(database, job)).settled


async def test_told_twice_a_worker_gives_back_what_it_has_and_another_goes_on_at_once(
    database: Database, crew: Crew
) -> None:
    job = await sync(database)
    async with held_up(crew, database) as (worker, _, running):
        worker.stop()
        worker.stop()
        await running
        assert crew.ends[-1] == ("documents", "given_back", "stopped")
        await crew.worker(database).run(once=True)
    shown = await seen(database, job)
    assert (shown.settled, shown.parts) == (True, {"done": 3})


async def test_a_cancelled_job_is_stopped_where_it_is(database: Database, crew: Crew) -> None:
    job = await sync(database)
    async with held_up(crew, database) as (_, _, running):
        async with database.unit_of_work() as session:
            await Jobs(session).cancel(TENANT, job)
        async with asyncio.timeout(20):
            await running
    assert crew.ends[-1] == ("documents", "lost", "lease_lost")
    async with database.reading() as session:
        assert await Documents(session).of_tenant(TENANT) == []


async def test_a_newer_listing_ends_the_parts_of_an_older_one(database: Database, crew: Crew, folder: Path) -> None:
    """Labels that a part was handed out with must not come back after they were taken away."""
    first = await sync(database)
    async with held_up(crew, database) as (_, parser, running):
        (folder / "ringfence.yaml").write_text("department: company\nlevel: secret\n")
        second = await sync(database)
        other = crew.worker(database)
        rest = asyncio.create_task(other.run(once=True))
        await until(lambda: _is_done(database, second))
        parser.go.set()
        await running
        await rest
    assert (await seen(database, first)).settled
    async with database.reading() as session:
        rows = await Documents(session).of_tenant(TENANT)
    assert {row.level for row in rows if "later" not in row.path} == {int(Level.SECRET)}
    assert ("documents", "lost", "lease_lost") in crew.ends


async def _is_done(database: Database, job: str) -> bool:
    return (await seen(database, job)).row.state is JobState.DONE


async def test_the_next_listing_begins_where_this_one_did_until_all_its_parts_have_ended_well(
    any_database: Database, crew: Crew, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Numbered, "listed", [])
    crew.open_source = Numbered
    first = await sync(any_database)
    async with held_up(crew, any_database) as (worker, _, running):
        worker.stop()
        worker.stop()
        await running
    assert await cursor(any_database) is None
    await crew.worker(any_database, parser=Failing("changed.md")).run(once=True)
    shown = await seen(any_database, first)
    assert (shown.settled, shown.parts, shown.result["documents"]["failed"]) == (True, {"done": 3}, 1)
    assert await cursor(any_database) is None, "the document that failed is tried again"
    await sync(any_database)
    await crew.worker(any_database, jobs=2).run(once=True)
    kept = await cursor(any_database)
    assert kept is not None
    await sync(any_database)
    await crew.worker(any_database).run(once=True)
    assert Numbered.listed[-1] == kept
    assert set(Numbered.listed[:-1]) == {""}


async def test_a_part_made_by_another_pipeline_than_its_listing_keeps_the_cursor_back(
    database: Database, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Numbered, "listed", [])
    crew.open_source = Numbered
    await sync(database)
    async with held_up(crew, database) as (worker, parser, running):
        worker.stop()
        parser.go.set()
        await running
    other = crew.worker(database)
    other.parts = replace(other.parts, ingestion=replace(other.parts.ingestion, masking_digest="another"))
    await other.run(once=True)
    assert await cursor(database) is None
    await sync(database)
    await crew.worker(database).run(once=True)
    assert await cursor(database) is not None


async def test_parts_that_a_later_listing_sees_to_keep_no_cursor(
    database: Database, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Numbered, "listed", [])
    crew.open_source = Numbered
    first = await sync(database)
    async with held_up(crew, database) as (worker, parser, running):
        worker.stop()
        parser.go.set()
        await running
    queue = JobQueue(database, "command")
    await queue.finish(await queue.begin(TENANT, "docs", {}), Progress(), {})
    await crew.worker(database).run(once=True)
    assert (await seen(database, first)).settled
    assert await cursor(database) is None


async def test_a_database_that_fails_while_a_job_is_lost_ends_no_worker(
    database: Database, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, and where not even that can be told; the others go on, and the lost job is taken again."""
    first, second = await sync(database), await sync(database)
    lost: list[str] = []
    looking, telling = JobQueue.superseded, crew.tell

    async def failing(queue: JobQueue, lease: Lease) -> bool:
        if lease.job == first and len(lost) < 2:
            lost.append(lease.job)
            if len(lost) == 1:
                raise LeaseLost(lease.job)
            raise OperationalError("SELECT", {}, Exception("server closed the connection"))
        return await looking(queue, lease)

    def tell(lease: Lease, end: End, reason: str) -> None:
        telling(lease, end, reason)
        crew.later.seconds += LEASE_S
        if len(crew.ends) == 1:
            raise ValueError("a mistake of ours")

    monkeypatch.setattr(JobQueue, "superseded", failing)
    worker = crew.worker(database)
    worker.tell = tell
    await worker.run(once=True)
    assert crew.ends[0] == ("sync", "lost", "lease_lost")
    assert lost == [first, first]
    for job in (first, second):
        assert (await seen(database, job)).settled


async def test_a_job_reads_every_document_where_it_was_asked_to(
    database: Database, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(item: FileItem) -> Any:
        opened.append(item.path)
        return reading(item)

    reading = FileItem.open
    monkeypatch.setattr(FileItem, "open", counted)
    crew.open_source = lambda folder, name: FolderSource(folder, name, now_ns=lambda: time.time_ns() + 2 * SETTLED_NS)
    for verify, expected in ((False, 10), (False, 0), (True, 5)):
        opened.clear()
        await sync(database, verify=verify)
        await crew.worker(database).run(once=True)
        # The first run compares, and hands out what it then reads.
        assert len(opened) == expected


@pytest.mark.usefixtures("impatient")
async def test_a_job_that_fails_is_tried_again_and_then_dead_with_its_reason(database: Database, crew: Crew) -> None:
    tried = 0

    async def publish(_: Database, tenant: str) -> None:
        nonlocal tried
        tried += 1
        raise IndexUnavailable("The index did not answer.")

    job = await sync(database)
    worker = crew.worker(database, publish=publish)
    await worker.run(once=True)
    assert worker.died == 1
    dead = (await seen(database, job)).row
    assert (dead.state, dead.reason, dead.attempts, tried) == (JobState.DEAD, "index_unavailable", 5, 5)
    async with database.unit_of_work() as session:
        await Jobs(session).retry(TENANT, job)
    await crew.worker(database).run(once=True)
    assert (await seen(database, job)).settled


@pytest.mark.usefixtures("impatient")
async def test_documents_that_wait_for_a_service_are_tried_again_and_the_others_are_done(
    database: Database, crew: Crew
) -> None:
    """`ocr_failed` is the page's, not the service's: it stands in the report, as any document that cannot be read."""
    job = await sync(database)
    await crew.worker(database, parser=Waiting("changed.md", 2)).run(once=True)
    assert [end for end in crew.ends if end[1] == "failed"] == [("documents", "failed", "ocr_unavailable")] * 2
    shown = await seen(database, job)
    # What the part had done before it waited is found unchanged.
    assert (shown.settled, shown.result["documents"]) == (True, {"new": 4, "unchanged": 1})
    crew.ends.clear()
    write_folder(crew.folder, {**BEFORE, "changed.md": "Another text."})
    await sync(database)
    await crew.worker(database, parser=Waiting("changed.md", 9, Reason.OCR_FAILED)).run(once=True)
    assert {end for _, end, _ in crew.ends} == {"done"}


@pytest.mark.usefixtures("impatient")
async def test_a_service_that_stays_away_makes_the_job_dead_and_loses_no_other_document(
    database: Database, crew: Crew
) -> None:
    job = await sync(database)
    worker = crew.worker(database, parser=Waiting("changed.md", 99))
    await worker.run(once=True)
    assert worker.died == 1
    async with database.reading() as session:
        assert len(await Documents(session).of_tenant(TENANT)) == 4
    async with database.unit_of_work() as session:
        await Jobs(session).retry(TENANT, job)
    await crew.worker(database).run(once=True)
    async with database.reading() as session:
        assert len(await Documents(session).of_tenant(TENANT)) == 5


async def test_an_empty_source_removes_nothing_unless_the_job_says_so(
    database: Database, crew: Crew, folder: Path
) -> None:
    await sync(database)
    await crew.worker(database).run(once=True)
    write_folder(folder, {})
    await sync(database, allow_empty=False)
    worker = crew.worker(database, pace=Pace(poll_s=0.01))
    running = asyncio.create_task(worker.run())
    await until(lambda: _ended(crew, ("sync", "failed", "source_empty")))
    worker.stop()
    await running
    async with database.reading() as session:
        assert len(await Documents(session).of_tenant(TENANT)) == 5
    await sync(database, allow_empty=True)
    crew.ends.clear()
    worker = crew.worker(database)
    running = asyncio.create_task(worker.run())
    await until(lambda: _ended(crew, ("sync", "done", "")))
    worker.stop()
    await running
    async with database.reading() as session:
        assert await Documents(session).of_tenant(TENANT) == []


async def _ended(crew: Crew, end: tuple[str, End, str]) -> bool:
    return end in crew.ends


def test_a_source_is_opened_for_the_tenant_it_is_configured_for_and_for_no_other(folder: Path) -> None:
    sources = {"docs": SourceSettings(tenant=TENANT, folder=folder)}
    opened = open_configured(Settings(ingestion=IngestionSettings(sources=sources)))
    lease = Lease("job_1", TENANT, SYNC, "docs", {}, 0, 1, 1, 1)
    assert opened(lease).name == "docs"
    assert len(opened(replace(lease, source="x", payload={"folder": str(folder)})).listing().items) == 5
    for other in (replace(lease, tenant="globex"), replace(lease, source="other")):
        with pytest.raises(Misuse, match=r"ingestion\.sources"):
            opened(other)


def test_a_source_is_listed_once_for_the_parts_of_a_sync_and_anew_for_the_next(folder: Path) -> None:
    listed = 0
    now = 0.0

    class Counting(FolderSource):
        def listing(self, since: str = "") -> Any:
            nonlocal listed
            listed += 1
            return super().listing(since)

    listings = Listings(lambda: now)
    part = Lease("job_1", TENANT, "documents", "docs", {"listed": 7}, 0, 1, 8, 1)

    def ask(lease: Lease) -> None:
        listings.of(lease, lambda lease: Counting(folder, "docs")).listing()

    for _ in range(3):
        ask(part)
    assert listed == 1
    ask(replace(part, payload={"listed": 9}))
    assert listed == 2
    for since in ("1", "", "1"):
        listings.of(part, lambda lease: Counting(folder, "docs")).listing(since)
    assert listed == 3, "what is new and everything are kept beside each other"
    now += jobs.LISTED_S
    ask(part)
    assert listed == 4


def test_killed_before_any_commit_a_worker_loses_doubles_and_half_shows_nothing(
    tmp_path: Path, migrated_file: Path, folder: Path
) -> None:
    """Of the queue, of the documents and of publishing: afterwards another worker finishes, and all is as without."""
    start = Path(shutil.copyfile(migrated_file, tmp_path / "start.db"))
    before, after = ({name: files[name] for name in FEW & files.keys()} for files in (BEFORE, AFTER))
    write_folder(folder, before)

    async def fill() -> None:
        database = await open_database(f"sqlite+aiosqlite:///{start}")
        await ingest(FolderSource(folder, "docs"), TENANT, parts_for(database))
        await make_visible(database, TENANT)
        await sync(database)
        await database.close()

    asyncio.run(fill())
    write_folder(folder, after)
    command = [sys.executable, "-m", "tests.ingestion.kill_every_step", str(start), str(folder), "jobs"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["different"] == []
    assert result["told"] == ["done", True, {"done": 2}, ["1"]]
    assert result["kills"] >= 15
