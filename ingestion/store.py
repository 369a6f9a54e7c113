"""What ingestion writes. Takes a session, never commits; every method leaves the tables consistent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.chunk import Draft
from ingestion.lineage import Makers
from ingestion.standing import NEWEST
from ingestion.withdrawal import NEVER_VISIBLE, Withdrawal
from policies.rules import Attributes, InvalidRule
from policies.store import PolicyStore
from rag.db.documents import Documents, attributes_of
from rag.db.index_changes import IndexChanges
from rag.db.index_table import FIRST_NUMBER, STANDING
from rag.db.tables import ChunkRow, DocumentRow, QuarantinedRow, VersionRow
from rag.domain import SparseVector
from rag.errors import Conflict


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
        self._withdrawal = Withdrawal(session, tenant)

    async def find(self, path_digest: str, *, lock: bool = False) -> DocumentRow | None:
        """`lock`: nobody else changes it, or its labels, before the transaction ends. Call it before anything of it is
        read that the decision rests on."""
        return await Documents(self._session).find_by_path(self._tenant, self._source, path_digest, lock=lock)

    async def path_digests(self) -> list[str]:
        """The identities of all documents of the source, in a fixed order."""
        statement = select(DocumentRow.path_digest).where(
            DocumentRow.tenant == self._tenant, DocumentRow.source == self._source
        )
        return list(await self._session.scalars(statement.order_by(DocumentRow.path_digest)))

    async def newest_version(self, document: str) -> VersionRow | None:
        """The staged or held version if there is one, else the one in the index."""
        statement = select(VersionRow).where(
            VersionRow.document == document, VersionRow.index_version == self._index, VersionRow.state.in_(NEWEST)
        )
        found = {row.state: row for row in await self._session.scalars(statement.order_by(VersionRow.created_at))}
        return next((found[state] for state in NEWEST if state in found), None)

    async def versions_kept(self, document: str) -> int:
        """How many versions ever came into the index: with it, content that comes back is another version."""
        statement = select(func.count()).where(
            VersionRow.document == document,
            VersionRow.index_version == self._index,
            VersionRow.state.not_in(NEVER_VISIBLE),
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

    async def withhold(self, row: DocumentRow) -> None:
        """Nothing of it is readable until its content is read again: its source gives it new labels.

        The row keeps the labels it had, so that nothing passes for labelled anew.
        """
        await self._withdrawal.withdraw(row.id)
        await self._withdrawal.drop_waiting(row.id)
        await self._policy.raise_epoch(self._tenant)
        await self._session.flush()

    async def _take_labels(self, row: DocumentRow, attributes: Attributes) -> None:
        """Snapshots are outdated in the same transaction."""
        put_labels(row, attributes)
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
            await self._withdrawal.withdraw(document)
            await self._withdrawal.drop_waiting(document)
            await self._take_labels(row, attributes)
        elif held:
            await self._withdrawal.withdraw(document, content=reading.content_digest)
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
        await self._withdrawal.drop_waiting(document, but=frozenset(await self._session.scalars(others)))
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
        await self._withdrawal.forget_tombstones([chunk.id for chunk in chunks])

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


def same_labels(row: DocumentRow, attributes: Attributes) -> bool:
    try:
        return attributes_of(row) == attributes
    except InvalidRule:
        return False


def put_labels(row: DocumentRow, attributes: Attributes) -> None:
    """New labels. Whoever writes them raises the epoch in the same transaction."""
    _label(row, attributes)
    row.attribute_version += 1
    row.updated_at = datetime.now(UTC)


def _label(row: DocumentRow, attributes: Attributes) -> None:
    row.department = attributes.department
    row.level = int(attributes.level)
    row.tags = sorted(attributes.tags)
    row.owner = attributes.owner
    row.shares = sorted(attributes.shares)
    row.denied_shares = sorted(attributes.denied_shares)
    row.compartments = sorted(attributes.compartments)
