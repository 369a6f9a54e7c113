"""Whether text can be told from what is behind it. Standard library only."""

import re

WHITE = "FFFFFF"
BLACK = "000000"
UNKNOWN = ""
"""A colour that a document gives in a way that is not resolved: nothing is taken for hidden on it."""
POINTS_MIN = 2.0
"""Smaller letters cannot be seen."""
_ALIKE_MAX = 16
"""Two colours whose channels all differ by no more than this (of 255) cannot be told apart."""
_SIX_DIGITS = re.compile(r"[0-9A-Fa-f]{6}")


def alike(color: str, other: str) -> bool:
    """Whether two colours, six hexadecimal digits each, are the same to the eye; False where one is not known."""
    if not _SIX_DIGITS.fullmatch(color) or not _SIX_DIGITS.fullmatch(other):
        return False
    return all(abs(int(color[at : at + 2], 16) - int(other[at : at + 2], 16)) <= _ALIKE_MAX for at in (0, 2, 4))
