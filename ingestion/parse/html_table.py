"""Tables of a page: rows of data, each with the names of its columns; tables that only lay out a page are none.

A cell that spans rows stands in each of them, one that spans columns in its first; a name stands over all it spans.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from lxml.html import HtmlElement

from ingestion.parse.cleaning import marker_in
from ingestion.parse.html_cells import EMPTY, Cell, cells_of
from ingestion.parse.html_flow import NEVER_SHOWN
from ingestion.parse.html_looks import Look, Looks
from ingestion.parse.naming import Names
from ingestion.parse.pieces import Pieces

_STRUCTURE = frozenset(("table", "thead", "tbody", "tfoot", "tr", "form", "colgroup", "col"))
_PLACED = NEVER_SHOWN | {"td", "th", "caption"}
_LAID_OUT = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "pre", "hr", "blockquote", "table"))
_PARAGRAPHS = frozenset(("p", "div", "ul", "ol"))
_LONG_TEXT = 500
"""Characters of a cell in which several paragraphs are a text and no value."""
_FILLED_MAX = 200_000
"""Places that the spans of one table fill: beyond, spans are not followed. Texts are lost by neither."""
_COLUMNS_MAX = 1_000


def is_layout(table: HtmlElement) -> bool:
    """Whether a table arranges parts of a page: they are read one after the other then."""
    if table.get("role") in ("presentation", "none") or next(table.iterdescendants("table"), None) is not None:
        return True
    rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]
    if all(len(cells) <= 1 for cells in rows) or _has_more_than_cells(table):
        return True
    if next(table.iter("th", "thead"), None) is not None:
        return False
    alone = sum(bool(cells) for cells in rows) == 1
    return any(_is_laid_out(cell, alone=alone) for cells in rows for cell in cells)


def _is_laid_out(cell: HtmlElement, *, alone: bool) -> bool:
    if any(below.tag in _LAID_OUT for below in cell.iterdescendants()):
        return True
    paragraphs = sum(below.tag in _PARAGRAPHS and bool(below.text_content().strip()) for below in cell)
    return paragraphs > 1 and (alone or len(cell.text_content()) > _LONG_TEXT)


def _has_more_than_cells(table: HtmlElement) -> bool:
    """Text or elements outside of cells, which browsers show above the table."""
    stack = [table]
    while stack:
        one = stack.pop()
        if (one.text or "").strip() or any((child.tail or "").strip() for child in one):
            return True
        for child in one:
            if child.tag in _STRUCTURE:
                stack.append(child)
            elif isinstance(child.tag, str) and child.tag not in _PLACED and child.get("type") != "hidden":
                return True
    return False


@dataclass(frozen=True, slots=True)
class _Line:
    """A row with the spans filled in. `alone` is the text of a row that is one cell, else empty."""

    cells: tuple[Cell, ...] = field(repr=False)
    alone: str = field(repr=False)

    @property
    def texts(self) -> list[str]:
        return [cell.text for cell in self.cells]

    @property
    def is_head(self) -> bool:
        return not self.alone and all(cell.is_head for cell in self.cells if cell.text)

    @property
    def has_key(self) -> bool:
        first, *others = self.cells
        return first.is_head and bool(first.text) and any(cell.text and not cell.is_head for cell in others)


def read(table: HtmlElement, around: Look, looks: Looks, pieces: Pieces) -> None:
    """Append the rows: `Column: value; ...` below the names of columns, `Key: value` where each row has its own."""
    caption, rows = cells_of(table, around, looks, pieces)
    pieces.add(caption)
    lines = [line for line in _filled(rows) if any(line.texts)]
    if _is_keyed(lines):
        for line in lines:
            key, *values = line.texts
            pieces.fields([("", line.alone)] if line.alone else zip((key, *("" for _ in values)), values, strict=False))
        return
    writer = _Writer(pieces)
    for line in lines:
        writer.write(line)
    writer.end()


def _is_keyed(lines: list[_Line]) -> bool:
    """Whether each row is a name and what has it: marked so, or two columns of which the first is set apart."""
    rows = [line for line in lines if not line.alone]
    if any(line.is_head for line in rows):
        return False
    if all(line.has_key for line in rows):
        return True
    if any(len(line.cells) != 2 or not line.cells[0].text or line.cells[1].is_strong for line in rows):
        return False
    return all(line.cells[0].is_strong or line.cells[0].text.endswith(":") for line in rows)


class _Writer:
    def __init__(self, pieces: Pieces) -> None:
        self._names = Names()
        self._pieces = pieces
        self._heads: list[str] = []

    def write(self, line: _Line) -> None:
        texts = line.texts
        above, self._heads = self._heads, []
        if line.alone:
            self._pieces.add(self._names.passed(texts))
            self._pieces.add(line.alone)
        elif sum(map(bool, texts)) < 2 and not self._names.now:
            self._pieces.add("".join(texts))
        elif line.is_head:
            self._take_heads(texts, above)
        elif not self._names.now:
            self._take(texts)
        else:
            self._pieces.fields(zip(_names(line, self._names.now.names), texts, strict=True))
            self._names.now.use(dict(enumerate(texts)))

    def end(self) -> None:
        """What must follow the last row."""
        self._pieces.add(self._names.end())

    def _take_heads(self, texts: list[str], above: list[str]) -> None:
        """Rows of names right below each other name the columns together."""
        if not above:
            self._pieces.add(self._names.replaced())
        self._heads = [
            over if not text else text if over in ("", text) else f"{over} {text}"
            for over, text in zip_longest(above, texts, fillvalue="")
        ]
        self._take(self._heads)

    def _take(self, names: list[str]) -> None:
        """A long name is said once, and only begun beside each value; more rows of names do not add to it."""
        header = self._names.take(dict(enumerate(names)))
        if header.has_long:
            self._pieces.add(header.take_unread())
            self._heads = []


def _names(line: _Line, names: Mapping[int, str]) -> Iterator[str]:
    """The name of each value; what a row is called stands for itself, where its column has no name."""
    for at, cell in enumerate(line.cells):
        yield "" if cell.is_head and at not in names else names.get(at) or f"Column {at + 1}"


def _filled(rows: list[list[Cell]]) -> Iterator[_Line]:
    left = _FILLED_MAX
    carried: dict[int, tuple[Cell, int]] = {}
    for cells in rows:
        marker = marker_in(cell.text for cell in cells)
        if marker or left < 0:
            carried.clear()  # what stands in a stricter section does not reach out of it
        alone = marker or (cells[0].text if len(cells) == 1 and not carried else "")
        line = _with_spans(cells, carried, wide=left >= 0)
        left -= len(line) - len(cells)
        yield _Line(tuple(line), alone)


def _with_spans(cells: list[Cell], carried: dict[int, tuple[Cell, int]], *, wide: bool) -> list[Cell]:
    """A row by columns. `carried` has by column the cell that reaches down to it, and to how many rows."""
    line: list[Cell] = []
    last = max(carried, default=-1)
    waiting = iter(cells)
    cell = next(waiting, None)
    while cell is not None or len(line) <= last:
        at = len(line)
        if at in carried:
            above, rows = carried.pop(at)
            line.append(above)
            if rows > 1:
                carried[at] = (above, rows - 1)
            continue
        if cell is None:
            line.append(EMPTY)
            continue
        spanned = cell if cell.is_head else EMPTY
        for offset in range(min(cell.columns, max(1, _COLUMNS_MAX - at)) if wide else 1):
            line.append(spanned if offset else cell)
            if cell.rows > 1 and wide:
                carried[at + offset] = (line[-1], cell.rows - 1)
        cell = next(waiting, None)
    return line
