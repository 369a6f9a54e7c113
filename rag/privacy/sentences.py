"""Where words stand in their sentence: a capital tells of a name only where none is due."""

import re

_OPENING = re.compile(r"(?:^|[.!?:\n|#>*-])[ \t]{0,3}\Z")
_WORD_BEFORE = re.compile(r"(?<![^\s(\"'\u201c])([a-z]+)(,?)[ ][(\"\u201c]?\Z")
_COMPOUND = re.compile(r"[ -](?:\d|[^\W\d_](?<=[A-Z]))|['\u2019]s[ ](?:[^\W\d_](?<=[A-Z]))")
_LAST_WORD = re.compile(r"([^\W\d_]+|[.;)])[ ,;:(\"]{1,3}\Z")
_DETERMINERS = frozenset(
    {"the", "a", "an", "this", "that", "these", "those", "each", "every", "any", "no", "some", "all", "both", "another"}
    | {"my", "your", "his", "her", "its", "our", "their"}
)
"""Behind them a capital is that of a term: `the Depot`, `our Board`."""


def opens_sentence(text: str, start: int) -> bool:
    """Whether a sentence, a line, a heading or a cell begins at `start`."""
    return _OPENING.search(text, max(0, start - 4), start) is not None


def is_inside(text: str, start: int, end: int) -> bool:
    """Whether capitals from `start` to `end` are no sentence's, heading's or term's: `winners Milton Friedman, a`."""
    before = _WORD_BEFORE.search(text, max(0, start - 24), start)
    if before is None or (before[1] in _DETERMINERS and not before[2]):
        return False
    return _COMPOUND.match(text, end) is None


def stands_out(text: str, start: int, end: int) -> bool:
    """Whether a known name is meant: inside a paragraph and in no heading, `asked Stone` and not `the Stone Age`."""
    if text[start:end].isupper() or _COMPOUND.match(text, end):
        return False
    previous = _LAST_WORD.search(text[max(0, start - 24) : start])
    return previous is not None and (previous[1].islower() or not previous[1].isalpha())
