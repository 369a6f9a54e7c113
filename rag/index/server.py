"""A Qdrant server: one collection per tenant, the same filters, the same contract.

A collection has one shard, because a server counts term statistics per shard. Its payload indexes are made
before the first point: a graph built without them loses most results of the people who may read a tenth.
Servers before 1.19 would ignore the restriction of term statistics without a word and are refused.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from policies.plan import Conditions
from rag.domain import SparseVector
from rag.errors import Damaged, IndexUnavailable
from rag.index.filter import Every, access_filter, access_of
from rag.index.payload import INTEGERS, KEYWORDS
from rag.index.points import (
    DENSE,
    LEXICAL,
    by_payload,
    check_payload,
    check_points,
    merge,
    point_id,
    tenant_name,
)
from rag.index.render import client_filter
from rag.index.store import Hits, Payload, Point, Query

T = TypeVar("T")

_VERSION_MIN = (1, 19)


class ServerStore:
    """A `VectorStore` on one collection. Use `open_server`. The client is shared and not closed here."""

    def __init__(
        self, client: AsyncQdrantClient, *, tenant: str, dim: int, conditions_max: int, timeout_s: float
    ) -> None:
        self._client = client
        self._tenant = tenant
        self._collection = collection_name(tenant)
        self._dim = dim
        self._conditions_max = conditions_max
        self._timeout_s = timeout_s
        self._publishing = asyncio.Lock()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        async with self._publishing:
            yield

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        access = access_of(plan, self._conditions_max)
        if access is None:
            return Hits((), ())
        near = [] if query.dense is None else [_dense(query.dense, part, limit) for part in access.parts]
        requests = list(near)
        if query.lexical.indices.size:
            requests += [_lexical(query.lexical, part, access.whole, limit) for part in access.parts]
        answers = await self._call(
            self._client.query_batch_points(self._collection, requests, timeout=self._server_timeout_s)
        )
        rankings = [[(point.id, point.score) for point in answer.points] for answer in answers]
        return merge(rankings[: len(near)], rankings[len(near) :], limit)

    async def count(self, plan: Conditions) -> int:
        whole = access_filter(plan)
        if whole is None:
            return 0
        counting = self._client.count(
            self._collection, client_filter(whole), exact=True, timeout=self._server_timeout_s
        )
        return (await self._call(counting)).count

    async def points(self) -> int:
        counting = self._client.count(self._collection, exact=True, timeout=self._server_timeout_s)
        return (await self._call(counting)).count

    async def upsert(self, points: Sequence[Point]) -> None:
        check_points(points, tenant=self._tenant, dim=self._dim)
        if points:
            written = [_point(point) for point in points]
            await self._call(self._client.upsert(self._collection, written, wait=True))

    async def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        for payload in payloads.values():
            check_payload(payload, tenant=self._tenant)
        for ids, payload in by_payload(payloads):
            # By filter, not by ids: an unknown id would fail the whole operation.
            where = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
            await self._call(self._client.overwrite_payload(self._collection, dict(payload), points=where, wait=True))

    async def delete(self, chunks: Sequence[str]) -> None:
        if chunks:
            ids = models.PointIdsList(points=[point_id(chunk) for chunk in chunks])
            await self._call(self._client.delete(self._collection, ids, wait=True))

    async def flush(self) -> None:
        """Nothing: the server writes to its disk in its own time."""

    async def close(self) -> None:
        """Nothing: the connection belongs to whoever opened it."""

    @property
    def _server_timeout_s(self) -> int:
        return math.ceil(self._timeout_s)

    async def _call(self, answer: Awaitable[T]) -> T:
        return await _answered(answer, self._collection, self._timeout_s)


async def open_server(
    client: AsyncQdrantClient, *, tenant: str, dim: int, conditions_max: int, timeout_s: float
) -> ServerStore:
    """The store of `tenant`; makes its collection and payload indexes where they are missing.

    Raises:
        IndexUnavailable: no answer, or a server that is too old.
        Damaged: the collection holds vectors of another size.
    """
    name = collection_name(tenant)
    await _refuse_old(client, name, timeout_s)
    if not await _answered(client.collection_exists(name), name, timeout_s):
        await _create(client, name, dim, timeout_s)
    collection = await _answered(client.get_collection(name), name, timeout_s)
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
                await _answered(client.create_payload_index(name, key, schema, wait=True), name, timeout_s)
    return ServerStore(client, tenant=tenant, dim=dim, conditions_max=conditions_max, timeout_s=timeout_s)


def collection_name(tenant: str) -> str:
    return f"ringfence_{tenant_name(tenant)}"


async def _refuse_old(client: AsyncQdrantClient, name: str, timeout_s: float) -> None:
    version = (await _answered(client.info(), name, timeout_s)).version
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
        await _answered(creating, name, timeout_s)
    except IndexUnavailable:
        # Another process may have made it in between; anything else is still wrong a moment later.
        if not await _answered(client.collection_exists(name), name, timeout_s):
            raise


async def _answered(answer: Awaitable[T], collection: str, timeout_s: float) -> T:
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except (ApiException, QdrantException, ValueError, OSError, TimeoutError) as cause:
        raise IndexUnavailable(
            f"Qdrant did not do what was asked of collection {collection} within {timeout_s:g} s "
            f"({type(cause).__name__}). Nothing was returned. Check that the server runs and RINGFENCE_INDEX__URL."
        ) from cause


def _dense(vector: NDArray[np.float32], part: Every, limit: int) -> models.QueryRequest:
    return models.QueryRequest(
        query=vector.tolist(), using=DENSE, filter=client_filter(part), limit=limit, with_payload=False
    )


def _lexical(words: SparseVector, part: Every, whole: Every, limit: int) -> models.QueryRequest:
    """How rare a word is, is counted over what the whole plan admits: no score tells of other documents."""
    return models.QueryRequest(
        query=_sparse(words),
        using=LEXICAL,
        filter=client_filter(part),
        params=models.SearchParams(idf=models.IdfCorpusParams(corpus=client_filter(whole))),
        limit=limit,
        with_payload=False,
    )


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())


def _point(point: Point) -> models.PointStruct:
    return models.PointStruct(
        id=point_id(point.chunk),
        vector={DENSE: point.dense.tolist(), LEXICAL: _sparse(point.lexical)},
        payload=dict(point.payload),
    )
