"""Jobs as anybody may ask for them, look at them and change them. Taking one and reporting on it is
`ingestion.queue`'s."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    DateTime,
    String,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from rag.db.job_table import ACTIVE, LOST, RETRYABLE, JobRow, JobState
from rag.db.statements import batches, insert_if_absent, table_of
from rag.errors import Conflict, NotFound

ATTEMPTS_MAX = 5
_BATCH = 200
"""Rows in one insert: SQLite takes 32,766 values."""

Clock: TypeAlias = Callable[[AsyncSession], Awaitable[datetime]]


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is to be done. With `idempotency_key`, asked for twice is done once."""

    tenant: str
    kind: str
    source: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    attempts_max: int = ATTEMPTS_MAX
    idempotency_key: str | None = None
    parent: str | None = None
    total: int = 0
    """Documents, if that is known."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it is shown. `parts` are the numbers of its parts by state; where it has any, `done` and `total` are
    theirs, and once it is settled `result` is of all of them."""

    row: JobRow
    parts: Mapping[str, int]
    done: int
    total: int
    result: Mapping[str, Any]
    lost: bool = False
    """Whether whoever works on it is not heard of any more: its lease is over, and nobody has taken it yet."""

    @property
    def state(self) -> JobState:
        """What it is for whoever takes the next job: a lost one waits for its next attempt, or had its last."""
        if not self.lost:
            return self.row.state
        return JobState.DEAD if self.row.attempts >= self.row.attempts_max else JobState.QUEUED

    @property
    def reason(self) -> str | None:
        return LOST if self.lost else self.row.reason

    @property
    def settled(self) -> bool:
        """Whether nothing of it is still to be done."""
        return self.state not in ACTIVE and not any(self.parts.get(state) for state in ACTIVE)

    @property
    def incomplete(self) -> bool:
        """Whether parts of it were given up or left to another, or documents failed or are held back."""
        undone = any(self.parts.get(state) for state in (*RETRYABLE, JobState.SUPERSEDED))
        return self.superseded or undone or bool({"failed", "quarantined"} & set(self.result.get("documents", {})))

    @property
    def superseded(self) -> bool:
        """Whether a later listing of its source sees to it, or to parts of it."""
        return self.state == JobState.SUPERSEDED or bool(self.parts.get(JobState.SUPERSEDED))

    def as_json(self) -> dict[str, Any]:
        """Everything but the payload: a folder's place is not for whoever administers a tenant."""
        row = self.row
        times = {"run_after": row.run_after, "created": row.created_at, "started": row.started_at}
        return {
            "id": row.id,
            "kind": row.kind,
            "source": row.source,
            "parent": row.parent,
            "state": self.state,
            "settled": self.settled,
            "priority": row.priority,
            "attempts": row.attempts,
            "attempts_max": row.attempts_max,
            "reason": self.reason,
            "progress": {"step": row.step, "done": self.done, "total": self.total},
            "parts": dict(self.parts),
            "result": dict(self.result),
            **{name: _written(time) for name, time in (times | {"finished": row.finished_at}).items()},
        }


async def database_now(session: AsyncSession) -> datetime:
    """The time by the one clock that all workers share: the server's, or on SQLite the machine's."""
    if session.get_bind().dialect.name == "postgresql":
        statement = select(func.clock_timestamp(type_=DateTime(timezone=True)))
        return (await session.scalars(statement)).one()
    return datetime.now(UTC)


class Jobs:
    """Jobs of all tenants. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, clock: Clock = database_now) -> None:
        self._session = session
        self._clock = clock

    async def enqueue(self, new: NewJob) -> tuple[JobRow, bool]:
        """The job, and whether it is new: in the same transaction as what it belongs to.

        Raises:
            Conflict: the idempotency key was used for another job (`idempotency_key_reused`).
        """
        row = _values(new, await self._clock(self._session))
        await self._session.execute(insert_if_absent(self._session, table_of(JobRow)).values(**row))
        wanted = JobRow.id == row["id"]
        if new.idempotency_key is not None:
            wanted = (JobRow.tenant == new.tenant) & (JobRow.idempotency_key == new.idempotency_key)
        job = (await self._session.scalars(select(JobRow).where(wanted))).one()
        if (job.kind, job.source, job.payload) != (new.kind, new.source, dict(new.payload)):
            raise Conflict("This Idempotency-Key was used for another job.", code="idempotency_key_reused")
        return job, job.id == row["id"]

    async def add_parts(self, parts: Iterable[NewJob]) -> None:
        """Enqueue many jobs that have no keys."""
        now = await self._clock(self._session)
        rows = [_values(new, now) for new in parts]
        for some in batches(rows):
            await self._session.execute(insert(JobRow), some)

    async def get(self, tenant: str, job: str) -> JobView:
        """Raises `NotFound` for what does not exist and for another tenant's, alike."""
        row = await self._find(tenant, job)
        view = (await self._viewed([row]))[0]
        return replace(view, result=await self._results(row)) if view.parts and view.settled else view

    async def listed(
        self, tenant: str, *, states: Collection[JobState] = (), before: int | None = None, limit: int = 50
    ) -> list[JobView]:
        """The newest jobs first, without parts of others unless `states` asks for some."""
        statement = select(JobRow).where(JobRow.tenant == tenant)
        state = _state_at(await self._clock(self._session))
        statement = statement.where(state.in_(states)) if states else statement.where(JobRow.parent.is_(None))
        if before is not None:
            statement = statement.where(JobRow.number < before)
        found = await self._session.scalars(statement.order_by(JobRow.number.desc()).limit(limit))
        return await self._viewed(found.all())

    async def cancel(self, tenant: str, job: str) -> JobView:
        """Stop it and its parts: whoever works on one can write nothing more.

        Raises:
            NotFound: there is no such job.
            Conflict: all of it has ended already (`job_ended`).
        """
        await self._find(tenant, job)
        now = await self._clock(self._session)
        ended = {"state": JobState.CANCELLED, "finished_at": now, "lease_owner": None, "lease_until": None}
        if not await self._changed(tenant, job, JobRow.state.in_(ACTIVE), ended):
            raise Conflict(f"The job {job} has ended; there is nothing to cancel.", code="job_ended")
        return await self.get(tenant, job)

    async def retry(self, tenant: str, job: str) -> JobView:
        """Queue it and its parts again, as far as they are dead or cancelled.

        Raises:
            NotFound: there is no such job.
            Conflict: nothing of it is dead or cancelled (`job_not_ended`).
        """
        await self._find(tenant, job)
        now = await self._clock(self._session)
        again = {"state": JobState.QUEUED, "attempts": 0, "run_after": now, "finished_at": None, "reason": None}
        again |= {"lease_owner": None, "lease_until": None}
        if not await self._changed(tenant, job, _state_at(now).in_(RETRYABLE), again):
            raise Conflict(f"Nothing of the job {job} is dead or cancelled.", code="job_not_ended")
        return await self.get(tenant, job)

    async def forget(self, before: datetime) -> int:
        """Remove some of the jobs that ended before a time, however they did, with all their parts. How many."""
        part = aliased(JobRow)
        kept = select(part.number).where(
            part.parent == JobRow.id, part.state.in_(ACTIVE) | (part.finished_at >= before)
        )
        whole = JobRow.parent.is_(None), JobRow.state.not_in(ACTIVE)
        old = select(JobRow.id).where(*whole, JobRow.finished_at < before, ~kept.exists()).limit(_BATCH)
        ids = (await self._session.scalars(old)).all()
        for column in (JobRow.parent, JobRow.id):
            await self._session.execute(delete(JobRow).where(column.in_(ids)))
        return len(ids)

    async def _find(self, tenant: str, job: str) -> JobRow:
        found = select(JobRow).where(JobRow.tenant == tenant, JobRow.id == job)
        row = (await self._session.scalars(found.execution_options(populate_existing=True))).one_or_none()
        if row is None:
            raise NotFound(f"Tenant {tenant!r} has no job {job!r}.")
        return row

    async def _changed(self, tenant: str, job: str, such: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        """Whether the job, or a part of it, was such a one; it has the new values now."""
        # The job first: it may be handing out its parts at this moment, and is waited for.
        number = 0
        for which in (JobRow.id == job, JobRow.parent == job):
            changing = update(JobRow).where(JobRow.tenant == tenant, which, such).values(**values)
            number += len((await self._session.scalars(changing.returning(JobRow.number))).all())
        return number > 0

    async def _results(self, row: JobRow) -> Mapping[str, Any]:
        """What became of the documents of a job and its parts together."""
        found = await self._session.scalars(select(JobRow.result).where(JobRow.parent == row.id))
        counted: dict[str, Counter[str]] = {}
        for result in (row.result, *found):
            for name, counts in result.items():
                if isinstance(counts, dict):
                    counted.setdefault(name, Counter()).update(counts)
        # Those were handed out, and stand among the others.
        counted.get("documents", Counter()).pop("waiting", None)
        return {name: dict(counts) for name, counts in counted.items()}

    async def _viewed(self, rows: Sequence[JobRow]) -> list[JobView]:
        now = await self._clock(self._session)
        parts: dict[str | None, list[tuple[str, int, int, int]]] = {}
        states = select(JobRow.parent, _state_at(now).label("state"), JobRow.done, JobRow.total)
        part = states.where(JobRow.parent.in_([row.id for row in rows])).subquery()
        sums = func.count(), func.sum(part.c.done), func.sum(part.c.total)
        counting = select(part.c.parent, part.c.state, *sums).group_by(part.c.parent, part.c.state)
        for parent, state, *numbers in await self._session.execute(counting):
            count, done, total = map(int, numbers)
            parts.setdefault(parent, []).append((state, count, done, total))
        return [_view(row, parts.get(row.id, []), now) for row in rows]


def _lost(now: datetime) -> ColumnElement[bool]:
    return and_(JobRow.state == JobState.RUNNING, JobRow.lease_until <= now)


def _state_at(now: datetime) -> ColumnElement[str]:
    """`JobView.state`."""
    last = JobRow.attempts >= JobRow.attempts_max
    return case(
        (and_(_lost(now), last), JobState.DEAD.value),
        (_lost(now), JobState.QUEUED.value),
        else_=cast(JobRow.state, String),
    )


def _view(row: JobRow, parts: Sequence[tuple[str, int, int, int]], now: datetime) -> JobView:
    done, total = (row.done, row.total) if not parts else (0, 0)
    return JobView(
        row,
        {state: count for state, count, *_ in sorted(parts)},
        done + sum(part[2] for part in parts),
        total + sum(part[3] for part in parts),
        row.result,
        lost=row.state is JobState.RUNNING and row.lease_until is not None and row.lease_until <= now,
    )


def _values(new: NewJob, now: datetime) -> dict[str, Any]:
    return {
        "id": f"job_{token_hex(12)}",
        "tenant": new.tenant,
        "parent": new.parent,
        "kind": new.kind,
        "source": new.source,
        "payload": dict(new.payload),
        "state": JobState.QUEUED,
        "priority": new.priority,
        "attempts": 0,
        "attempts_max": new.attempts_max,
        "run_after": now,
        "fencing_token": 0,
        "turn": 0,
        "idempotency_key": new.idempotency_key,
        "step": "",
        "done": 0,
        "total": new.total,
        "result": {},
        "created_at": now,
    }


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")
