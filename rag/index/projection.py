"""What SQL says that the index should hold, and what it remembers of what was written there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import ColumnElement, bindparam, delete, exists, func, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from rag.db.documents import attributes_of, tightening_of
from rag.db.index_table import FIRST_NUMBER
from rag.db.index_versions import IndexVersions
from rag.db.statements import besides, insert_if_absent, table_of
from rag.db.tables import IN_INDEX, ChunkRow, DocumentRow, TombstoneRow, VersionRow
from rag.domain import SparseVector
from rag.errors import Damaged
from rag.index.payload import payload_of
from rag.index.store import Payload, Point


@dataclass(frozen=True, slots=True)
class Staged:
    """A version to make visible, of so many chunks. `older` are staged ones of the same document that it overtook."""

    document: str
    version: str
    older: tuple[str, ...]
    chunks: int


@dataclass(frozen=True, slots=True)
class Written:
    """Points of one version as they were written: with which attributes."""

    document: str
    version: str
    attribute_version: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """With which attributes of its document the points of a version were labelled."""

    document: str
    version: str
    attribute_version: int


_ORDER = VersionRow.document, VersionRow.id
_DOCUMENTS = table_of(DocumentRow)
_POINT_TO = (
    update(_DOCUMENTS)
    .where(_DOCUMENTS.c.id == bindparam("document"), _DOCUMENTS.c.tenant == bindparam("of"))
    .values(current_version=bindparam("to"), indexed_attribute_version=bindparam("carried"))
)
"""For many documents at once, as the two below."""
_MARK_DOCUMENT = (
    update(_DOCUMENTS)
    .where(
        _DOCUMENTS.c.id == bindparam("at"),
        _DOCUMENTS.c.tenant == bindparam("of"),
        _DOCUMENTS.c.current_version == bindparam("held"),
    )
    .values(indexed_attribute_version=bindparam("carried"))
)
_VERSIONS = table_of(VersionRow)
_MARK_VERSION = (
    update(_VERSIONS)
    .where(
        _VERSIONS.c.id == bindparam("held"),
        _VERSIONS.c.tenant == bindparam("of"),
        or_(*(_VERSIONS.c.state == state for state in IN_INDEX)),  # a list of values is not for many rows at once
    )
    .values(indexed_attribute_version=bindparam("carried"))
)


class Projection:
    """Reads and marks of one index of one tenant. Takes a session; never commits.

    Tombstones are of all of her indexes: a chunk is in one of them only, and an unknown one is no error to delete.
    """

    def __init__(self, session: AsyncSession, tenant: str, number: int = FIRST_NUMBER) -> None:
        self._session = session
        self._tenant = tenant
        self._number = number

    async def staged(self) -> list[Staged]:
        """Versions waiting to be visible, the newest of each document, in the order they were written."""
        counted = select(func.count()).where(ChunkRow.version == VersionRow.id).scalar_subquery()
        statement = (
            select(VersionRow.document, VersionRow.id, counted)
            .where(*self._own("staged"))
            .order_by(VersionRow.created_at, VersionRow.id)
        )
        newest: dict[str, Staged] = {}
        for document, version, chunks in await self._session.execute(statement):
            before = newest.get(document)
            older = () if before is None else (*before.older, before.version)
            newest[document] = Staged(document, version, older, chunks)
        return list(newest.values())

    async def published(self) -> list[tuple[str, str]]:
        """(document, version) of everything that the index is to hold."""
        statement = select(VersionRow.document, VersionRow.id).where(*self._own(*IN_INDEX))
        return [(document, version) for document, version in await self._session.execute(statement.order_by(*_ORDER))]

    async def visible_chunks(self) -> int:
        """How many chunks are visible, or would be if the index were live: as many points it has at least, unless it
        was lost."""
        statement = (
            select(func.count())
            .select_from(ChunkRow)
            .join(VersionRow, VersionRow.id == ChunkRow.version)
            .where(ChunkRow.tenant == self._tenant, *self._own(*IN_INDEX))
        )
        return await self._session.scalar(statement) or 0

    async def load(self, versions: Sequence[str]) -> list[Written]:
        """The points of versions with the attributes of this moment, in this order; those that are gone are left out.

        All at once in memory, with their vectors.
        """
        rows = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, VersionRow.document == DocumentRow.id)
            .where(besides(DocumentRow.tenant) == self._tenant, VersionRow.id.in_(versions))
        )
        found = {version.id: (document, version) for document, version in await self._session.execute(rows)}
        points: dict[str, list[Point]] = {version: [] for version in versions}
        for chunk in await self._chunks(versions):
            if chunk.version in found:
                payload = _payload(*found[chunk.version], chunk)
                points[chunk.version].append(Point(chunk.id, _dense(chunk), _lexical(chunk), payload))
        return [
            Written(found[version][0].id, version, found[version][0].attribute_version, tuple(points[version]))
            for version in versions
            if version in found
        ]

    async def flip(self, loaded: Sequence[tuple[Staged, int]]) -> int:
        """Make staged versions the visible ones, each given with the attribute version that its points carry. How many:
        one that is no longer staged is not changed, nor is its document.

        In an index that is not the live one they are made ready, and what readers see stays as it is. Which of the two,
        is decided here: another process may have switched since the points were written.
        """
        if (await IndexVersions(self._session, self._tenant).live()).number != self._number:
            return sum([await self._make_ready(staged, attribute_version) for staged, attribute_version in loaded])
        # Documents before versions, as whoever relabels them: the two would else wait for each other.
        documents = sorted({one.document for one, _ in loaded})
        await self._session.execute(
            select(DocumentRow.id).where(DocumentRow.id.in_(documents)).order_by(DocumentRow.id).with_for_update()
        )
        now = datetime.now(UTC)
        moved = await self._move([one.version for one, _ in loaded], "staged", "published", published_at=now)
        flipped = [(one, attribute_version) for one, attribute_version in loaded if one.version in moved]
        if not flipped:
            return 0
        staged = [one for one, _ in flipped]
        await self._move(await self._previous(staged, "published"), "published", "superseded", ended_at=now)
        await self._move([version for one in staged for version in one.older], "staged", "superseded")
        await self._session.execute(
            _POINT_TO,
            [
                {"document": one.document, "of": self._tenant, "to": one.version, "carried": attribute_version}
                for one, attribute_version in flipped
            ],
        )
        return len(flipped)

    async def _make_ready(self, staged: Staged, attribute_version: int) -> bool:
        if not await self._move([staged.version], "staged", "ready", indexed_attribute_version=attribute_version):
            return False
        # What was shown once stays as text that citations lead to; what never was is shown to nobody.
        await self._move(await self._previous([staged], "standby"), "standby", "superseded")
        never_shown = await self._previous([staged], "ready")
        await self._move(never_shown, "ready", "withdrawn", ended_at=datetime.now(UTC))
        await self._move(staged.older, "staged", "withdrawn")
        await self._drop_chunks([*never_shown, *staged.older])
        return True

    async def _drop_chunks(self, versions: Sequence[str]) -> None:
        chunks = list(await self._session.scalars(select(ChunkRow.id).where(ChunkRow.version.in_(versions))))
        if chunks:
            tombstones = [{"tenant": self._tenant, "chunk": chunk} for chunk in chunks]
            await self._session.execute(insert_if_absent(self._session, table_of(TombstoneRow)), tombstones)
            await self._session.execute(delete(ChunkRow).where(ChunkRow.version.in_(versions)))

    async def _previous(self, staged: Sequence[Staged], state: str) -> list[str]:
        """Other versions of the same documents in this state and this index."""
        statement = select(VersionRow.id).where(
            besides(VersionRow.tenant) == self._tenant,
            VersionRow.document.in_([one.document for one in staged]),
            VersionRow.index_version == self._number,
            VersionRow.state == state,
            VersionRow.id.not_in([one.version for one in staged]),
        )
        return list(await self._session.scalars(statement))

    async def gone(self, versions: Collection[str]) -> frozenset[str]:
        """Those of `versions` that have no row any more."""
        statement = select(VersionRow.id).where(VersionRow.id.in_(sorted(versions)))
        return frozenset(versions) - frozenset(await self._session.scalars(statement))

    async def superseded(self) -> list[str]:
        """Versions whose points are to be removed."""
        statement = select(VersionRow.id).where(*self._own("superseded"))
        return list(await self._session.scalars(statement.order_by(VersionRow.id)))

    async def chunks_of(self, versions: Sequence[str]) -> list[str]:
        statement = select(ChunkRow.id).where(besides(ChunkRow.tenant) == self._tenant, ChunkRow.version.in_(versions))
        return list(await self._session.scalars(statement))

    async def retire(self, versions: Collection[str]) -> None:
        """The points of these superseded versions are gone."""
        await self._move(versions, "superseded", "retired")

    async def relabelled(self) -> list[str]:
        """Versions on whose points the index carries older attributes, in an order that keeps documents together."""
        visible = (
            select(VersionRow.document, VersionRow.id)
            .join(DocumentRow, DocumentRow.current_version == VersionRow.id)
            .where(
                # As the index of such documents is defined: all others are not looked through.
                DocumentRow.tenant == self._tenant,
                DocumentRow.current_version.is_not(None),
                DocumentRow.indexed_attribute_version < DocumentRow.attribute_version,
                besides(VersionRow.tenant) == self._tenant,
                VersionRow.index_version == self._number,
            )
        )
        beside = (
            select(VersionRow.document, VersionRow.id)
            .join(DocumentRow, DocumentRow.id == VersionRow.document)
            .where(*self._own("ready", "standby"), VersionRow.indexed_attribute_version < DocumentRow.attribute_version)
        )
        found = [(document, version) for document, version in await self._session.execute(union_all(visible, beside))]
        return [version for _, version in sorted(found)]

    async def labels(self, versions: Sequence[str]) -> tuple[list[Carried], dict[str, Payload]]:
        """With which attributes the versions stand now, and the payload of each of their chunks."""
        rows = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, VersionRow.document == DocumentRow.id)
            .where(besides(DocumentRow.tenant) == self._tenant, VersionRow.id.in_(versions))
            .options(defer(VersionRow.text, raiseload=True))
        )
        found = {version.id: (document, version) for document, version in await self._session.execute(rows)}
        carried = [Carried(document.id, name, document.attribute_version) for name, (document, _) in found.items()]
        chunks = [chunk for chunk in await self._chunks(versions, vectors=False) if chunk.version in found]
        return carried, {chunk.id: _payload(*found[chunk.version], chunk) for chunk in chunks}

    async def mark_indexed(self, carried: Sequence[Carried]) -> None:
        """The points of these versions carry these attributes; newer ones stay to be projected."""
        if carried:
            values = [
                {"of": self._tenant, "at": one.document, "held": one.version, "carried": one.attribute_version}
                for one in carried
            ]
            await self._session.execute(_MARK_DOCUMENT, values)
            await self._session.execute(_MARK_VERSION, values)

    async def drop_obsolete_tombstones(self) -> None:
        """Forget tombstones of chunks that exist again: their points are wanted."""
        await self._session.execute(
            delete(TombstoneRow).where(
                TombstoneRow.tenant == self._tenant, exists().where(ChunkRow.id == TombstoneRow.chunk)
            )
        )

    async def tombstones(self) -> list[str]:
        """Chunks without rows whose points are to be removed."""
        statement = select(TombstoneRow.chunk).where(TombstoneRow.tenant == self._tenant)
        return list(await self._session.scalars(statement.order_by(TombstoneRow.chunk)))

    async def bury(self, chunks: Collection[str]) -> None:
        """The points of these tombstones are gone."""
        await self._session.execute(
            delete(TombstoneRow).where(TombstoneRow.tenant == self._tenant, TombstoneRow.chunk.in_(sorted(chunks)))
        )

    async def _chunks(self, versions: Sequence[str], *, vectors: bool = True) -> Sequence[ChunkRow]:
        """The chunks of versions; where they are not asked for, without their vectors, which are most of them."""
        left_out = () if vectors else (ChunkRow.dense, ChunkRow.lexical_indices, ChunkRow.lexical_values)
        statement = (
            select(ChunkRow)
            .where(besides(ChunkRow.tenant) == self._tenant, ChunkRow.version.in_(versions))
            .order_by(ChunkRow.version, ChunkRow.ordinal)
            .options(*(defer(column, raiseload=True) for column in left_out))
        )
        return (await self._session.scalars(statement)).all()

    def _own(self, *states: str) -> tuple[ColumnElement[bool], ...]:
        """Versions of this index in one of these states."""
        return (
            VersionRow.tenant == self._tenant,
            VersionRow.index_version == self._number,
            VersionRow.state.in_(states),
        )

    async def _move(self, versions: Collection[str], old: str, new: str, **columns: datetime | int) -> frozenset[str]:
        """Those that were in the old state."""
        if not versions:
            return frozenset()
        statement = (
            update(VersionRow)
            .where(
                besides(VersionRow.tenant) == self._tenant, VersionRow.id.in_(sorted(versions)), VersionRow.state == old
            )
            .values(state=new, **columns)
            .returning(VersionRow.id)
        )
        return frozenset(await self._session.scalars(statement))


def _payload(document: DocumentRow, version: VersionRow, chunk: ChunkRow) -> Payload:
    """Labelled with the document's attributes, tightened by the chunk's own."""
    try:
        attributes = attributes_of(document).tightened(tightening_of(chunk))
    except ValueError as cause:
        raise Damaged(f"Document {document.id} has stored attributes that are not valid; ingest it again.") from cause
    return payload_of(
        attributes,
        version=version.id,
        attribute_version=document.attribute_version,
        policy_epoch=version.policy_epoch,
    )


def _dense(chunk: ChunkRow) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.frombuffer(chunk.dense, dtype="<f4").astype(np.float32)


def _lexical(chunk: ChunkRow) -> SparseVector:
    return SparseVector(
        np.frombuffer(chunk.lexical_indices, dtype="<u4").astype(np.uint32),
        np.frombuffer(chunk.lexical_values, dtype="<f4").astype(np.float32),
    )
