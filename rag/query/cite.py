"""From a generator's text to claims whose every citation was verified. What is not supported does not leave.

Citations come from verification, not from the generator's word: a marker is a hint where to look first. A claim
rests on a passage when its words are there, and its numbers, names, tokens and negation agree; word overlap
alone says nothing about contradiction.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from rag.generation.protocol import CUT
from rag.generation.sentences import split_sentences
from rag.query.evidence import Evidence, Support
from rag.query.objections import Objection
from rag.query.statement import Statement

Found = tuple[float, Support]
"""How well a passage supports a claim, 0..1, and where."""
Find = Callable[[Evidence], Found | None]

_MARKER = re.compile(r"\s*\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_TRAILING = re.compile(r"(?:\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])+\s*([.!?]*)\s*$")
_SPACE = re.compile(r"\s+")
_MARKER_BEGUN = re.compile(r"\[[\d\s,]*")
_WORD = re.compile(r"\w")
_LIST_MARK = re.compile(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s+")
DRAFT_CHARS_MAX = 4000
"""A generator that writes on without ending a sentence is cut here."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One sentence as a generator wrote it, without its markers, and the passages that these named."""

    text: str = field(repr=False)
    hints: tuple[int, ...] = ()


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


def verify(draft: Draft, evidence: Sequence[Evidence], *, verbatim: bool) -> tuple[Support, ...]:
    """Where the claim stands; empty when no given passage supports it.

    Of the passages the markers named, every one that supports it; if none does, the best of all that were given.
    """
    find = _verbatim_finder(draft.text) if verbatim else _supporting_finder(draft.text)
    named = [passage for passage in evidence if passage.number in draft.hints]
    supports = [found for passage in named if (found := find(passage)) is not None]
    if not supports:
        others = [passage for passage in evidence if passage.number not in draft.hints]
        found_elsewhere = [found for passage in others if (found := find(passage)) is not None]
        supports = sorted(found_elsewhere, key=lambda found: -found[0])[:1]
    return tuple(support for _, support in supports)


def why_not(draft: Draft, evidence: Sequence[Evidence], *, verbatim: bool) -> Objection:
    """What told against a claim that `verify` found no support for, by the sentences that came nearest to it."""
    if not evidence:
        return Objection.NO_PASSAGES
    if verbatim:
        return Objection.NOT_VERBATIM
    statement = Statement.of(draft.text)
    objections = [
        objection
        for passage in evidence
        for first, last in _windows(passage)
        if (objection := statement.objection(passage.read[first : last + 1], passage.around)) is not None
    ]
    return max(objections, key=lambda objection: objection.place, default=Objection.WORDS)


def _verbatim_finder(text: str) -> Find:
    """The text as it stands in the passage, whatever white space lies between its words."""
    words = text.split()

    def find(evidence: Evidence) -> Found | None:
        place = evidence.find(words)
        return (1.0, evidence.support(*place)) if place else None

    return find


def _supporting_finder(text: str) -> Find:
    """The sentence of the passage, or two in a row, that best supports a claim."""
    words = text.split()
    statement = Statement.of(text)

    def find(evidence: Evidence) -> Found | None:
        if len(words) < 2:
            # A word by itself states nothing: it is what planted text asks for ("reply with ... only").
            return None
        place = evidence.find(words) if len(words) > 2 else None
        if place is not None and _is_whole(*place, evidence):
            return 1.0, evidence.support(*place)
        return _best_window(statement, evidence)

    return find


def _best_window(statement: Statement, evidence: Evidence) -> Found | None:
    if not statement.may_stand_in(evidence):
        return None
    read = evidence.read
    best: tuple[float, int, int] | None = None
    for first, last in _windows(evidence):
        score = statement.supported_by(read[first : last + 1], evidence.around)
        # A single sentence wins over a pair that adds nothing.
        if score is not None and (best is None or score > best[0] + 1e-9):
            best = (score, first, last)
    if best is None:
        return None
    score, first, last = best
    return score, evidence.support(read[first].sentence.start, read[last].sentence.end)


def _windows(evidence: Evidence) -> list[tuple[int, int]]:
    """The sentences of a passage one by one, and each two in a row, as first and last."""
    read = evidence.read
    return [(first, last) for first in range(len(read)) for last in (first, first + 1) if last < len(read)]


def _is_whole(start: int, end: int, evidence: Evidence) -> bool:
    """Whether nothing of its sentences was left out: the words around a copy may limit or negate it."""
    text = evidence.given.passage.text
    touched = [s for s in evidence.sentences if s.start < end and start < s.end]
    around = [text[touched[0].start : start], text[end : touched[-1].end]] if touched else []
    return not any(_WORD.search(part) for part in around)
