"""Rows as `Column: value; ...`: a value, and personal data in it, is understood beside the name of its field.

What a table's first row says is read, whether it names anything or not: a name with no value below it is said alone.
"""

from collections.abc import Callable, Iterable, Mapping

from ingestion.parse.cleaning import IN_A_NAME, marker_in, one_line, refuse_markers
from ingestion.parse.pieces import Pieces

NAME_CHARS_MAX = 100
"""Of a column's name beside each of its values: a paragraph that stands in a first row names nothing."""


class Header:
    """A row that names the columns of those below it. `names` are its texts as they stand beside each value."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._unread = {column: text for column, text in texts.items() if text.strip()}
        self.names: Mapping[int, str] = {column: short_name(text) for column, text in self._unread.items()}
        self.has_long = any(len(text) > NAME_CHARS_MAX for text in self._unread.values())

    def use(self, cells: Mapping[int, str]) -> None:
        """Take note of a row below: each of its values is said with the name of its column."""
        if self._unread and not marker_in(cells.values()):
            for column in [column for column in self._unread if cells.get(column, "").strip()]:
                del self._unread[column]

    def take_unread(self) -> str:
        """What stands in it and was said with no value; once."""
        texts = [text.strip() for text in self._unread.values()]
        self._unread = {}
        return "; ".join(texts)


class Names:
    """What names the columns of a table, as `now`. Names that a stricter section gave end with it."""

    def __init__(self) -> None:
        self.now: Header | None = None
        self._outside: list[Header | None] = []

    def passed(self, cells: Iterable[str]) -> str:
        """Take note of a row: one that is a marker and nothing else begins or ends a section.

        Returns what is unread of the names that end here. It belongs into the section that ends.
        """
        marker = marker_in(cells)
        if not marker:
            return ""
        if not marker[1:].lstrip().startswith("/"):
            self._outside.append(self.now)
            return ""
        within = self.now
        self.now = self._outside.pop() if self._outside else None
        return within.take_unread() if within and within is not self.now else ""

    def take(self, cells: Mapping[int, str]) -> Header:
        """Let a row name the columns of those below it.

        Raises:
            Refused: bad_marker.
        """
        refuse_markers(cells.values(), IN_A_NAME)
        self.now = Header(cells)
        return self.now

    def replaced(self) -> str:
        """What is unread of the names that others are to be taken for. Those from outside a section stay for there."""
        kept = bool(self._outside) and self.now is self._outside[-1]
        return self.now.take_unread() if self.now and not kept else ""

    def end(self) -> str:
        """What is unread at the end of the table."""
        unread = [header.take_unread() for header in (*self._outside, self.now) if header]
        return "; ".join(filter(None, unread))


class NamedRows:
    """Rows of one table as they come, by column from 0."""

    def __init__(
        self, pieces: Pieces, *, page: int | None = None, unnamed: Callable[[int], str] = lambda column: str(column + 1)
    ) -> None:
        """`unnamed` is what a column without a name is called, after `Column`."""
        self._pieces = pieces
        self._page = page
        self._unnamed = unnamed
        self._names = Names()

    @property
    def names(self) -> Mapping[int, str] | None:
        """What names the columns now."""
        return self._names.now.names if self._names.now else None

    def passed(self, cells: Iterable[str]) -> None:
        """Take note of a row before anything is done with it; see `Names.passed`."""
        self._add(self._names.passed(cells))

    def name(self, cells: Mapping[int, str]) -> None:
        """Let a row name the columns of those below it, in place of what named them.

        Raises:
            Refused: bad_marker.
        """
        self._add(self._names.replaced())
        header = self._names.take(cells)
        if header.has_long:
            self._add(header.take_unread())

    def row(self, cells: Mapping[int, str]) -> None:
        header = self._names.now
        names: Mapping[int, str] = header.names if header else {}
        if header:
            header.use(cells)
        self._pieces.fields(
            ((names.get(column) or f"Column {self._unnamed(column)}", text) for column, text in cells.items()),
            page=self._page,
        )

    def labelled(self, cells: Mapping[int, str]) -> None:
        """A row whose first cell says what the others are."""
        filled = [text for _, text in sorted(cells.items()) if text.strip()]
        # A cell that holds a pair of its own says nothing about the others.
        if len(filled) > 1 and cells.get(0, "").strip() and ": " not in filled[0].strip():
            self._pieces.fields([(filled[0], "; ".join(filled[1:]))], page=self._page)
        else:
            self.text(cells)

    def text(self, cells: Mapping[int, str]) -> None:
        """A row that is no record: a title, a remark, a pair."""
        self._add("; ".join(text.strip() for text in cells.values() if text.strip()))

    def end(self) -> None:
        """What must follow the last row."""
        self._add(self._names.end())

    def _add(self, text: str) -> None:
        self._pieces.add(text, page=self._page)


def short_name(name: str) -> str:
    """A name as it stands beside each of its values."""
    name = one_line(name)
    return name if len(name) <= NAME_CHARS_MAX else name[:NAME_CHARS_MAX].rstrip() + "…"
