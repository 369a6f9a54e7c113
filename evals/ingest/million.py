"""A million chunks, or as many as are asked for: what writing, publishing and searching them takes.

Text is generated and vectors are made up around clusters, for an embedder would need a day; everything behind it is
the product's: documents with their chunks in SQL, each in a transaction of its own, words weighed, all of it projected
into the index and made visible, and searched by readers through their filters.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.ingest.held import held_at_most_mb, held_from_now_on_mb
from evals.measured import percentile
from evals.runner.report import Gate
from evals.runner.values import Json
from ingestion.chunk import Draft
from ingestion.publishing import publish_documents
from ingestion.store import DocumentStore, Embedded, Reading
from policies.plan import Conditions, plan
from policies.rules import ANY, Attributes, Caller, Level, Rule, Tightening
from policies.snapshot import Snapshot
from rag.db.engine import Database, open_database
from rag.domain import Span, content_id
from rag.index.lexical import LexicalEncoder
from rag.index.store import Query, VectorStore
from rag.index.stores import open_stores
from rag.settings import Settings, load_settings

TENANT = "eval"
SOURCE = "generated"
DIM = 384
CHUNKS_PER_DOCUMENT = 50
WORDS_PER_CHUNK = 45
DEPARTMENTS = 40
QUESTIONS = 100
DEPTH = 10
FOUND_MIN = 0.99
_CLUSTERS = 1000
_SPREAD = 0.8
_WORDS = 20_000
_ASKED_SPREAD = 0.1
_SYLLABLES = ("ba", "del", "fo", "gri", "hus", "ka", "lem", "mor", "nus", "pel", "qua", "ri", "sto", "tan", "ven", "wo")


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a run: wall seconds, and the most memory that it held beyond what was held before it."""

    wall_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What one reader's questions gave: the share of those whose chunk was among the first, and took how long."""

    found_ratio: float
    leaks: int
    took_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    chunks: int
    points: int
    writing: Stage
    publishing: Stage
    one_more: Stage
    opening: Stage
    database_mb: float
    index_mb: float
    readers: dict[str, Asked]


class Texts:
    """Chunks by number, the same for the same seed: words by Zipf, a vector near its cluster, a document's labels."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._centres = _unit(rng.standard_normal((_CLUSTERS, DIM), dtype=np.float32))
        made = random.Random(seed)
        self._words = ["".join(made.choices(_SYLLABLES, k=made.randint(1, 4))) for _ in range(_WORDS)]
        weights = 1 / np.arange(2, _WORDS + 2)
        self._weights = weights / weights.sum()

    def document(self, number: int, chunks: int) -> tuple[list[str], NDArray[np.float32]]:
        """Its chunks: texts, and vectors of shape (chunks, DIM)."""
        rng = np.random.default_rng((self._seed, number))
        drawn = rng.choice(_WORDS, (chunks, WORDS_PER_CHUNK), p=self._weights)
        # Each chunk has a number of its own, as a contract or a ticket has.
        texts = [
            f"{' '.join(self._words[word] for word in row)} no{number * CHUNKS_PER_DOCUMENT + place}."
            for place, row in enumerate(drawn)
        ]
        return texts, _near(rng, self._centres[rng.integers(0, _CLUSTERS, chunks)], _SPREAD)

    def labels(self, number: int) -> Attributes:
        level = list(Level)[number // DEPARTMENTS % len(Level)]
        return Attributes(TENANT, document_name(number), f"dept{number % DEPARTMENTS}", level)


def fill(chunks: int, scratch: Path, seed: int) -> Filled:
    """Write, publish and search so many chunks in a new data folder, in this process.

    Raises:
        Misuse: not on Linux.
    """
    data = scratch / "million-data"
    data.mkdir()
    return asyncio.run(_filled(chunks, load_settings(data_dir=data), Texts(seed)))


async def _filled(chunks: int, settings: Settings, texts: Texts) -> Filled:
    database = await open_database(settings.database_url)
    try:
        *documents, last = _documents(chunks)
        before, started = held_from_now_on_mb(), time.perf_counter()
        for number, size in documents:
            await _write(database, texts, number, size)
        writing = _stage(before, started)
        before, started = held_from_now_on_mb(), time.perf_counter()
        await publish_documents(settings, database, DIM, TENANT)
        publishing = _stage(before, started)
        # What a reader waits for after one document was changed, all others being there.
        before, started = held_from_now_on_mb(), time.perf_counter()
        await _write(database, texts, *last)
        await publish_documents(settings, database, DIM, TENANT)
        one_more = _stage(before, started)
    finally:
        await database.close()
    before, started = held_from_now_on_mb(), time.perf_counter()
    stores = open_stores(settings, DIM)
    try:
        store = await stores.get(TENANT)
        opening = _stage(before, started)
        points = await store.points()
        readers = {name: await _ask(store, texts, chunks, rule) for name, rule in _readers().items()}
    finally:
        await stores.close()
    database_mb = _on_disk_mb(settings.data_dir.glob("ringfence.db*"))
    index_mb = _on_disk_mb((settings.data_dir / "index").rglob("*"))
    return Filled(chunks, points, writing, publishing, one_more, opening, database_mb, index_mb, readers)


def figures_of(done: Filled) -> dict[str, Json]:
    """Seconds and megabytes by stage, and each reader's searches."""
    figures: dict[str, Json] = {
        "chunks_generated": done.chunks,
        "chunks_points": done.points,
        "chunks_write_s": round(done.writing.wall_s, 1),
        "chunks_write_memory_mb": round(done.writing.memory_mb, 1),
        "chunks_publish_s": round(done.publishing.wall_s, 1),
        "chunks_publish_memory_mb": round(done.publishing.memory_mb, 1),
        "chunks_one_more_document_s": round(done.one_more.wall_s, 2),
        "chunks_open_s": round(done.opening.wall_s, 1),
        "chunks_database_mb": round(done.database_mb, 1),
        "chunks_index_mb": round(done.index_mb, 1),
    }
    for name, asked in done.readers.items():
        figures |= {
            f"chunks_{name}_found_ratio": round(asked.found_ratio, 4),
            f"chunks_{name}_leaks": asked.leaks,
            f"chunks_{name}_search_ms_p50": round(percentile(asked.took_ms, 50), 1),
            f"chunks_{name}_search_ms_p95": round(percentile(asked.took_ms, 95), 1),
        }
    return figures


def gates_of(done: Filled) -> tuple[Gate, ...]:
    """Every chunk is in the index, is found by who may read it, and reaches nobody else."""
    return (
        Gate("chunks_points", "at least", done.chunks, done.points),
        Gate("chunks_points", "at most", done.chunks, done.points),
        *(Gate(f"chunks_{name}_found_ratio", "at least", FOUND_MIN, one.found_ratio)
          for name, one in done.readers.items()),
        *(Gate(f"chunks_{name}_leaks", "at most", 0, one.leaks) for name, one in done.readers.items()),
    )  # fmt: skip


def document_name(number: int) -> str:
    return content_id("doc", number.to_bytes(16, "big"))


def chunk_name(number: int, place: int) -> str:
    return content_id("chk", (number * CHUNKS_PER_DOCUMENT + place).to_bytes(16, "big"))


def _documents(chunks: int) -> Iterator[tuple[int, int]]:
    """Number and chunks of each document."""
    for number in range(-(-chunks // CHUNKS_PER_DOCUMENT)):
        yield number, min(CHUNKS_PER_DOCUMENT, chunks - number * CHUNKS_PER_DOCUMENT)


async def _write(database: Database, texts: Texts, number: int, size: int) -> None:
    """One document as ingestion writes it, in one transaction."""
    name, lexical = document_name(number), LexicalEncoder()
    passages, vectors = texts.document(number, size)
    drafts = _drafts(passages)
    embedded = [
        Embedded(chunk_name(number, place), draft, vectors[place], lexical.encode_passage(draft.embedded))
        for place, draft in enumerate(drafts)
    ]
    whole = "\n\n".join(passages)
    reading = Reading(f"Document {number}", f"{number}.txt", "text/plain", whole, (), name, "generated")
    async with database.unit_of_work() as session:
        store = DocumentStore(session, TENANT, SOURCE)
        await store.stage(name, name, texts.labels(number), reading)
        await store.add_version(name, name.replace("doc_", "ver_"), reading, embedded)


def _drafts(passages: Sequence[str]) -> list[Draft]:
    drafts, start = [], 0
    for passage in passages:
        drafts.append(Draft(Span(start, start + len(passage)), None, "", Tightening(), passage))
        start += len(passage) + 2
    return drafts


def _readers() -> dict[str, Rule]:
    """From everything down to one department in forty."""
    return {
        "all": Rule("user:all", TENANT, "read"),
        "internal": Rule("user:internal", TENANT, "read", level=Level.INTERNAL),
        "department": Rule("user:department", TENANT, "read", department="dept7"),
    }


async def _ask(store: VectorStore, texts: Texts, chunks: int, rule: Rule) -> Asked:
    """Questions near chunks that she may read, each with a word of its chunk."""
    snapshot, caller = Snapshot(TENANT, 1, (rule,), ()), Caller(TENANT, rule.subject)
    conditions = plan(snapshot, (caller,))
    assert isinstance(conditions, Conditions)
    rng, lexical = np.random.default_rng(1), LexicalEncoder()
    documents = [number for number, _ in _documents(chunks) if _may_read(rule, texts.labels(number))]
    readable = frozenset(documents)
    found, leaks, took_ms = [], 0, []
    for number in rng.choice(documents, QUESTIONS):
        size = min(CHUNKS_PER_DOCUMENT, chunks - int(number) * CHUNKS_PER_DOCUMENT)
        place = int(rng.integers(size))
        passages, vectors = texts.document(int(number), size)
        asked = _near(rng, vectors[place : place + 1], _ASKED_SPREAD)[0]
        query = Query(asked, lexical.encode_query(passages[place].split()[-1]))
        started = time.perf_counter()
        hits = await store.search(conditions, query, limit=DEPTH)
        took_ms.append((time.perf_counter() - started) * 1000)
        wanted = chunk_name(int(number), place)
        found.append(all(branch and branch[0].chunk == wanted for branch in (hits.dense, hits.lexical)))
        shown = {int(hit.chunk.removeprefix("chk_"), 16) // CHUNKS_PER_DOCUMENT for hit in (*hits.dense, *hits.lexical)}
        leaks += len(shown - readable)
    return Asked(float(np.mean(found)), leaks, tuple(took_ms))


def _on_disk_mb(paths: Iterable[Path]) -> float:
    """What files take up; some are longer than what was written to them."""
    return sum(path.stat().st_blocks * 512 for path in paths if path.is_file()) / 1e6


def _may_read(rule: Rule, labels: Attributes) -> bool:
    """Said again, apart from the rules that are measured."""
    return labels.level <= rule.level and rule.department in (ANY, labels.department)


def _stage(before_mb: float, started: float) -> Stage:
    return Stage(time.perf_counter() - started, max(0.0, held_at_most_mb() - before_mb))


def _near(rng: np.random.Generator, vectors: NDArray[np.float32], spread: float) -> NDArray[np.float32]:
    noise = rng.standard_normal(vectors.shape, dtype=np.float32) * np.float32(spread / np.sqrt(DIM))
    return _unit(vectors + noise)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return np.divide(vectors, lengths, dtype=np.float32)
