"""Taking jobs, keeping them, and reporting on them, so that no work is lost, done twice, or half visible.

    claim      the next job, with a fencing token that is greater than every one before it
    begin      the same for a sync that a command does by itself
    heartbeat  keeps the lease while the worker lives; without it, another worker takes the job
    fenced     the database for the job's own writes: none commits once somebody else has the job
    finish, fail, give_back
               the end of a lease; they do nothing where it was lost

Order: higher priorities, then the tenant that was served least recently, then age. A job that fails waits longer
each time, and is dead after `attempts_max`. Safety rests on the token alone. Times only say when to try again: a clock
that is put forward makes a job be taken too early, and one that is put back never makes it wait for longer than the
longest lease or wait there is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Update, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.cursors import advance, cursor_of, whole_of
from ingestion.leases import (
    LEASE_S_MAX,
    WAIT_S_MAX,
    Lease,
    LeaseLost,
    Progress,
    at_work,
    bury_lost,
    held,
    lease_of,
    listed_again,
    lost_for_good,
    mine,
    next_due,
    overtaken,
    still_due,
    supersede,
    superseded_at,
    take_turn,
)
from policies.tenancy import every_tenant
from rag.db.engine import Database
from rag.db.job_table import ACTIVE, SYNC, JobRow, JobState
from rag.db.jobs import ATTEMPTS_MAX, Clock, Jobs, NewJob, database_now

LEASE_S = 60.0
"""A worker that is not heard of for so long has lost its job."""
KEEP = timedelta(days=30)
WAIT_S_FIRST = 10.0
"""Before the second attempt; doubled each time, up to `WAIT_S_MAX`. Without jitter: workers take jobs one by one."""
_DIRECT = "direct"
"""In the payload of a sync that a command does by itself."""
_ASKED = frozenset({"folder", "file", "allow_empty", "moved", "verify"})
"""What the payload of a sync says, without what its parts have besides."""


class JobQueue:
    """The queue as one worker sees it. `owner` names the worker in the table, for people."""

    def __init__(
        self, database: Database, owner: str, *, lease_s: float = LEASE_S, clock: Clock = database_now
    ) -> None:
        if not 0 < lease_s <= LEASE_S_MAX:
            raise ValueError(f"a lease is at most {LEASE_S_MAX} s long")
        self._database = database
        self._owner = owner
        self._lease = timedelta(seconds=lease_s)
        self._clock = clock

    async def enqueue(self, new: NewJob) -> str:
        """The id of the job."""
        async with self._database.unit_of_work() as session:
            return (await Jobs(session, self._clock).enqueue(new))[0].id

    async def claim(self) -> Lease | None:
        """The next job, if any is due. Workers that ask at the same time get different ones."""
        passed_over: set[int] = set()
        with every_tenant():
            while True:
                async with self._database.unit_of_work() as session:
                    now = await self._clock(session)
                    lost = await session.scalar(lost_for_good(now)) is not None
                    due = None if lost else (await session.execute(next_due(now, passed_over))).one_or_none()
                    lease = None if due is None else await self._take(session, *due, now)
                if lost:
                    # By itself: with these locked, taking a turn could wait for somebody who waits for them.
                    async with self._database.unit_of_work() as session:
                        await session.execute(bury_lost(now))
                elif due is None or lease is not None:
                    return lease
                else:
                    passed_over.add(due[0])

    async def _take(self, session: AsyncSession, number: int, tenant: str, now: datetime) -> Lease | None:
        # The turn before any job is locked, as whoever begins a sync does: else the two could wait for each other.
        turn = await take_turn(session, tenant)
        if await session.scalar(still_due(number, now)) is None:
            return None
        taken = update(JobRow).where(JobRow.number == number)
        taken = taken.values(
            state=JobState.RUNNING,
            attempts=JobRow.attempts + 1,
            fencing_token=JobRow.fencing_token + 1,
            turn=turn,
            lease_owner=self._owner,
            lease_until=now + self._lease,
            started_at=func.coalesce(JobRow.started_at, now),
        )
        row = (await session.scalars(taken.returning(JobRow))).one()
        if row.kind == SYNC:
            await session.execute(at_work(row))
            await session.execute(supersede(row, now))
        return lease_of(row)

    async def begin(self, tenant: str, source: str, payload: Mapping[str, Any]) -> Lease:
        """A sync that a command is about to do itself. Call it before the source is listed.

        It overtakes what an older listing handed out. If a worker was to do some of that, this job answers for it: left
        alone or failed, it is taken up by a worker, who does what was queued. Else nobody but the command does it.
        """
        async with self._database.unit_of_work() as session:
            now = await self._clock(session)
            turn = await take_turn(session, tenant)
            new = NewJob(tenant, SYNC, source, {**payload, _DIRECT: True}, attempts_max=1)
            row, _ = await Jobs(session, self._clock).enqueue(new)
            await session.execute(at_work(row))
            queued = select(JobRow.payload).where(*overtaken(row), JobRow.payload[_DIRECT].as_boolean().is_not(True))
            left = await session.scalar(queued.order_by(JobRow.number.desc()).limit(1))
            if left is not None:
                row.payload = {name: left[name] for name in _ASKED & left.keys()}
                row.attempts_max = ATTEMPTS_MAX
            await session.execute(supersede(row, now))
            row.state, row.turn, row.attempts, row.fencing_token = JobState.RUNNING, turn, 1, 1
            row.started_at, row.lease_owner, row.lease_until = now, self._owner, now + self._lease
            return lease_of(row)

    async def heartbeat(self, lease: Lease, progress: Progress) -> bool:
        """Keep the lease and tell how far the job is. False: it is lost."""

        async def beat(session: AsyncSession) -> bool:
            until = await self._clock(session) + self._lease
            return await _changed(session, mine(lease).values(lease_until=until, **_columns(progress)))

        return await self._database.write(beat)

    def fenced(self, lease: Lease) -> Database:
        """The database for the writes of this job: each of its transactions raises `LeaseLost` once it is lost.

        Also once a later listing of the same source has begun: it knows labels that are newer, and sees to everything
        that this job would.
        """

        async def require_lease(session: AsyncSession) -> None:
            # The row stays locked until the transaction ends: nobody takes the job between here and the commit. Only
            # then the listings are looked at, by a statement of its own, which sees what was committed meanwhile.
            if await session.scalar(held(lease)) is None or await session.scalar(listed_again(lease)) is not None:
                raise LeaseLost(lease.job)

        return self._database.guarded(require_lease)

    async def superseded(self, lease: Lease) -> bool:
        """Whether a later listing of its source sees to all of it; then it has ended."""
        async with self._database.reading() as session:
            again = await session.scalar(listed_again(lease)) is not None
        if again:
            async with self._database.unit_of_work() as session:
                await session.execute(mine(lease).values(superseded_at(await self._clock(session))))
        return again

    async def finish(
        self, lease: Lease, progress: Progress, result: Mapping[str, Any], parts: Sequence[NewJob] = ()
    ) -> None:
        """It is done; its parts are enqueued in the same transaction. The last part of a listing keeps its cursor.

        Raises:
            LeaseLost: it is somebody else's; no part was enqueued.
        """
        cursor = cursor_of(lease)
        async with self._database.unit_of_work() as session:
            if cursor is not None:
                await session.execute(whole_of(lease))
            ended = await self._ended(session, JobState.DONE)
            columns = {**ended, **_columns(progress), "result": dict(result), "reason": None}
            if not await _changed(session, mine(lease).values(**columns)):
                raise LeaseLost(lease.job)
            await Jobs(session, self._clock).add_parts(parts)
            if cursor is not None:
                await advance(session, lease, cursor)

    async def fail(
        self, lease: Lease, reason: str, last: JobState = JobState.DEAD, progress: Progress | None = None
    ) -> JobState | None:
        """It is tried again later, or for the `last` time was; None where it was lost meanwhile. `reason` is a code.

        `progress` is how far it came, where no heartbeat has told.
        """
        wait = timedelta(seconds=min(WAIT_S_MAX, WAIT_S_FIRST * 2 ** (lease.attempt - 1)))
        exhausted = JobRow.attempts >= JobRow.attempts_max
        async with self._database.unit_of_work() as session:
            now = await self._clock(session)
            failed = mine(lease).values(
                state=case((exhausted, last.value), else_=JobState.QUEUED.value),
                finished_at=case((exhausted, now), else_=None),
                run_after=now + wait,
                lease_owner=None,
                lease_until=None,
                reason=reason,
                **({} if progress is None else _columns(progress)),
            )
            return (await session.scalars(failed.returning(JobRow.state))).one_or_none()

    async def give_back(self, lease: Lease) -> None:
        """Somebody else may go on at once; it does not count as an attempt."""
        back = {"state": JobState.QUEUED, "attempts": JobRow.attempts - 1, "lease_owner": None, "lease_until": None}
        async with self._database.unit_of_work() as session:
            await session.execute(mine(lease).values(**back))

    async def idle(self) -> bool:
        """Whether nothing is queued and nobody works."""
        with every_tenant():
            async with self._database.reading() as session:
                return await session.scalar(select(JobRow.number).where(JobRow.state.in_(ACTIVE)).limit(1)) is None

    async def forget(self, age: timedelta = KEEP) -> int:
        """Remove what ended long ago, some at a time: others write in between. How many jobs that were."""
        number = 0
        with every_tenant():
            while True:
                async with self._database.unit_of_work() as session:
                    some = await Jobs(session).forget(await self._clock(session) - age)
                if not some:
                    return number
                number += some

    async def _ended(self, session: AsyncSession, state: JobState) -> dict[str, Any]:
        now = await self._clock(session)
        return {"state": state, "finished_at": now, "lease_owner": None, "lease_until": None}


async def _changed(session: AsyncSession, statement: Update) -> bool:
    result = await session.execute(statement)
    return isinstance(result, CursorResult) and result.rowcount == 1


def _columns(progress: Progress) -> dict[str, Any]:
    return {"step": progress.step, "done": progress.done, "total": progress.total}
