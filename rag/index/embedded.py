"""The Qdrant engine in process: one shard folder per tenant, owned by one process.

Every search compares all admitted chunks, so nobody's results depend on how much of the index she may read.
Graphs are not built: under an access filter they lose results silently, building one stops the whole process
(the engine holds the interpreter's lock meanwhile), and up to some 100,000 chunks comparing all takes
milliseconds. Beyond that, use a server.
"""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from policies.plan import Conditions
from rag.domain import SparseVector
from rag.errors import Conflict, Damaged, IndexUnavailable
from rag.index.filter import Access, Every, access_filter, access_of
from rag.index.payload import INTEGERS, KEYWORDS
from rag.index.points import (
    DENSE,
    LEXICAL,
    by_payload,
    check_payload,
    check_points,
    merge,
    point_id,
)
from rag.index.render import edge_filter
from rag.index.store import Hits, Payload, Point, Query

T = TypeVar("T")

_NO_GRAPH_KB = 1_000_000_000
"""Kilobytes of vectors from which the engine would build a graph: never."""


class EmbeddedStore:
    """A `VectorStore` on one shard folder. Use `open_embedded`.

    The engine runs in worker threads: searches side by side, writes one after the other. Its write-ahead log
    makes every write survive a kill; `flush` syncs some dozens of files, so it is left to whoever has written all.
    """

    def __init__(self, shard: edge.EdgeShard, *, tenant: str, dim: int, conditions_max: int) -> None:
        self._shard = shard
        self._tenant = tenant
        self._dim = dim
        self._conditions_max = conditions_max
        self._writing = threading.Lock()
        self._publishing = asyncio.Lock()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        async with self._publishing:
            yield

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        access = access_of(plan, self._conditions_max)
        if access is None:
            return Hits((), ())
        return await self._call("search", lambda: self._search(access, query, limit))

    async def count(self, plan: Conditions) -> int:
        whole = access_filter(plan)
        if whole is None:
            return 0
        request = edge.CountRequest(exact=True, filter=edge_filter(whole))
        return await self._call("count", lambda: self._shard.count(request))

    async def points(self) -> int:
        return await self._call("count", lambda: self._shard.count(edge.CountRequest(exact=True)))

    async def upsert(self, points: Sequence[Point]) -> None:
        check_points(points, tenant=self._tenant, dim=self._dim)
        if points:
            await self._call("upsert", lambda: self._write(_upsert(points)))

    async def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        for payload in payloads.values():
            check_payload(payload, tenant=self._tenant)
        if payloads:
            await self._call("set payload", lambda: self._write(*_set_payload(payloads)))

    async def delete(self, chunks: Sequence[str]) -> None:
        if chunks:
            ids: list[edge.PointId] = [point_id(chunk) for chunk in chunks]
            await self._call("delete", lambda: self._write(edge.UpdateOperation.delete_points(ids)))

    async def flush(self) -> None:
        await self._call("flush", self._shard.flush)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._writing:
            self._shard.close()

    def _write(self, *operations: edge.UpdateOperation) -> None:
        with self._writing:
            for operation in operations:
                self._shard.update(operation)

    def _search(self, access: Access, query: Query, limit: int) -> Hits:
        everyone = edge_filter(access.whole)
        near = [] if query.dense is None else [_dense(query.dense, part, limit) for part in access.parts]
        requests = list(near)
        if query.lexical.indices.size:
            requests += [_lexical(query.lexical, part, everyone, limit) for part in access.parts]
        answers = self._shard.query_batch(edge.QueryBatchRequest(requests))
        rankings = [[(point.id, point.score) for point in answer] for answer in answers]
        return merge(rankings[: len(near)], rankings[len(near) :], limit)

    async def _call(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except Exception as cause:
            raise IndexUnavailable(
                f"The embedded index of tenant {self._tenant!r} failed to {what}. Nothing was returned; "
                "`ringfence doctor` checks it."
            ) from cause


def open_embedded(folder: Path, *, tenant: str, dim: int, conditions_max: int) -> EmbeddedStore:
    """Open the tenant's shard in `folder`, or make an empty one. Blocks: call it from a worker thread.

    Raises:
        Conflict: another process has it open.
        Damaged: it cannot be read, or holds vectors of another size.
    """
    config = _config(dim)
    try:
        if not folder.exists():
            _create(folder, config)
        shard = edge.EdgeShard.load(str(folder), config)
        # Removes what was deleted, where it is much. It stops the process, so it is done before anybody asks.
        shard.optimize()
    except Exception as cause:
        if "WouldBlock" in str(cause):
            raise Conflict(
                f"The index of tenant {tenant!r} is open in another process.", code="folder_in_use"
            ) from cause
        raise Damaged(
            f"The index of tenant {tenant!r} in {folder} cannot be opened with vectors of {dim} numbers. "
            "It holds nothing that the database does not: remove the folder; the next start writes it again."
        ) from cause
    return EmbeddedStore(shard, tenant=tenant, dim=dim, conditions_max=conditions_max)


def _create(folder: Path, config: edge.EdgeConfig) -> None:
    """An empty shard with its payload indexes, whole or not at all."""
    unfinished = folder.with_name(folder.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    shard = edge.EdgeShard.create(str(unfinished), config)
    for keys, schema in ((KEYWORDS, edge.PayloadSchemaType.Keyword), (INTEGERS, edge.PayloadSchemaType.Integer)):
        for key in keys:
            shard.update(edge.UpdateOperation.create_field_index(key, schema))
    shard.flush()
    shard.close()
    unfinished.rename(folder)


def _config(dim: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine)},
        sparse_vectors={LEXICAL: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=_NO_GRAPH_KB),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NO_GRAPH_KB),
        wal_enabled=True,
    )


def _dense(vector: NDArray[np.float32], part: Every, limit: int) -> edge.QueryRequest:
    nearest = edge.Query.Nearest(vector.tolist(), using=DENSE)
    return edge.QueryRequest(limit=limit, query=nearest, filter=edge_filter(part))


def _lexical(words: SparseVector, part: Every, everyone: edge.Filter, limit: int) -> edge.QueryRequest:
    """How rare a word is, is counted over what the whole plan admits: no score tells of other documents."""
    return edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(_sparse(words), using=LEXICAL),
        filter=edge_filter(part),
        params=edge.SearchParams(idf=edge.IdfParams(corpus=everyone)),
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


def _set_payload(payloads: Mapping[str, Payload]) -> list[edge.UpdateOperation]:
    # By filter, not by ids: an unknown id would fail the whole operation.
    return [
        edge.UpdateOperation.overwrite_payload_by_filter(
            edge.Filter(must=[edge.HasIdCondition(set(ids))]), dict(payload)
        )
        for ids, payload in by_payload(payloads)
    ]
