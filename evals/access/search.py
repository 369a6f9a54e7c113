"""What the filter costs a search and whether it loses anything: our store against the engine without a filter.

Both ask the same shard the same questions in turn. What is right comes from comparing every vector that the
reader may read, in numpy.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from evals.access.chunks import (
    EVERYTHING,
    TENANT,
    Chunks,
    Reader,
    chunk_number,
    make_chunks,
    make_queries,
    make_readers,
)
from evals.access.equivalence import Progress
from evals.measured import number, percentile
from evals.runner.values import Json
from rag.domain import SparseVector
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.index.filter import access_filter
from rag.index.points import DENSE
from rag.index.shard import open_shard
from rag.index.store import Query
from rag.index.tree import size

DIM = 384
DEPTH = 10
CANDIDATES = 40
_TIE = 1e-5
"""Cosines that differ by less are the same to the engine."""
_ROWS = 50_000
_WARM_UP = 3

NO_WORDS = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))


@dataclass(slots=True)
class Asked:
    """What one reader's questions gave: milliseconds, the recall of each question, chunks she may not read."""

    reader: Reader
    took_ms: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    leaks: int = 0


async def measure_search(seed: int, sizes: Sequence[int], folder: Path, talk: Progress) -> dict[str, Json]:
    """By number of chunks: what each reader's searches took, beside the same without a filter, and their recall."""
    found: dict[str, Json] = {}
    for count in sizes:
        found[str(count)] = await _measure(seed, count, folder / f"chunks-{count}", talk)
    return found


async def _measure(seed: int, count: int, folder: Path, talk: Progress) -> dict[str, Json]:
    chunks = await asyncio.to_thread(make_chunks, seed, count, DIM)
    readers = await asyncio.to_thread(make_readers, seed, chunks)
    started = time.perf_counter()
    await write_chunks(chunks, folder, talk)
    talk(f"{count} chunks written in {time.perf_counter() - started:.0f} s; {len(readers)} readers ask")
    queries = make_queries(seed, _questions(count), DIM)
    shard = await asyncio.to_thread(open_shard, folder, tenant=TENANT, dim=DIM)
    store = EmbeddedStore(shard, tenant=TENANT, dim=DIM, conditions_max=400)
    try:
        plain_ms, asked = await _ask(store, shard, chunks, readers, queries)
    finally:
        await store.close()
    return _figures(plain_ms, asked)


async def write_chunks(chunks: Chunks, folder: Path, talk: Progress) -> None:
    """Through the real store, so that the shard is what the product makes."""
    store = await asyncio.to_thread(open_embedded, folder, tenant=TENANT, dim=DIM, conditions_max=400)
    written = 0
    for batch in chunks.points():
        await store.upsert(batch)
        written += len(batch)
        if written % 100_000 == 0:
            talk(f"{written}/{chunks.size} chunks written")
    await store.flush()
    await store.close()


async def _ask(
    store: EmbeddedStore,
    shard: edge.EdgeShard,
    chunks: Chunks,
    readers: Sequence[Reader],
    queries: NDArray[np.float32],
) -> tuple[list[float], list[Asked]]:
    """Every question without a filter and by every reader, one after the other, so that noise meets all alike."""
    plain_ms: list[float] = []
    asked = [Asked(reader) for reader in readers]
    cosines = await asyncio.to_thread(_cosines, chunks.vectors, queries)
    for place, vector in enumerate(queries):
        request = edge.QueryRequest(limit=CANDIDATES, query=edge.Query.Nearest(vector.tolist(), using=DENSE))
        started = time.perf_counter()
        await asyncio.to_thread(shard.query, request)
        took_ms = [(time.perf_counter() - started) * 1000]
        for one in asked:
            started = time.perf_counter()
            hits = await store.search(one.reader.plan, Query(vector, NO_WORDS), limit=CANDIDATES)
            took_ms.append((time.perf_counter() - started) * 1000)
            found = np.array([chunk_number(hit.chunk) for hit in hits.dense], dtype=np.int64)
            _judge(one, chunks, cosines[place], found)
        if place >= _WARM_UP:
            plain_ms.append(took_ms[0])
            for one, ms in zip(asked, took_ms[1:], strict=True):
                one.took_ms.append(ms)
    return plain_ms, asked


def _judge(one: Asked, chunks: Chunks, cosines: NDArray[np.float32], found: NDArray[np.int64]) -> None:
    readable = one.reader.labels_readable[chunks.label_of]
    one.leaks += int((~readable[found]).sum())
    one.recall.append(recall(cosines, readable, found))


def recall(cosines: NDArray[np.float32], readable: NDArray[np.bool_], found: NDArray[np.int64]) -> float:
    """Which part of the ten best readable chunks was found; those as near as the tenth are as good as it."""
    of_readable = cosines[readable]
    wanted = min(DEPTH, len(of_readable))
    if not wanted:
        return 1.0
    least = np.partition(of_readable, -wanted)[-wanted]
    good = readable[found[:DEPTH]] & (cosines[found[:DEPTH]] >= least - _TIE)
    return float(min(wanted, good.sum()) / wanted)


def _cosines(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shape (queries, chunks); some rows at a time, to keep the memory low."""
    found = np.empty((len(queries), len(vectors)), np.float32)
    for start in range(0, len(vectors), _ROWS):
        found[:, start : start + _ROWS] = queries @ vectors[start : start + _ROWS].T
    return found


def _figures(plain_ms: Sequence[float], asked: Sequence[Asked]) -> dict[str, Json]:
    """Ratios are of each question to the same one without a filter, and to the one of who may read everything."""
    everything_ms = next(one.took_ms for one in asked if one.reader.subject == EVERYTHING)
    rows = [_row(one, plain_ms, everything_ms) for one in asked]
    ratios = [ratio for one in asked for ratio in _ratios(one.took_ms, plain_ms)]
    to_everything = [ratio for one in asked for ratio in _ratios(one.took_ms, everything_ms)]
    return {
        "questions": len(plain_ms),
        "unfiltered_ms_p50": percentile(plain_ms, 50),
        "unfiltered_ms_p95": percentile(plain_ms, 95),
        "filtered_p50_ratio": percentile(ratios, 50),
        "filtered_p95_ratio": percentile(ratios, 95),
        "worst_reader_p50_ratio": max(number(row["p50_ratio"]) for row in rows),
        "worst_reader_p95_ratio": max(number(row["p95_ratio"]) for row in rows),
        "to_everything_p50_ratio": percentile(to_everything, 50),
        "to_everything_p95_ratio": percentile(to_everything, 95),
        "recall_at_10_worst": min(number(row["recall_at_10"]) for row in rows),
        "leaks": sum(one.leaks for one in asked),
        "readers": list(rows),
    }


def _row(one: Asked, plain_ms: Sequence[float], everything_ms: Sequence[float]) -> dict[str, Json]:
    whole = access_filter(one.reader.plan)
    ratios = _ratios(one.took_ms, plain_ms)
    return {
        "reader": one.reader.subject,
        "share": round(one.reader.share, 6),
        "conditions": 0 if whole is None else size(whole),
        "search_ms_p50": percentile(one.took_ms, 50),
        "search_ms_p95": percentile(one.took_ms, 95),
        "p50_ratio": percentile(ratios, 50),
        "p95_ratio": percentile(ratios, 95),
        "to_everything_p50_ratio": percentile(_ratios(one.took_ms, everything_ms), 50),
        "recall_at_10": round(float(np.mean(one.recall)), 4),
        "leaks": one.leaks,
    }


def _ratios(took_ms: Sequence[float], other_ms: Sequence[float]) -> list[float]:
    return [took / other for took, other in zip(took_ms, other_ms, strict=True)]


def _questions(count: int) -> int:
    return _WARM_UP + (100 if count <= 10_000 else 60 if count <= 100_000 else 30)
