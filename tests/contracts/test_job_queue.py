"""The queue of jobs, on both databases: order, leases, fences, retries. Time is the test's own."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.sqlite.aiosqlite import dialect
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.leases import LEASE_S_MAX, Lease, LeaseLost, Progress, next_due
from ingestion.queue import LEASE_S, WAIT_S_FIRST, JobQueue
from rag.db import jobs
from rag.db.engine import Database
from rag.db.job_table import LOST, SYNC, JobState
from rag.db.jobs import Jobs, JobView, NewJob
from rag.db.usage import Usage
from rag.errors import Conflict, NotFound

NOTHING = Progress()


class Hands:
    """A clock that stands until it is put forward, or back."""

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    async def __call__(self, session: AsyncSession) -> datetime:
        return self.time

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def queue(any_database: Database, clock: Hands) -> JobQueue:
    return JobQueue(any_database, "one", clock=clock)


def job(tenant: str = "a", source: str = "docs", **more: Any) -> NewJob:
    return replace(NewJob(tenant, "documents", source), **more)


async def taken(queue: JobQueue) -> Lease:
    lease = await queue.claim()
    assert lease is not None
    return lease


async def view(database: Database, lease_or_id: Lease | str, tenant: str = "a") -> JobView:
    job_id = lease_or_id if isinstance(lease_or_id, str) else lease_or_id.job
    async with database.reading() as session:
        return await Jobs(session).get(tenant, job_id)


async def write(database: Database, name: str = "x") -> None:
    """A write that a job might make."""
    async with database.unit_of_work() as session:
        await Usage(session, "a", name, datetime(2030, 1, 1, tzinfo=UTC).date()).add(1)


async def test_priority_comes_first_then_who_was_served_least_recently_then_age(queue: JobQueue) -> None:
    for name, tenant, priority in [
        ("a1", "a", 0), ("a2", "a", 0), ("a3", "a", 0), ("b1", "b", 0), ("c1", "c", -1), ("a4", "a", 5), ("b2", "b", 0)
    ]:  # fmt: skip
        await queue.enqueue(job(tenant, name, priority=priority))
    order = [(await taken(queue)).source for _ in range(7)]
    assert order == ["a4", "b1", "a1", "b2", "a2", "a3", "c1"]
    assert await queue.claim() is None


async def test_asked_for_twice_with_the_same_key_is_done_once(queue: JobQueue, any_database: Database) -> None:
    first = await queue.enqueue(job(idempotency_key="k"))
    assert await queue.enqueue(job(idempotency_key="k")) == first
    assert await queue.enqueue(job("b", idempotency_key="k")) != first
    assert await queue.enqueue(job()) != await queue.enqueue(job())
    with pytest.raises(Conflict, match="used for another job"):
        await queue.enqueue(job(source="other", idempotency_key="k"))


async def test_what_is_enqueued_in_a_transaction_that_fails_is_not_there(
    queue: JobQueue, any_database: Database
) -> None:
    with pytest.raises(RuntimeError):
        async with any_database.unit_of_work() as session:
            await Jobs(session).enqueue(job())
            raise RuntimeError
    assert await queue.claim() is None


async def test_workers_that_ask_at_once_get_different_jobs(queue: JobQueue) -> None:
    for number in range(6):
        await queue.enqueue(job(source=str(number)))
    got = await asyncio.gather(*(queue.claim() for _ in range(8)))
    assert sorted(lease.source for lease in got if lease) == list("012345")
    assert got.count(None) == 2


async def test_a_lease_is_kept_by_heartbeats_and_lost_without(queue: JobQueue, clock: Hands) -> None:
    await queue.enqueue(job())
    lease = await taken(queue)
    for _ in range(3):
        clock.move(LEASE_S - 1)
        assert await queue.heartbeat(lease, Progress("parsed", 1, 2))
        assert await queue.claim() is None
    clock.move(LEASE_S)
    again = await taken(queue)
    assert (again.job, again.attempt, again.token > lease.token) == (lease.job, 2, True)
    assert not await queue.heartbeat(lease, NOTHING)
    assert await queue.heartbeat(again, NOTHING)


async def test_whoever_lost_the_job_can_neither_write_nor_end_it(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    await queue.enqueue(job())
    late = await taken(queue)
    await write(queue.fenced(late))
    clock.move(LEASE_S)
    await write(queue.fenced(late))  # Nobody has taken it: it is still the one who writes.
    now = await taken(queue)
    for attempt in (write(queue.fenced(late)), queue.fenced(late).write(lambda session: session.flush())):
        with pytest.raises(LeaseLost):
            await attempt
    with pytest.raises(LeaseLost):
        await queue.finish(late, NOTHING, {}, [job(source="part")])
    assert await queue.fail(late, "broken") is None
    await queue.give_back(late)
    assert (await view(any_database, now)).row.state is JobState.RUNNING
    await write(queue.fenced(now))
    await queue.finish(now, Progress("finished", 2, 2), {"documents": {"new": 2}})
    ended = await view(any_database, now)
    assert (ended.row.state, ended.done, ended.row.result) == (JobState.DONE, 2, {"documents": {"new": 2}})
    with pytest.raises(LeaseLost):
        await write(queue.fenced(now))
    assert await queue.claim() is None


async def test_nobody_takes_a_job_while_its_worker_commits(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    """The check and the write are one: between them the job cannot become somebody else's."""
    await queue.enqueue(job())
    lease = await taken(queue)
    clock.move(LEASE_S)
    async with queue.fenced(lease).unit_of_work() as session:
        claiming = asyncio.create_task(queue.claim())
        await Usage(session, "a", "x", clock.time.date()).add(1)
        await asyncio.wait({claiming}, timeout=0.05)
        assert not claiming.done() or claiming.result() is None
    first = await claiming
    assert first is None or first.token > lease.token


async def test_a_failure_waits_longer_each_time_and_the_last_one_is_dead(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    await queue.enqueue(job(attempts_max=3))
    for wait in (WAIT_S_FIRST, 2 * WAIT_S_FIRST):
        lease = await taken(queue)
        assert await queue.fail(lease, "index_unavailable") is JobState.QUEUED
        clock.move(wait - 1)
        assert await queue.claim() is None
        clock.move(1)
    lease = await taken(queue)
    assert await queue.fail(lease, "index_unavailable") is JobState.DEAD
    dead = (await view(any_database, lease)).row
    assert (dead.state, dead.reason, dead.attempts) == (JobState.DEAD, "index_unavailable", 3)
    clock.move(10**6)
    assert await queue.claim() is None
    async with any_database.unit_of_work() as session:
        await Jobs(session).retry("a", lease.job)
    assert (await taken(queue)).attempt == 1


async def test_a_job_that_ends_each_of_its_workers_is_dead_at_last(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    await queue.enqueue(job(attempts_max=2))
    await queue.enqueue(job(source="innocent"))
    first = await taken(queue)
    other = await taken(queue)
    await queue.finish(other, NOTHING, {})
    for _ in range(2):
        clock.move(LEASE_S)
        await queue.claim()
    dead = (await view(any_database, first)).row
    assert (dead.state, dead.reason) == (JobState.DEAD, LOST)


@pytest.mark.parametrize(("attempts_max", "state"), [(1, JobState.DEAD), (2, JobState.QUEUED)])
async def test_a_job_whose_worker_is_lost_is_shown_as_what_it_is_for_the_next_one_before_any_comes(
    queue: JobQueue, clock: Hands, any_database: Database, attempts_max: int, state: JobState
) -> None:
    await queue.enqueue(job(attempts_max=attempts_max))
    lease = await taken(queue)
    clock.move(LEASE_S - 1)
    held = await now_shown(any_database, clock, lease)
    assert (held.state, held.reason, held.settled) == (JobState.RUNNING, None, False)
    clock.move(1)
    lost = await now_shown(any_database, clock, lease)
    assert (lost.state, lost.reason, lost.settled) == (state, LOST, state is JobState.DEAD)
    assert (lost.as_json()["state"], lost.as_json()["reason"]) == (state, LOST)
    async with any_database.reading() as session:
        for asked in (state, JobState.RUNNING):
            found = await Jobs(session, clock).listed("a", states=[asked])
            assert len(found) == (asked is state)
    assert await queue.heartbeat(lease, NOTHING), "held up, and nobody has taken it: it goes on"
    assert (await now_shown(any_database, clock, lease)).state is JobState.RUNNING


async def test_a_lost_job_that_nobody_takes_up_is_queued_again_by_who_asks_and_one_that_is_worked_on_is_not(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    lost = await begun(queue)
    async with any_database.unit_of_work() as session:
        with pytest.raises(Conflict, match="dead or cancelled"):
            await Jobs(session, clock).retry("a", lost.job)
    clock.move(LEASE_S)
    async with any_database.unit_of_work() as session:
        assert (await Jobs(session, clock).retry("a", lost.job)).state is JobState.QUEUED
    with pytest.raises(LeaseLost):
        await write(queue.fenced(lost))
    assert (await taken(queue)).job == lost.job


async def test_parts_whose_worker_is_lost_count_as_what_they_are_now(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    await queue.enqueue(job())
    sync = await taken(queue)
    parts = [job(parent=sync.job, attempts_max=most, payload={"listed": sync.turn}) for most in (1, 2)]
    await queue.finish(sync, NOTHING, {}, parts)
    for _ in parts:
        await taken(queue)
    assert (await now_shown(any_database, clock, sync)).parts == {"running": 2}
    clock.move(LEASE_S)
    assert (await now_shown(any_database, clock, sync)).parts == {"dead": 1, "queued": 1}


async def now_shown(database: Database, clock: Hands, lease: Lease) -> JobView:
    async with database.reading() as session:
        return await Jobs(session, clock).get(lease.tenant, lease.job)


async def test_what_is_given_back_is_taken_at_once_and_counts_as_no_attempt(queue: JobQueue) -> None:
    await queue.enqueue(job(attempts_max=1))
    lease = await taken(queue)
    await queue.give_back(lease)
    again = await taken(queue)
    assert (again.job, again.attempt, again.token > lease.token) == (lease.job, 1, True)


@pytest.mark.parametrize("step", [10**6, -(10**6)], ids=["forward", "back"])
async def test_a_clock_that_is_put_forward_or_back_loses_no_job_and_no_work(
    queue: JobQueue, clock: Hands, step: int
) -> None:
    await queue.enqueue(job())
    await queue.enqueue(job(source="waits"))
    lease, waits = await taken(queue), await taken(queue)
    await queue.fail(waits, "x")
    clock.move(step)
    # The one who has it, and tells so before anybody else takes it, keeps it.
    assert await queue.heartbeat(lease, NOTHING)
    assert (await taken(queue)).source == "waits"
    assert await queue.claim() is None
    await write(queue.fenced(lease))
    clock.move(step)
    assert (await taken(queue)).job in (lease.job, waits.job)
    assert abs(step) > LEASE_S_MAX


async def test_a_cancelled_job_is_neither_begun_nor_gone_on_with_and_can_be_retried(
    queue: JobQueue, any_database: Database
) -> None:
    parent = await queue.enqueue(NewJob("a", SYNC, "docs"))
    sync = await taken(queue)
    parts = [job(parent=parent, total=3, payload={"listed": sync.turn}) for _ in range(3)]
    await queue.finish(sync, Progress("finished", 9, 9), {}, parts)
    running, finished = await taken(queue), await taken(queue)
    await queue.finish(finished, Progress("finished", 3, 3), {})
    shown = await view(any_database, parent)
    assert (shown.settled, shown.done, shown.total) == (False, 3, 9)
    assert shown.parts == {"done": 1, "queued": 1, "running": 1}
    async with any_database.unit_of_work() as session:
        assert (await Jobs(session).cancel("a", parent)).settled
    with pytest.raises(LeaseLost):
        await write(queue.fenced(running))
    assert not await queue.heartbeat(running, NOTHING)
    assert await queue.claim() is None
    with pytest.raises(Conflict, match="nothing to cancel"):
        async with any_database.unit_of_work() as session:
            await Jobs(session).cancel("a", parent)
    async with any_database.unit_of_work() as session:
        assert (await Jobs(session).retry("a", parent)).parts == {"done": 1, "queued": 2}
    assert [await queue.claim() is not None for _ in range(3)] == [True, True, False]


async def test_a_later_listing_of_a_source_ends_the_writes_of_an_earlier_one(
    queue: JobQueue, any_database: Database
) -> None:
    """Labels that were taken away since must not come back with a part that was handed out before."""
    await queue.enqueue(NewJob("a", SYNC, "docs"))
    sync = await taken(queue)
    await queue.finish(sync, NOTHING, {}, [job(parent=sync.job, payload={"listed": sync.turn}) for _ in range(2)])
    part = await taken(queue)
    await queue.enqueue(NewJob("a", SYNC, "other", priority=1))
    await queue.enqueue(NewJob("b", SYNC, "docs", priority=1))
    others = await taken(queue), await taken(queue)
    await write(queue.fenced(part))
    assert not await queue.superseded(part)
    await queue.enqueue(NewJob("a", SYNC, "docs", priority=1))
    await write(queue.fenced(part))
    later = await taken(queue)
    assert await queue.superseded(part)
    with pytest.raises(LeaseLost):
        await write(queue.fenced(part))
    for lease in (later, *others):
        await write(queue.fenced(lease))


async def test_jobs_of_another_tenant_are_not_found(queue: JobQueue, any_database: Database) -> None:
    own = await queue.enqueue(job())
    acts: list[Callable[[Jobs], object]] = [
        lambda jobs: jobs.get("b", own),
        lambda jobs: jobs.cancel("b", own),
        lambda jobs: jobs.retry("b", own),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            async with any_database.unit_of_work() as session:
                await act(Jobs(session))  # type: ignore[misc] # each is a coroutine
    async with any_database.reading() as session:
        assert await Jobs(session).listed("b") == []
        assert [view.row.id for view in await Jobs(session).listed("a")] == [own]


async def test_what_ended_long_ago_is_forgotten_however_it_ended_with_its_parts(
    queue: JobQueue, clock: Hands, any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_BATCH", 2)
    syncs: list[str] = []
    for source in "12345":
        syncs.append(await queue.enqueue(NewJob("a", SYNC, source, attempts_max=1)))
        sync = await taken(queue)
        if source == "5":
            await queue.fail(sync, "broken")
            continue
        await queue.finish(sync, NOTHING, {}, [job(parent=sync.job, attempts_max=1, payload={"listed": sync.turn})])
        part = await taken(queue)
        await queue.fail(part, "broken")
    clock.move(10**5)
    async with any_database.unit_of_work() as session:
        await Jobs(session, clock).retry("a", syncs[0])
    assert await queue.forget(timedelta(days=1)) == 4, "in three batches; of one a part waits"
    await queue.finish(await taken(queue), NOTHING, {})
    assert await queue.forget(timedelta(days=1)) == 0
    clock.move(10**5)
    assert await queue.forget(timedelta(days=1)) == 1
    async with any_database.reading() as session:
        assert await Jobs(session).listed("a", states=tuple(JobState)) == []


async def test_a_commands_sync_overtakes_what_was_handed_out_and_nobody_else_does_it(
    queue: JobQueue, clock: Hands, any_database: Database
) -> None:
    late = await begun(queue)
    first = await begun(queue)
    with pytest.raises(LeaseLost):
        await write(queue.fenced(late))
    assert (await view(any_database, late)).row.state is JobState.SUPERSEDED
    assert await queue.claim() is None
    await write(queue.fenced(first))
    clock.move(LEASE_S - 1)
    assert await queue.heartbeat(first, Progress("parsed", 1, 2))
    clock.move(LEASE_S)
    assert await queue.claim() is None
    lost = await view(any_database, first)
    assert (lost.row.state, lost.row.reason, lost.done) == (JobState.DEAD, LOST, 1)
    stopped = await begun(queue)
    assert await queue.fail(stopped, "interrupted", JobState.CANCELLED) is JobState.CANCELLED
    assert await queue.claim() is None


async def handed_out(queue: JobQueue) -> tuple[str, Lease]:
    """A sync of which a part is worked on and another waits."""
    await queue.enqueue(NewJob("a", SYNC, "docs", {"folder": "/docs", "verify": True}))
    sync = await taken(queue)
    payload = {**sync.payload, "listed": sync.turn, "documents": ["d"]}
    await queue.finish(sync, NOTHING, {}, [job(parent=sync.job, payload=payload) for _ in range(2)])
    return sync.job, await taken(queue)


async def begun(queue: JobQueue, source: str = "docs") -> Lease:
    return await queue.begin("a", source, {"folder": "/elsewhere"})


@pytest.mark.parametrize("end", ["killed", "failed", "interrupted", "again"])
async def test_queued_work_that_a_commands_sync_overtook_is_done_by_a_worker_if_the_command_does_not_end_well(
    queue: JobQueue, clock: Hands, any_database: Database, end: str
) -> None:
    """What it overtook says so, and is not what was done."""
    sync, part = await handed_out(queue)
    other = await begun(queue, "other")
    await write(queue.fenced(part))
    direct = await begun(queue)
    old = await view(any_database, sync)
    assert (old.settled, old.parts, old.incomplete, old.superseded) == (True, {"superseded": 2}, True, True)
    with pytest.raises(LeaseLost):
        await write(queue.fenced(part))
    assert await queue.claim() is None
    if end in ("killed", "again"):
        clock.move(LEASE_S)
    if end == "again":
        direct = await begun(queue)
        clock.move(LEASE_S)
    if end in ("failed", "interrupted"):
        assert await queue.fail(direct, end, JobState.CANCELLED) is JobState.QUEUED
        clock.move(WAIT_S_FIRST)
    resumed = await taken(queue)
    assert (resumed.job, resumed.kind) == (direct.job, SYNC)
    assert resumed.payload == {"folder": "/docs", "verify": True}, "what was queued, not what the command was told"
    with pytest.raises(LeaseLost):
        await write(queue.fenced(direct))
    await write(queue.fenced(resumed))
    assert other.source == "other"


async def test_a_commands_sync_that_ends_well_leaves_nothing_to_a_worker(
    queue: JobQueue, any_database: Database
) -> None:
    sync, part = await handed_out(queue)
    direct = await begun(queue)
    await queue.finish(direct, Progress("finished", 2, 2), {"documents": {"new": 2}})
    assert await queue.claim() is None
    done = await view(any_database, direct)
    assert (done.row.state, done.incomplete, done.done) == (JobState.DONE, False, 2)
    assert (await view(any_database, sync)).incomplete
    with pytest.raises(LeaseLost):
        await queue.finish(part, NOTHING, {})


async def test_a_sync_that_waits_is_not_overtaken(queue: JobQueue) -> None:
    """It lists the source when it is taken, later than the command did."""
    waiting = await queue.enqueue(NewJob("a", SYNC, "docs"))
    direct = await begun(queue)
    later = await taken(queue)
    assert later.job == waiting
    with pytest.raises(LeaseLost):
        await write(queue.fenced(direct))


async def test_many_workers_and_a_sync_that_begins_do_not_wait_for_each_other(
    queue: JobQueue, any_database: Database
) -> None:
    """Each takes a turn and locks jobs: in one order, or two of them wait until the server ends one."""
    for _ in range(3):
        await handed_out(queue)
        await asyncio.gather(*(queue.claim() for _ in range(4)), begun(queue), *(queue.claim() for _ in range(4)))


async def test_the_next_job_is_found_without_looking_through_all_that_wait(database: Database) -> None:
    """On SQLite, which waits meanwhile with everything that is to be written."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    statement = next_due(now).compile(dialect=dialect(), compile_kwargs={"literal_binds": True})
    async with database.reading() as session:
        plan = [row.detail for row in await session.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert [step for step in plan if "SCAN job" in step] == []
    looked = [step for step in plan if "SEARCH job " in step]
    assert any("ix_job_state (state=? AND tenant=? AND priority=?)" in step for step in looked)
    assert all("ix_job_state" in step or "INTEGER PRIMARY KEY" in step for step in looked)
    assert sum("FOR ORDER BY" in step for step in plan) == 1, "of the best of each tenant, and of no others"
