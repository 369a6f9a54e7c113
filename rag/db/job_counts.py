"""How the queue stands, in numbers of all tenants together: for gauges, so nothing here names anybody."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.job_table import JobRow, JobState
from rag.db.jobs import Clock, database_now


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Jobs and attempts by state; dead ones by the code of what went wrong last.

    `oldest_queued_s` is for how long a job has waited that a worker might have taken, 0 where there is none;
    `leases_expired` are jobs whose worker is not heard of any more and that nobody else has taken yet.
    """

    jobs: Mapping[JobState, int]
    attempts: Mapping[JobState, int]
    dead: Mapping[str, int]
    oldest_queued_s: float
    leases_expired: int


async def count_jobs(session: AsyncSession, clock: Clock = database_now) -> JobCounts:
    now = await clock(session)
    by_state = select(JobRow.state, func.count(), func.sum(JobRow.attempts)).group_by(JobRow.state)
    found = {state: (int(count), int(attempts)) for state, count, attempts in await session.execute(by_state)}
    reasons = select(JobRow.reason, func.count()).where(JobRow.state == JobState.DEAD).group_by(JobRow.reason)
    waiting = select(func.min(JobRow.run_after)).where(JobRow.state == JobState.QUEUED, JobRow.run_after <= now)
    oldest = await session.scalar(waiting)
    expired = select(func.count()).where(JobRow.state == JobState.RUNNING, JobRow.lease_until <= now)
    return JobCounts(
        jobs={state: found.get(state, (0, 0))[0] for state in JobState},
        attempts={state: found.get(state, (0, 0))[1] for state in JobState},
        dead={reason or "": int(count) for reason, count in await session.execute(reasons)},
        oldest_queued_s=0.0 if oldest is None else (now - oldest).total_seconds(),
        leases_expired=int(await session.scalar(expired) or 0),
    )
