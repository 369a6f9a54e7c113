"""Which stricter sections of a message stand open where something is attached.

What is attached is read behind the text, where a section that it stands in may have been closed again.
"""

import re
from collections.abc import Iterable

from ingestion.parse.document import Reason, Refused
from ingestion.parse.pieces import Pieces

# As `structure` takes them: what else looks like a marker refuses the document there.
_TURN = re.compile(r"^[ \t]*(?:[-*][ \t]+)?\[(/?)ringfence\b[^\]\[]*\][ \t]*$", re.M | re.I)
_OPEN_MAX = 20
"""Each of them is written again around each attachment."""
END = "[/ringfence]"

Sections = tuple[str, ...]
"""The markers that begin them, outermost first."""


class OpenSections:
    """Those of the text that is read into the pieces from now on, by one pass over it."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._read = pieces.count
        self._open = Sections()

    def now(self) -> Sections:
        """
        Raises:
            Refused: bad_marker; more than anybody means.
        """
        texts = [piece.text for piece in self._pieces.since(self._read) if not piece.beside]
        self.reset(after(texts, self._open))
        return self._open

    def reset(self, sections: Sections) -> None:
        """Take these for what is open behind the pieces, some of which were taken back."""
        self._read, self._open = self._pieces.count, sections


def after(texts: Iterable[str], before: Sections = ()) -> Sections:
    """Those that are open behind these texts.

    Raises:
        Refused: bad_marker; more than anybody means.
    """
    sections = list(before)
    for text in texts:
        for marker in _TURN.finditer(text):
            if not marker.group(1):
                sections.append(marker.group().strip())
                _refuse_many(sections)
            elif sections:
                sections.pop()
    return tuple(sections)


def begun(texts: Iterable[str], before: Sections) -> Sections:
    """Those that begin in these texts, wherever they end, and those from before.

    Raises:
        Refused: bad_marker; more than anybody means.
    """
    markers = (marker for text in texts for marker in _TURN.finditer(text) if not marker.group(1))
    sections = dict.fromkeys((*before, *(marker.group().strip() for marker in markers)))
    _refuse_many(sections)
    return tuple(sections)


def _refuse_many(sections: Iterable[str]) -> None:
    if len(list(sections)) > _OPEN_MAX:
        raise Refused(Reason.BAD_MARKER, f"more than {_OPEN_MAX} sections around an attachment")
