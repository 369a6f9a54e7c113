"""Queries about documents, versions and chunks. Takes a session; never commits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Executable, Result, Row, and_, bindparam, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from policies.rules import Attributes, InvalidRule, Level, Tightening
from policies.tables import EpochRow
from rag.db.engine import Database
from rag.db.statements import besides
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.domain import Chunk, Span


@dataclass(frozen=True, slots=True)
class LoadedChunk:
    """A chunk with the attributes that decide about it.

    `attributes` are the document's, tightened by the chunk's own. `current` is False where a newer version has
    replaced this one or none is visible yet.
    """

    chunk: Chunk
    attributes: Attributes
    attribute_version: int
    indexed_attribute_version: int
    policy_epoch: int
    current: bool
    title: str = field(repr=False)


def attributes_of(row: DocumentRow) -> Attributes:
    """A document's attributes as the policy reads them.

    Raises:
        InvalidRule: the stored row does not hold valid attributes; nobody may read such a document.
    """
    return labels_in(row.tenant, row.id, row)


def labels_in(tenant: str, document: str, row: Any) -> Attributes:
    """The same from any row that holds the columns of labels. Raises as `attributes_of`."""
    return Attributes(
        tenant=tenant,
        document=document,
        department=_name(row.department),
        level=Level(row.level),
        tags=_names(row.tags),
        owner=_name(row.owner),
        shares=_names(row.shares),
        denied_shares=_names(row.denied_shares),
        compartments=_names(row.compartments),
    )


def tightening_of(row: Any) -> Tightening:
    """What a chunk, or any row that holds the columns of its stricter labels, adds to its document's labels.

    Raises as `attributes_of`.
    """
    return Tightening(
        level=Level(row.level_at_least),
        compartments=_names(row.more_compartments),
        denied_shares=_names(row.more_denied_shares),
    )


def _names(stored: object) -> frozenset[str]:
    """A stored list of names. Anything else, an empty text or object above all, must not be taken for no names."""
    if not isinstance(stored, list):
        raise InvalidRule("a stored list of names is not a list")
    return frozenset(_name(name) for name in stored)


def _name(stored: object) -> str:
    if not isinstance(stored, str):
        raise InvalidRule("a stored name is not a text")
    return stored


async def tenants_with_documents(session: AsyncSession) -> list[str]:
    """Every tenant that has a document, for the upkeep of the service; never for a caller."""
    return list(await session.scalars(select(DocumentRow.tenant).distinct().order_by(DocumentRow.tenant)))


class Documents:
    """Reads of one tenant's documents. Every method takes the tenant: none can reach across."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, tenant: str, document: str) -> DocumentRow | None:
        statement = select(DocumentRow).where(DocumentRow.tenant == tenant, DocumentRow.id == document)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_by_path(
        self, tenant: str, source: str, path_digest: str, *, lock: bool = False
    ) -> DocumentRow | None:
        statement = select(DocumentRow).where(
            DocumentRow.tenant == tenant, DocumentRow.source == source, DocumentRow.path_digest == path_digest
        )
        if lock:
            statement = statement.with_for_update()
        return (await self._session.scalars(statement)).one_or_none()

    async def of_tenant(self, tenant: str, *, source: str | None = None) -> list[DocumentRow]:
        """All documents of the tenant, or of one of its sources, ordered by masked path."""
        statement = select(DocumentRow).where(DocumentRow.tenant == tenant).order_by(DocumentRow.path, DocumentRow.id)
        if source is not None:
            statement = statement.where(DocumentRow.source == source)
        return list(await self._session.scalars(statement))

    async def load_version(self, tenant: str, document: str, version: str) -> VersionRow | None:
        statement = select(VersionRow).where(
            VersionRow.tenant == tenant, VersionRow.document == document, VersionRow.id == version
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def versions_of(self, tenant: str, document: str) -> list[VersionRow]:
        """All versions of a document, whatever their state, oldest first."""
        statement = select(VersionRow).where(VersionRow.tenant == tenant, VersionRow.document == document)
        return list(await self._session.scalars(statement.order_by(VersionRow.created_at, VersionRow.id)))

    async def chunks_of(self, tenant: str, version: str) -> list[ChunkRow]:
        """The chunks of a version in the order of its text."""
        statement = (
            select(ChunkRow).where(ChunkRow.tenant == tenant, ChunkRow.version == version).order_by(ChunkRow.ordinal)
        )
        return list(await self._session.scalars(statement))

    async def chunks_touching(self, tenant: str, version: str, span: Span) -> list[ChunkRow]:
        """The chunks that share a character with the span, in the order of the text."""
        statement = select(ChunkRow).where(
            ChunkRow.tenant == tenant,
            ChunkRow.version == version,
            ChunkRow.start < span.end,
            ChunkRow.end > span.start,
        )
        return list(await self._session.scalars(statement.order_by(ChunkRow.ordinal)))

    async def load_chunks(self, tenant: str, chunks: Collection[str]) -> dict[str, LoadedChunk]:
        """Chunks by id with text and attributes; ids that are unknown, or another tenant's, are left out."""
        if not chunks:
            return {}
        rows = await self._rows(_LOAD, tenant, chunks)
        # SQLite ends a text at its first NUL, so its span comes short; the whole text does not.
        short = {row.version for row in rows if len(row.text) != row.end - row.start}
        texts = await self._texts(short) if short else {}
        first = {row.document: row for row in rows}
        attributes = {document: labels_in(tenant, document, row) for document, row in first.items()}
        return {row.id: _loaded(row, attributes[row.document], texts.get(row.version)) for row in rows}

    async def labels_of_chunks(self, tenant: str, chunks: Collection[str]) -> dict[str, Attributes]:
        """What decides about each chunk now: a fraction of `load_chunks`. Unknown ids are left out. Raises alike."""
        return _labels_by_chunk(tenant, await self._rows(_LABEL, tenant, chunks) if chunks else [])

    async def beside(self, tenant: str, chunks: Collection[str], distance: int) -> dict[str, list[str]]:
        """By chunk, the ids of those of its version that stand at most `distance` places before or after it, in the
        order of the text. Ids only: nothing is decided about them yet."""
        other = aliased(ChunkRow)
        near = other.ordinal.between(ChunkRow.ordinal - distance, ChunkRow.ordinal + distance)
        statement = (
            select(ChunkRow.id, other.id)
            .join(other, and_(other.version == ChunkRow.version, near, other.id != ChunkRow.id))
            .where(ChunkRow.tenant == tenant, other.tenant == tenant, ChunkRow.id.in_(sorted(chunks)))
            .order_by(ChunkRow.id, other.ordinal)
        )
        found: dict[str, list[str]] = {}
        for chunk, neighbour in await self._session.execute(statement):
            found.setdefault(chunk, []).append(neighbour)
        return found

    async def labels_of_documents(self, tenant: str, documents: Collection[str]) -> dict[str, Attributes]:
        """The attributes of whole documents. Unknown ids are left out. Raises as `attributes_of`."""
        statement = select(DocumentRow).where(besides(DocumentRow.tenant) == tenant, DocumentRow.id.in_(documents))
        return {row.id: attributes_of(row) for row in await self._session.scalars(statement)} if documents else {}

    async def others(self, tenant: str, chunks: Collection[str]) -> frozenset[str]:
        """Those of `chunks` that exist and are another tenant's: for an alarm, never for a caller."""
        statement = select(ChunkRow.id).where(ChunkRow.id.in_(sorted(chunks)), ChunkRow.tenant != tenant)
        return frozenset(await self._session.scalars(statement))

    async def _rows(self, statement: Executable, tenant: str, chunks: Collection[str]) -> Sequence[Row[Any]]:
        asked = {"tenant": tenant, "chunks": sorted(chunks)}
        found: Result[Any] = await self._session.execute(statement, asked)
        return found.all()

    async def _texts(self, versions: Collection[str]) -> dict[str, str]:
        statement = select(VersionRow.id, VersionRow.text).where(VersionRow.id.in_(sorted(versions)))
        return {version: text for version, text in await self._session.execute(statement)}


_LABELLED = (
    ChunkRow.id,
    ChunkRow.document,
    ChunkRow.level_at_least,
    ChunkRow.more_compartments,
    ChunkRow.more_denied_shares,
    DocumentRow.department,
    DocumentRow.level,
    DocumentRow.tags,
    DocumentRow.owner,
    DocumentRow.shares,
    DocumentRow.denied_shares,
    DocumentRow.compartments,
)
_LOADED = (
    *_LABELLED,
    ChunkRow.version,
    ChunkRow.ordinal,
    ChunkRow.start,
    ChunkRow.end,
    ChunkRow.page,
    ChunkRow.heading,
    VersionRow.policy_epoch,
    # Characters, counted from one. A version's whole text is some hundred times what a chunk shows of it.
    func.substr(VersionRow.text, ChunkRow.start + 1, ChunkRow.end - ChunkRow.start).label("text"),
    DocumentRow.title,
    DocumentRow.attribute_version,
    DocumentRow.indexed_attribute_version,
    DocumentRow.current_version,
)

_ASKED = (
    ChunkRow.id.in_(bindparam("chunks", expanding=True)),
    ChunkRow.tenant == bindparam("tenant"),
    # Said so that no index on the tenant answers: SQLite would start from all of her documents instead of the few
    # chunks that are asked for.
    func.coalesce(DocumentRow.tenant, "") == bindparam("tenant"),
)
_LABEL = select(*_LABELLED).join(DocumentRow, DocumentRow.id == ChunkRow.document).where(*_ASKED)
_LOAD = (
    select(*_LOADED)
    .join(DocumentRow, DocumentRow.id == ChunkRow.document)
    .join(VersionRow, VersionRow.id == ChunkRow.version)
    .where(*_ASKED)
)


_NOW = select(
    select(EpochRow.epoch).where(EpochRow.tenant == bindparam("tenant")).scalar_subquery().label("epoch")
).subquery()
_LABELS = _LABEL.subquery()
# A row in any case: the version of the policy stands there although no chunk is found.
_STANDING = select(_NOW.c.epoch, *_LABELS.c).select_from(_NOW.outerjoin(_LABELS, true()))


async def epoch_and_labels(
    database: Database, tenant: str, chunks: Collection[str]
) -> tuple[object, dict[str, Attributes]]:
    """The version of the tenant's policy as it is stored, and what decides about each chunk: of one moment.

    One statement, so that to ask again before each claim costs little. Unknown ids are left out. Raises as
    `attributes_of`.
    """
    rows = await database.rows(_STANDING, {"tenant": tenant, "chunks": sorted(chunks)})
    return rows[0].epoch, _labels_by_chunk(tenant, [row for row in rows if row.id is not None])


def _labels_by_chunk(tenant: str, rows: Sequence[Row[Any]]) -> dict[str, Attributes]:
    first = {row.document: row for row in rows}
    labels = {document: labels_in(tenant, document, row) for document, row in first.items()}
    return {row.id: _tightened(labels[row.document], tightening_of(row)) for row in rows}


def _loaded(row: Row[Any], attributes: Attributes, whole_text: str | None) -> LoadedChunk:
    tightening = tightening_of(row)
    return LoadedChunk(
        chunk=Chunk(
            id=row.id,
            document=row.document,
            version=row.version,
            ordinal=row.ordinal,
            span=Span(row.start, row.end),
            page=row.page,
            heading=row.heading,
            text=row.text if whole_text is None else whole_text[row.start : row.end],
            tightening=tightening,
        ),
        attributes=_tightened(attributes, tightening),
        attribute_version=row.attribute_version,
        indexed_attribute_version=row.indexed_attribute_version,
        policy_epoch=row.policy_epoch,
        current=row.current_version == row.version,
        title=row.title,
    )


def _tightened(labels: Attributes, tightening: Tightening) -> Attributes:
    return labels if tightening.empty else labels.tightened(tightening)
