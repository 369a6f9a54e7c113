"""Rows as `Column: value; ...`: a value, and personal data in it, is understood beside the name of its field."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ingestion.parse.cleaning import IN_A_NAME, marker_in, one_line, refuse_markers
from ingestion.parse.pieces import Pieces

NAME_CHARS_MAX = 100
"""Of a column's name beside each of its values: a paragraph that stands in a first row names nothing."""

T = TypeVar("T")


class Names(Generic[T]):
    """What names the columns of a table, as `now`. Names that a stricter section gave end with it."""

    def __init__(self) -> None:
        self.now: T | None = None
        self._used = False
        self._outside: list[tuple[T | None, bool]] = []

    def passed(self, cells: Iterable[str]) -> T | None:
        """Take note of a row: one that is a marker and nothing else begins or ends a section.

        Returns the names that end here without a row below them.
        """
        marker = marker_in(cells)
        if not marker:
            return None
        if not marker[1:].lstrip().startswith("/"):
            self._outside.append((self.now, self._used))
            return None
        within = self.left
        self.now, self._used = self._outside.pop() if self._outside else (None, False)
        return within if within is not self.now else None

    def take(self, names: T, texts: Iterable[str]) -> None:
        """Let a row name the columns of those below it; `texts` is what stands in it, where no marker may be."""
        refuse_markers(texts, IN_A_NAME)
        self.now, self._used = names, False

    def use(self, cells: Iterable[str]) -> None:
        """Take note that this row stands below the names: they are said with it, if anything is in it."""
        cells = list(cells)
        self._used = self._used or (any(cell.strip() for cell in cells) and not marker_in(cells))

    @property
    def left(self) -> T | None:
        """The names, where no row with anything in it stands below them: nobody would read them."""
        return None if self._used else self.now


@dataclass(slots=True)
class _Header:
    texts: Mapping[int, str] = field(repr=False)
    names: Mapping[int, str] = field(repr=False)
    said: bool = False


class NamedRows:
    """Rows of one table as they come, by column from 0. A row that named nothing below it is text of its own."""

    def __init__(
        self, pieces: Pieces, *, page: int | None = None, unnamed: Callable[[int], str] = lambda column: str(column + 1)
    ) -> None:
        """`unnamed` is what a column without a name is called, after `Column`."""
        self._pieces = pieces
        self._page = page
        self._unnamed = unnamed
        self._names = Names[_Header]()

    @property
    def names(self) -> Mapping[int, str] | None:
        """What names the columns now."""
        return self._names.now.names if self._names.now else None

    def passed(self, cells: Iterable[str]) -> None:
        """Take note of a row before anything is done with it; see `Names.passed`."""
        before = self._names.now
        self._names.passed(cells)
        if before is not self._names.now:
            self._say(before)  # still inside the section that it was read in

    def name(self, cells: Mapping[int, str]) -> None:
        """Let a row name the columns of those below it, in place of what named them.

        Raises:
            Refused: bad_marker.
        """
        self._say(self._names.now)
        texts = {column: text for column, text in cells.items() if text.strip()}
        names = {column: short_name(text) for column, text in texts.items()}
        header = _Header(texts, names)
        self._names.take(header, texts.values())
        if any(len(text) > NAME_CHARS_MAX for text in texts.values()):
            self._say(header)

    def row(self, cells: Mapping[int, str]) -> None:
        header = self._names.now
        names: Mapping[int, str] = header.names if header else {}
        if header and not _holds_no_record(cells.values()):
            header.said = True
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
        self._pieces.add("; ".join(text.strip() for text in cells.values() if text.strip()), page=self._page)

    def end(self) -> None:
        self._say(self._names.now)

    def _say(self, header: _Header | None) -> None:
        if header and not header.said:
            self.text(header.texts)
            header.said = True


def _holds_no_record(cells: Iterable[str]) -> bool:
    """Whether a row is empty, or a marker and nothing else."""
    filled = [cell for cell in cells if cell.strip()]
    return not filled or bool(marker_in(filled))


def short_name(name: str) -> str:
    """A name as it stands beside each of its values."""
    name = one_line(name)
    return name if len(name) <= NAME_CHARS_MAX else name[:NAME_CHARS_MAX].rstrip() + "…"
