"""A shard of the real engine that is asked with nothing but filters."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import qdrant_edge as edge

from rag.domain import content_id
from rag.index.payload import INTEGERS, KEYWORDS
from rag.index.points import chunk_id, point_id
from rag.index.render import edge_filter
from rag.index.tree import Every

_VECTOR = "dense"
_LIMIT = 10_000


def chunk(number: int) -> str:
    """The id of the point at this place in a list of payloads."""
    return content_id("chk", number.to_bytes(16, "big"))


class Shard:
    """Holds one list of payloads at a time. `folder` must not exist yet."""

    def __init__(self, folder: Path, *, indexed: bool) -> None:
        vectors = {_VECTOR: edge.EdgeVectorParams(size=2, distance=edge.Distance.Cosine)}
        folder.mkdir()
        self._shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=vectors, wal_enabled=False))
        kinds = ((KEYWORDS, edge.PayloadSchemaType.Keyword), (INTEGERS, edge.PayloadSchemaType.Integer))
        for keys, schema in kinds if indexed else ():
            for key in keys:
                self._shard.update(edge.UpdateOperation.create_field_index(key, schema))
        self._held: list[str] = []

    def replace(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Hold these and nothing else."""
        if self._held:
            self._shard.update(edge.UpdateOperation.delete_points([point_id(held) for held in self._held]))
        self._held = [chunk(number) for number in range(len(payloads))]
        points = [
            edge.Point(point_id(held), {_VECTOR: [1.0, 0.5]}, dict(payload))
            for held, payload in zip(self._held, payloads, strict=True)
        ]
        if points:
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def admitted(self, node: Every | None) -> frozenset[str]:
        """The chunks that a vector search under the filter finds, in each spelling. None: a filter of nothing.

        Raises:
            RuntimeError: the spellings, or search and count, disagree; or there is more than one search can return.
        """
        if node is None:
            return frozenset()
        found, scanned = self._found(edge_filter(node)), self._found(edge_filter(node, scan=True))
        counted = self._shard.count(edge.CountRequest(exact=True, filter=edge_filter(node)))
        if found != scanned or counted != len(found) or counted >= _LIMIT:
            raise RuntimeError(
                f"one filter admitted {len(found)} points, {len(scanned)} when it was spelt for a scan, and "
                f"{counted} when they were counted"
            )
        return found

    def _found(self, wanted: edge.Filter) -> frozenset[str]:
        nearest = edge.Query.Nearest([1.0, 0.0], using=_VECTOR)
        points = self._shard.query(edge.QueryRequest(limit=_LIMIT, query=nearest, filter=wanted))
        return frozenset(chunk_id(point.id) for point in points)

    def close(self) -> None:
        self._shard.close()


class Shards:
    """One shard with payload indexes, one without, holding the same. A context manager that closes both."""

    def __init__(self, folder: Path) -> None:
        self._closing = ExitStack()
        self.named: dict[str, Shard] = {}
        for name, indexed in (("indexed", True), ("unindexed", False)):
            self.named[name] = Shard(folder / name, indexed=indexed)
            self._closing.callback(self.named[name].close)

    def replace(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        for shard in self.named.values():
            shard.replace(payloads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()
