"""Data marks: every line of retrieved text begins with a mark that the system prompt names, so a model can always tell.

The mark is a keyed digest that no document can know, the same for a tenant from question to question: a server's prefix
cache still finds the beginnings of prompts that it had.
"""

import re

from rag.invisible import INVISIBLE

MARK_CHARS = 9
"""A caret and eight hexadecimal digits."""
UNKEYED_MARK = "^" + "0" * (MARK_CHARS - 1)
"""For prompts that are measured, not asked: there is no tenant whose key could make one."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")


def mark_of(digest: bytes) -> str:
    """The mark that a keyed digest gives, `MARK_CHARS` characters."""
    return f"^{digest.hex()[: MARK_CHARS - 1]}"


def marked(text: str, mark: str) -> str:
    """The text with the mark before each line, whatever ends a line, and without what no reader would see."""
    visible = _INVISIBLE.sub("", text).replace(mark, "")
    return "\n".join(f"{mark} {line}" for line in visible.splitlines())


def marked_chars(text: str) -> int:
    """How many characters `marked` makes of a text, at most."""
    return len(text) + (MARK_CHARS + 1) * len(text.splitlines())
