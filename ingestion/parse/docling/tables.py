"""The rows of a table that docling recognised, with the names of their columns, as tables of other formats are read."""

from ingestion.parse.cleaning import marker_in
from ingestion.parse.docling.answers import CELLS_MAX, Cell, Grid, Nonsense
from ingestion.parse.document import Reason, Refused
from ingestion.parse.naming import NamedRows
from ingestion.parse.pieces import Pieces


def add_table(grid: Grid, pieces: Pieces) -> None:
    """Append the rows. Where several rows name the columns, a name is what they say together.

    Raises:
        Nonsense: cells outside of the table, or more of them than a page has.
        Refused: more text than allowed, or a marker in a name.
    """
    rows, named = _rows(grid, pieces.chars_max), _header_rows(grid)
    out = NamedRows(pieces)
    if named:
        said = [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*rows[:named], strict=True)]
        out.name(dict(enumerate(said)))
    for row in rows[named:]:
        cells = dict(enumerate(row))
        out.passed(row)
        if out.names is None and len(row) > 1 and not marker_in(row):
            out.name(cells)
        else:
            out.row(cells)
    out.end()


def _rows(grid: Grid, chars_max: int) -> list[list[str]]:
    """Cells by row and column. What holds for several rows stands in each, and a name over each of its columns."""
    if grid.num_rows * grid.num_cols > CELLS_MAX:
        raise Nonsense("a table has too many cells")
    rows = [[""] * grid.num_cols for _ in range(grid.num_rows)]
    places = chars = 0
    for cell in grid.cells:
        places += _size(cell, grid)
        chars += _size(cell, grid) * len(cell.text)
        # Before they are repeated: a few large cells could be said to be everywhere.
        if places > CELLS_MAX or chars > chars_max:
            raise Refused(Reason.TOO_MUCH_TEXT)
        for row in rows[cell.first_row : cell.end_row]:
            end = cell.end_column if cell.column_header else cell.first_column + 1
            for column in range(cell.first_column, end):
                row[column] = f"{row[column]} {cell.text}".strip()
    return rows


def _size(cell: Cell, grid: Grid) -> int:
    """How many places of the table a cell takes."""
    if not (cell.first_row < cell.end_row <= grid.num_rows and cell.first_column < cell.end_column <= grid.num_cols):
        raise Nonsense("a cell stands outside of its table")
    return (cell.end_row - cell.first_row) * (cell.end_column - cell.first_column)


def _header_rows(grid: Grid) -> int:
    """The first rows, as far as all cells with text that begin in them name columns."""
    others = (cell.first_row for cell in grid.cells if cell.text.strip() and not cell.column_header)
    plain = min(others, default=grid.num_rows)
    named = max((cell.end_row for cell in grid.cells if cell.column_header and cell.first_row < plain), default=0)
    return min(plain, named)
