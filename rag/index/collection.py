"""The collection of a tenant on a Qdrant server.

By default it has one shard, because a server counts how rare a word is per shard: of more, each ranks by its own
part. What spreads load and outlives a node are replicas. Its payload indexes are made before the first point: a
graph built without them loses most results of the people who may read a tenth. Servers before 1.19 would ignore the
restriction of term statistics without a word and are refused.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from rag.errors import Damaged, IndexUnavailable
from rag.index.payload import INTEGERS, KEYWORDS
from rag.index.points import DENSE, LEXICAL, tenant_name

T = TypeVar("T")

_VERSION_MIN = (1, 19)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a collection is spread over the nodes of a cluster. Settings `index.shards` and so on say what each means."""

    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1


ONE_NODE = Layout()


async def open_collection(
    client: AsyncQdrantClient,
    *,
    tenant: str,
    dim: int,
    timeout_s: float,
    layout: Layout = ONE_NODE,
    number: int = 1,
) -> str:
    """The name of the collection of `tenant` for its index of this number; makes it and its payload indexes where they
    are missing.

    One that is there keeps the layout that it has: moving shards is for the operator, and `ringfence doctor` tells.

    Raises:
        IndexUnavailable: no answer, or a server that is too old.
        Damaged: the collection holds vectors of another size.
    """
    name = collection_name(tenant, number)
    await _refuse_old(client, name, timeout_s)
    if not await answered(client.collection_exists(name), name, timeout_s):
        await _create(client, name, dim, timeout_s, layout)
    collection = await answered(client.get_collection(name), name, timeout_s)
    vectors = collection.config.params.vectors
    size = vectors[DENSE].size if isinstance(vectors, dict) and DENSE in vectors else None
    if size != dim:
        raise Damaged(
            f"Collection {name} of tenant {tenant!r} holds vectors of {size} numbers, the embedder makes {dim}. "
            "All of it is in the database too: delete the collection; the next `ringfence ingest` writes it again."
        )
    for keys, schema in ((KEYWORDS, models.PayloadSchemaType.KEYWORD), (INTEGERS, models.PayloadSchemaType.INTEGER)):
        for key in keys:
            if key not in collection.payload_schema:
                await answered(client.create_payload_index(name, key, schema, wait=True), name, timeout_s)
    return name


PREFIX = "ringfence_"
"""Of the names of all our collections on a server."""


def collection_name(tenant: str, number: int = 1) -> str:
    return f"{PREFIX}{tenant_name(tenant, number)}"


async def _refuse_old(client: AsyncQdrantClient, name: str, timeout_s: float) -> None:
    version = (await answered(client.info(), name, timeout_s)).version
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        major, minor = 0, 0
    if (major, minor) < _VERSION_MIN:
        raise IndexUnavailable(
            f"The Qdrant server has version {version}; {'.'.join(map(str, _VERSION_MIN))} or newer is needed: older "
            "ones count words of documents that the reader may not read.",
            code="index_too_old",
        )


async def _create(client: AsyncQdrantClient, name: str, dim: int, timeout_s: float, layout: Layout) -> None:
    creating = client.create_collection(
        name,
        vectors_config={DENSE: models.VectorParams(size=dim, distance=models.Distance.COSINE)},
        sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        shard_number=layout.shards,
        replication_factor=layout.replicas,
        write_consistency_factor=layout.write_consistency,
    )
    try:
        await answered(creating, name, timeout_s)
    except IndexUnavailable:
        # Another process may have made it in between; anything else is still wrong a moment later.
        if not await answered(client.collection_exists(name), name, timeout_s):
            raise


async def answered(answer: Awaitable[T], collection: str, timeout_s: float) -> T:
    """What the server answers, within `timeout_s`.

    Raises:
        IndexUnavailable: it does not, or answers that it will not.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except (ApiException, QdrantException, ValueError, OSError, TimeoutError) as cause:
        raise IndexUnavailable(
            f"Qdrant did not do what was asked of collection {collection} within {timeout_s:g} s "
            f"({type(cause).__name__}). Nothing was returned. Check that the server runs and RINGFENCE_INDEX__URL."
        ) from cause
