"""Queries about what versions were made by, and about documents that are kept out. Takes a session; never commits."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import KeptOutRow, LineageRow


async def lineages(session: AsyncSession, tenant: str, versions: Collection[str]) -> dict[str, LineageRow]:
    """By version, what made it. Versions of which that was not recorded are left out."""
    statement = select(LineageRow).where(LineageRow.tenant == tenant, LineageRow.version.in_(sorted(versions)))
    return {row.version: row for row in await session.scalars(statement)}


class KeptOut:
    """The documents of one tenant that no source brings back."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def all(self) -> list[KeptOutRow]:
        """The longest kept out first."""
        statement = select(KeptOutRow).where(KeptOutRow.tenant == self._tenant)
        return list(await self._session.scalars(statement.order_by(KeptOutRow.since, KeptOutRow.document)))

    async def path_digests(self, source: str) -> frozenset[str]:
        statement = select(KeptOutRow.path_digest).where(KeptOutRow.tenant == self._tenant, KeptOutRow.source == source)
        return frozenset(await self._session.scalars(statement))

    async def holds(self, source: str, path_digest: str) -> bool:
        # A column, not the row: what this session has loaded before must not stand in for what is there now.
        statement = select(KeptOutRow.document).where(
            KeptOutRow.tenant == self._tenant, KeptOutRow.source == source, KeptOutRow.path_digest == path_digest
        )
        return await self._session.scalar(statement) is not None

    async def add(self, source: str, path_digest: str, document: str, author: str, now: datetime) -> None:
        row = KeptOutRow(
            tenant=self._tenant, source=source, path_digest=path_digest, document=document, author=author, since=now
        )
        await self._session.merge(row)
        await self._session.flush()

    async def remove(self, document: str) -> str | None:
        """Let a document in again. The name of its source, or None where it was not kept out."""
        mine = KeptOutRow.tenant == self._tenant, KeptOutRow.document == document
        source = await self._session.scalar(select(KeptOutRow.source).where(*mine))
        if source is not None:
            await self._session.execute(delete(KeptOutRow).where(*mine))
        return source
