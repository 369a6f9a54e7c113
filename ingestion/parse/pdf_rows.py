"""Tables of a PDF page: places tell cells, and nothing tells a header but what stands in it."""

import re
from collections.abc import Iterable, Sequence

from ingestion.parse.naming import NamedRows
from ingestion.parse.pdf_paragraphs import whole_words
from ingestion.parse.pieces import Pieces
from ingestion.parse.table import is_value


def add_rows(rows: Sequence[tuple[str, ...]], page: int, pieces: Pieces) -> None:
    """Append the rows of a table, below the names in its first one, where that is no record itself."""
    out = NamedRows(pieces, page=page)
    first, *others = rows = [tuple(map(whole_words, row)) for row in rows]
    names = bool(others) and not _is_record(first, others)
    for row in rows:
        cells = dict(enumerate(row))
        if names and out.names is None:
            out.name(cells)
        elif names:
            out.row(cells)
        elif len(row) == 2:
            out.labelled(cells)
        else:
            out.text(cells)
    out.end()


def _is_record(first: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> bool:
    """Whether a cell of the first row is of the kind of those below it, as `Chapter 1` above `Chapter 2` is."""
    # A header may be repeated.
    below = ([row[column] for row in others if row[column] and row != first] for column in range(len(first)))
    return any(_is_like(cell, values) for cell, values in zip(first, below, strict=True))


def _is_like(cell: str, below: Iterable[str]) -> bool:
    """A year may name a column of numbers, and a month one of amounts."""
    if not any(char.isdigit() for char in cell) or re.fullmatch(r"(?:19|20)\d\d", cell):
        return False
    shapes = {_shape(value) for value in below}
    return _shape(cell) in shapes or (is_value(cell) and not any(map(is_value, shapes)))


def _shape(text: str) -> str:
    """With one digit for each number."""
    return re.sub(r"\d+", "0", text)
