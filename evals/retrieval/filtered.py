"""What a filter costs in quality: readers of 100, 50, 10 and 1 % of a set, each by a real policy of her own.

Every document stands in one of a hundred departments, by a hash of its name, and a reader of n % may read the first n
of them. What is right comes from comparing the question with every vector that she may read, in numpy.
"""

import hashlib
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from evals.access.search import DEPTH, recall
from evals.measured import percentile
from evals.retrieval.sets import Dataset
from evals.runner.values import Json
from policies.plan import Conditions, plan
from policies.rules import Caller, Level, Rule
from policies.snapshot import Snapshot
from rag.index.store import Query, VectorStore

TENANT = "scifact"
READER = "user:reader"
BUCKETS = 100
SHARES = (100, 50, 10, 1)
"""Percent of the departments that a reader may read."""
QUESTIONS_MAX = 200
"""Questions of a set that are asked again by each reader, in the order of their ids."""


def bucket_of(name: str) -> str:
    """The department of a document."""
    return f"bucket-{int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % BUCKETS:02d}"


def conditions_of(reader: str, share: int) -> Conditions:
    """The plan of somebody who may read so many of the hundred departments."""
    departments = ["*"] if share == BUCKETS else [f"bucket-{number:02d}" for number in range(share)]
    rules = tuple(Rule(reader, TENANT, "read", department=one, level=Level.PUBLIC) for one in departments)
    decided = plan(Snapshot(TENANT, 1, rules, ()), (Caller(TENANT, reader),))
    if not isinstance(decided, Conditions):
        raise TypeError("the reader of the public set may read nothing")
    return decided


async def measure_filtered(
    dataset: Dataset,
    names: Mapping[str, str],
    vectors: NDArray[np.float32],
    query_of: Callable[[str], Query],
    store: VectorStore,
) -> dict[str, Json]:
    """By percent: recall@10 against exact search over what is readable, hits beyond it, and the time of a search.

    `vectors` has shape (documents, dim), in the order of `names`, which are documents by chunk.
    """
    place = {chunk: number for number, chunk in enumerate(names)}
    buckets = np.array([int(bucket_of(name).rpartition("-")[2]) for name in names.values()])
    asked = [query_of(dataset.queries[name]) for name in sorted(dataset.queries)[:QUESTIONS_MAX]]
    found: dict[str, Json] = {}
    for share in SHARES:
        conditions, readable = conditions_of(f"user:share-{share}", share), buckets < share
        recalls: list[float] = []
        took_ms: list[float] = []
        leaks = 0
        for query in asked:
            started = time.perf_counter()
            hits = await store.search(conditions, query, limit=DEPTH)
            took_ms.append((time.perf_counter() - started) * 1000)
            dense = np.array([place[hit.chunk] for hit in hits.dense], dtype=np.int64)
            lexical = np.array([place[hit.chunk] for hit in hits.lexical], dtype=np.int64)
            leaks += int((~readable[dense]).sum() + (~readable[lexical]).sum())
            if query.dense is not None:
                recalls.append(recall(vectors @ query.dense, readable, dense))
        found[str(share)] = {
            "readable": int(readable.sum()),
            "recall_at_10": round(float(np.mean(recalls)), 4) if recalls else 0.0,
            "leaks": leaks,
            "search_ms_p50": percentile(took_ms, 50),
            "search_ms_p95": percentile(took_ms, 95),
        }
    return found
