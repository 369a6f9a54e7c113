"""Giving originals back: whole tokens of a given map, nothing else.

A generator changes what it copies: it lowers case, drops a bracket, writes `[...]` for `<...>`. Such a token is still
given back, because its sixteen digits name exactly one entry of the map; a token that lost a digit, or that is not
in the map, stays as it is. Nothing is guessed, and what is put in is not scanned again.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.privacy.faces import TOKEN, TOKEN_DIGITS

_CORE = re.compile(rf"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_]{{1,40}}_[A-Za-z0-9]{{{TOKEN_DIGITS}}}(?![A-Za-z0-9_])")
_RUN_AT_END = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z0-9_]+\Z")
_CLOSING = {"<": ">", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token in a text: `text` is the whole of it, brackets included."""

    entity: str
    text: str
    start: int
    end: int


def tokens_in(text: str) -> list[Token]:
    """Every well-formed token, in order; one that stands twice is listed twice."""
    return [Token(found[1], found[0], found.start(), found.end()) for found in TOKEN.finditer(text)]


def unmask(text: str, resolve: Mapping[str, str]) -> str:
    """The text with the tokens of `resolve` given back; all others stay."""
    return _replace(text, _cores(resolve), before="")


@dataclass(slots=True)
class StreamUnmasker:
    """`unmask` for a text that arrives in pieces: the same result wherever the pieces are cut.

    Holds back only what may be the beginning of a token of the map, so never more than one token's length.
    """

    resolve: Mapping[str, str] = field(repr=False)
    _held: str = field(default="", init=False, repr=False)
    _before: str = field(default="", init=False, repr=False)
    _known: dict[str, str] = field(init=False, repr=False)
    _sorted: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = _cores(self.resolve)
        self._sorted = sorted(self._known)

    def push(self, piece: str) -> str:
        """What can be given out now."""
        text = self._held + piece
        return self._give(text, self._safe_end(text))

    def close(self) -> str:
        """The rest, at the end of the stream."""
        return self._give(self._held, len(self._held))

    def _give(self, text: str, end: int) -> str:
        self._held = text[end:]
        out = _replace(text[:end], self._known, self._before)
        self._before = text[end - 1] if end else self._before
        return out

    def _safe_end(self, text: str) -> int:
        """Where the part begins that may still become a token, or the length of the text."""
        run = _RUN_AT_END.search(text)
        start = run.start() if run else len(text)
        if run and not self._begins_token(run[0], continued=start == 0 and self._is_word(self._before)):
            return len(text)
        return start - 1 if start and text[start - 1] in _CLOSING else start

    def _begins_token(self, run: str, *, continued: bool) -> bool:
        upper = run.upper()
        position = bisect_left(self._sorted, upper)
        return not continued and position < len(self._sorted) and self._sorted[position].startswith(upper)

    @staticmethod
    def _is_word(char: str) -> bool:
        return bool(char) and char.isascii() and (char.isalnum() or char == "_")


def _cores(resolve: Mapping[str, str]) -> dict[str, str]:
    return {token.strip("<>").upper(): original for token, original in resolve.items()}


def _replace(text: str, known: Mapping[str, str], before: str) -> str:
    """`before` is the character in front of the text, already given out."""
    if not known:
        return text
    out: list[str] = []
    done = 0
    for found in _CORE.finditer(before + text):
        start, end = found.start() - len(before), found.end() - len(before)
        original = known.get(found[0].upper())
        if original is None:
            continue
        opening = text[start - 1] if start > done else ""
        closing = text[end : end + 1]
        # A lone angle bracket is half of a token's own; other brackets belong to it only as a pair.
        pair = opening in _CLOSING and closing == _CLOSING[opening]
        if pair or (opening == "<" and closing not in {"]", "}"}):
            start -= 1
        if pair or closing == ">":
            end += 1
        out += (text[done:start], original)
        done = end
    return "".join([*out, text[done:]])
