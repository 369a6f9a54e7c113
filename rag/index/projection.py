"""What SQL says that the index should hold, and what it remembers of what was written there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from rag.db.documents import attributes_of, tightening_of
from rag.db.tables import ChunkRow, DocumentRow, TombstoneRow, VersionRow
from rag.domain import SparseVector
from rag.errors import Damaged
from rag.index.payload import payload_of
from rag.index.store import Payload, Point


@dataclass(frozen=True, slots=True)
class Staged:
    """A version to make visible. `older` are staged ones of the same document that it overtook."""

    document: str
    version: str
    older: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Points of one version as they were written: with which attributes."""

    document: str
    version: str
    attribute_version: int
    points: tuple[Point, ...]


class Projection:
    """Reads and marks of one tenant. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def staged(self) -> list[Staged]:
        """Versions waiting to be visible, the newest of each document, in the order they were written."""
        statement = (
            select(VersionRow.document, VersionRow.id)
            .where(VersionRow.tenant == self._tenant, VersionRow.state == "staged")
            .order_by(VersionRow.created_at, VersionRow.id)
        )
        versions: dict[str, list[str]] = {}
        for document, version in await self._session.execute(statement):
            versions.setdefault(document, []).append(version)
        return [Staged(document, found[-1], tuple(found[:-1])) for document, found in versions.items()]

    async def published(self) -> list[tuple[str, str]]:
        """(document, version) of everything visible."""
        statement = select(DocumentRow.id, DocumentRow.current_version).where(
            DocumentRow.tenant == self._tenant, DocumentRow.current_version.is_not(None)
        )
        rows = await self._session.execute(statement.order_by(DocumentRow.id))
        return [(document, version) for document, version in rows if version is not None]

    async def visible_chunks(self) -> int:
        """How many chunks are visible: as many points the index has at least, unless it was lost."""
        statement = (
            select(func.count())
            .select_from(ChunkRow)
            .join(DocumentRow, DocumentRow.current_version == ChunkRow.version)
            .where(ChunkRow.tenant == self._tenant, DocumentRow.tenant == self._tenant)
        )
        return await self._session.scalar(statement) or 0

    async def load(self, document: str, version: str) -> Written | None:
        """The points of a version with the attributes of this moment; None where it is gone."""
        document_row = await self._session.get(DocumentRow, document)
        version_row = await self._session.get(VersionRow, version)
        if document_row is None or version_row is None or document_row.tenant != self._tenant:
            return None
        points = tuple(
            Point(chunk.id, _dense(chunk), _lexical(chunk), _payload(document_row, version_row, chunk))
            for chunk in await self._chunks(version)
        )
        return Written(document, version, document_row.attribute_version, points)

    async def flip(self, staged: Staged, attribute_version: int) -> bool:
        """Make the staged version the visible one; False, and no change, where it is no longer staged."""
        now = datetime.now(UTC)
        moved = await self._move([staged.version], "staged", "published", published_at=now)
        if not moved:
            return False
        previous = select(VersionRow.id).where(
            VersionRow.document == staged.document,
            VersionRow.state == "published",
            VersionRow.id != staged.version,
        )
        await self._move(list(await self._session.scalars(previous)), "published", "superseded", ended_at=now)
        await self._move(staged.older, "staged", "superseded")
        await self._session.execute(
            update(DocumentRow)
            .where(DocumentRow.id == staged.document, DocumentRow.tenant == self._tenant)
            .values(current_version=staged.version, indexed_attribute_version=attribute_version)
        )
        return True

    async def gone(self, versions: Collection[str]) -> frozenset[str]:
        """Those of `versions` that have no row any more."""
        statement = select(VersionRow.id).where(VersionRow.id.in_(sorted(versions)))
        return frozenset(versions) - frozenset(await self._session.scalars(statement))

    async def superseded(self) -> list[tuple[str, list[str]]]:
        """(version, chunks) whose points are to be removed."""
        statement = select(VersionRow.id).where(VersionRow.tenant == self._tenant, VersionRow.state == "superseded")
        versions = list(await self._session.scalars(statement.order_by(VersionRow.id)))
        return [(version, [chunk.id for chunk in await self._labels(version)]) for version in versions]

    async def retire(self, versions: Collection[str]) -> None:
        """The points of these superseded versions are gone."""
        await self._move(versions, "superseded", "retired")

    async def relabelled(self) -> list[tuple[str, int, dict[str, Payload]]]:
        """(document, attribute version, payload by chunk) where the index carries older attributes."""
        statement = select(DocumentRow, VersionRow).join(VersionRow, VersionRow.id == DocumentRow.current_version)
        statement = statement.where(
            DocumentRow.tenant == self._tenant,
            DocumentRow.indexed_attribute_version < DocumentRow.attribute_version,
        ).order_by(DocumentRow.id)
        return [
            (
                document.id,
                document.attribute_version,
                {chunk.id: _payload(document, version, chunk) for chunk in await self._labels(version.id)},
            )
            for document, version in await self._session.execute(statement)
        ]

    async def mark_indexed(self, document: str, attribute_version: int) -> None:
        """The index carries the attributes of `attribute_version`; a newer one stays to be projected."""
        await self._session.execute(
            update(DocumentRow)
            .where(DocumentRow.id == document, DocumentRow.tenant == self._tenant)
            .values(indexed_attribute_version=attribute_version)
        )

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

    async def _chunks(self, version: str) -> Sequence[ChunkRow]:
        statement = select(ChunkRow).where(ChunkRow.tenant == self._tenant, ChunkRow.version == version)
        return (await self._session.scalars(statement.order_by(ChunkRow.ordinal))).all()

    async def _labels(self, version: str) -> Sequence[ChunkRow]:
        """The chunks without their vectors, which are most of them."""
        vectors = (ChunkRow.dense, ChunkRow.lexical_indices, ChunkRow.lexical_values)
        statement = select(ChunkRow).where(ChunkRow.tenant == self._tenant, ChunkRow.version == version)
        return (await self._session.scalars(statement.options(*(defer(v, raiseload=True) for v in vectors)))).all()

    async def _move(self, versions: Collection[str], old: str, new: str, **times: datetime) -> int:
        statement = (
            update(VersionRow)
            .where(VersionRow.tenant == self._tenant, VersionRow.id.in_(sorted(versions)), VersionRow.state == old)
            .values(state=new, **times)
            .returning(VersionRow.id)
        )
        return len((await self._session.scalars(statement)).all())


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
