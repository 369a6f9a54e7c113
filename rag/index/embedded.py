"""The Qdrant engine in process: one shard folder per tenant, owned by one process.

Every search compares all admitted chunks, so nobody's results depend on how much of the index she may read.
Beyond some 100,000 chunks, use a server.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from policies.plan import Conditions
from rag.domain import SparseVector
from rag.errors import IndexUnavailable, RingfenceError
from rag.index.filter import access_of, size
from rag.index.label_sets import LABEL_SETS_MAX, LabelSets
from rag.index.listing import FACETS_MAX, LISTED, check_facet, counts_of, listed_max, page_of
from rag.index.points import DENSE, LEXICAL, by_payload, check_payload, check_points, check_query, merge, point_id
from rag.index.render import edge_filter
from rag.index.shard import label_sets_in, open_shard
from rag.index.store import FacetKey, Hits, Page, Payload, Point, Query
from rag.index.tree import Every

T = TypeVar("T")

_SCAN_FROM = 1 / 6
"""Share of the points from which looking at all of them is quicker than gathering those that are admitted."""


@dataclass(frozen=True, slots=True)
class _Filters:
    """A plan in the engine's words: `whole` admits what the `parts` do together."""

    whole: edge.Filter
    parts: tuple[edge.Filter, ...]


class EmbeddedStore:
    """A `VectorStore` on one shard folder. Use `open_embedded`.

    The engine runs in worker threads, writes one after the other; it holds the interpreter's lock meanwhile, so a
    search's time is everybody's. Its write-ahead log makes every write survive a kill; `flush` syncs some dozens
    of files, so it is left to whoever has written all.
    """

    def __init__(
        self, shard: edge.EdgeShard, *, tenant: str, dim: int, conditions_max: int, embedder: str = ""
    ) -> None:
        self._shard = shard
        self._embedder = embedder
        self._tenant = tenant
        self._dim = dim
        self._conditions_max = conditions_max
        # The engine does one thing at a time anyway. Under the lock, a filter by sets of labels is still true of
        # every point when its search runs.
        self._engine = threading.Lock()
        self._label_sets = LabelSets()
        self._label_sets.add(label_sets_in(shard, LABEL_SETS_MAX + 1))
        self._publishing = asyncio.Lock()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        async with self._publishing:
            yield

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        check_query(query, tenant=self._tenant, embedder=self._embedder)
        return await self._ask("search", plan, lambda filters: self._search(filters, query, limit), Hits((), ()))

    async def count(self, plan: Conditions) -> int:
        def count(filters: _Filters) -> int:
            return self._shard.count(edge.CountRequest(exact=True, filter=filters.whole))

        return await self._ask("count", plan, count, 0)

    async def scroll(self, plan: Conditions, *, after: str | None, limit: int) -> Page:
        offset, listed = point_id(after) if after is not None else None, listed_max(limit)
        columns = edge.PayloadSelector.Include(list(LISTED))

        def scroll(filters: _Filters) -> Page:
            requests = [
                edge.ScrollRequest(filter=part, offset=offset, limit=listed, with_payload=columns)
                for part in filters.parts
            ]
            answers = [self._shard.scroll(request)[0] for request in requests]
            return page_of([[(r.id, r.payload) for r in records] for records in answers], after=after, limit=limit)

        return await self._ask("scroll", plan, scroll, Page((), None))

    async def facets(self, plan: Conditions, key: FacetKey) -> Mapping[str, int]:
        check_facet(key)

        def facets(filters: _Filters) -> Mapping[str, int]:
            request = edge.FacetRequest(key, filter=filters.whole, limit=FACETS_MAX + 1, exact=True)
            return counts_of(((hit.value, hit.count) for hit in self._shard.facet(request).hits), key)

        return await self._ask("count", plan, facets, {})

    async def points(self) -> int:
        return await self._call("count", lambda: self._shard.count(edge.CountRequest(exact=True)))

    async def upsert(self, points: Sequence[Point]) -> None:
        check_points(points, tenant=self._tenant, dim=self._dim)
        if points:
            await self._call("upsert", lambda: self._write(_upsert(points), carrying=[p.payload for p in points]))

    async def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        for payload in payloads.values():
            check_payload(payload, tenant=self._tenant)
        groups = by_payload(payloads)
        if groups:
            carrying = [payload for _, payload in groups]
            await self._call("set payload", lambda: self._write(*_set_payload(groups), carrying=carrying))

    async def delete(self, chunks: Sequence[str]) -> None:
        if chunks:
            ids: list[edge.PointId] = [point_id(chunk) for chunk in chunks]
            await self._call("delete", lambda: self._write(edge.UpdateOperation.delete_points(ids)))

    async def flush(self) -> None:
        await self._call("flush", self._shard.flush)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._engine:
            self._shard.close()

    def _write(self, *operations: edge.UpdateOperation, carrying: Sequence[Payload] = ()) -> None:
        with self._engine:
            self._label_sets.add(carrying)
            for operation in operations:
                self._shard.update(operation)

    def _search(self, filters: _Filters, query: Query, limit: int) -> Hits:
        near = [] if query.dense is None else [_dense(query.dense, part, limit) for part in filters.parts]
        requests = list(near)
        if query.lexical.indices.size:
            requests += [_lexical(query.lexical, part, filters.whole, limit) for part in filters.parts]
        answers = self._shard.query_batch(edge.QueryBatchRequest(requests))
        rankings = [[(point.id, point.score) for point in answer] for answer in answers]
        return merge(rankings[: len(near)], rankings[len(near) :], limit)

    async def _ask(self, what: str, plan: Conditions, read: Callable[[_Filters], T], nothing: T) -> T:
        """What `read` finds with the filters of `plan`, or `nothing`, unasked, where the plan admits nothing.

        The only way from a plan to the engine: a read that forgets its filter has none to forget.
        """

        def ask() -> T:
            with self._engine:
                filters = self._filters(plan)
                return nothing if filters is None else read(filters)

        return await self._call(what, ask)

    def _filters(self, plan: Conditions) -> _Filters | None:
        """None where the plan admits nothing."""
        if self._label_sets.usable:
            by_sets = self._label_sets.filter_of(plan)
            if by_sets is None:
                return None
            if size(by_sets) <= self._conditions_max:
                only = self._filter(by_sets)
                return _Filters(only, (only,))
        access = access_of(plan, self._conditions_max)
        if access is None:
            return None
        whole = self._filter(access.whole)
        return _Filters(whole, tuple(whole if part is access.whole else self._filter(part) for part in access.parts))

    def _filter(self, node: Every) -> edge.Filter:
        """In the wording that is quicker for as much as the engine guesses that it admits; both admit the same."""
        gathered = edge_filter(node)
        admitted = self._shard.count(edge.CountRequest(exact=False, filter=gathered))
        wide = admitted > self._shard.info().points_count * _SCAN_FROM
        return edge_filter(node, scan=True) if wide else gathered

    async def _call(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except RingfenceError:
            raise
        except Exception as cause:
            raise IndexUnavailable(
                f"The embedded index of tenant {self._tenant!r} failed to {what}. Nothing was returned; "
                "`ringfence doctor` checks it."
            ) from cause


def open_embedded(folder: Path, *, tenant: str, dim: int, conditions_max: int, embedder: str = "") -> EmbeddedStore:
    """Open the tenant's shard in `folder`, or make an empty one. Blocks: call it from a worker thread.

    `embedder` is the digest of what makes all of its vectors.

    Raises:
        Conflict: another process has it open.
        Damaged: it cannot be read, or holds vectors of another size.
    """
    shard = open_shard(folder, tenant=tenant, dim=dim)
    return EmbeddedStore(shard, tenant=tenant, dim=dim, conditions_max=conditions_max, embedder=embedder)


def _dense(vector: NDArray[np.float32], part: edge.Filter, limit: int) -> edge.QueryRequest:
    nearest = edge.Query.Nearest(vector.tolist(), using=DENSE)
    return edge.QueryRequest(limit=limit, query=nearest, filter=part)


def _lexical(words: SparseVector, part: edge.Filter, whole: edge.Filter, limit: int) -> edge.QueryRequest:
    """How rare a word is, is counted over what the whole plan admits: no score tells of other documents."""
    return edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(_sparse(words), using=LEXICAL),
        filter=part,
        params=edge.SearchParams(idf=edge.IdfParams(corpus=whole)),
    )


def _sparse(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())


def _upsert(points: Sequence[Point]) -> edge.UpdateOperation:
    return edge.UpdateOperation.upsert_points(
        [
            edge.Point(
                point_id(point.chunk),
                {DENSE: point.dense.tolist(), LEXICAL: _sparse(point.lexical)},
                dict(point.payload),
            )
            for point in points
        ]
    )


def _set_payload(groups: Sequence[tuple[list[str], Payload]]) -> list[edge.UpdateOperation]:
    # By filter, not by ids: an unknown id would fail the whole operation.
    return [
        edge.UpdateOperation.overwrite_payload_by_filter(
            edge.Filter(must=[edge.HasIdCondition(set(ids))]), dict(payload)
        )
        for ids, payload in groups
    ]
