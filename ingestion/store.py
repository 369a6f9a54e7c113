"""What ingestion writes. Takes a session, never commits; every method leaves the tables consistent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.chunk import Draft
from ingestion.lineage import Makers
from policies.rules import Attributes, InvalidRule
from policies.store import PolicyStore
from rag.db.documents import Documents, attributes_of, labels_in
from rag.db.index_changes import IndexChanges
from rag.db.index_table import FIRST_NUMBER, STANDING
from rag.db.statements import batches, besides
from rag.db.tables import EVER_VISIBLE, IN_INDEX, ChunkRow, DocumentRow, QuarantinedRow, TombstoneRow, VersionRow
from rag.domain import SparseVector
from rag.errors import Conflict

_NEVER_VISIBLE = ("staged", "quarantined", "rejected")
"""A document has at most one version of each index in one of these states."""
_NEWEST = (*_NEVER_VISIBLE, *IN_INDEX)
_LABELS = (
    DocumentRow.id, DocumentRow.department, DocumentRow.level, DocumentRow.tags, DocumentRow.owner, DocumentRow.shares,
    DocumentRow.denied_shares, DocumentRow.compartments,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Embedded:
    """A chunk to be written: its draft, its id and its vectors."""

    id: str
    draft: Draft
    dense: NDArray[np.float32] = field(repr=False)
    lexical: SparseVector = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as it was read, all of it masked, and by what."""

    title: str = field(repr=False)
    path: str = field(repr=False)
    media_type: str
    text: str = field(repr=False)
    flags: tuple[str, ...]
    content_digest: str
    pipeline_digest: str
    masking_digest: str = ""
    """The tenant's configuration of masking; empty: the default."""
    source_revision: str = ""
    """Keyed digest of the source's revision of this content; empty: only reading tells."""
    makers: Makers | None = None
    """By what it was read; None: not recorded."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A stored document, without its text: its labels (none where the row holds no valid ones), and its newest version.

    `pipeline` and `revision` are empty where it has no version.
    """

    attributes: Attributes | None
    pipeline: str
    revision: str


@dataclass(frozen=True, slots=True)
class Held:
    """A version that is written and not made visible: `state` is quarantined or rejected, `places` say why."""

    state: str
    places: list[dict[str, Any]] = field(repr=False)


class DocumentStore:
    """One source of one tenant, and one of her indexes: the versions of documents are that one's.

    Documents and their labels are all indexes'. What is withdrawn or removed for its labels goes from each of them.
    """

    def __init__(self, session: AsyncSession, tenant: str, source: str, index: int = FIRST_NUMBER) -> None:
        self._session = session
        self._tenant = tenant
        self._source = source
        self._index = index
        self._policy = PolicyStore(session)

    async def find(self, path_digest: str) -> DocumentRow | None:
        return await Documents(self._session).find_by_path(self._tenant, self._source, path_digest)

    async def path_digests(self) -> list[str]:
        """The identities of all documents of the source, in a fixed order."""
        statement = select(DocumentRow.path_digest).where(
            DocumentRow.tenant == self._tenant, DocumentRow.source == self._source
        )
        return list(await self._session.scalars(statement.order_by(DocumentRow.path_digest)))

    async def newest_version(self, document: str) -> VersionRow | None:
        """The staged or held version if there is one, else the one in the index."""
        statement = select(VersionRow).where(
            VersionRow.document == document, VersionRow.index_version == self._index, VersionRow.state.in_(_NEWEST)
        )
        found = {row.state: row for row in await self._session.scalars(statement.order_by(VersionRow.created_at))}
        return next((found[state] for state in _NEWEST if state in found), None)

    async def standing(self, documents: Sequence[str]) -> dict[str, Standing]:
        """How those of the documents stand that are stored, by id; two statements for each few hundred."""
        found: dict[str, Standing] = {}
        for some in batches(documents):
            found |= await self._standing_of(some)
        return found

    async def _standing_of(self, documents: Sequence[str]) -> dict[str, Standing]:
        columns = VersionRow.document, VersionRow.state, VersionRow.pipeline_digest, VersionRow.source_revision
        versions = select(*columns).where(
            VersionRow.document.in_(documents), VersionRow.index_version == self._index, VersionRow.state.in_(_NEWEST)
        )
        newest: dict[str, tuple[str, str]] = {}
        # As `newest_version` takes them: what waits before what is in the index.
        ordered = versions.order_by(VersionRow.state.in_(IN_INDEX), VersionRow.created_at.desc())
        for document, _, pipeline, revision in await self._session.execute(ordered):
            newest.setdefault(document, (pipeline, revision))
        rows = select(*_LABELS).where(
            DocumentRow.id.in_(documents),
            besides(DocumentRow.tenant) == self._tenant,
            besides(DocumentRow.source) == self._source,
        )
        return {
            row.id: Standing(_labels_in(self._tenant, row), *newest.get(row.id, ("", "")))
            for row in await self._session.execute(rows)
        }

    async def versions_kept(self, document: str) -> int:
        """How many versions ever came into the index: with it, content that comes back is another version."""
        statement = select(func.count()).where(
            VersionRow.document == document,
            VersionRow.index_version == self._index,
            VersionRow.state.not_in(_NEVER_VISIBLE),
        )
        return await self._session.scalar(statement) or 0

    async def versions(self, document: str) -> list[tuple[VersionRow, int]]:
        """All versions with the number of their chunks, oldest first."""
        statement = (
            select(VersionRow, func.count(ChunkRow.id))
            .outerjoin(ChunkRow, ChunkRow.version == VersionRow.id)
            .where(VersionRow.document == document, VersionRow.tenant == self._tenant)
            .group_by(VersionRow.id)
            .order_by(VersionRow.created_at, VersionRow.id)
        )
        return [(row, count) for row, count in await self._session.execute(statement)]

    async def relabel(self, row: DocumentRow, attributes: Attributes) -> None:
        """New labels for the newest content; what came before it was never meant to be read under them."""
        meant = await self._meant(row.id)
        await self._withdraw(row.id, but=meant)
        await self._drop_waiting(row.id, but=meant)
        await self._take_labels(row, attributes)

    async def withhold(self, row: DocumentRow) -> None:
        """Nothing of it is readable until its content is read again: its source gives it new labels.

        The row keeps the labels it had, so that nothing passes for labelled anew.
        """
        await self._withdraw(row.id)
        await self._drop_waiting(row.id)
        await self._policy.raise_epoch(self._tenant)
        await self._session.flush()

    async def _take_labels(self, row: DocumentRow, attributes: Attributes) -> None:
        """Snapshots are outdated in the same transaction."""
        _label(row, attributes)
        row.attribute_version += 1
        row.updated_at = datetime.now(UTC)
        await self._policy.raise_epoch(self._tenant)
        await self._session.flush()

    async def stage(
        self, document: str, path_digest: str, attributes: Attributes, reading: Reading, *, held: bool = False
    ) -> bool:
        """Write the document's row for a version about to be written. True where an older one stays visible.

        Where the labels change together with the content, all old content is withdrawn at once: it was never
        meant to be read under the new labels. Where the version is held, so is the same content made before, and
        what is visible keeps its own title.
        """
        row = await self._session.get(DocumentRow, document)
        new = row is None
        if row is None:
            row = DocumentRow(
                id=document,
                tenant=self._tenant,
                source=self._source,
                path_digest=path_digest,
                attribute_version=1,
                indexed_attribute_version=0,
                current_version=None,
            )
            _label(row, attributes)
            self._session.add(row)
        elif not same_labels(row, attributes):
            await self._withdraw(document)
            await self._drop_waiting(document)
            await self._take_labels(row, attributes)
        elif held:
            await self._withdraw(document, content=reading.content_digest)
            await self._session.refresh(row)
        stays = row.current_version is not None
        row.path, row.updated_at = reading.path, datetime.now(UTC)
        if not held or not stays:
            row.title, row.media_type = reading.path if held else reading.title, reading.media_type
            row.flags = list(reading.flags)
        await self._session.flush()
        if new:
            return False  # no version is without its document
        others = select(VersionRow.id).where(VersionRow.document == document, VersionRow.index_version != self._index)
        await self._drop_waiting(document, but=frozenset(await self._session.scalars(others)))
        return stays

    async def add_version(
        self,
        document: str,
        version: str,
        reading: Reading,
        chunks: Sequence[Embedded],
        held: Held | None = None,
    ) -> None:
        """Write a version with its chunks, staged or held: not visible before it is published.

        Raises:
            Conflict: another embedder made its index.
        """
        if reading.makers is not None:
            await self._of_this_embedder(reading.makers, chunks)
        self._session.add(
            VersionRow(
                id=version,
                document=document,
                tenant=self._tenant,
                content_digest=reading.content_digest,
                pipeline_digest=reading.pipeline_digest,
                masking_digest=reading.masking_digest,
                source_revision=reading.source_revision,
                index_version=self._index,
                state="staged" if held is None else held.state,
                text=reading.text,
                policy_epoch=await self._policy.epoch(self._tenant),
                created_at=datetime.now(UTC),
            )
        )
        await self._session.flush()
        if reading.makers is not None:
            self._session.add(reading.makers.row(self._tenant, version))
        if held is not None:
            self._session.add(
                QuarantinedRow(
                    version=version,
                    tenant=self._tenant,
                    title=reading.title,
                    media_type=reading.media_type,
                    flags=list(reading.flags),
                    places=held.places,
                )
            )
        self._session.add_all(
            self._chunk_row(document, version, ordinal, chunk) for ordinal, chunk in enumerate(chunks)
        )
        await self._session.flush()
        await self._forget_tombstones([chunk.id for chunk in chunks])

    async def remove(self, row: DocumentRow) -> None:
        """Delete a document with all its versions; its points are removed when the index is next published."""
        statement = select(ChunkRow.id).where(ChunkRow.document == row.id).order_by(ChunkRow.id)
        await self._bury(list(await self._session.scalars(statement)))
        await self._session.delete(row)
        await self._policy.raise_epoch(self._tenant)
        await self._session.flush()

    async def _of_this_embedder(self, makers: Makers, chunks: Sequence[Embedded]) -> None:
        """Return if the vectors may stand beside those that are in the index; the first ones say what makes them.

        Raises:
            Conflict: they may not.
        """
        indexes = IndexChanges(self._session, self._tenant)
        row = await indexes.find(self._index)
        if row is None and self._index == FIRST_NUMBER and chunks:
            await indexes.record_first(makers.embedder, makers.embedder_digest, len(chunks[0].dense))
            row = await indexes.find(self._index)
        if row is not None and row.embedder_digest not in ("", makers.embedder_digest):
            raise another_embedder(self._tenant, self._index, row.embedder, makers.embedder)
        if (row is None and bool(chunks)) or (row is not None and row.state not in STANDING):
            raise Conflict(
                f"Index {self._index} of tenant {self._tenant!r} is not there any more. `ringfence index list` shows "
                "those that are.",
                code="index_gone",
            )

    async def _meant(self, document: str) -> frozenset[str]:
        """What labels that are given now are meant for: the newest version of this index, and in each other index those
        of the same content."""
        newest = await self.newest_version(document)
        if newest is None:
            return frozenset()
        alike = select(VersionRow.id).where(
            VersionRow.document == document,
            VersionRow.index_version != self._index,
            VersionRow.content_digest == newest.content_digest,
        )
        return frozenset([newest.id, *await self._session.scalars(alike)])

    async def _withdraw(self, document: str, *, but: frozenset[str] = frozenset(), content: str | None = None) -> None:
        """Take back, in every index, the versions that are or were in it, except some.

        Also those that an old link could still open. With `content`, only versions of this content.
        """
        statement = select(VersionRow).where(
            VersionRow.document == document, VersionRow.state.in_({*EVER_VISIBLE, *IN_INDEX})
        )
        if content is not None:
            statement = statement.where(VersionRow.content_digest == content)
        versions = [version for version in await self._session.scalars(statement) if version.id not in but]
        for version in versions:
            if version.state == "published":
                version.ended_at = datetime.now(UTC)
            version.state = "withdrawn"
        ids = [version.id for version in versions]
        chunks = select(ChunkRow.id).where(ChunkRow.version.in_(ids)).order_by(ChunkRow.id)
        await self._bury(list(await self._session.scalars(chunks)))
        await self._session.execute(delete(ChunkRow).where(ChunkRow.version.in_(ids)))
        # Only where it still points at one of them: a publisher may have moved on meanwhile.
        pointing = DocumentRow.id == document, DocumentRow.current_version.in_(ids)
        await self._session.execute(update(DocumentRow).where(*pointing).values(current_version=None))

    async def _drop_waiting(self, document: str, *, but: frozenset[str] = frozenset()) -> None:
        """Forget versions that came into no index yet. A publisher may be writing their points at this moment."""
        waiting = VersionRow.document == document, VersionRow.state.in_(_NEVER_VISIBLE)
        dropped = *waiting, VersionRow.id.not_in(but)
        chunks = select(ChunkRow.id).join(VersionRow, VersionRow.id == ChunkRow.version).where(*dropped)
        await self._bury(list(await self._session.scalars(chunks.order_by(ChunkRow.id))))
        versions = select(VersionRow.id).where(*dropped)
        await self._session.execute(delete(ChunkRow).where(ChunkRow.version.in_(versions)))
        await self._session.execute(delete(QuarantinedRow).where(QuarantinedRow.version.in_(versions)))
        await self._session.execute(delete(VersionRow).where(*dropped))

    async def _bury(self, chunks: Sequence[str]) -> None:
        await self._forget_tombstones(chunks)
        self._session.add_all(TombstoneRow(tenant=self._tenant, chunk=chunk) for chunk in chunks)
        await self._session.flush()

    async def _forget_tombstones(self, chunks: Sequence[str]) -> None:
        for some in batches(chunks):
            await self._session.execute(
                delete(TombstoneRow).where(TombstoneRow.tenant == self._tenant, TombstoneRow.chunk.in_(some))
            )

    def _chunk_row(self, document: str, version: str, ordinal: int, chunk: Embedded) -> ChunkRow:
        tightening = chunk.draft.tightening
        return ChunkRow(
            id=chunk.id,
            version=version,
            document=document,
            tenant=self._tenant,
            ordinal=ordinal,
            start=chunk.draft.span.start,
            end=chunk.draft.span.end,
            page=chunk.draft.page,
            heading=chunk.draft.heading,
            level_at_least=int(tightening.level),
            more_compartments=sorted(tightening.compartments),
            more_denied_shares=sorted(tightening.denied_shares),
            dense=chunk.dense.astype("<f4").tobytes(),
            lexical_indices=chunk.lexical.indices.astype("<u4").tobytes(),
            lexical_values=chunk.lexical.values.astype("<f4").tobytes(),
        )


def another_embedder(tenant: str, number: int, made_by: str, other: str) -> Conflict:
    """The error for vectors that may not stand in an index beside those of another embedder."""
    return Conflict(
        f"Index {number} of tenant {tenant!r} was made by the embedder {made_by}, and not by {other} as it is now set. "
        "Never two in one index: set RINGFENCE_EMBEDDING__MODEL back; `ringfence index build --model` makes an index "
        "of another embedder beside this one.",
        code="embedder_mismatch",
    )


def _labels_in(tenant: str, row: Any) -> Attributes | None:
    try:
        return labels_in(tenant, row.id, row)
    except InvalidRule:
        return None


def same_labels(row: DocumentRow, attributes: Attributes) -> bool:
    try:
        return attributes_of(row) == attributes
    except InvalidRule:
        return False


def _label(row: DocumentRow, attributes: Attributes) -> None:
    row.department = attributes.department
    row.level = int(attributes.level)
    row.tags = sorted(attributes.tags)
    row.owner = attributes.owner
    row.shares = sorted(attributes.shares)
    row.denied_shares = sorted(attributes.denied_shares)
    row.compartments = sorted(attributes.compartments)
