"""`ringfence eval retrieval`: does search find the right passages? Public sets, through our own index and plan.

Measured for the dense branch, the lexical branch, their fusion, and what is reranked from it, exactly as a question
goes: plan, filter, both branches, fuse, rerank. Then for readers of less and less, each by a policy of her own.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from evals.measured import percentile
from evals.retrieval.filtered import READER, bucket_of, conditions_of, measure_filtered
from evals.retrieval.filtered import TENANT as TENANT
from evals.retrieval.sets import SMOKE, Dataset, Half
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from policies.plan import Conditions
from policies.rules import Attributes, Level
from rag.domain import Chunk, ReadableChunk, Span, content_id, digest_of
from rag.embedding.protocol import Embedder
from rag.index.embedded import open_embedded
from rag.index.lexical import LexicalEncoder
from rag.index.payload import payload_of
from rag.index.store import Hits, Point, Query, VectorStore
from rag.query.rerank import fuse, rerank
from rag.query.scorer import NoScorer, SupportScorer

DEEP = 100
"""Hits of each branch, for what is found at all; a question asks for `index.candidates` of them."""
BATCH = 64
LIMIT_FLOOR = 50
"""Gates are for runs of at least this many questions: figures of fewer say little."""
SCORED = 20
"""Fused hits that a CrossEncoder orders anew."""

MEASURES = {"ndcg_at_10": nDCG @ 10, "recall_at_10": R @ 10, "recall_at_100": R @ DEEP, "mrr": RR}

Progress = Callable[[str], None]
Runs = dict[str, dict[str, dict[str, float]]]
"""Scores by branch, query and document."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What is asked of: the set, how it is embedded, and how many hits of each branch a question fuses."""

    dataset: Dataset
    embedder: Embedder
    lexical: LexicalEncoder
    candidates: int
    scorer: SupportScorer = field(default_factory=NoScorer)


@dataclass(frozen=True, slots=True)
class Indexed:
    """The set in an index: names of documents by chunk, and shape (documents, dim) of their vectors in that order."""

    store: VectorStore
    names: Mapping[str, str]
    vectors: "np.ndarray[tuple[int, int], np.dtype[np.float32]]" = field(repr=False)
    seconds: float


async def retrieval(
    searched: Searched, folder: Path, *, conditions_max: int, progress: Progress
) -> tuple[dict[str, Json], tuple[Gate, ...]]:
    """Index the set in a new shard below `folder`; figures of all branches, and the gates of this set."""
    embedder = searched.embedder
    store = await asyncio.to_thread(
        open_embedded, folder, tenant=TENANT, dim=embedder.dim, conditions_max=conditions_max, embedder=embedder.digest
    )
    try:
        indexed = await _index(searched, store, progress)
        runs, took_ms = await _search_all(searched, indexed, progress)
        filtered = await measure_filtered(searched.dataset, indexed.names, indexed.vectors, _query_of(searched), store)
    finally:
        await store.close()
    branches = {branch: score(searched.dataset.judgements, run) for branch, run in runs.items()}
    better = max(branches[one]["ndcg_at_10"] for one in ("dense", "lexical"))
    figures: dict[str, Json] = {
        "documents": len(searched.dataset.documents),
        "questions": len(searched.dataset.queries),
        "branches": {branch: dict(values) for branch, values in branches.items()},
        "fusion_gain_ratio": round(branches["hybrid"]["ndcg_at_10"] / better - 1, 4) if better else 0.0,
        "stages": {name: {"ms_p50": percentile(ms, 50), "ms_p95": percentile(ms, 95)} for name, ms in took_ms.items()},
        "indexed_s": round(indexed.seconds, 1),
        "filtered": filtered,
    }
    name, enough = searched.dataset.name, len(searched.dataset.queries) >= LIMIT_FLOOR
    gates = [Gate(f"{name} questions", "at least", 1, len(searched.dataset.queries))]
    if enough and name not in SMOKE:
        hybrid = branches["hybrid"]["ndcg_at_10"]
        gates.append(Gate(f"{name} hybrid ndcg_at_10, over that of the better part", "at least", better, hybrid))
    return figures, tuple(gates)


def report_of(
    measured: Mapping[str, tuple[dict[str, Json], tuple[Gate, ...]]], embedder: Embedder, candidates: int, half: Half
) -> Report:
    """One report of all sets. That of the half that is kept aside has a name of its own."""
    figures: dict[str, Json] = {
        "half": half,
        "embedder": embedder.name,
        "embedder_digest": embedder.digest,
        "candidates": candidates,
        "sets": {name: found for name, (found, _) in measured.items()},
    }
    name = "retrieval" if half == "tune" else "retrieval-final"
    return Report(name, figures, tuple(gate for _, gates in measured.values() for gate in gates), {})


async def _index(searched: Searched, store: VectorStore, progress: Progress) -> Indexed:
    """Write every document as one chunk, in the department that its name falls into."""
    started = time.perf_counter()
    names: dict[str, str] = {}
    vectors = [np.empty((0, searched.embedder.dim), np.float32)]
    documents = list(searched.dataset.documents.items())
    for start in range(0, len(documents), BATCH):
        batch = [(name, cut(text, searched.embedder)) for name, text in documents[start : start + BATCH]]
        made = await asyncio.to_thread(searched.embedder.embed_passages, [text for _, text in batch])
        points = []
        for (name, text), vector in zip(batch, made, strict=True):
            chunk = content_id("chk", digest_of([TENANT, name]))
            names[chunk] = name
            payload = payload_of(_attributes(name), version="ver_1", attribute_version=1, policy_epoch=1)
            points.append(Point(chunk, vector, searched.lexical.encode_passage(text), payload))
        await store.upsert(points)
        vectors.append(made)
        if start // BATCH % 10 == 9 or start + BATCH >= len(documents):
            progress(f"indexed {min(start + BATCH, len(documents))}/{len(documents)}")
    return Indexed(store, names, np.concatenate(vectors), time.perf_counter() - started)


def _attributes(name: str) -> Attributes:
    return Attributes(TENANT, content_id("doc", digest_of([name])), bucket_of(name), Level.PUBLIC)


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


def _query_of(searched: Searched) -> Callable[[str], Query]:
    """A question in both spaces."""
    made: dict[str, Query] = {}

    def query(text: str) -> Query:
        if text not in made:
            embedder = searched.embedder
            made[text] = Query(embedder.embed_query(text), searched.lexical.encode_query(text), embedder.digest)
        return made[text]

    return query


async def _search_all(searched: Searched, indexed: Indexed, progress: Progress) -> tuple[Runs, dict[str, list[float]]]:
    """Scores by branch, query and document, and the milliseconds of each stage."""
    plan = everything_public()
    ms: dict[str, list[float]] = {"embed": [], "search": [], "fuse": [], "rerank": []}
    runs: Runs = {"dense": {}, "lexical": {}, "hybrid": {}, "reranked": {}}
    if not isinstance(searched.scorer, NoScorer):
        runs["cross_encoder"], ms["cross_encoder"] = {}, []

    for number, (query_id, text) in enumerate(searched.dataset.queries.items(), start=1):
        started = [time.perf_counter()]
        embedder = searched.embedder
        query = Query(embedder.embed_query(text), searched.lexical.encode_query(text), embedder.digest)
        started.append(time.perf_counter())
        hits = await indexed.store.search(plan, query, limit=searched.candidates)
        started.append(time.perf_counter())
        fused = fuse(hits)
        started.append(time.perf_counter())
        chunks = [_readable(chunk, value, searched.dataset, indexed.names) for chunk, value in fused.items()]
        began = time.perf_counter()
        ranked = rerank(text, chunks)
        ms["rerank"].append((time.perf_counter() - began) * 1000)
        for stage, begin, end in zip(("embed", "search", "fuse"), started, started[1:], strict=False):
            ms[stage].append((end - begin) * 1000)
        deep = await indexed.store.search(plan, query, limit=DEEP)
        found = _branches(deep) | {"reranked": {one.chunk.id: one.score for one in ranked}}
        if "cross_encoder" in runs:
            began = time.perf_counter()
            found["cross_encoder"] = await _scored(text, ranked[:SCORED], searched.scorer)
            ms["cross_encoder"].append((time.perf_counter() - began) * 1000)
        for branch, scores in found.items():
            runs[branch][query_id] = {indexed.names[chunk]: value for chunk, value in scores.items()}
        if number % (4 * BATCH) == 0 or number == len(searched.dataset.queries):
            progress(f"asked {number}/{len(searched.dataset.queries)}")
    return runs, ms


def _readable(chunk: str, value: float, dataset: Dataset, names: Mapping[str, str]) -> ReadableChunk:
    name = names[chunk]
    text, attributes = dataset.documents[name], _attributes(name)
    piece = Chunk(chunk, attributes.document, "ver_1", 0, Span(0, len(text)), None, "", text)
    return ReadableChunk(piece, attributes, 1, "", value)


async def _scored(question: str, chunks: Sequence[ReadableChunk], scorer: SupportScorer) -> dict[str, float]:
    scores = await scorer.score(question, [one.chunk.text for one in chunks])
    return {one.chunk.id: float(value) for one, value in zip(chunks, scores, strict=True)}


def _branches(hits: Hits) -> dict[str, dict[str, float]]:
    return {
        "dense": {hit.chunk: hit.score for hit in hits.dense},
        "lexical": {hit.chunk: hit.score for hit in hits.lexical},
        "hybrid": fuse(hits),
    }


def everything_public() -> Conditions:
    """A plan that admits the whole public set: search takes nothing less."""
    return conditions_of(READER, 100)


def score(judgements: Mapping[str, frozenset[str]], run: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each of `MEASURES`, averaged over all judged questions; one without hits counts as 0."""
    right = {query: dict.fromkeys(documents, 1) for query, documents in judgements.items()}
    values = ir_measures.calc_aggregate(list(MEASURES.values()), right, {q: dict(d) for q, d in run.items()})
    return {name: round(float(values[measure]), 4) for name, measure in MEASURES.items()}
