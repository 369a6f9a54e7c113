"""Collects text in document order, cleaned and counted. Used inside the confined child only."""

import re
import unicodedata

from ingestion.parse.document import Extracted, Piece, Reason, Refused

# Control characters; and what is invisible on paper but not to a model or a recognizer: zero-width and
# direction marks, soft hyphens, and the tag block, in which whole hidden sentences have been written.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_LINES = re.compile(r" ?(?:\r\n|[\n\r\x0c\x85\u2028\u2029]) ?")


def clean(text: str) -> str:
    """One text as people see it: no invisible characters, single spaces, no more than one empty line."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    text = _LINES.sub("\n", _SPACES.sub(" ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


class Pieces:
    """The text of one document so far."""

    def __init__(self, chars_max: int) -> None:
        self._left = chars_max
        self._pieces: list[Piece] = []

    def add(self, text: str, *, heading: int = 0, page: int | None = None) -> None:
        """Append; empty text is left out.

        Raises:
            Refused: more text than allowed.
        """
        # Counted before cleaning too: cleaning a text that is too large already costs.
        if len(text) > 4 * self._left + 10_000:
            raise Refused(Reason.TOO_MUCH_TEXT)
        text = one_line(text) if heading else clean(text)
        if not text:
            return
        self._left -= len(text)
        if self._left < 0:
            raise Refused(Reason.TOO_MUCH_TEXT)
        self._pieces.append(Piece(text, min(heading, 6), page))

    def row(self, names: list[str], cells: list[str], *, page: int | None = None) -> None:
        """A table row as `Column: value; ...`, so that a value stands beside the name of what it is."""
        filled = [(index, one_line(cell)) for index, cell in enumerate(cells)]
        filled = [(index, cell) for index, cell in filled if cell]
        if len(filled) == 1 and filled[0][1].startswith(("[ringfence", "[/ringfence")):
            self.add(filled[0][1], page=page)
            return
        named = (f"{_name(names, index)}: {cell}" for index, cell in filled)
        self.add("; ".join(named), page=page)

    def done(self, media_type: str, title: str = "", *, notes: tuple[str, ...] = ()) -> Extracted:
        """
        Raises:
            Refused: nothing was added.
        """
        if not self._pieces:
            raise Refused(Reason.EMPTY)
        return Extracted(media_type, one_line(title)[:300], tuple(self._pieces), notes)


def _name(names: list[str], index: int) -> str:
    name = one_line(names[index]) if index < len(names) else ""
    return name.rstrip(":") or f"Column {index + 1}"
