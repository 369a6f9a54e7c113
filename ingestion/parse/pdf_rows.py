"""Tables of a PDF page: places tell cells, and nothing tells a header but what stands in it."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise

from ingestion.parse.naming import NamedRows
from ingestion.parse.pdf_lists import is_labelled
from ingestion.parse.pdf_paragraphs import whole_words
from ingestion.parse.pieces import Pieces
from ingestion.parse.table import is_value, names_columns


def add_rows(rows: Sequence[tuple[str, ...]], page: int, pieces: Pieces) -> None:
    """Append the rows of a table, those below its header with the names in it."""
    out = NamedRows(pieces, page=page)
    rows = [tuple(map(whole_words, row)) for row in rows]
    header = _header(rows)
    for number, row in enumerate(rows):
        cells = dict(enumerate(row))
        if number == header:
            out.name(cells)
        elif number > header >= 0:
            out.row(cells)
        elif len(row) == 2 or (number < header and _width(row) == 2):
            out.labelled(cells)
        else:
            out.text(cells)
    out.end()


def _header(rows: Sequence[tuple[str, ...]]) -> int:
    """The number of the row that names columns; -1 where none does.

    It is the first one, unless that is a record itself: then one of words may follow that is wider than all above it,
    as in an invoice the items follow its date and number.
    """
    if len(rows) < 2:
        return -1
    if not _is_record(rows[0], rows[1:]):
        return 0
    widest = _width(rows[0])
    for number, (row, below) in enumerate(pairwise(rows[1:]), 1):
        if _width(row) > max(widest, 2) and names_columns(dict(enumerate(row)), dict(enumerate(below))):
            return number
        widest = max(widest, _width(row))
    return -1


def _width(row: tuple[str, ...]) -> int:
    return sum(map(bool, row))


def _is_record(first: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> bool:
    """Whether a cell of the first row is of the kind of those below it, as `Chapter 1` above `Chapter 2` is."""
    # A header may be repeated.
    below = [[row[column] for row in others if row[column] and row != first] for column in range(len(first))]
    if is_labelled(first[0]) and any(map(is_labelled, below[0])):
        return True
    if not _is_like(first[0], below[0]) and _are_steps(first[1:], chain(*below[1:])):
        return False
    return any(_is_like(cell, values) for cell, values in zip(first, below, strict=True))


def _are_steps(cells: Sequence[str], below: Iterable[str]) -> bool:
    """Whether these are values as nothing below them, as days above names are, or count on: weeks, sizes, hours."""
    shapes = set(map(_shape, cells))
    if len(cells) < 2 or len(shapes) > 1 or not all(map(is_value, cells)):
        return False
    if shapes.isdisjoint(map(_shape, below)):
        return True
    numbers = [int(cell) for cell in cells if re.fullmatch(r"\d{1,9}", cell)]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and len(numbers) == len(cells) and len(steps) == 1 and steps.pop() > 0


def _is_like(cell: str, below: Iterable[str]) -> bool:
    """A year may name a column of numbers, and a month one of amounts."""
    if not any(char.isdigit() for char in cell) or re.fullmatch(r"(?:19|20)\d\d", cell):
        return False
    shapes = {_shape(value) for value in below}
    return _shape(cell) in shapes or (is_value(cell) and not any(map(is_value, shapes)))


def _shape(text: str) -> str:
    """With one digit for each number."""
    return re.sub(r"\d+", "0", text)
