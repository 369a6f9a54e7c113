"""`ringfence eval privacy-search`: are people still found when every name is masked?

The same notes stand in two indexes, once as they are and once as index faces; the same questions are asked of each,
as they are and masked as the path of a question masks them. Everything else is equal: embedder, lexical encoder,
engine, filter, fusion. Asked of two sets: of people drawn at random, few of whom share a surname, and of families,
where only the given name or its initial tells one from the others.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.case_notes import FAMILY, FORMS, Note, case_notes, notes_of_families, question
from evals.retrieval.run import TENANT, everything_public
from evals.runner.report import Report
from evals.runner.values import Json
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
    """All indexes are made below `folder`. Of `notes` notes of each set, `questions` are asked about.

    Of families there are whole ones only: the numbers are the nearest ones that are multiples of a family.
    """
    families, asked = max(notes // FAMILY, 1), max(round(questions / FAMILY), 1) * FAMILY
    sets = {
        "people": (case_notes(notes, seed), questions),
        "families": (notes_of_families(families, seed), min(asked, families * FAMILY)),
    }
    compared = {}
    for name, (made, count) in sets.items():
        talk(f"{name}: masking {len(made)} notes ...")
        compared[name] = await _compare(made, count, embedder, privacy, folder / name, talk)
    arguments = {"notes": notes, "questions": questions, "seed": seed}
    return _report(compared["people"], compared["families"], embedder, arguments)


async def _compare(
    notes: Sequence[Note], questions: int, embedder: Embedder, privacy: TenantPrivacy, folder: Path, talk: Progress
) -> "Compared":
    masked = await asyncio.to_thread(_masked, privacy, notes)
    sides: dict[str, tuple[Sequence[str], Callable[[str], str]]] = {
        "unmasked": ([note.text for note in notes], str),
        "masked": ([face for face, _ in masked], Known(privacy, masked).face_of),
    }
    hits = {}
    for name, (texts, ask) in sides.items():
        store = await asyncio.to_thread(
            open_embedded, folder / name, tenant=TENANT, dim=embedder.dim, conditions_max=400
        )
        try:
            side = Side(store, texts, ask)
            talk(f"{name}: indexing ...")
            await _index(side, embedder)
            talk(f"{name}: asking {questions * 2 * len(FORMS)} questions ...")
            hits[name] = await _ask_all(side, notes[:questions], embedder)
        finally:
            await store.close()
    return Compared(hits["unmasked"], hits["masked"], questions)


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


@dataclass(frozen=True, slots=True)
class Compared:
    """The hits of one set in both indexes, of `questions` questions of each kind."""

    unmasked: Hits
    masked: Hits
    questions: int

    def rates(self) -> dict[str, dict[str, float]]:
        """For each kind of question the share of hits, by index and depth."""
        return {
            f"{form}{' + topic' if with_topic else ''}": {
                f"{name}_hit_at_{depth}": round(hits[form, with_topic][depth] / self.questions, 4)
                for name, hits in (("unmasked", self.unmasked), ("masked", self.masked))
                for depth in DEPTHS
            }
            for form, with_topic in self.unmasked
        }

    def worst_ratio(self, depth: int) -> float:
        """The least of masked by unmasked hits among the kinds."""
        return min(self.masked[kind][depth] / max(hits[depth], 1) for kind, hits in self.unmasked.items())

    @property
    def below(self) -> int:
        """In how many kinds the right note is less often among the first five than in unmasked text."""
        return sum(self.masked[kind][5] < hits[5] for kind, hits in self.unmasked.items())


def _report(people: Compared, families: Compared, embedder: Embedder, arguments: Mapping[str, Json]) -> Report:
    figures: dict[str, Json] = {
        "kinds": people.rates(),
        "families_kinds": families.rates(),
        "people_per_family": FAMILY,
    }
    for before, compared in (("", people), ("families_", families)):
        worst, below = compared.worst_ratio(5), compared.below
        figures[f"{before}questions_of_a_kind"] = compared.questions
        figures[f"{before}hit_at_1_worst_ratio"] = round(compared.worst_ratio(1), 4)
        figures[f"{before}hit_at_5_worst_ratio"] = round(worst, 4)
        figures[f"{before}kinds_below_unmasked"] = below
    figures["embedder"] = embedder.name
    return Report("privacy-search", figures, (), arguments)
