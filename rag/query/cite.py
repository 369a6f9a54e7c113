"""From a generator's text to claims whose every citation was verified. What is not supported does not leave.

Citations come from verification, not from the generator's word: a marker is a hint where to look first. A claim
rests on a passage when its words are there, and its numbers, names, tokens and negation agree; word overlap
alone says nothing about contradiction.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rag.domain import ReadableChunk, Span
from rag.generation.protocol import CUT
from rag.generation.sentences import Kind, split_sentences
from rag.generation.words import Content, content_of
from rag.query.prompt import Given, heading_of

COVERAGE_MIN = 0.70
"""Share of a claim's content words that the supporting sentences and their heading must hold."""
OWN_COVERAGE_MIN = 0.50
"""Share that the sentences must hold by themselves: a heading alone supports nothing."""

_MARKER = re.compile(r"\s*\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_TRAILING = re.compile(r"(?:\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])+\s*([.!?]*)\s*$")
_SPACE = re.compile(r"\s+")
_MARKER_BEGUN = re.compile(r"\[[\d\s,]*")
_CLAUSE_END = re.compile(r"\s+and\s+|[;,]\s+")
_LIST_MARK = re.compile(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s+")
DRAFT_CHARS_MAX = 4000
"""A generator that writes on without ending a sentence is cut here."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One sentence as a generator wrote it, without its markers, and the passages that these named."""

    text: str = field(repr=False)
    hints: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Support:
    """Where a claim was found to stand: `span` counts in the version's text."""

    source: ReadableChunk
    span: Span

    @property
    def quote(self) -> str:
        chunk = self.source.chunk
        return chunk.text[self.span.start - chunk.span.start : self.span.end - chunk.span.start]


class DraftReader:
    """Cuts a stream of text into sentences as soon as each is complete. With `verbatim`, a line is a sentence."""

    def __init__(self, *, verbatim: bool) -> None:
        self._verbatim = verbatim
        self._pending = ""

    def feed(self, piece: str) -> list[Draft]:
        """The sentences that this piece completes."""
        self._pending += piece
        *lines, self._pending = self._pending.split("\n")
        drafts = [draft for line in lines for draft in self._line(line)]
        if not self._verbatim:
            # The last sentence may still grow, or get its marker: only what stands before it is complete.
            sentences = split_sentences(self._pending)
            cut = sentences[-1].start if len(sentences) > 1 else 0
            if cut and not _MARKER_BEGUN.fullmatch(self._pending, cut):
                drafts += self._line(self._pending[:cut])
                self._pending = self._pending[cut:]
            elif len(self._pending) > DRAFT_CHARS_MAX:
                self._pending = ""
        return drafts

    def finish(self) -> list[Draft]:
        """What is left at the end of the text; nothing where that was cut in mid-sentence."""
        line, self._pending = self._pending, ""
        return [] if not self._verbatim and line.endswith(CUT) else self._line(line)

    def _line(self, line: str) -> list[Draft]:
        if self._verbatim:
            pieces: Iterable[str] = [line]
        else:
            bare = _LIST_MARK.sub("", line)
            pieces = [sentence.of(bare) for sentence in split_sentences(bare)]
        drafts = [draft_of(piece, verbatim=self._verbatim) for piece in pieces]
        return [draft for draft in drafts if draft.text]


def draft_of(sentence: str, *, verbatim: bool) -> Draft:
    """Take the markers out of a sentence. In a verbatim one, only those at the end are not the source's own."""
    trailing = _TRAILING.search(sentence)
    marked = (trailing.group() if trailing else "") if verbatim else sentence
    hints = [int(n) for found in _MARKER.findall(marked) for n in re.findall(r"\d+", found)]
    text = _TRAILING.sub(r"\1", sentence) if verbatim else _MARKER.sub("", sentence)
    return Draft(_SPACE.sub(" ", text).strip(), tuple(dict.fromkeys(hints)))


def verify(draft: Draft, given: Sequence[Given], *, verbatim: bool) -> tuple[Support, ...]:
    """Where the claim stands; empty when no given passage supports it.

    Of the passages the markers named, every one that supports it; if none does, the best of all that were given.
    """
    find = _find_verbatim if verbatim else _find_supporting
    named = [passage for passage in given if passage.passage.number in draft.hints]
    supports = [found for passage in named if (found := find(draft.text, passage)) is not None]
    if not supports:
        others = [passage for passage in given if passage not in named]
        found_elsewhere = [found for passage in others if (found := find(draft.text, passage)) is not None]
        supports = sorted(found_elsewhere, key=lambda found: -found[0])[:1]
    return tuple(support for _, support in supports)


def _find_verbatim(text: str, given: Given) -> tuple[float, Support] | None:
    """The text as it stands in the passage, whatever white space lies between its words."""
    words = text.split()
    if not words:
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), given.passage.text)
    return (1.0, _support(given, match.start(), match.end())) if match else None


def _find_supporting(text: str, given: Given) -> tuple[float, Support] | None:
    """The sentence of the passage, or two in a row, that best supports a claim."""
    exact = _find_verbatim(text, given) if len(text.split()) > 2 else None
    if exact is not None and _is_whole(exact[1], given):
        return exact
    claim, figures = content_of(text), _figures(text)
    around = content_of(heading_of(given.source))
    passage = given.passage.text
    sentences = [s for s in split_sentences(passage) if s.kind is not Kind.HEADING and not s.of(passage).endswith("?")]
    contents = [content_of(sentence.of(passage)) for sentence in sentences]
    best: tuple[float, int, int] | None = None
    windows = [(first, last) for first in range(len(sentences)) for last in (first, first + 1) if last < len(sentences)]
    for first, last in windows:
        score = _supports(claim, figures, contents[first : last + 1], around)
        # A single sentence wins over a pair that adds nothing.
        if score is not None and (best is None or score > best[0] + 1e-9):
            best = (score, first, last)
    if best is None:
        return None
    score, first, last = best
    return score, _support(given, sentences[first].start, sentences[last].end)


def _is_whole(support: Support, given: Given) -> bool:
    """Whether nothing of its sentences was left out: the words around a copy may limit or negate it."""
    text, offset = given.passage.text, given.source.chunk.span.start
    start, end = support.span.start - offset, support.span.end - offset
    touched = [s for s in split_sentences(text) if s.start < end and start < s.end]
    around = [text[touched[0].start : start], text[end : touched[-1].end]] if touched else []
    return not any(re.search(r"\w", part) for part in around)


def _supports(
    claim: Content, figures: Sequence[Content], sentences: Sequence[Content], around: Content
) -> float | None:
    """How well the sentences together support the claim, or None when they do not."""
    if not claim.words:
        return None
    own = frozenset[str]().union(*(sentence.words for sentence in sentences))
    numbers = around.numbers.union(*(sentence.numbers for sentence in sentences))
    if not (claim.numbers <= numbers and claim.tokens <= own and claim.names <= own | around.words):
        return None
    if not all(any(figure.words <= sentence.words for sentence in sentences) for figure in figures):
        return None
    nearest = max(sentences, key=lambda sentence: len(claim.words & sentence.words))
    if claim.negated != nearest.negated or claim.limits != nearest.limits:
        return None
    own_share = len(claim.words & own) / len(claim.words)
    share = len(claim.words & (own | around.words)) / len(claim.words)
    return own_share if share >= COVERAGE_MIN and own_share >= OWN_COVERAGE_MIN else None


def _figures(text: str) -> tuple[Content, ...]:
    """The clauses of a claim that give a number. One sentence must state each: number and what it is about.

    "A tool allowance of 9 euros" below the heading "Travel" must not support "the travel allowance is 9 euros".
    """
    return tuple(clause for part in _CLAUSE_END.split(text) if (clause := content_of(part)).numbers)


def _support(given: Given, start: int, end: int) -> Support:
    offset = given.source.chunk.span.start
    return Support(given.source, Span(offset + start, offset + end))
