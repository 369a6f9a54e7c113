"""What is trained on and what is held out, decided without chance: the same material and seed give the same.

Pairs are made without a model: a sentence asks for the passage that it was taken out of (the inverse cloze task), what
stands above a passage asks for the passage, and a question that a reviewer accepted asks for what answers it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rag.domain import digest_of
from rag.query.tuning.material import Cloze, Material, Passage

CLOZES_OF_PASSAGE = 2
"""Sentences of one passage that ask for it in training; more would teach this passage, not its kind."""
_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a passage that answers it, of one document, in index faces."""

    question: str = field(repr=False)
    passage: str = field(repr=False)
    document: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is held out. `face` is its index face, `spoken` what a person types; `wanted` are documents."""

    face: str = field(repr=False)
    spoken: str = field(repr=False)
    wanted: frozenset[str]
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Documents to train on and documents held out: none is in both, nor are two documents of the same text."""

    trained: tuple[Material, ...] = field(repr=False)
    held_out: tuple[Material, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A passage as it is searched while held-out questions are asked, and its document."""

    document: str
    text: str = field(repr=False)


def split(materials: Sequence[Material], share: float, seed: int) -> Split:
    """About `share` of the documents are held out, by a digest of their text alone: a copy falls where its original
    falls, and what is added later moves no other."""
    held = [_draw(seed, "split", one.mark) < share * _WHOLE for one in materials]
    both = list(zip(materials, held, strict=True))
    return Split(tuple(one for one, out in both if not out), tuple(one for one, out in both if out))


def training_pairs(trained: Sequence[Material], asked: Sequence[Pair], seed: int, limit: int) -> list[Pair]:
    """`asked` first, then those made of the documents, at most `limit` together; in an order drawn by the seed."""
    own = frozenset(one.document for one in trained)
    if any(pair.document not in own for pair in asked):
        raise ValueError("a question of a document that is not trained on")
    made = [pair for one in trained for passage in one.passages for pair in _made_of(one.document, passage, seed)]
    made.sort(key=lambda pair: _draw(seed, pair.document, pair.question))
    chosen = list(dict.fromkeys([*asked, *made]))[:limit]
    return sorted(chosen, key=lambda pair: _draw(seed, "order", pair.document, pair.question, pair.passage))


def held_out_questions(held_out: Sequence[Material], seed: int, limit: int) -> list[tuple[Question, Passage, Cloze]]:
    """One sentence of each passage that has any, at most `limit`, with the passage and what is left of it."""
    found = []
    for one in held_out:
        for passage in one.passages:
            for cloze in _drawn(passage, seed)[:1]:
                found.append((Question(cloze.sentence, cloze.spoken, frozenset({one.document})), passage, cloze))
    found.sort(key=lambda each: _draw(seed, "held out", each[1].chunk))
    return found[:limit]


def entries(materials: Sequence[Material], asked: Sequence[tuple[Question, Passage, Cloze]]) -> list[Entry]:
    """Every passage. One that a sentence asks for stands without it: else the words alone would find it."""
    rest = {passage.chunk: cloze.rest for _, passage, cloze in asked}
    return [
        Entry(one.document, _below(passage.context, rest[passage.chunk]) if passage.chunk in rest else passage.embedded)
        for one in materials
        for passage in one.passages
    ]


def _made_of(document: str, passage: Passage, seed: int) -> Iterator[Pair]:
    for cloze in _drawn(passage, seed)[:CLOZES_OF_PASSAGE]:
        yield Pair(cloze.sentence, _below(passage.context, cloze.rest), document)
    if passage.context and passage.body:
        yield Pair(passage.context, passage.body, document)


def _drawn(passage: Passage, seed: int) -> list[Cloze]:
    return sorted(passage.clozes, key=lambda cloze: _draw(seed, passage.chunk, cloze.sentence))


def _below(context: str, text: str) -> str:
    return f"{context}\n{text}" if context else text


def _draw(seed: int, *parts: str) -> int:
    """A number below 2^64 that says nothing but that it is the same for the same parts."""
    return int.from_bytes(digest_of([str(seed), *parts])[:8])
