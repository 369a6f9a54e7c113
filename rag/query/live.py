"""Which index answers, and the embedder that made it: a question is asked of one whole index, in its own space."""

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.index_versions import IndexVersion, IndexVersions
from rag.embedding.protocol import Embedder
from rag.errors import IndexUnavailable
from rag.index.store import Query, VectorStore
from rag.privacy.masked import MaskedText
from rag.query.parts import QueryParts


class IndexSwitched(IndexUnavailable):
    """Another index became the live one while this question was searched; nothing of both is mixed."""

    code = "index_switched"

    def __init__(self) -> None:
        super().__init__("The index was switched while the question was searched. Nothing was returned; ask again.")


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """An index ready to be asked."""

    version: IndexVersion
    embedder: Embedder
    store: VectorStore

    def query(self, question: MaskedText, parts: QueryParts) -> Query:
        """The question in this index's space. Blocks: call it from a worker thread."""
        face = question.index_face()
        vector = self.embedder.embed_query(face)
        return Query(vector, parts.lexical.encode_query(face), self.embedder.digest)


async def live_index(session: AsyncSession, tenant: str) -> IndexVersion:
    """The one that answers at this moment.

    Raises:
        IndexUnavailable: it cannot be told.
    """
    try:
        return await IndexVersions(session, tenant).live()
    except (SQLAlchemyError, OSError) as cause:
        raise IndexUnavailable("Which index answers could not be read, so nothing was answered. Retry.") from cause


async def still_live(session: AsyncSession, tenant: str, searched: IndexVersion) -> None:
    """Return if the index that was searched is the live one. Raises `IndexSwitched` if not, else as `live_index`."""
    if (await live_index(session, tenant)).number != searched.number:
        raise IndexSwitched()


async def open_index(version: IndexVersion, tenant: str, parts: QueryParts) -> OpenIndex:
    """The store of an index with the embedder that made it.

    Raises:
        IndexUnavailable: `embedder_mismatch`, where that embedder is not to be had; or it cannot be opened.
        Conflict, Damaged: it cannot be opened.
    """
    embedder = await embedder_of(version, tenant, parts)
    return OpenIndex(version, embedder, await parts.stores.get(tenant, version))


async def embedder_of(version: IndexVersion, tenant: str, parts: QueryParts) -> Embedder:
    """What made the index: the embedder of the settings, or the one that the index itself names. Raises as
    `open_index`."""
    if version.embedder_digest in ("", parts.embedder.digest):
        return parts.embedder
    if version.embedding is None:
        raise IndexUnavailable(
            f"The live index of tenant {tenant!r} was made by the embedder {version.embedder}, and the settings name "
            f"{parts.embedder.name}; nothing was searched. Set RINGFENCE_EMBEDDING__MODEL and ..._PRECISION back; "
            "`ringfence index build --model` makes an index of another embedder.",
            code="embedder_mismatch",
        )
    return await parts.others.get(version.embedding, version.embedder_digest)
