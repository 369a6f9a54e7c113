"""The law of the queue: at any time one worker at most can write for a job, the order holds, and no job is lost."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion import queue
from ingestion.leases import Lease, LeaseLost, Progress
from ingestion.queue import LEASE_S, WAIT_S_FIRST, JobQueue
from rag.db.engine import Database, open_database
from rag.db.job_table import JobRow, JobState, JobTurnRow
from rag.db.jobs import NewJob

T = TypeVar("T")
ATTEMPTS = 3
JOBS = 4
"""Few, so that each is taken, lost and taken again."""
ENDS = st.sampled_from(["heartbeat", "write", "finish", "fail", "give_back"])
TENANTS = st.sampled_from("abc")


class Model:
    """What the queue must know of one job."""

    def __init__(self, number: int, tenant: str, priority: int) -> None:
        self.number = number
        self.tenant = tenant
        self.priority = priority
        self.state = "queued"
        self.attempts = 0
        self.due = 0.0
        self.until = 0.0
        self.lease: Lease | None = None


class Queue(RuleBasedStateMachine):
    """The queue, and what is known of each of its jobs."""

    def __init__(self, database: Database, loop: asyncio.Runner) -> None:
        super().__init__()
        self.database = database
        self.loop = loop
        self.now = 0.0
        self.queue = JobQueue(self.database, "worker", clock=self.time)
        self.jobs: dict[str, Model] = {}
        self.served: dict[str, int] = {}
        self.turns = 0
        self.leases: list[Lease] = []

    async def time(self, session: AsyncSession) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def teardown(self) -> None:
        try:
            self.finish_everything()
        finally:
            self.wait(self.clear())

    async def clear(self) -> None:
        async with self.database.unit_of_work() as session:
            for table in (JobRow, JobTurnRow):
                await session.execute(delete(table))

    def finish_everything(self) -> None:
        """Nothing is lost: whatever happened, a worker that lives brings every job to its end."""
        for _ in self.jobs:
            self.now += 10**4
            if (lease := self.claimed()) is not None:
                self.wait(self.queue.finish(lease, Progress(), {}))
                self.jobs[lease.job].state = "done"
        self.now += 10**4
        assert self.claimed() is None
        assert {model.state for model in self.jobs.values()} <= {"done", "dead"}
        assert self.wait(self.queue.idle())

    @rule(tenant=TENANTS, priority=st.integers(0, 1))
    def enqueue(self, tenant: str, priority: int) -> None:
        if len(self.jobs) >= JOBS:
            return
        new = NewJob(tenant, "documents", "docs", priority=priority, attempts_max=ATTEMPTS)
        job = self.wait(self.queue.enqueue(new))
        self.jobs[job] = Model(len(self.jobs), tenant, priority)
        self.jobs[job].due = self.now

    @rule()
    def claim(self) -> None:
        self.claimed()

    def claimed(self) -> Lease | None:
        for model in self.jobs.values():
            if model.state == "running" and model.until <= self.now and model.attempts >= ATTEMPTS:
                model.state = "dead"
        open_jobs = [model for model in self.jobs.values() if self.may_be_taken(model)]
        lease = self.wait(self.queue.claim())
        if lease is None:
            assert not open_jobs
            return None
        model = self.jobs[lease.job]
        assert open_jobs
        assert model is min(open_jobs, key=lambda m: (-m.priority, self.served.get(m.tenant, 0), m.number))
        assert all(lease.token > old.token for old in self.leases if old.job == lease.job)
        model.state, model.until, model.lease = "running", self.now + LEASE_S, lease
        model.attempts += 1
        self.turns += 1
        self.served[model.tenant] = self.turns
        self.leases.append(lease)
        return lease

    def may_be_taken(self, model: Model) -> bool:
        return (model.state == "queued" and model.due <= self.now) or (
            model.state == "running" and model.until <= self.now
        )

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), end=ENDS)
    def any_worker_acts(self, data: st.DataObject, end: str) -> None:
        self.act(data, end)

    def act(self, data: st.DataObject, end: str) -> None:
        """Any worker that ever had a job does something, however late."""
        lease = data.draw(st.sampled_from(self.leases))
        model = self.jobs[lease.job]
        mine = model.state == "running" and model.lease is lease
        assert self.wait(self.attempt(lease, end)) is mine
        if not mine:
            return
        if end == "heartbeat":
            model.until = self.now + LEASE_S
        elif end == "finish":
            model.state = "done"
        elif end == "fail":
            model.state = "dead" if model.attempts >= ATTEMPTS else "queued"
            model.due = self.now + WAIT_S_FIRST * 2 ** (lease.attempt - 1)
        elif end == "give_back":
            model.state, model.attempts = "queued", model.attempts - 1

    async def attempt(self, lease: Lease, end: str) -> bool:
        """Whether it had an effect."""
        if end == "heartbeat":
            return await self.queue.heartbeat(lease, Progress())
        if end == "fail":
            return await self.queue.fail(lease, "broken") is not None
        if end == "give_back":
            mine = await self.queue.heartbeat(lease, Progress())
            await self.queue.give_back(lease)
            return mine
        try:
            if end == "finish":
                await self.queue.finish(lease, Progress(), {})
            else:
                async with self.queue.fenced(lease).unit_of_work():
                    pass
        except LeaseLost:
            return False
        return True

    @rule(seconds=st.sampled_from([5.0, 30.0, 70.0]))
    def wait_a_while(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), end=ENDS)
    def wake_up_late(self, data: st.DataObject, end: str) -> None:
        """Workers are held up for so long that others take what they had; then one of them does something."""
        self.now += LEASE_S
        while self.claimed() is not None:
            pass
        self.act(data, end)


@pytest.fixture
def run(migrated_file: Path, tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Runs so many examples, all on one database."""
    path = shutil.copyfile(migrated_file, tmp_path / "ringfence.db")
    with asyncio.Runner() as loop:
        database = loop.run(open_database(f"sqlite+aiosqlite:///{path}"))

        def examples(number: int) -> None:
            # Without shrinking: a mutant's first example is enough.
            options = {"stateful_step_count": 20, "deadline": None, "phases": [Phase.generate], "database": None}
            run_state_machine_as_test(lambda: Queue(database, loop), settings=settings(max_examples=number, **options))

        yield examples
        loop.run(database.close())


def test_the_queue_keeps_its_law(run: Callable[[int], None]) -> None:
    run(10)


@pytest.mark.parametrize("missing", ["token", "state"])
def test_the_law_notices_a_queue_without_its_fence(
    run: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Mutants: a worker that lost its job, or whose job has ended, may go on."""

    def held_by(lease: Lease) -> ColumnElement[bool]:
        if missing == "token":
            return (JobRow.id == lease.job) & (JobRow.state == JobState.RUNNING)
        return (JobRow.id == lease.job) & (JobRow.fencing_token == lease.token)

    monkeypatch.setattr(queue, "mine", lambda lease: update(JobRow).where(held_by(lease)))
    monkeypatch.setattr(queue, "held", lambda lease: select(JobRow.number).where(held_by(lease)))
    with pytest.raises(AssertionError):
        run(40)
