"""Versions that are taken back: from what readers see, and from what waits to become visible. In every index."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.statements import batches
from rag.db.tables import EVER_VISIBLE, IN_INDEX, ChunkRow, DocumentRow, QuarantinedRow, TombstoneRow, VersionRow

NEVER_VISIBLE = ("staged", "quarantined", "rejected")
"""A document has at most one version of each index in one of these states."""
EVER_IN_INDEX = frozenset({*EVER_VISIBLE, *IN_INDEX})


class Withdrawal:
    """Of one tenant's versions. Takes a session, never commits; points go when the index is next published."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def withdraw(self, document: str, *, but: frozenset[str] = frozenset(), content: str | None = None) -> None:
        """Take back, in every index, the versions that are or were in it, except some.

        Also those that an old link could still open. With `content`, only versions of this content.
        """
        statement = select(VersionRow).where(VersionRow.document == document, VersionRow.state.in_(EVER_IN_INDEX))
        if content is not None:
            statement = statement.where(VersionRow.content_digest == content)
        versions = [version for version in await self._session.scalars(statement) if version.id not in but]
        for version in versions:
            if version.state == "published":
                version.ended_at = datetime.now(UTC)
            version.state = "withdrawn"
        ids = [version.id for version in versions]
        chunks = select(ChunkRow.id).where(ChunkRow.version.in_(ids)).order_by(ChunkRow.id)
        await self.bury(list(await self._session.scalars(chunks)))
        await self._session.execute(delete(ChunkRow).where(ChunkRow.version.in_(ids)))
        # Only where it still points at one of them: a publisher may have moved on meanwhile.
        pointing = DocumentRow.id == document, DocumentRow.current_version.in_(ids)
        await self._session.execute(update(DocumentRow).where(*pointing).values(current_version=None))

    async def drop_waiting(self, document: str, *, but: frozenset[str] = frozenset()) -> None:
        """Forget versions that came into no index yet. A publisher may be writing their points at this moment."""
        waiting = VersionRow.document == document, VersionRow.state.in_(NEVER_VISIBLE)
        dropped = *waiting, VersionRow.id.not_in(but)
        chunks = select(ChunkRow.id).join(VersionRow, VersionRow.id == ChunkRow.version).where(*dropped)
        await self.bury(list(await self._session.scalars(chunks.order_by(ChunkRow.id))))
        versions = select(VersionRow.id).where(*dropped)
        await self._session.execute(delete(ChunkRow).where(ChunkRow.version.in_(versions)))
        await self._session.execute(delete(QuarantinedRow).where(QuarantinedRow.version.in_(versions)))
        await self._session.execute(delete(VersionRow).where(*dropped))

    async def bury(self, chunks: Sequence[str]) -> None:
        await self.forget_tombstones(chunks)
        self._session.add_all(TombstoneRow(tenant=self._tenant, chunk=chunk) for chunk in chunks)
        await self._session.flush()

    async def forget_tombstones(self, chunks: Sequence[str]) -> None:
        for some in batches(chunks):
            await self._session.execute(
                delete(TombstoneRow).where(TombstoneRow.tenant == self._tenant, TombstoneRow.chunk.in_(some))
            )
