"""Queries about audit records and their checkpoints. They take a session and never commit; only retention deletes."""

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from policies.tables import EpochRow
from rag.audit.checkpoint import Checkpoint, Link, Pruned, statement_digest
from rag.audit.record import AuditRecord
from rag.db.tables import OF_ANSWERS, AuditCheckpointRow, AuditPrunedRow, AuditRow

_FETCH = 500
"""Records held in memory at once while a whole chain is read."""

# Columns, not rows: what a session has loaded before must not stand in for what the database holds now.
_COLUMNS = select(
    AuditRow.tenant,
    AuditRow.sequence,
    AuditRow.at,
    AuditRow.kind,
    AuditRow.body,
    AuditRow.previous,
    AuditRow.digest,
)


class AuditRecords:
    """The stored records of all chains."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def last(self, tenant: str, *, lock: bool) -> AuditRecord | None:
        """The newest record. With `lock`, others who ask the same wait for this transaction (not on SQLite)."""
        statement = _COLUMNS.where(AuditRow.tenant == tenant).order_by(AuditRow.sequence.desc()).limit(1)
        row = (await self._session.execute(statement.with_for_update() if lock else statement)).one_or_none()
        return None if row is None else AuditRecord(*row)

    async def insert(self, record: AuditRecord) -> None:
        """Write a record.

        Raises:
            IntegrityError: its place in the chain is taken.
        """
        await self._session.execute(
            insert(AuditRow).values(
                tenant=record.tenant,
                sequence=record.sequence,
                at=record.at,
                kind=record.kind,
                body=record.body,
                previous=record.previous,
                digest=record.digest,
            )
        )

    async def recent(self, tenant: str, limit: int) -> list[AuditRecord]:
        """The last `limit` records, oldest first."""
        statement = _COLUMNS.where(AuditRow.tenant == tenant).order_by(AuditRow.sequence.desc()).limit(limit)
        return [AuditRecord(*row) for row in await self._session.execute(statement)][::-1]

    async def all(self, tenant: str, *, after: int = 0, through: int | None = None) -> AsyncIterator[AuditRecord]:
        """The chain in order, a batch at a time: all of it, or the records after one and up to another."""
        mine = _COLUMNS.where(AuditRow.tenant == tenant).order_by(AuditRow.sequence).limit(_FETCH)
        if through is not None:
            mine = mine.where(AuditRow.sequence <= through)
        # Not `> 0` for the start: what somebody put before the first record must be seen too.
        statement = mine.where(AuditRow.sequence > after) if after else mine
        while True:
            rows = [AuditRecord(*row) for row in await self._session.execute(statement)]
            for record in rows:
                yield record
            if len(rows) < _FETCH:
                return
            statement = mine.where(AuditRow.sequence > rows[-1].sequence)

    async def backwards(
        self, tenant: str, *, since: datetime | None, until: datetime | None, kind: str | None, names: tuple[str, ...]
    ) -> AsyncIterator[AuditRecord]:
        """The newest first, of a kind, from `since` to before `until`, and with each of the names in the body."""
        mine = _COLUMNS.where(AuditRow.tenant == tenant).order_by(AuditRow.sequence.desc()).limit(_FETCH)
        mine = mine if since is None else mine.where(AuditRow.at >= since)
        mine = mine if until is None else mine.where(AuditRow.at < until)
        mine = mine if kind is None else mine.where(AuditRow.kind == kind)
        for name in names:
            mine = mine.where(AuditRow.body.contains(f'"{name}"', autoescape=True))
        statement = mine
        while True:
            rows = [AuditRecord(*row) for row in await self._session.execute(statement)]
            for record in rows:
                yield record
            if len(rows) < _FETCH:
                return
            statement = mine.where(AuditRow.sequence < rows[-1].sequence)

    async def of_answer(self, tenant: str, answer: str, since: datetime | None) -> list[AuditRecord]:
        """The records of kinds `question` and `answer` that name it, from `since` on, in order."""
        mine = _COLUMNS.where(AuditRow.tenant == tenant, text(OF_ANSWERS)).order_by(AuditRow.sequence)
        mine = mine if since is None else mine.where(AuditRow.at >= since)
        named = mine.where(AuditRow.body.contains(f'"{answer}"', autoescape=True))
        return [AuditRecord(*row) for row in await self._session.execute(named)]

    async def of_answers(self, tenant: str, since: datetime, until: datetime) -> AsyncIterator[AuditRecord]:
        """All of kinds `question` and `answer` from `since` to before `until`, in order."""
        mine = _COLUMNS.where(AuditRow.tenant == tenant, text(OF_ANSWERS), AuditRow.at >= since, AuditRow.at < until)
        rows = await self._session.stream(mine.order_by(AuditRow.at).execution_options(yield_per=_FETCH))
        async for row in rows:
            yield AuditRecord(*row)

    async def first_since(self, tenant: str, moment: datetime) -> int | None:
        """The sequence number of the first record that is not older."""
        statement = select(func.min(AuditRow.sequence)).where(AuditRow.tenant == tenant, AuditRow.at >= moment)
        return await self._session.scalar(statement)

    async def delete(self, tenant: str, through: int) -> None:
        """Remove a tenant's records up to one of them."""
        await self._session.execute(delete(AuditRow).where(AuditRow.tenant == tenant, AuditRow.sequence <= through))


class AuditCheckpoints:
    """The stored checkpoints, and what retention stated."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def last(self, tenant: str) -> Link | None:
        """The newest checkpoint."""
        mine = select(AuditCheckpointRow.number, AuditCheckpointRow.last, AuditCheckpointRow.body)
        statement = mine.where(AuditCheckpointRow.tenant == tenant).order_by(AuditCheckpointRow.number.desc()).limit(1)
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else _link(*row)

    async def all(self, tenant: str) -> list[Link]:
        """All checkpoints in order."""
        mine = select(AuditCheckpointRow.number, AuditCheckpointRow.last, AuditCheckpointRow.body)
        statement = mine.where(AuditCheckpointRow.tenant == tenant).order_by(AuditCheckpointRow.number)
        return [_link(*row) for row in await self._session.execute(statement)]

    async def insert(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint.

        Raises:
            IntegrityError: its number is taken.
        """
        await self._session.execute(
            insert(AuditCheckpointRow).values(
                tenant=checkpoint.tenant, number=checkpoint.number, last=checkpoint.last, body=checkpoint.text
            )
        )

    async def pruned(self, tenant: str) -> str | None:
        """The newest statement of what retention removed, as signed."""
        mine = select(AuditPrunedRow.body).where(AuditPrunedRow.tenant == tenant)
        return await self._session.scalar(mine.order_by(AuditPrunedRow.through.desc()).limit(1))

    async def insert_pruned(self, pruned: Pruned) -> None:
        values = {"tenant": pruned.tenant, "through": pruned.through, "body": pruned.text}
        await self._session.execute(insert(AuditPrunedRow).values(values))

    async def tenants_behind(self) -> list[str]:
        """Tenants with records that no checkpoint covers."""
        covered = select(AuditCheckpointRow.tenant, func.max(AuditCheckpointRow.last).label("last"))
        by_tenant = covered.group_by(AuditCheckpointRow.tenant).subquery()
        statement = (
            select(AuditRow.tenant)
            .outerjoin(by_tenant, by_tenant.c.tenant == AuditRow.tenant)
            .where(AuditRow.sequence > func.coalesce(by_tenant.c.last, 0))
            .distinct()
        )
        return sorted(await self._session.scalars(statement))

    async def records_behind(self) -> int:
        """Records that no checkpoint covers, of the tenant that has most: two numbers of each with a policy."""
        tenants = select(EpochRow.tenant.label("tenant")).subquery()
        newest = select(func.max(AuditRow.sequence)).where(AuditRow.tenant == tenants.c.tenant).scalar_subquery()
        covered = (
            select(AuditCheckpointRow.last)
            .where(AuditCheckpointRow.tenant == tenants.c.tenant)
            .order_by(AuditCheckpointRow.number.desc())
            .limit(1)
            .scalar_subquery()
        )
        behind = func.max(func.coalesce(newest, 0) - func.coalesce(covered, 0))
        return int(await self._session.scalar(select(behind).select_from(tenants)) or 0)


def _link(number: int, last: int, text: str) -> Link:
    return Link(number, last, statement_digest(text), text)
