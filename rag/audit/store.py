"""Queries about audit records. Takes a session; never commits, updates or deletes."""

from collections.abc import AsyncIterator

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.record import AuditRecord
from rag.db.tables import AuditRow

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

    async def all(self, tenant: str) -> AsyncIterator[AuditRecord]:
        """The whole chain in order, a batch at a time."""
        mine = _COLUMNS.where(AuditRow.tenant == tenant).order_by(AuditRow.sequence).limit(_FETCH)
        statement = mine
        while True:
            rows = [AuditRecord(*row) for row in await self._session.execute(statement)]
            for record in rows:
                yield record
            if len(rows) < _FETCH:
                return
            statement = mine.where(AuditRow.sequence > rows[-1].sequence)
