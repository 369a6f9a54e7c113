"""XLSX: each sheet a heading, each row `Column: value; ...` with the names of its table, values as they are shown."""

import io
import warnings
from collections.abc import Iterator, Mapping
from itertools import islice

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from ingestion.parse.archive import check_office
from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.naming import NamedRows
from ingestion.parse.office import as_usual
from ingestion.parse.pieces import Pieces
from ingestion.parse.sheet_forms import form_line, is_record, labelled
from ingestion.parse.sheet_parts import SheetParts
from ingestion.parse.sheets import CELLS_MAX, Row, Sheet, read_chart_sheets, read_sheet
from ingestion.parse.table import is_value, names_columns
from rag.hidden_content import HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEETS_MAX = 1_000


def extract(data: bytes, pieces: Pieces) -> Head:
    check_office(data, pieces)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that we do not read; nobody sees them here
        try:
            book = openpyxl.load_workbook(io.BytesIO(as_usual(data)), read_only=True, data_only=True, keep_links=False)
        except (InvalidFileException, KeyError, ValueError, TypeError, AttributeError, IndexError):
            raise Refused(Reason.BROKEN, "no workbook in the archive") from None
        if len(book.worksheets) > SHEETS_MAX:
            raise Refused(Reason.TOO_MUCH_TEXT, f"more than {SHEETS_MAX} sheets")
        parts = SheetParts(book._archive)
        said: set[str] = set()
        cells = unvalued = 0
        for sheet in book.worksheets:
            read = read_sheet(book, sheet, parts, CELLS_MAX - cells)
            cells += sum(len(row) for row in read.rows.values()) + len(read.invisible)
            unvalued += read.unvalued
            _write(read, pieces, said)
        for chart in islice(read_chart_sheets(parts), SHEETS_MAX):
            _write(chart, pieces, said)
    if unvalued:
        counted = f"{unvalued} formula{'s' * (unvalued > 1)} without a stored value"
        if not cells:
            raise Refused(Reason.EMPTY, f"{counted}: open it in a spreadsheet program and save it")
        pieces.note(counted)
    return Head(MEDIA_TYPE, book.properties.title or "")


def _write(sheet: Sheet, pieces: Pieces, said: set[str]) -> None:
    """`said` is what stands beside the sheets before: many print the same on each page."""
    within = None if sheet.visible else HiddenKind.HIDDEN_SHEET
    if within is None or pieces.wants(within):
        pieces.add(sheet.title, heading=1)
    rows = NamedRows(pieces, unnamed=get_column_letter)
    for block in _blocks(sheet, pieces, within):
        if within is None:
            _table(block, rows)
            continue
        for row in block:
            pieces.add_hidden(within, "; ".join(row.values()))
    rows.end()
    if sheet.invisible:
        pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, "; ".join(sheet.invisible), within=within)
    for text in sheet.boxes:
        if within is None and text not in said:
            pieces.add(text, beside=True)
            said.add(text)
        elif within is not None:
            pieces.add_hidden(within, text)
    for comment in sheet.comments:
        pieces.add_hidden(HiddenKind.COMMENT, comment, within=within)


def _blocks(sheet: Sheet, pieces: Pieces, within: HiddenKind | None) -> Iterator[list[Row]]:
    """Groups of rows, parted where a row is empty; what is hidden on its own goes its own way."""
    block: list[Row] = []
    before = 0
    for number in sorted(sheet.rows):
        row = {column: sheet.rows[number][column] for column in sorted(sheet.rows[number])}
        if number in sheet.hidden_rows:
            pieces.add_hidden(HiddenKind.HIDDEN_ROW, "; ".join(row.values()), within=within)
            before = number
            continue
        unseen = [column for column in row if sheet.column_is_hidden(column)]
        if unseen:
            text = "; ".join(row.pop(column) for column in unseen)
            pieces.add_hidden(HiddenKind.HIDDEN_COLUMN, text, within=within)
        if block and number > before + 1:
            yield block
            block = []
        before = number
        if row:
            block.append(row)
    if block:
        yield block


def _table(block: list[Row], out: NamedRows) -> None:
    """Lines of one cell and of pairs are text; the first other row names the columns of those below.

    `out` still has the names of the table before the empty row that this block stands behind.
    """
    goes_on = _goes_on(block, out.names)
    above: Row = {}
    for number, row in enumerate(block):
        before, rest = out.names, block[number + 1 : number + 3]
        out.passed(row.values())
        if out.names is not before:
            goes_on = _goes_on(block[number + 1 :], out.names)  # a section ended, and its names with it
            out.text(row)
        elif goes_on:
            out.row(row)
        elif pairs := form_line(row, rest, bool(above)) or (labelled(row) if is_record(row, rest, above) else []):
            out.text(dict(enumerate(pairs)))
            above = row
        elif len(row) == 1:
            out.text(row)
        else:
            out.name(row)
            goes_on = True


def _goes_on(block: list[Row], names: Mapping[int, str] | None) -> bool:
    """Whether a block holds records of these columns, without a header of its own."""
    first, below = ([*block[:2], {}, {}])[:2]
    if names is None or len(first) < 2 or not first.keys() <= names.keys():
        return False
    if any(is_value(text) for text in first.values()):
        return True
    return first.keys() == names.keys() and not names_columns(first, below)


def sample() -> bytes:
    """A workbook of our own, to load the library with."""
    book = openpyxl.Workbook()
    book.active.append(["a", 1])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
