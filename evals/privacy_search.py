"""`ringfence eval privacy-search`: are people still found when every name is masked?

The same notes stand in two indexes, once as they are and once as index faces; the same questions are asked of each,
as they are and masked as the path of a question masks them. Everything else is equal: embedder, lexical encoder,
engine, filter, fusion.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.case_notes import FORMS, Note, case_notes, question
from evals.report import Gate, Json, Report
from evals.retrieval import TENANT, everything_public
from policies.rules import Attributes, Level
from rag.domain import content_id, digest_of
from rag.embedding.protocol import Embedder
from rag.index.embedded import open_embedded
from rag.index.lexical import LexicalEncoder
from rag.index.payload import payload_of
from rag.index.store import Point, Query, VectorStore
from rag.privacy.tenant import TenantPrivacy
from rag.query.rerank import fuse

CANDIDATES = 40
DEPTHS = (1, 5)
BATCH = 64
QUESTIONS_FLOOR = 50
"""Gates are for at least this many questions of a kind: one more or less says nothing among fewer."""
RATIO_MIN = 0.97

Progress = Callable[[str], None]
Hits = dict[tuple[str, bool], Counter[int]]
"""For each form, with and without a topic: how often the right note was among the first so many."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two indexes. `texts` are what is indexed, in the order of the notes."""

    store: VectorStore
    texts: Sequence[str] = field(repr=False)
    ask: Callable[[str], str]


async def privacy_search(
    embedder: Embedder, privacy: TenantPrivacy, folder: Path, *, notes: int, questions: int, seed: int, talk: Progress
) -> Report:
    """Both indexes are made below `folder` from `notes` notes; `questions` of them are asked about."""
    made = case_notes(notes, seed)
    talk(f"masking {notes} notes ...")
    masked = await asyncio.to_thread(_masked, privacy, made)
    known = Known(privacy, masked)
    stores = [
        await asyncio.to_thread(open_embedded, folder / name, tenant=TENANT, dim=embedder.dim, conditions_max=400)
        for name in ("plain", "masked")
    ]
    try:
        plain = Side(stores[0], [note.text for note in made], str)
        faces = Side(stores[1], [face for face, _ in masked], known.face_of)
        results = {}
        for name, side in (("unmasked", plain), ("masked", faces)):
            talk(f"{name}: indexing ...")
            await _index(side, embedder)
            talk(f"{name}: asking {questions * 2 * len(FORMS)} questions ...")
            results[name] = await _ask_all(side, made[:questions], embedder)
    finally:
        for store in stores:
            await store.close()
    names = {"notes": notes, "questions": questions, "seed": seed}
    return _report(results["unmasked"], results["masked"], questions, embedder, names)


def _masked(privacy: TenantPrivacy, notes: Sequence[Note]) -> list[tuple[str, frozenset[str]]]:
    """Of each note its index face, and the tokens of its reading face."""
    made = [privacy.mask([note.text])[0] for note in notes]
    return [(one.index_face(), frozenset(span.token for span in one.spans)) for one in made]


class Known:
    """Masks a question knowing what the documents hold, as `rag.query.known` finds it out of an index."""

    def __init__(self, privacy: TenantPrivacy, masked: Collection[tuple[str, frozenset[str]]]) -> None:
        self._privacy = privacy
        self._words = {word.strip(".,:;") for face, _ in masked for word in face.split()}
        self._tokens = frozenset[str]().union(*(tokens for _, tokens in masked))

    def face_of(self, asked: str) -> str:
        possible = [c for c in self._privacy.candidates(asked) if all(w in self._words for w in c.face.split())]
        known = {c.token for c in possible if c.part or c.token in self._tokens}
        return self._privacy.mask_question(asked, known).index_face()


async def _index(side: Side, embedder: Embedder) -> None:
    lexical = LexicalEncoder()
    for start in range(0, len(side.texts), BATCH):
        batch = side.texts[start : start + BATCH]
        vectors = await asyncio.to_thread(embedder.embed_passages, batch)
        points = []
        for number, (text, vector) in enumerate(zip(batch, vectors, strict=True), start):
            attributes = Attributes(TENANT, content_id("doc", digest_of([str(number)])), "notes", Level.PUBLIC)
            payload = payload_of(attributes, version="ver_1", attribute_version=1, policy_epoch=1)
            points.append(Point(_chunk(number), vector, lexical.encode_passage(text), payload))
        await side.store.upsert(points)


async def _ask_all(side: Side, notes: Sequence[Note], embedder: Embedder) -> Hits:
    lexical, conditions = LexicalEncoder(), everything_public()
    found: Hits = {}
    for form in FORMS:
        for with_topic in (True, False):
            hits = found[form, with_topic] = Counter[int]()
            for number, note in enumerate(notes):
                text = await asyncio.to_thread(side.ask, question(note, form, with_topic=with_topic))
                query = Query(embedder.embed_query(text), lexical.encode_query(text))
                ranked = list(fuse(await side.store.search(conditions, query, limit=CANDIDATES)))
                hits.update(depth for depth in DEPTHS if _chunk(number) in ranked[:depth])
    return found


def _chunk(number: int) -> str:
    return content_id("chk", digest_of([TENANT, str(number)]))


def _report(plain: Hits, masked: Hits, questions: int, embedder: Embedder, arguments: Mapping[str, Json]) -> Report:
    kinds: dict[str, Json] = {}
    ratios: list[float] = []
    below = 0
    for form, with_topic in plain:
        rates = {
            f"{name}_hit_at_{depth}": round(hits[form, with_topic][depth] / questions, 4)
            for name, hits in (("unmasked", plain), ("masked", masked))
            for depth in DEPTHS
        }
        kinds[f"{form}{' + topic' if with_topic else ''}"] = dict(rates)
        ratios.append(rates["masked_hit_at_5"] / max(rates["unmasked_hit_at_5"], 1e-9))
        below += rates["masked_hit_at_5"] < rates["unmasked_hit_at_5"]
    figures: dict[str, Json] = {
        "kinds": kinds,
        "hit_at_5_worst_ratio": round(min(ratios), 4),
        "kinds_below_unmasked": below,
        "embedder": embedder.name,
    }
    gates = (
        Gate("hit_at_5_worst_ratio", "at least", RATIO_MIN, min(ratios)),
        Gate("kinds_below_unmasked", "at most", 0, below),
    )
    return Report("privacy-search", figures, gates if questions >= QUESTIONS_FLOOR else (), arguments)
