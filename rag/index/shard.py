"""The folder of an embedded index: made whole or not at all, opened by one process.

Graphs are not built: under an access filter they lose results silently, building one stops the whole process
(the engine holds the interpreter's lock meanwhile), and up to some 100,000 chunks comparing all takes
milliseconds.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import qdrant_edge as edge

from rag.errors import Conflict, Damaged
from rag.index.payload import INTEGERS, KEYWORDS, LABELS_KEY
from rag.index.points import DENSE, LEXICAL
from rag.index.store import Payload

_NO_GRAPH_KB = 1_000_000_000
"""Kilobytes of vectors from which the engine would build a graph: never."""


def open_shard(folder: Path, *, tenant: str, dim: int) -> edge.EdgeShard:
    """The tenant's shard in `folder`, made empty where there is none. Blocks: call it from a worker thread.

    Raises:
        Conflict: another process has it open.
        Damaged: it cannot be read, or holds vectors of another size.
    """
    config = _config(dim)
    try:
        if not folder.exists():
            _create(folder, config)
        shard = edge.EdgeShard.load(str(folder), config)
        if not {*KEYWORDS, *INTEGERS} <= shard.info().payload_schema.keys():
            shard = _anew(shard, folder, config)
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
    return shard


def label_sets_in(shard: edge.EdgeShard, limit: int) -> Iterator[Payload]:
    """A payload of each set of labels that points of the shard carry, at most `limit` of them. For the owner alone,
    who must know them; never for a caller."""
    facet = edge.FacetRequest(LABELS_KEY, limit=limit, exact=True)
    for hit in shard.facet(facet).hits:
        carrying = edge.Filter(must=[edge.FieldCondition(LABELS_KEY, match=edge.MatchValue(hit.value))])
        records, _ = shard.scroll(edge.ScrollRequest(limit=1, filter=carrying, with_payload=True))
        yield from (record.payload for record in records if record.payload is not None)


def _anew(shard: edge.EdgeShard, folder: Path, config: edge.EdgeConfig) -> edge.EdgeShard:
    """An empty shard in place of one that an older release wrote: the next start of the owner fills it from SQL."""
    shard.close()
    shutil.rmtree(folder)
    _create(folder, config)
    return edge.EdgeShard.load(str(folder), config)


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
