"""wardowl 2.1.0 on the engine that we use: its retriever, its authorizers, and a backend of its own protocol.

Loaded by name, for it is no part of the product and ships no stubs here.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from evals.access.chunks import TENANT, Chunks, Reader, chunk_name, chunk_number
from evals.access.oracle import Oracle
from policies.rules import Caller
from rag.index.points import DENSE, chunk_id, point_id

_USERS, _GROUPS = "allowed_users", "allowed_groups"
_BATCH = 1000
_NO_GRAPH_KB = 1_000_000_000


class EdgeBackend:
    """wardowl's `SearchBackend` on a shard that compares all admitted chunks, as ours does."""

    supports_filters = True

    def __init__(self, folder: Path, dim: int) -> None:
        self._filters: Any = importlib.import_module("wardowl.filters")
        self._hit: Any = importlib.import_module("wardowl").Hit
        folder.mkdir()
        config = edge.EdgeConfig(
            vectors={DENSE: edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine)},
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NO_GRAPH_KB),
        )
        self._shard = edge.EdgeShard.create(str(folder), config)
        for key in (_USERS, _GROUPS):
            self._shard.update(edge.UpdateOperation.create_field_index(key, edge.PayloadSchemaType.Keyword))

    def add(self, vectors: NDArray[np.float32], readers: Sequence[Sequence[str]]) -> None:
        """Chunk n has the n-th vector and may be read by the n-th list of users."""
        for start in range(0, len(vectors), _BATCH):
            places = range(start, min(start + _BATCH, len(vectors)))
            points = [
                edge.Point(
                    point_id(chunk_name(place)), {DENSE: vectors[place].tolist()}, {_USERS: list(readers[place])}
                )
                for place in places
            ]
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def set_readers(self, readers: Mapping[int, Sequence[str]]) -> None:
        """Write anew who may read these chunks."""
        for place, users in readers.items():
            ids: list[edge.PointId] = [point_id(chunk_name(place))]
            self._shard.update(edge.UpdateOperation.overwrite_payload(ids, {_USERS: list(users)}))

    def search(self, query: Any, k: int, filter: Any = None) -> list[Any]:
        request = edge.QueryRequest(
            limit=k,
            query=edge.Query.Nearest(list(query.vector), using=DENSE),
            filter=None if filter is None else edge.Filter(must=[self._condition(filter)]),
            with_payload=True,
        )
        return [
            self._hit(chunk_id(point.id), "", point.score, dict(point.payload or {}))
            for point in self._shard.query(request)
        ]

    def _condition(self, wanted: Any) -> Any:
        """In, And, Or: all that its filters know."""
        if isinstance(wanted, self._filters.In):
            return edge.FieldCondition(wanted.field, match=edge.MatchAny(sorted(wanted.values)))
        parts = [self._condition(clause) for clause in wanted.clauses]
        return edge.Filter(must=parts) if isinstance(wanted, self._filters.And) else edge.Filter(should=parts)

    def close(self) -> None:
        self._shard.close()


class Peer:
    """Its two ways: permissions on every chunk, and Casbin asked about every hit."""

    def __init__(self, folder: Path, chunks: Chunks, readers: Sequence[Reader]) -> None:
        wardowl: Any = importlib.import_module("wardowl")
        casbin: Any = importlib.import_module("wardowl.authorizers.casbin")
        self.name = f"wardowl {wardowl.__version__}"
        self._wardowl, self._chunks = wardowl, chunks
        self._backend = EdgeBackend(folder, chunks.vectors.shape[1])
        self._backend.add(chunks.vectors, [self._users(readers, place) for place in range(chunks.size)])
        rules = [rule for reader in readers for rule in reader.rules]
        links = [link for reader in readers for link in reader.links]
        enforcer = Oracle(rules, links).of(Caller(TENANT, readers[0].subject))
        self._retrievers = {
            "prefilter": self._retriever(wardowl.MetadataACLAuthorizer(), "prefilter"),
            "postfilter": self._retriever(casbin.CasbinAuthorizer(enforcer, request=self._request), "postfilter"),
        }

    def search(self, way: str, reader: Reader, vector: NDArray[np.float32], limit: int) -> list[int]:
        query = self._wardowl.Query(vector=vector.tolist())
        result = self._retrievers[way].retrieve(query, self._wardowl.Subject(reader.subject), k=limit)
        return [chunk_number(hit.id) for hit in result.hits]

    def rewrite(self, readers: Sequence[Reader], places: Sequence[int]) -> None:
        """What a change of the policy takes in its own way."""
        self._backend.set_readers({place: self._users(readers, place) for place in places})

    def close(self) -> None:
        self._backend.close()

    def _retriever(self, authorizer: Any, strategy: str) -> Any:
        return self._wardowl.PermissionedRetriever(self._backend, authorizer, strategy=strategy)

    def _users(self, readers: Sequence[Reader], place: int) -> list[str]:
        label = self._chunks.label_of[place]
        return [reader.subject for reader in readers if reader.labels_readable[label]]

    def _request(self, subject: Any, hit: Any, action: str) -> Sequence[object]:
        return subject.id, TENANT, self._chunks.attributes(chunk_number(hit.id)), action
