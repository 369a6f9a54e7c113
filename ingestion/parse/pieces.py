"""Collects text in document order, cleaned and counted: inside confined children, and of what a service recognised."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ingestion.parse.cleaning import IN_A_NAME, MARKER, TAGS, clean, one_line, refuse_markers, verbatim_text
from ingestion.parse.document import (
    ARCHIVE_BYTES_MAX,
    HEADING_MAX,
    NOTE,
    PART_DEPTH_MAX,
    PARTS_MAX,
    Extracted,
    Head,
    Piece,
    Reason,
    Refused,
)
from rag.hidden_content import HiddenKind

_UNDONE_MAX = 3
"""Texts of the allowed length that may be read in vain: parts that are too long would else be read without end."""
_SHOWN_AS = {HiddenKind.SPEAKER_NOTE: "Speaker note: ", HiddenKind.COMMENT: "Comment: "}

Read = Callable[[bytes, str, "Pieces"], Head]
"""Reads a document of any format, known by its suffix, into pieces; raises nothing but `Refused` and `MemoryError`."""


class Pieces:
    """The text of one document so far, with that of the documents within it."""

    def __init__(
        self, chars_max: int, read: Read, indexed: frozenset[HiddenKind] = frozenset(), *, awaiting: bool = False
    ) -> None:
        """`indexed`: the kinds of hidden text that are wanted; of the others only their number is kept.

        `awaiting`: another process recognises the text of pages that have none.
        """
        self.chars_max = chars_max
        self._left = chars_max
        self._archive_left = ARCHIVE_BYTES_MAX
        self._read = read
        self._indexed = indexed
        self._awaiting = awaiting
        self._awaited: tuple[int, ...] = ()
        self._pieces: list[Piece] = []
        self._hidden: Counter[HiddenKind] = Counter()
        self._notes: list[str] = []
        self._unread: Counter[tuple[str, str]] = Counter()
        self._undone = 0
        self._parts = 0
        self._part = 0
        self._depth = 0

    def add(
        self, text: str, *, heading: int = 0, page: int | None = None, verbatim: bool = False, beside: bool = False
    ) -> None:
        """Append; empty text is left out. `beside`: see `Piece`.

        Raises:
            Refused: more text than allowed.
        """
        # Counted before cleaning too: cleaning a text that is too large already costs.
        if len(text) > 4 * self._left + 10_000:
            raise Refused(Reason.TOO_MUCH_TEXT)
        for tags in TAGS.findall(text):
            self.add_hidden(HiddenKind.INVISIBLE_TEXT, "".join(chr(ord(char) - 0xE0000) for char in tags), page=page)
        text = one_line(text) if heading else verbatim_text(text) if verbatim else clean(text)
        if not text:
            return
        self._left -= len(text)
        if self._left < 0:
            raise Refused(Reason.TOO_MUCH_TEXT)
        depth = min(min(heading, 6) + self._depth, HEADING_MAX) if heading else 0
        self._pieces.append(Piece(text, depth, page, self._part, beside))

    def add_hidden(
        self, kind: HiddenKind, text: str, *, page: int | None = None, within: HiddenKind | None = None
    ) -> None:
        """Count a passage that a reader would not see; append it where its kind is wanted.

        `within` is the kind of what it stands in, where that is hidden too: then both must be wanted.

        Raises:
            Refused: a marker in it. Left out, it would protect nothing; believed, it could end a visible section.
        """
        text = text.strip()
        if not text:
            return
        refuse_markers((text,), "in hidden text")
        self._hidden[kind] += 1
        if {kind, within or kind} <= self._indexed:
            self.add(_SHOWN_AS.get(kind, "") + text, page=page, beside=True)

    def wants(self, kind: HiddenKind) -> bool:
        """Whether hidden text of this kind is read; then it may have a heading."""
        return kind in self._indexed

    def await_pages(self, numbers: Iterable[int]) -> bool:
        """Leave these pages of the document to another process. False where there is none, or within a document."""
        if not self._awaiting or self._depth:
            return False
        self._awaited = tuple(numbers)
        return True

    def fields(self, pairs: Iterable[tuple[str, str]], *, page: int | None = None) -> None:
        """Named values as `Name: value; ...`, without a name as they are; a marker that stands alone is the marker."""
        given = [(name, one_line(text)) for name, text in pairs]
        refuse_markers((name for name, value in given if not value), IN_A_NAME)
        filled = [(name, value) for name, value in given if value]
        if len(filled) == 1 and MARKER.match(filled[0][1]):
            self.add(filled[0][1], page=page)
            return
        named = ((one_line(name).rstrip(":"), value) for name, value in filled)
        self.add("; ".join(f"{name}: {value}" if name else value for name, value in named), page=page)

    def note(self, sentence: str) -> None:
        """For the report: our own words and numbers, never text of the document.

        Raises:
            ValueError: it is no `NOTE`. The parent would not believe an answer that held it.
        """
        if not re.fullmatch(NOTE, sentence):
            raise ValueError(f"a note is not of the form {NOTE}")
        self._notes.append(sentence)

    def unread(self, what: str, reason: str) -> None:
        """Count what was left out. `reason` is a `Reason`, or words of our own."""
        self._unread[what, reason] += 1

    def inflated(self, count: int) -> None:
        """Count really decompressed bytes, of all containers together.

        Raises:
            Refused: archive_bomb.
        """
        self._archive_left -= count
        if self._archive_left < 0:
            raise Refused(Reason.ARCHIVE_BOMB)

    def attach(self, name: str, suffix: str, data: bytes, *, what: str) -> None:
        """Read a document within this one, under a heading of its name. One that is refused is counted as unread.

        Raises:
            Refused: for what concerns the whole document.
        """
        if self._parts >= PARTS_MAX:
            self.unread(what, f"beyond {PARTS_MAX} parts")
            return
        if self._undone > _UNDONE_MAX * self.chars_max:
            self.unread(what, Reason.TOO_MUCH_TEXT)
            return
        unread = self._unread.total()
        try:
            with self.within(name):
                self._read(data, suffix, self)
        except Refused as refusal:
            if refusal.reason is Reason.BAD_MARKER:
                raise  # it may have been meant for what follows
            if refusal.reason is not Reason.EMPTY or self._unread.total() == unread:
                self.unread(what, refusal.reason)  # else it is empty for a reason that is told already

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """What is added inside is another document's: below its name, and out of reach of its markers' ends.

        Raises:
            Refused: too_deep, empty, or what was raised inside; then nothing of it is left.
        """
        self._parts += 1
        depth = self._depth
        if depth >= PART_DEPTH_MAX or self._parts > PARTS_MAX:
            raise Refused(Reason.TOO_DEEP)
        outer = self._part
        try:
            with self.whole():
                mark = len(self._pieces)
                self.add(one_line(name)[:300], heading=1)
                self._part = self._parts
                self._depth += 1
                yield
                if len(self._pieces) == mark + 1:
                    raise Refused(Reason.EMPTY)
        finally:
            self._part = outer
            self._depth = depth

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Where what is read inside is refused, nothing of it is left, and its text is not counted.

        Raises:
            Refused: what was raised inside; bad_marker, where a marker would be left out with the rest.
        """
        mark, hidden, left = len(self._pieces), self._hidden.copy(), self._left
        try:
            yield
        except Refused:
            undone = self._pieces[mark:]
            del self._pieces[mark:]
            self._hidden = hidden
            self._undone += left - self._left
            self._left = left
            refuse_markers((piece.text for piece in undone), "in a part that is not read")
            raise

    @property
    def added(self) -> tuple[Piece, ...]:
        return tuple(self._pieces)

    def apart(self) -> "Pieces":
        """Empty ones under the same limits, for text that is only compared."""
        return Pieces(self.chars_max, self._read)

    @property
    def count(self) -> int:
        return len(self._pieces)

    def since(self, count: int) -> list[Piece]:
        """What was added after there were so many."""
        return self._pieces[count:]

    def done(self, head: Head) -> Extracted:
        """
        Raises:
            Refused: nothing was added.
        """
        if not self._pieces and not self._awaited:
            raise Refused(Reason.EMPTY)
        unread = (
            f"{count} {what}{'s' * (count > 1)} not read {reason}" for (what, reason), count in self._unread.items()
        )
        notes = tuple(dict.fromkeys([*self._notes, *unread]))[:20]
        title = one_line(head.title)[:300]
        return Extracted(head.media_type, title, tuple(self._pieces), notes, dict(self._hidden), self._awaited)
