"""A Qdrant server: one collection per tenant, the same filters, the same contract."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, models

from policies.plan import Conditions
from rag.domain import SparseVector
from rag.index.collection import ONE_NODE, Layout, answered, collection_name, open_collection
from rag.index.filter import access_of
from rag.index.listing import FACETS_MAX, LISTED, check_facet, counts_of, listed_max, page_of
from rag.index.points import DENSE, LEXICAL, by_payload, check_payload, check_points, check_query, merge, point_id
from rag.index.render import client_filter
from rag.index.store import FacetKey, Hits, Page, Payload, Point, Query

T = TypeVar("T")

_ORDERING = models.WriteOrdering.MEDIUM
"""All writes of a shard pass through one of its replicas: of two at once, each replica keeps the same one."""


@dataclass(frozen=True, slots=True)
class _Filters:
    """A plan in the server's words: `whole` admits what the `parts` do together."""

    whole: models.Filter
    parts: tuple[models.Filter, ...]


class ServerStore:
    """A `VectorStore` on one collection. Use `open_server`. The client is shared and not closed here."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        tenant: str,
        dim: int,
        conditions_max: int,
        timeout_s: float,
        number: int = 1,
        embedder: str = "",
    ) -> None:
        self._client = client
        self._tenant = tenant
        self._embedder = embedder
        self._collection = collection_name(tenant, number)
        self._dim = dim
        self._conditions_max = conditions_max
        self._timeout_s = timeout_s
        self._publishing = asyncio.Lock()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        async with self._publishing:
            yield

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        check_query(query, tenant=self._tenant, embedder=self._embedder)

        async def search(filters: _Filters) -> Hits:
            near = [] if query.dense is None else [_dense(query.dense, part, limit) for part in filters.parts]
            requests = list(near)
            if query.lexical.indices.size:
                requests += [_lexical(query.lexical, part, filters.whole, limit) for part in filters.parts]
            asking = self._client.query_batch_points(self._collection, requests, timeout=self._server_timeout_s)
            rankings = [[(point.id, point.score) for point in answer.points] for answer in await self._call(asking)]
            return merge(rankings[: len(near)], rankings[len(near) :], limit)

        return await self._ask(plan, search, Hits((), ()))

    async def count(self, plan: Conditions) -> int:
        async def count(filters: _Filters) -> int:
            counting = self._client.count(
                self._collection, count_filter=filters.whole, exact=True, timeout=self._server_timeout_s
            )
            return (await self._call(counting)).count

        return await self._ask(plan, count, 0)

    async def scroll(self, plan: Conditions, *, after: str | None, limit: int) -> Page:
        offset, listed = point_id(after) if after is not None else None, listed_max(limit)

        async def scroll(filters: _Filters) -> Page:
            asking = [
                self._client.scroll(
                    self._collection,
                    scroll_filter=part,
                    offset=offset,
                    limit=listed,
                    with_payload=list(LISTED),
                    timeout=self._server_timeout_s,
                )
                for part in filters.parts
            ]
            answers = await asyncio.gather(*map(self._call, asking))
            return page_of([[(r.id, r.payload) for r in records] for records, _ in answers], after=after, limit=limit)

        return await self._ask(plan, scroll, Page((), None))

    async def facets(self, plan: Conditions, key: FacetKey) -> Mapping[str, int]:
        check_facet(key)

        async def facets(filters: _Filters) -> Mapping[str, int]:
            counting = self._client.facet(
                self._collection,
                key,
                facet_filter=filters.whole,
                limit=FACETS_MAX + 1,
                exact=True,
                timeout=self._server_timeout_s,
            )
            return counts_of(((hit.value, hit.count) for hit in (await self._call(counting)).hits), key)

        return await self._ask(plan, facets, {})

    async def points(self) -> int:
        counting = self._client.count(self._collection, exact=True, timeout=self._server_timeout_s)
        return (await self._call(counting)).count

    async def upsert(self, points: Sequence[Point]) -> None:
        check_points(points, tenant=self._tenant, dim=self._dim)
        if points:
            written = [_point(point) for point in points]
            await self._call(self._client.upsert(self._collection, written, wait=True, ordering=_ORDERING))

    async def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        for payload in payloads.values():
            check_payload(payload, tenant=self._tenant)
        for ids, payload in by_payload(payloads):
            # By filter, not by ids: an unknown id would fail the whole operation.
            where = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
            writing = self._client.overwrite_payload(
                self._collection, dict(payload), points=where, wait=True, ordering=_ORDERING
            )
            await self._call(writing)

    async def delete(self, chunks: Sequence[str]) -> None:
        if chunks:
            ids = models.PointIdsList(points=[point_id(chunk) for chunk in chunks])
            await self._call(self._client.delete(self._collection, ids, wait=True, ordering=_ORDERING))

    async def flush(self) -> None:
        """Nothing: the server writes to its disk in its own time."""

    async def close(self) -> None:
        """Nothing: the connection belongs to whoever opened it."""

    @property
    def _server_timeout_s(self) -> int:
        return math.ceil(self._timeout_s)

    async def _ask(self, plan: Conditions, read: Callable[[_Filters], Awaitable[T]], nothing: T) -> T:
        """What `read` finds with the filters of `plan`, or `nothing`, unasked, where the plan admits nothing.

        The only way from a plan to the server: a read that forgets its filter has none to forget.
        """
        access = access_of(plan, self._conditions_max)
        if access is None:
            return nothing
        parts = tuple(client_filter(part) for part in access.parts)
        return await read(_Filters(client_filter(access.whole), parts))

    async def _call(self, answer: Awaitable[T]) -> T:
        return await answered(answer, self._collection, self._timeout_s)


async def open_server(
    client: AsyncQdrantClient,
    *,
    tenant: str,
    dim: int,
    conditions_max: int,
    timeout_s: float,
    layout: Layout = ONE_NODE,
    number: int = 1,
    embedder: str = "",
) -> ServerStore:
    """The store of `tenant`; makes its collection, spread like `layout`, and payload indexes where they are missing.

    `number` is that of the tenant's index, `embedder` the digest of what makes all of its vectors.

    Raises:
        IndexUnavailable: no answer, or a server that is too old.
        Damaged: the collection holds vectors of another size.
    """
    await open_collection(client, tenant=tenant, dim=dim, timeout_s=timeout_s, layout=layout, number=number)
    return ServerStore(
        client,
        tenant=tenant,
        dim=dim,
        conditions_max=conditions_max,
        timeout_s=timeout_s,
        number=number,
        embedder=embedder,
    )


def _dense(vector: NDArray[np.float32], part: models.Filter, limit: int) -> models.QueryRequest:
    return models.QueryRequest(query=vector.tolist(), using=DENSE, filter=part, limit=limit, with_payload=False)


def _lexical(words: SparseVector, part: models.Filter, whole: models.Filter, limit: int) -> models.QueryRequest:
    """How rare a word is, is counted over what the whole plan admits: no score tells of other documents."""
    return models.QueryRequest(
        query=_sparse(words),
        using=LEXICAL,
        filter=part,
        params=models.SearchParams(idf=models.IdfCorpusParams(corpus=whole)),
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
