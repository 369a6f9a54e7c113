"""What a tenant's documents may be trained on: what readers see now, with nothing that was flagged or walled off."""

from dataclasses import dataclass, field

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from policies.rules import Level
from rag.db.tables import ChunkRow, DocumentRow, VersionRow


@dataclass(frozen=True, slots=True)
class TrainableChunk:
    """A chunk of the visible version. `text` and `heading` are the reading face."""

    id: str
    heading: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrainableDocument:
    """A document in its visible version. `content_digest` is the keyed digest of its source bytes."""

    id: str
    version: str
    content_digest: str
    title: str = field(repr=False)
    text: str = field(repr=False)
    chunks: tuple[TrainableChunk, ...] = field(repr=False)


class Trainable:
    """Of one tenant, up to a level. Takes a session; never commits.

    Not visible, and so never here: what is quarantined, rejected, withdrawn or kept out. Left out besides: documents
    and chunks behind a compartment, as everybody's ranking comes of the weights; and documents in which something
    that speaks to a model was noticed, as whoever planted it may mean the training too.
    """

    def __init__(self, session: AsyncSession, tenant: str, level_max: Level) -> None:
        self._session = session
        self._tenant = tenant
        self._level_max = level_max

    async def documents(self) -> list[str]:
        """Their ids. They are keyed digests: their order is a draw that comes out the same every time."""
        statement = (
            select(DocumentRow.id, DocumentRow.compartments, DocumentRow.flags)
            .where(
                DocumentRow.tenant == self._tenant,
                DocumentRow.current_version.is_not(None),
                DocumentRow.level <= int(self._level_max),
            )
            .order_by(DocumentRow.id)
        )
        rows = await self._session.execute(statement)
        # Not falsehood: only a list that is read and is empty says that there is no wall.
        return [row.id for row in rows if row.compartments == [] and row.flags == []]

    async def load(self, document: str) -> TrainableDocument | None:
        """One of them with its chunks; None where it is none of them."""
        shown = and_(
            VersionRow.id == DocumentRow.current_version,
            VersionRow.tenant == DocumentRow.tenant,
            VersionRow.state == "published",
        )
        statement = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, shown)
            .where(DocumentRow.tenant == self._tenant, DocumentRow.id == document)
        )
        found = (await self._session.execute(statement)).one_or_none()
        if found is None or not self._may_train(found[0]):
            return None
        row, version = found
        chunks = await self._session.scalars(
            select(ChunkRow)
            .where(ChunkRow.tenant == self._tenant, ChunkRow.version == version.id)
            .order_by(ChunkRow.ordinal)
        )
        return TrainableDocument(
            id=row.id,
            version=version.id,
            content_digest=version.content_digest,
            title=row.title,
            text=version.text,
            chunks=tuple(
                TrainableChunk(chunk.id, chunk.heading, version.text[chunk.start : chunk.end])
                for chunk in chunks
                if chunk.level_at_least <= int(self._level_max) and chunk.more_compartments == []
            ),
        )

    def _may_train(self, row: DocumentRow) -> bool:
        return row.level <= int(self._level_max) and row.compartments == [] and row.flags == []


async def shown_contents(session: AsyncSession, tenant: str) -> dict[str, str]:
    """The keyed digest of what readers see of each document, by document, whatever its labels."""
    statement = (
        select(DocumentRow.id, VersionRow.content_digest)
        .join(VersionRow, VersionRow.id == DocumentRow.current_version)
        .where(DocumentRow.tenant == tenant)
    )
    return {document: digest for document, digest in await session.execute(statement)}
