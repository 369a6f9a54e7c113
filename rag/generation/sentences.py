"""Split reading-face text into sentences with exact offsets: what answers are composed of and citations point at.

A splitter that breaks at "Dr." or in the middle of "No. 5" would quote half a fact, so boundaries are decided
conservatively: where in doubt, two sentences stay one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ABBREVIATIONS = _words(
    "dr mr mrs ms prof st jr sr hon rev gen col capt lt sgt e.g i.e cf vs viz al approx ca est inc ltd co corp llc "
    "dept univ assn bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun incl excl "
    "ph.d u.s u.k u.n e.u a.k.a ext tel"
)
NUMBERED = _words("no nr nos fig figs sec art p pp vol ch eq tab para cl item ref")
"""Abbreviations only before a number: "No. 5" is one thing, "The answer is no. Ask again" is two sentences."""

_TERMINAL = re.compile(r"[.!?\u2026]+[\"'\u201d\u2019)\]]*(?:\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])*(?=\s|$)")
_LAST_WORD = re.compile(r"[\w.&-]*$")
_LIST_ITEM = re.compile(r"\s*(?:[-*\u2022\u2023\u2013]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_KEY_VALUE = re.compile(r"\s*[^\s:|][^:|\n]{0,60}:\s+\S")
_ROW = re.compile(r".*(?:\|.*\||\t\S|;\s*[^;:]{1,60}:\s)|\s*\|")
_RULE_LINE = re.compile(r"[\s|:+=_*#-]+")
_WORD = re.compile(r"\w+")
HEADING_WORDS_MAX = 8
WRAPPED_CHARS_MIN = 60
"""Text that is wrapped by hand has lines of 60 to 100 characters."""


class Kind(Enum):
    PROSE = "prose"
    ROW = "row"
    """One line of a table, a list or a key-value block: says something only as a whole."""
    HEADING = "heading"
    """Too short and unfinished to say anything by itself."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters `start` to `end` of the text that was split, without surrounding white space."""

    start: int
    end: int
    kind: Kind

    def of(self, text: str) -> str:
        return text[self.start : self.end]


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of `text` in order, never overlapping; white space between them belongs to none."""
    return [sentence for start, end, row in _blocks(text) for sentence in _split_block(text, start, end, row)]


def _split_block(text: str, start: int, end: int, row: bool) -> Iterator[Sentence]:
    if row:
        trimmed = _trimmed(text, start, end, Kind.ROW)
        if trimmed is not None:
            yield trimmed
        return
    begin = start
    for stop in (*_boundaries(text, start, end), end):
        trimmed = _trimmed(text, begin, stop, Kind.PROSE)
        if trimmed is not None:
            yield trimmed
        begin = stop


def _trimmed(text: str, start: int, end: int, kind: Kind) -> Sentence | None:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if start >= end or _RULE_LINE.fullmatch(text, start, end):
        return None
    if kind is Kind.PROSE and _TERMINAL.search(text, start, end) is None:
        words = len(_WORD.findall(text, start, end))
        kind = Kind.HEADING if words <= HEADING_WORDS_MAX else kind
    return Sentence(start, end, kind)


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Stretches that no sentence crosses: (start, end, is a row). Wrapped lines of prose are one stretch."""
    open_from: int | None = None
    previous = ""
    position = 0
    lines = text.splitlines(keepends=True)
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        start, position = position, position + len(line)
        row = _is_row(line) and not _wrapped(line, following)
        if open_from is not None and (row or not line.strip() or _heading_before(previous, line)):
            yield open_from, start, False
            open_from = None
        if row:
            yield start, position, True
        elif line.strip() and open_from is None:
            open_from = start
        previous = line
    if open_from is not None:
        yield open_from, position, False


def _is_row(line: str) -> bool:
    if _LIST_ITEM.match(line):
        # A long list item may hold several sentences; only a short one is a unit.
        return len(_TERMINAL.findall(line)) <= 1 or len(line) < 80
    if _ROW.match(line):
        return True
    return bool(_KEY_VALUE.match(line)) and len(line) < 160 and len(_TERMINAL.findall(line)) <= 1


def _wrapped(line: str, following: str) -> bool:
    """A full line that the next one continues is wrapped prose, even if it begins like a row ("Drivers: we offer")."""
    bare = line.rstrip()
    tail = bare[-12:]
    finished = bare.endswith((";", "|")) or any(match.end() == len(tail) for match in _TERMINAL.finditer(tail))
    return len(bare) >= WRAPPED_CHARS_MIN and not finished and bool(following.strip()) and not _is_row(following)


def _heading_before(previous: str, line: str) -> bool:
    """A short unfinished line followed by a new beginning is a heading, not the start of a wrapped sentence."""
    bare, after = previous.strip(), line.strip()
    return (
        len(_WORD.findall(bare)) <= HEADING_WORDS_MAX
        and _TERMINAL.search(bare) is None
        and not bare.endswith((",", ";", "-", "\u2013"))
        and after[:1].isupper()
        and len(bare) < 0.6 * len(after)
    )


def _boundaries(text: str, start: int, end: int) -> Iterator[int]:
    for match in _TERMINAL.finditer(text, start, end):
        if match.end() >= end or _ends_sentence(text, match, end):
            yield match.end()


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    following = text[match.end() : end].lstrip()[:2]
    if not following or following[0].islower():
        return not following
    if match.group()[0] != "." or match.group().startswith(".."):
        return True
    before = _LAST_WORD.search(text, max(0, match.start() - 24), match.start())
    word = before.group().strip(".-&") if before else ""
    lowered = word.lower()
    if lowered in NUMBERED and following[0].isdigit():
        return False
    initial = len(word) == 1 and word.isalpha() and word.isupper() and word != "I"
    return not (initial or lowered in ABBREVIATIONS)
