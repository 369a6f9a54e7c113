"""`ringfence eval retrieval`: does search find the right passages? SciFact, through our own index and plan.

Each claim of the training part is a question; the abstracts it cites are the right ones. Measured for the dense
branch, the lexical branch and their fusion, exactly as a question goes: plan, filter, both branches, fuse.
"""

import asyncio
import csv
import gzip
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import R, nDCG

from evals.report import Gate, Json, Report
from policies.plan import Conditions, plan
from policies.rules import Attributes, Caller, Level, Rule
from policies.snapshot import Snapshot
from rag.domain import content_id, digest_of
from rag.embedding.protocol import Embedder
from rag.errors import Misuse
from rag.index.embedded import open_embedded
from rag.index.lexical import LexicalEncoder
from rag.index.payload import payload_of
from rag.index.store import Hits, Point, Query, VectorStore
from rag.query.rerank import fuse

TENANT = "scifact"
READER = "user:reader"
CANDIDATES = 100
DEPTH = 10
BATCH = 64
LIMIT_FLOOR = 50
"""Gates are for slices of at least this many questions: figures of fewer say little."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Dataset:
    """`documents` and `queries` by id; `judgements` by query: the ids of its right documents."""

    documents: Mapping[str, str] = field(repr=False)
    queries: Mapping[str, str] = field(repr=False)
    judgements: Mapping[str, frozenset[str]] = field(repr=False)


def read_scifact(data: Path, limit: int | None = None) -> Dataset:
    """SciFact from `data`/scifact. With `limit`, that many claims and ten documents for each, right ones first.

    Raises:
        Misuse: the files are not there.
    """
    folder = data / "scifact"
    try:
        with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            corpus = {str(d["_id"]): f"{d['title']}\n{d['text']}" for d in map(json.loads, lines)}
        with (folder / "claims_train.csv").open(encoding="utf-8", newline="") as rows:
            claims = [(row["id"], row["claim"], _cited(row["cited_doc_ids"])) for row in csv.DictReader(rows)]
    except OSError as cause:
        raise Misuse(
            f"SciFact is not in {folder} ({cause.strerror}). Name the folder that holds it with --data or "
            "RINGFENCE_EVAL_DATA.",
            code="data_missing",
        ) from cause
    chosen = {qid: (claim, cited & corpus.keys()) for qid, claim, cited in claims if cited & corpus.keys()}
    chosen = dict(list(chosen.items())[:limit])
    if limit is not None:
        right = set().union(*(cited for _, cited in chosen.values()))
        ordered = sorted(corpus, key=lambda name: name not in right)
        corpus = {name: corpus[name] for name in ordered[: max(len(right), 10 * limit)]}
    return Dataset(corpus, {q: c for q, (c, _) in chosen.items()}, {q: frozenset(d) for q, (_, d) in chosen.items()})


def _cited(value: str) -> frozenset[str]:
    # Written by numpy: numbers in brackets, without commas.
    return frozenset(re.findall(r"\d+", value))


async def retrieval(
    dataset: Dataset, embedder: Embedder, folder: Path, *, conditions_max: int, progress: Progress
) -> Report:
    """Index `dataset` in a new shard below `folder` and measure both branches and the fusion."""
    lexical = LexicalEncoder()
    store = await asyncio.to_thread(
        open_embedded, folder, tenant=TENANT, dim=embedder.dim, conditions_max=conditions_max
    )
    try:
        started = time.perf_counter()
        names = await _index(dataset, embedder, lexical, store, progress)
        indexed_s = time.perf_counter() - started
        runs, took_ms = await _search_all(dataset, embedder, lexical, store, names, progress)
    finally:
        await store.close()
    figures = {branch: score(dataset.judgements, run) for branch, run in runs.items()}
    return _report(dataset, figures, took_ms, indexed_s, embedder)


async def _index(
    dataset: Dataset, embedder: Embedder, lexical: LexicalEncoder, store: VectorStore, progress: Progress
) -> dict[str, str]:
    """Write every document as one chunk; returns document names by chunk id."""
    names: dict[str, str] = {}
    documents = list(dataset.documents.items())
    for start in range(0, len(documents), BATCH):
        batch = [(name, cut(text, embedder)) for name, text in documents[start : start + BATCH]]
        vectors = await asyncio.to_thread(embedder.embed_passages, [text for _, text in batch])
        points = []
        for (name, text), vector in zip(batch, vectors, strict=True):
            chunk = content_id("chk", digest_of([TENANT, name]))
            names[chunk] = name
            attributes = Attributes(TENANT, content_id("doc", digest_of([name])), "science", Level.PUBLIC)
            payload = payload_of(attributes, version="ver_1", attribute_version=1, policy_epoch=1)
            points.append(Point(chunk, vector, lexical.encode_passage(text), payload))
        await store.upsert(points)
        progress(f"indexed {min(start + BATCH, len(documents))}/{len(documents)}")
    return names


def cut(text: str, embedder: Embedder) -> str:
    """The longest beginning of `text`, in whole words, that the embedder reads."""
    if embedder.count_tokens(text) <= embedder.tokens_max:
        return text
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    low, high = 0, len(ends)
    while high - low > 1:
        middle = (low + high) // 2
        fits = embedder.count_tokens(text[: ends[middle - 1]]) <= embedder.tokens_max
        low, high = (middle, high) if fits else (low, middle)
    return text[: ends[low - 1]] if low else ""


async def _search_all(
    dataset: Dataset,
    embedder: Embedder,
    lexical: LexicalEncoder,
    store: VectorStore,
    names: Mapping[str, str],
    progress: Progress,
) -> tuple[dict[str, dict[str, dict[str, float]]], list[float]]:
    """Scores by branch, query and document, and the milliseconds of each search in the engine."""
    conditions = everything_public()
    runs: dict[str, dict[str, dict[str, float]]] = {"dense": {}, "lexical": {}, "hybrid": {}}
    took_ms: list[float] = []
    for number, (query_id, text) in enumerate(dataset.queries.items(), start=1):
        query = Query(embedder.embed_query(text), lexical.encode_query(text))
        started = time.perf_counter()
        hits = await store.search(conditions, query, limit=CANDIDATES)
        took_ms.append((time.perf_counter() - started) * 1000)
        for branch, scores in _scores(hits).items():
            runs[branch][query_id] = {names[chunk]: value for chunk, value in scores.items()}
        if number % BATCH == 0 or number == len(dataset.queries):
            progress(f"asked {number}/{len(dataset.queries)}")
    return runs, took_ms


def _scores(hits: Hits) -> dict[str, dict[str, float]]:
    return {
        "dense": {hit.chunk: hit.score for hit in hits.dense},
        "lexical": {hit.chunk: hit.score for hit in hits.lexical},
        "hybrid": fuse(hits),
    }


def everything_public() -> Conditions:
    """A plan that admits the whole public set: search takes nothing less."""
    rule = Rule(READER, TENANT, "read", level=Level.PUBLIC)
    decided = plan(Snapshot(TENANT, 1, (rule,), ()), (Caller(TENANT, READER),))
    if not isinstance(decided, Conditions):
        raise TypeError("the reader of the public set may read nothing")
    return decided


def score(judgements: Mapping[str, frozenset[str]], run: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """nDCG@10 and recall@10, averaged over all judged questions; one without hits counts as 0."""
    right = {query: dict.fromkeys(documents, 1) for query, documents in judgements.items()}
    measures = {"ndcg_at_10": nDCG @ DEPTH, "recall_at_10": R @ DEPTH}
    values = ir_measures.calc_aggregate(list(measures.values()), right, {q: dict(d) for q, d in run.items()})
    return {name: round(float(values[measure]), 4) for name, measure in measures.items()}


def _report(
    dataset: Dataset,
    figures: Mapping[str, Mapping[str, float]],
    took_ms: Sequence[float],
    indexed_s: float,
    embedder: Embedder,
) -> Report:
    hybrid, dense, lexical = (figures[branch]["ndcg_at_10"] for branch in ("hybrid", "dense", "lexical"))
    enough = len(dataset.queries) >= LIMIT_FLOOR
    better = Gate("hybrid ndcg_at_10", "at least", max(dense, lexical) - 0.01, hybrid)
    return Report(
        "retrieval",
        {
            "dataset": "scifact, claims of the training part",
            "documents": len(dataset.documents),
            "questions": len(dataset.queries),
            "embedder": embedder.name,
            "embedder_digest": embedder.digest,
            "branches": {branch: dict(values) for branch, values in figures.items()},
            "search_ms_p50": _percentile(took_ms, 50),
            "search_ms_p95": _percentile(took_ms, 95),
            "indexed_s": round(indexed_s, 1),
        },
        (Gate("questions", "at least", 1, len(dataset.queries)), *((better,) if enough else ())),
    )


def _percentile(values: Sequence[float], percent: float) -> Json:
    return round(float(np.percentile(values, percent)), 2) if values else None
