"""The nearest published peer on the same data and the same engine: `wardowl`, in its two ways, beside ours.

    ours         the plan as a filter, and a check of every hit
    prefilter    its own way: who may read a chunk stands on the chunk, and the search is filtered by it
    postfilter   its Casbin way: search without a filter, ask the stock enforcer about each hit, search wider

`pip install "ringfence[peers]"` adds it. Never its own extra for Casbin, which asks for the frozen `casbin` and
overwrites pycasbin.
"""

import importlib.util
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.access.chunks import (
    EPOCH,
    TENANT,
    Chunks,
    Reader,
    chunk_number,
    make_chunks,
    make_queries,
    make_readers,
    reader_of,
)
from evals.access.equivalence import Progress
from evals.access.search import DIM, NO_WORDS, recall, write_chunks
from evals.access.wardowl_ways import Peer
from evals.measured import percentile
from evals.runner.values import Json
from policies.check import check
from policies.plan import DenyAll, plan
from policies.rules import Caller
from policies.snapshot import Snapshot
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.index.store import Query

CHUNKS = 20_000
QUESTIONS = 10
ASKED_OF_CASBIN = 1
"""Questions of each reader that go to the post-filter: a stock enforcer is asked about up to 1000 hits for each."""
DEPTH = 10
REVOKED = "user:departments-0.3"
"""From whom a department is taken."""
INSTALL = 'wardowl is not installed, so there is nothing to compare with: pip install "ringfence[peers]"'

Searching = Callable[[Reader, NDArray[np.float32]], Awaitable[Sequence[int]]]


@dataclass(slots=True)
class Series:
    """One way's answers to all questions of all readers."""

    took_ms: list[float] = field(default_factory=list)
    recall: dict[str, list[float]] = field(default_factory=dict)
    leaks: int = 0


async def measure_peer(seed: int, folder: Path, talk: Progress) -> dict[str, Json] | None:
    """Latency, recall and leaks of the three ways; None where wardowl is not installed."""
    if importlib.util.find_spec("wardowl") is None:
        talk(INSTALL)
        return None
    chunks = make_chunks(seed, CHUNKS, DIM)
    readers = make_readers(seed, chunks)
    await write_chunks(chunks, folder / "ours", talk)
    store = open_embedded(folder / "ours", tenant=TENANT, dim=DIM, conditions_max=400)
    peer = Peer(folder / "peer", chunks, readers)
    talk(f"{CHUNKS} chunks written twice; {len(readers)} readers ask {QUESTIONS} questions in three ways")
    try:
        ways: dict[str, Searching] = {"ours": ours(chunks, store, readers)}
        ways |= {name: partial(_theirs, peer, name) for name in ("prefilter", "postfilter")}
        series = await _ask(seed, chunks, readers, ways)
        revoked = await _revoke(chunks, readers, store, peer)
    finally:
        await store.close()
        peer.close()
    figures = {name: _figures(one, series["ours"]) for name, one in series.items()}
    return {"peer": peer.name, "chunks": CHUNKS, "readers": len(readers), **figures, **revoked}


def ours(chunks: Chunks, store: EmbeddedStore, readers: Sequence[Reader]) -> Searching:
    """Plan, search under the filter, check each hit: the stages of a question that decide."""
    rules = tuple(rule for reader in readers for rule in reader.rules)
    policy = Snapshot(TENANT, EPOCH, rules, tuple(link for reader in readers for link in reader.links))

    async def search(reader: Reader, vector: NDArray[np.float32]) -> Sequence[int]:
        caller = (Caller(TENANT, reader.subject),)
        compiled = plan(policy, caller)
        if isinstance(compiled, DenyAll):
            return []
        hits = await store.search(compiled, Query(vector, NO_WORDS), limit=DEPTH)
        found = [chunk_number(hit.chunk) for hit in hits.dense]
        return [place for place in found if check(policy, caller, "read", chunks.attributes(place)).allowed]

    return search


async def _theirs(peer: Peer, way: str, reader: Reader, vector: NDArray[np.float32]) -> Sequence[int]:
    return peer.search(way, reader, vector, DEPTH)


async def _ask(
    seed: int, chunks: Chunks, readers: Sequence[Reader], ways: Mapping[str, Searching]
) -> dict[str, Series]:
    """Every question by every reader in every way, in turn."""
    series = {name: Series() for name in ways}
    for place, vector in enumerate(make_queries(seed, QUESTIONS, DIM)):
        cosines = chunks.vectors @ vector
        for reader in readers:
            readable = reader.labels_readable[chunks.label_of]
            for name, search in ways.items():
                if name == "postfilter" and place >= ASKED_OF_CASBIN:
                    continue
                started = time.perf_counter()
                found = np.array(await search(reader, vector), dtype=np.int64)
                series[name].took_ms.append((time.perf_counter() - started) * 1000)
                series[name].leaks += int((~readable[found]).sum())
                series[name].recall.setdefault(reader.subject, []).append(recall(cosines, readable, found))
    return series


async def _revoke(chunks: Chunks, readers: Sequence[Reader], store: EmbeddedStore, peer: Peer) -> dict[str, Json]:
    """Take one department from one reader and ask for what she lost, before the peer's chunks are rewritten."""
    before = next(reader for reader in readers if reader.subject == REVOKED)
    after = _with_one_rule_less(chunks, before)
    lost = np.flatnonzero((before.labels_readable & ~after.labels_readable)[chunks.label_of])
    left = [after if reader is before else reader for reader in readers]
    ways: dict[str, Searching] = {
        "ours": ours(chunks, store, left),
        "prefilter": partial(_theirs, peer, "prefilter"),
    }
    leaks = dict.fromkeys(ways, 0)
    for place in lost[:QUESTIONS]:
        for name, search in ways.items():
            leaks[name] += int(np.isin(await search(after, chunks.vectors[place]), lost).sum())
    started = time.perf_counter()
    peer.rewrite(left, [int(place) for place in lost])
    return {
        "ours_leaks_after_revocation": leaks["ours"],
        "prefilter_leaks_after_revocation": leaks["prefilter"],
        "prefilter_chunks_to_rewrite": len(lost),
        "prefilter_rewriting_ms": round((time.perf_counter() - started) * 1000, 1),
    }


def _with_one_rule_less(chunks: Chunks, reader: Reader) -> Reader:
    """Without the rule that gives her most."""
    counts = np.bincount(chunks.label_of, minlength=len(chunks.labels))
    fewer = [
        reader_of(reader.subject, [*reader.rules[:place], *reader.rules[place + 1 :]], reader.links, chunks, counts)
        for place in range(len(reader.rules))
    ]
    return min(fewer, key=lambda one: one.share)


def _figures(one: Series, ours_: Series) -> dict[str, Json]:
    recalls = {subject: float(np.mean(values)) for subject, values in one.recall.items()}
    return {
        "search_ms_p50": percentile(one.took_ms, 50),
        "search_ms_p95": percentile(one.took_ms, 95),
        "to_ours_p50_ratio": round(percentile(one.took_ms, 50) / max(0.01, percentile(ours_.took_ms, 50)), 2),
        "recall_at_10_mean": round(float(np.mean(list(recalls.values()))), 4),
        "recall_at_10_worst": round(min(recalls.values()), 4),
        "leaks": one.leaks,
    }
