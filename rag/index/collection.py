"""The collection of a tenant on a Qdrant server.

It has one shard, because a server counts term statistics per shard. Its payload indexes are made before the
first point: a graph built without them loses most results of the people who may read a tenth. Servers before
1.19 would ignore the restriction of term statistics without a word and are refused.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from rag.errors import Damaged, IndexUnavailable
from rag.index.payload import INTEGERS, KEYWORDS
from rag.index.points import DENSE, LEXICAL, tenant_name

T = TypeVar("T")

_VERSION_MIN = (1, 19)


async def open_collection(client: AsyncQdrantClient, *, tenant: str, dim: int, timeout_s: float) -> str:
    """The name of the collection of `tenant`; makes it and its payload indexes where they are missing.

    Raises:
        IndexUnavailable: no answer, or a server that is too old.
        Damaged: the collection holds vectors of another size.
    """
    name = collection_name(tenant)
    await _refuse_old(client, name, timeout_s)
    if not await answered(client.collection_exists(name), name, timeout_s):
        await _create(client, name, dim, timeout_s)
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


def collection_name(tenant: str) -> str:
    return f"ringfence_{tenant_name(tenant)}"


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


async def _create(client: AsyncQdrantClient, name: str, dim: int, timeout_s: float) -> None:
    creating = client.create_collection(
        name,
        vectors_config={DENSE: models.VectorParams(size=dim, distance=models.Distance.COSINE)},
        sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        shard_number=1,
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
