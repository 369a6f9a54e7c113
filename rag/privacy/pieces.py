"""Texts cut into pieces that the models can take, and the places in them that need another look."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

PIECE_CHARS = 6_000
"""Longest text given to the models at once: their memory grows with the length."""
_LINE = re.compile(r"[^\n]+")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_LONG_RUN = re.compile(r"\S{500,}")
_ROW = re.compile(
    r"(?m)^(?:[^|\n]*\|[^|\n]*\|.*|[^\t\n]*\t[^\t\n]*\t.*|(?:[^,\n]*,(?! )){2,}.*|(?:[^;\n]*;(?! )){2,}.*)$"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_TYPESET = str.maketrans(
    dict.fromkeys("\u2010\u2011\ufe63\uff0d", "-")
    | dict.fromkeys("\ufe6b\uff20", "@")
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
)
"""Word processors write hyphens that do not break: patterns know a number by plain ones."""
_DASH_IN_NUMBER = re.compile("(?<=[0-9])[\u2012\u2013\u2212](?=[0-9])")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a text from character `offset` on, as patterns and models are to see it: of the same length."""

    text_number: int
    offset: int
    text: str = field(repr=False)


def pieces(number: int, text: str) -> Iterator[Piece]:
    """The text in parts that end at a line, at a space where a line is too long, or at the limit."""
    # Same length, so positions hold; the models cannot encode half of a surrogate pair.
    text = _DASH_IN_NUMBER.sub("-", _SURROGATE.sub("\ufffd", text).translate(_TYPESET))
    start = 0
    while len(text) - start > PIECE_CHARS:
        limit = start + PIECE_CHARS
        cut = max(text.rfind("\n\n", start + PIECE_CHARS // 2, limit) + 2, 1)
        if cut < start + PIECE_CHARS // 2:
            cut = (
                text.rfind("\n", start + PIECE_CHARS // 4, limit) + 1 or text.rfind(" ", start + 1, limit) + 1 or limit
            )
        yield Piece(number, start, text[start:cut])
        start = cut
    yield Piece(number, start, text[start:])


def without_long_runs(text: str) -> str:
    """The text with blanks for runs of 500 and more without a space, in which no name stands.

    The models' tokenizers take quadratic time on them.
    """
    return _LONG_RUN.sub(lambda run: " " * len(run[0]), text)


def titled(text: str) -> Iterator[tuple[int, str]]:
    """Where the parts in one case begin, and those parts capitalised word by word."""
    parts = [(0, text)] if text.islower() else [(m.start(), m[0]) for m in _LINE.finditer(text) if m[0].isupper()]
    for offset, part in parts:
        capitalised = part.title()
        # A few letters change their number with their case; positions would no longer hold.
        if len(capitalised) == len(part) and len(_LONG_WORD.findall(part)) > 1:
            yield offset, capitalised


def is_one_case(text: str, start: int) -> bool:
    """Whether case tells nothing at `start`: all of the text is in lower case, or its line is in upper case."""
    if text.islower():
        return True
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    return line.isupper() and len(_LONG_WORD.findall(line)) > 1


def rows(text: str) -> list[tuple[int, int]]:
    """The lines that are rows of a table: cells, which are judged by their column, not prose."""
    return [match.span() for match in _ROW.finditer(text)]
