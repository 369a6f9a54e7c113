"""Ringfence as a retriever of LlamaIndex: an application gets readable nodes, and has no filter to forget."""

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from rag.domain import Principal, ReadableChunk
from rag.errors import Misuse
from rag.query.parts import QueryParts
from rag.query.retrieve import search


class RingfenceRetriever(BaseRetriever):  # type: ignore[misc] # the framework's base is untyped here
    """Bound to one principal: whoever holds it reads what she may read at the moment of each call, and no more.

    Nodes are masked. Their metadata (ids, page, span, level) is for the application: it enters neither
    embeddings nor prompts, which LlamaIndex would otherwise do by default.
    """

    def __init__(self, parts: QueryParts, principal: Principal, *, limit: int | None = None) -> None:
        super().__init__()
        self._parts = parts
        self._principal = principal
        self._limit = limit or parts.settings.service.passages

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = await search(query_bundle.query_str, self._principal, self._parts, self._limit)
        return [NodeWithScore(node=_node(chunk), score=chunk.score) for chunk in found]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        raise Misuse("Ringfence is asynchronous: call `aretrieve`, or an asynchronous query engine.", code="async_only")


def _node(found: ReadableChunk) -> TextNode:
    chunk = found.chunk
    metadata: dict[str, Any] = {
        "document": chunk.document,
        "version": chunk.version,
        "title": found.title,
        "heading": chunk.heading,
        "page": chunk.page,
        "start": chunk.span.start,
        "end": chunk.span.end,
        "level": found.attributes.level.name.lower(),
    }
    return TextNode(
        id_=chunk.id,
        text=chunk.text,
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=list(metadata),
    )
