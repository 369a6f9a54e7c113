"""Queries about the indexes of one tenant. Takes a session; never commits."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.index_table import FIRST_NUMBER, STANDING, IndexState, IndexVersionRow
from rag.db.statements import besides
from rag.db.tables import IN_INDEX, NEVER_LIVE, ChunkRow, DocumentRow, VersionRow

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One index. What is not recorded of it is empty, 0 or None, and then as the installation is set."""

    number: int
    state: IndexState
    embedder: str = ""
    embedder_digest: str = ""
    dim: int = 0
    embedding: Mapping[str, Any] | None = None
    chunk_tokens: int | None = None

    @property
    def live(self) -> bool:
        return self.state is IndexState.LIVE


FIRST = IndexVersion(FIRST_NUMBER, IndexState.LIVE)
"""The index of a tenant of which nothing is recorded."""


class IndexVersions:
    """The indexes of one tenant."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def rows(self) -> list[IndexVersionRow]:
        """All that are recorded, the dropped ones too, by number."""
        statement = select(IndexVersionRow).where(IndexVersionRow.tenant == self._tenant)
        return list(await self._session.scalars(statement.order_by(IndexVersionRow.number)))

    async def find(self, number: int) -> IndexVersionRow | None:
        return await self._session.get(IndexVersionRow, (self._tenant, number))

    async def live(self) -> IndexVersion:
        """The one that answers: read it in the session that the answer is checked in."""
        row = (await self._session.execute(_LIVE, {"tenant": self._tenant})).one_or_none()
        return FIRST if row is None else IndexVersion(*row)

    async def standing(self) -> list[IndexVersion]:
        """Those that documents are written to, the live one first."""
        statement = select(*_COLUMNS).where(IndexVersionRow.tenant == self._tenant, IndexVersionRow.state.in_(STANDING))
        found = [IndexVersion(*row) for row in await self._session.execute(statement)]
        return sorted(found, key=lambda index: (not index.live, index.number)) or [FIRST]

    async def beside(self) -> IndexVersion | None:
        """The one that stands beside the live one."""
        return next((index for index in await self.standing() if not index.live), None)

    async def dropping(self) -> list[IndexVersion]:
        """Those whose points are to be removed."""
        statement = select(*_COLUMNS).where(
            IndexVersionRow.tenant == self._tenant, IndexVersionRow.state == IndexState.DROPPING
        )
        return [IndexVersion(*row) for row in await self._session.execute(statement)]

    async def chunks(self) -> dict[int, int]:
        """How many chunks each index has, written or waiting, by number."""
        statement = (
            select(VersionRow.index_version, func.count())
            .join(ChunkRow, ChunkRow.version == VersionRow.id)
            .where(VersionRow.tenant == self._tenant, VersionRow.state.in_((*IN_INDEX, "staged")))
            .group_by(VersionRow.index_version)
        )
        return {number: count for number, count in await self._session.execute(statement)}

    async def dim(self) -> int:
        """Numbers in a vector of the live index: as is recorded, or as one of its chunks has them; 0: neither tells."""
        live = await self.live()
        # By its version: of chunks alone, no index tells whose they are.
        one = (
            select(ChunkRow.dense)
            .join(VersionRow, VersionRow.id == ChunkRow.version)
            .where(*self._of(live.number), VersionRow.state.in_((*IN_INDEX, "staged")))
            .limit(1)
        )
        return live.dim or len(await self._session.scalar(one) or b"") // _FLOAT_BYTES

    async def missing(self, number: int, limit: int) -> tuple[int, list[DocumentRow]]:
        """Documents that readers see and of which this index holds nothing: how many, and the first of them."""
        held = select(literal(1)).where(
            VersionRow.document == DocumentRow.id, VersionRow.index_version == number, VersionRow.state.in_(IN_INDEX)
        )
        without = DocumentRow.tenant == self._tenant, DocumentRow.current_version.is_not(None), ~held.exists()
        count = await self._session.scalar(select(func.count()).select_from(DocumentRow).where(*without))
        first = select(DocumentRow).where(*without).order_by(DocumentRow.path, DocumentRow.id).limit(limit)
        return count or 0, list(await self._session.scalars(first))

    async def holds(self, number: int, versions: Collection[str]) -> frozenset[str]:
        """Those of `versions` that this index shows, or would show if it were the live one."""
        statement = select(VersionRow.id).where(
            besides(VersionRow.tenant) == self._tenant,
            VersionRow.index_version == number,
            VersionRow.id.in_(sorted(versions)),
            VersionRow.state.in_(IN_INDEX),
        )
        return frozenset(await self._session.scalars(statement))

    async def held(self, number: int, since: datetime | None = None) -> int:
        """How many versions this index shows, or would show if it were the live one; of those written `since` then."""
        statement = select(func.count()).where(*self._of(number), VersionRow.state.in_(IN_INDEX))
        if since is not None:
            statement = statement.where(VersionRow.created_at > since)
        return await self._session.scalar(statement) or 0

    async def some_documents(self, number: int, limit: int) -> list[DocumentRow]:
        """Documents that readers see and that this index holds as well, in an order that says nothing of them."""
        held = select(VersionRow.document).where(*self._of(number), VersionRow.state.in_(IN_INDEX))
        statement = select(DocumentRow).where(
            DocumentRow.tenant == self._tenant, DocumentRow.current_version.is_not(None), DocumentRow.id.in_(held)
        )
        # Ids are keyed digests: their order is a draw that comes out the same every time.
        return list(await self._session.scalars(statement.order_by(DocumentRow.id).limit(limit)))

    async def sources_of(self, number: int) -> list[str]:
        """The names of the sources of which this index holds a version, whatever its state."""
        held = select(literal(1)).where(VersionRow.document == DocumentRow.id, VersionRow.index_version == number)
        statement = select(DocumentRow.source).where(DocumentRow.tenant == self._tenant, held.exists()).distinct()
        return list(await self._session.scalars(statement.order_by(DocumentRow.source)))

    async def only_in(self, number: int) -> list[str]:
        """Documents that were never live and of which no other index holds a version: dropping this one leaves nothing
        of them. Those that are without any version already are among them."""
        never = or_(
            VersionRow.state.in_(NEVER_LIVE),
            and_(VersionRow.state == "withdrawn", VersionRow.published_at.is_(None)),
        )
        kept = select(literal(1)).where(
            VersionRow.document == DocumentRow.id, or_(VersionRow.index_version != number, ~never)
        )
        statement = select(DocumentRow.id).where(
            DocumentRow.tenant == self._tenant, DocumentRow.current_version.is_(None), ~kept.exists()
        )
        return list(await self._session.scalars(statement.order_by(DocumentRow.id)))

    async def sources(self) -> list[str]:
        """The names of the sources that the tenant's documents came from."""
        statement = select(DocumentRow.source).where(DocumentRow.tenant == self._tenant).distinct()
        return list(await self._session.scalars(statement.order_by(DocumentRow.source)))

    def _of(self, number: int) -> tuple[ColumnElement[bool], ...]:
        return VersionRow.tenant == self._tenant, VersionRow.index_version == number


_COLUMNS = (
    IndexVersionRow.number,
    IndexVersionRow.state,
    IndexVersionRow.embedder,
    IndexVersionRow.embedder_digest,
    IndexVersionRow.dim,
    IndexVersionRow.embedding,
    IndexVersionRow.chunk_tokens,
)
_LIVE = select(*_COLUMNS).where(IndexVersionRow.tenant == bindparam("tenant"), IndexVersionRow.state == IndexState.LIVE)
