"""Markers in Office documents, of which some text is not read where it stands, or not at all.

A marker holds for what is read after it. Where that need not be what its author saw below it, the document is refused.
"""

import re
from collections.abc import Iterable

from ingestion.parse.cleaning import MARKER, clean
from ingestion.parse.document import Reason, Refused

_TURNS = re.compile(r"\[\s*(/?)\s*ringfence", re.I)


def has_marker(texts: Iterable[str]) -> bool:
    return any("[" in text and MARKER.search(clean(text)) for text in texts)


def refuse_torn(whole: str, shown: str) -> None:
    """For text of which only a part is `shown`: a marker that lies in both would protect nothing.

    Raises:
        Refused: bad_marker.
    """
    if "[" in whole and len(MARKER.findall(clean(whole))) != len(MARKER.findall(clean(shown))):
        raise Refused(Reason.BAD_MARKER, "a part of it is hidden")


def refuse_apart(texts: Iterable[str], apart: Iterable[str]) -> None:
    """For texts that are read together, and then what stands among them: text boxes, tables within a cell.

    What stands among them may hold whole sections of its own.

    Raises:
        Refused: bad_marker.
    """
    texts = [text for text in texts if text.strip()]
    within = list(apart) if texts else []
    if within and (has_marker(texts) or not all(map(_balanced, within))):
        raise Refused(Reason.BAD_MARKER, "beside a text box or a table within; give it a paragraph of its own")


def _balanced(text: str) -> bool:
    """Whether every section that begins in a text ends in it, and the reverse."""
    depth = 0
    for turn in _TURNS.finditer(clean(text)) if "[" in text else ():
        depth += -1 if turn.group(1) else 1
        if depth < 0:
            return False
    return depth == 0
