"""A lease of a job, and the statements that take it, keep it and prove it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, case, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.job_table import ACTIVE, SYNC, JobRow, JobState, JobTurnRow
from rag.db.statements import table_of
from rag.errors import Conflict

LEASE_S_MAX = 600.0
WAIT_S_MAX = 600.0
"""Between two attempts at most."""
LOST = "worker_lost"


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


def bury_lost(now: datetime) -> Update:
    """A job that ends each worker that takes it must not end them all."""
    ended = {"state": JobState.DEAD, "finished_at": now, "lease_owner": None, "lease_until": None, "reason": LOST}
    return update(JobRow).where(_expired(now), JobRow.attempts >= JobRow.attempts_max).values(**ended)


def next_due(now: datetime) -> Select[int]:
    beyond = now + timedelta(seconds=WAIT_S_MAX)
    waits = and_(JobRow.state == JobState.QUEUED, or_(JobRow.run_after <= now, JobRow.run_after > beyond))
    turn = func.coalesce(JobTurnRow.turn, 0)
    return (
        select(JobRow.number)
        .outerjoin(JobTurnRow, JobTurnRow.tenant == JobRow.tenant)
        .where(JobRow.state.in_(ACTIVE), or_(waits, _expired(now)))
        .order_by(JobRow.priority.desc(), turn, JobRow.number)
        .limit(1)
        .with_for_update(of=JobRow, skip_locked=True)
    )


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


def at_work(sync: JobRow) -> Select[int]:
    """All jobs of the source that are worked on, locked: whoever is writing at this moment has then written.

    Taken before a sync begins, so that nothing that an earlier listing said is written after the new one is made.
    """
    same = JobRow.tenant == sync.tenant, JobRow.source == sync.source, JobRow.state == JobState.RUNNING
    return select(JobRow.number).where(*same).order_by(JobRow.number).with_for_update()


def listed_again(lease: Lease) -> Select[int]:
    """A sync of the same source that began after the listing which this job is about."""
    same = JobRow.tenant == lease.tenant, JobRow.source == lease.source, JobRow.kind == SYNC
    return select(JobRow.number).where(*same, JobRow.turn > lease.listed).limit(1)
