"""Lengths of a page in pixels. Standard library only."""

import re

LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|pc|em|rem|ex|ch|%|)")
TINY_PIXELS = 2.0
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "pc": 16.0, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "%": 0.16}
_FAR_PIXELS = 999.0
_LINE_PIXELS = 8


def pixels(value: str) -> float | None:
    found = LENGTH.fullmatch(value)
    if found is None:
        return None
    number = float(found.group(1))
    small = number * _PIXELS[found.group(2)]
    # Of what these are parts is not known: only next to nothing is small.
    return None if found.group(2) in ("em", "ex", "%") and small > TINY_PIXELS else small


def is_part(value: str) -> bool:
    """Whether it is so much of the size around it: of what is tiny, that is tiny."""
    return (
        value in ("", "inherit", "unset", "smaller", "larger")
        or re.fullmatch(r"-?[\d.]+(?:em|ex|%)", value) is not None
    )


def is_far_away(side: str) -> bool:
    """Moved off any page. Shares are not: columns and slides are moved by them and back again."""
    found = LENGTH.fullmatch(side)
    return (
        found is not None and found.group(2) != "%" and float(found.group(1)) * _PIXELS[found.group(2)] <= -_FAR_PIXELS
    )


def is_wide(padding: str) -> bool:
    """Whether a line of text fits into it."""
    sides = padding.split()
    return any(("%" in side and side[0] in "123456789") or (pixels(side) or 0) > _LINE_PIXELS for side in sides)
