"""Parts of a sync are published together, and none is done before it is visible."""

import asyncio
from pathlib import Path

import pytest

from ingestion import jobs
from ingestion.joint_publishing import PAUSE_S, JointPublishing
from ingestion.queue import LEASE_S
from ingestion.worker import Pace
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.job_table import JobState
from rag.db.jobs import Jobs
from rag.errors import IndexUnavailable
from tests.ingestion.test_worker import Crew, Waiting, seen, sync, until
from tests.ingestion.worlds import TENANT, make_visible, write_folder

LABELS = {"ringfence.yaml": "department: company\nlevel: internal\n"}


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """On a folder of which a sync makes ten parts."""
    monkeypatch.setattr(jobs, "PART", 1)
    (tmp_path / "docs").mkdir()
    files = {f"{number}.txt": f"The canteen of hall {number} opens." for number in range(10)}
    return Crew(write_folder(tmp_path / "docs", {**LABELS, **files}))


class Published:
    """Publishes, and counts how often, and how many parts were done before."""

    def __init__(self) -> None:
        self.done: list[int] = []

    async def __call__(self, database: Database, tenant: str) -> None:
        async with database.reading() as session:
            self.done.append(len(await Jobs(session).listed(TENANT, states=(JobState.DONE,))))
        await make_visible(database, tenant)


async def test_a_sync_of_ten_parts_is_published_when_it_is_listed_and_when_it_ends(
    database: Database, crew: Crew
) -> None:
    published = Published()
    job = await sync(database)
    worker = crew.worker(database, publish=published)
    worker.publishing = JointPublishing(worker._publish, pause_s=1000)
    async with asyncio.timeout(100):
        await worker.run(once=True)
    assert (await seen(database, job)).parts == {"done": 10}
    assert published.done == [0, 1], "nothing is called done before it is visible"


async def test_what_takes_longer_is_published_in_between(database: Database, crew: Crew) -> None:
    published = Published()
    await sync(database)
    worker = crew.worker(database, publish=published)
    worker.publishing = JointPublishing(worker._publish, pause_s=0.0)
    await worker.run(once=True)
    assert len(published.done) > 2
    assert 0 < PAUSE_S <= 10


async def test_new_labels_are_visible_as_soon_as_they_are_listed(database: Database, crew: Crew) -> None:
    await sync(database)
    await crew.worker(database).run(once=True)
    (crew.folder / "ringfence.yaml").write_text(LABELS["ringfence.yaml"].replace("internal", "secret"))
    (crew.folder / "new.txt").write_text("Something new.")
    published = Published()
    await sync(database)
    await crew.worker(database, publish=published).run(once=True)
    assert len(published.done) == 2
    assert published.done[0] == 11, "before the listing itself is called done, and its part begun"


async def test_told_to_stop_a_worker_publishes_what_waits(database: Database, crew: Crew) -> None:
    job = await sync(database)
    published = Published()
    worker = crew.worker(database, publish=published)
    joined = worker.publishing.visible

    async def stopped(tenant: str, *, at_once: bool) -> None:
        if worker.publishing.waiting == 3:
            worker.stop()
        await joined(tenant, at_once=at_once)

    worker.publishing.visible = stopped  # type: ignore[method-assign] # to stop in the middle
    async with asyncio.timeout(PAUSE_S / 2):
        await worker.run()
    assert (await seen(database, job)).parts == {"done": 4, "queued": 6}
    assert len(published.done) == 2


async def test_parts_that_were_not_published_are_published_by_whoever_takes_them_up(
    database: Database, crew: Crew
) -> None:
    """A worker that is not heard of any more while they wait has left none of them done."""
    job = await sync(database)
    go = asyncio.Event()

    async def slow(_: Database, tenant: str) -> None:
        async with database.reading() as session:
            listed = await Jobs(session).listed(TENANT, states=(JobState.DONE,))
        if listed:
            await go.wait()

    async def all_wait() -> bool:
        return dict((await seen(database, job)).parts) == {"running": 10}

    worker = crew.worker(database, publish=slow, pace=Pace(poll_s=0.01, beat_s=1000))
    running = asyncio.create_task(worker.run())
    await until(all_wait)
    worker.stop()  # Else it takes them up itself.
    crew.later.seconds += LEASE_S
    published = Published()
    await crew.worker(database, publish=published).run(once=True)
    assert (await seen(database, job)).parts == {"done": 10}
    assert published.done == [1, 2], "the first at once, and the other nine together"
    go.set()
    await running
    assert crew.ends[-10:] == [("documents", "lost", "lease_lost")] * 10


async def test_what_was_read_beside_a_document_that_waits_for_a_service_is_visible_before_the_job_is_tried_again(
    database: Database, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART", 16)
    await sync(database)
    worker = crew.worker(database, parser=Waiting("3.txt", 1))
    worker.tell = lambda lease, end, reason: worker.stop() if end == "failed" else None
    await worker.run()
    async with database.reading() as session:
        rows = await Documents(session).of_tenant(TENANT)
    assert [row.current_version is None for row in rows] == [False] * 9


async def test_what_cannot_be_published_is_told_to_each_that_waits_and_tried_again_by_those_that_come_later() -> None:
    answers: list[Exception | None] = [IndexUnavailable("The index did not answer."), None]

    async def publish(tenant: str) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    publishing = JointPublishing(publish)
    waiting = [asyncio.create_task(publishing.visible(TENANT, at_once=at_once)) for at_once in (False, True)]
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [IndexUnavailable] * 2
    await publishing.visible(TENANT, at_once=True)
    assert (answers, publishing.waiting) == ([], 0)


async def test_who_comes_while_it_is_published_waits_for_the_next_time() -> None:
    """What it wrote may not have been looked at any more."""
    began, go, times = asyncio.Event(), asyncio.Event(), []

    async def publish(tenant: str) -> None:
        times.append(tenant)
        began.set()
        await go.wait()

    publishing = JointPublishing(publish)
    first = asyncio.create_task(publishing.visible(TENANT, at_once=True))
    await began.wait()
    second = asyncio.create_task(publishing.visible(TENANT, at_once=True))
    given_up = asyncio.create_task(publishing.visible("globex", at_once=True))
    await asyncio.sleep(0)
    given_up.cancel()
    go.set()
    await asyncio.gather(first, second)
    assert times == [TENANT, TENANT]
