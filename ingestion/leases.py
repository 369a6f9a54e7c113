"""A lease of a job, and the statements that take it, keep it and prove it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, case, func, or_, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.report import Step
from rag.db.job_table import LOST, SYNC, JobRow, JobState, JobTurnRow
from rag.db.statements import table_of
from rag.errors import Conflict

LEASE_S_MAX = 600.0
WAIT_S_MAX = 600.0
"""Between two attempts at most."""


class LeaseLost(Conflict):
    """Somebody else has the job, it was cancelled, or a newer listing of its source made it pointless."""

    code = "lease_lost"

    def __init__(self, job: str) -> None:
        super().__init__(f"The job {job} is no longer this worker's; what it was about to write was not written.")


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that this worker has for the moment. `listed` is the turn in which its source was listed."""

    job: str
    tenant: str
    kind: str
    source: str
    payload: Mapping[str, Any] = field(repr=False)
    priority: int
    token: int
    turn: int
    attempt: int
    parent: str | None = None

    @property
    def listed(self) -> int:
        return int(self.payload.get("listed", self.turn))


@dataclass(slots=True)
class Progress:
    """How far a job is: the step that is done, and documents."""

    step: str = ""
    done: int = 0
    total: int = 0

    def observe(self, step: Step, path: str, done: int, total: int) -> None:
        """Be as far as an observer of ingestion is told."""
        self.step, self.done, self.total = step.value, done, total


def lease_of(row: JobRow) -> Lease:
    return Lease(
        job=row.id,
        tenant=row.tenant,
        kind=row.kind,
        source=row.source,
        payload=row.payload,
        priority=row.priority,
        token=row.fencing_token,
        turn=row.turn,
        attempt=row.attempts,
        parent=row.parent,
    )


def _expired(now: datetime) -> ColumnElement[bool]:
    beyond = now + timedelta(seconds=LEASE_S_MAX)
    return and_(JobRow.state == JobState.RUNNING, or_(JobRow.lease_until <= now, JobRow.lease_until > beyond))


def _waits(now: datetime) -> ColumnElement[bool]:
    beyond = now + timedelta(seconds=WAIT_S_MAX)
    return and_(JobRow.state == JobState.QUEUED, or_(JobRow.run_after <= now, JobRow.run_after > beyond))


def next_due(now: datetime, passed_over: Collection[int] = ()) -> Select[int, str]:
    """The number of the job that comes next, and whose it is. Nothing is locked.

    The best of each tenant is found in the index, and those are compared: not all that are queued.
    """
    queued, others = JobRow.state == JobState.QUEUED, JobRow.number.not_in(passed_over)
    tenants = select(func.min(JobRow.tenant).label("tenant")).where(queued).cte("tenants", recursive=True)
    following = select(func.min(JobRow.tenant)).where(queued, JobRow.tenant > tenants.c.tenant)
    tenants = tenants.union_all(
        select(following.scalar_subquery()).select_from(tenants).where(tenants.c.tenant.is_not(None))
    )
    own = _waits(now), others, JobRow.tenant == tenants.c.tenant
    highest = select(JobRow.priority).where(*own).order_by(JobRow.priority.desc()).limit(1).correlate(tenants)
    at_highest = *own, JobRow.priority == highest.scalar_subquery()
    oldest = select(JobRow.number).where(*at_highest).order_by(JobRow.number).limit(1).correlate(tenants)
    expired = select(JobRow.number).where(_expired(now), others)
    best = union_all(select(oldest.scalar_subquery()).select_from(tenants), expired)
    return (
        select(JobRow.number, JobRow.tenant)
        .outerjoin(JobTurnRow, JobTurnRow.tenant == JobRow.tenant)
        .where(JobRow.number.in_(best))
        .order_by(JobRow.priority.desc(), func.coalesce(JobTurnRow.turn, 0), JobRow.number)
        .limit(1)
    )


def still_due(number: int, now: datetime) -> Select[int]:
    """The job, locked, if nobody has taken it meanwhile and nobody is writing for it at this moment."""
    due = select(JobRow.number).where(JobRow.number == number, or_(_waits(now), _expired(now)))
    return due.with_for_update(skip_locked=True)


def lost_for_good(now: datetime) -> Select[int]:
    return select(JobRow.number).where(*_lost_for_good(now)).limit(1)


def bury_lost(now: datetime) -> Update:
    """A job that ends each worker that takes it must not end them all."""
    ended = {"state": JobState.DEAD, "finished_at": now, "lease_owner": None, "lease_until": None, "reason": LOST}
    return update(JobRow).where(*_lost_for_good(now)).values(**ended)


def _lost_for_good(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _expired(now), JobRow.attempts >= JobRow.attempts_max


async def take_turn(session: AsyncSession, tenant: str) -> int:
    """The tenant is now the one that was served last. Its turns grow strictly, those of others may be equal."""
    table = table_of(JobTurnRow)
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    newest = select(func.coalesce(func.max(JobTurnRow.turn), 0) + 1).scalar_subquery()
    insert = dialect.insert(table).values(tenant=tenant, turn=newest)
    # It is waited for where another worker has just taken a turn of this tenant: then `newest` is out of date.
    later = case((insert.excluded.turn > table.c.turn, insert.excluded.turn), else_=table.c.turn + 1)
    upsert = insert.on_conflict_do_update(index_elements=["tenant"], set_={"turn": later})
    return int((await session.scalars(upsert.returning(table.c.turn))).one())


def mine(lease: Lease) -> Update:
    return update(JobRow).where(
        JobRow.id == lease.job, JobRow.state == JobState.RUNNING, JobRow.fencing_token == lease.token
    )


def held(lease: Lease) -> Select[int]:
    """The job's row, locked, while the lease is this one."""
    own = JobRow.id == lease.job, JobRow.state == JobState.RUNNING, JobRow.fencing_token == lease.token
    return select(JobRow.number).where(*own).with_for_update(read=True)


def overtaken(sync: JobRow) -> tuple[ColumnElement[bool], ...]:
    """What a sync that begins now takes over: all jobs of its source that are worked on, and parts that wait.

    Syncs that wait list the source anew when they are taken.
    """
    underway = or_(JobRow.state == JobState.RUNNING, and_(JobRow.state == JobState.QUEUED, JobRow.kind != SYNC))
    return JobRow.tenant == sync.tenant, JobRow.source == sync.source, JobRow.number != sync.number, underway


def at_work(sync: JobRow) -> Select[int]:
    """What is overtaken, locked: whoever is writing at this moment has then written.

    Taken before a sync begins, so that nothing that an earlier listing said is written after the new one is made.
    """
    return select(JobRow.number).where(*overtaken(sync)).order_by(JobRow.number).with_for_update()


def supersede(sync: JobRow, now: datetime) -> Update:
    """In the transaction in which the sync begins: from there on it answers for what the others were to do."""
    return update(JobRow).where(*overtaken(sync)).values(**superseded_at(now))


def superseded_at(now: datetime) -> dict[str, Any]:
    return {"state": JobState.SUPERSEDED, "finished_at": now, "lease_owner": None, "lease_until": None}


def listed_again(lease: Lease) -> Select[int]:
    """A sync of the same source that began after the listing which this job is about."""
    same = JobRow.tenant == lease.tenant, JobRow.source == lease.source, JobRow.kind == SYNC
    return select(JobRow.number).where(*same, JobRow.turn > lease.listed).limit(1)
