"""Opaque cursors of lists that are given out newest first: each leads to what is older than the last one shown."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from rag.errors import Misuse

CURSOR_CHARS_MAX = 64
_CURSOR = re.compile(rb"before:([1-9][0-9]{0,18})")


def cursor_before(number: int) -> str:
    """The cursor that leads to what is numbered lower; `number` is 1 or more."""
    return urlsafe_b64encode(f"before:{number}".encode()).decode()


def number_of(cursor: str, number_max: int) -> int:
    """The number that a cursor was made of.

    Raises:
        Misuse: no cursor of a list whose numbers end at `number_max` (`invalid_cursor`).
    """
    try:
        found = _CURSOR.fullmatch(urlsafe_b64decode(cursor.encode("ascii")))
    except ValueError:
        found = None
    if found is None or int(found[1]) > number_max:
        raise Misuse("The cursor is not one that this service gave.", code="invalid_cursor")
    return int(found[1])
