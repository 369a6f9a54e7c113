"""XLSX: each sheet a heading, each row `Column: value; ...` with the names of its table, values as they are shown."""

import io
import warnings
from collections.abc import Iterator

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from ingestion.parse.archive import check_office
from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.pieces import Names, Pieces
from ingestion.parse.sheets import CELLS_MAX, Row, Sheet, read_sheet
from rag.hidden_content import HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEETS_MAX = 1_000


def extract(data: bytes, pieces: Pieces) -> Head:
    check_office(data, pieces)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that we do not read; nobody sees them here
        try:
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        except (InvalidFileException, KeyError, ValueError, TypeError, AttributeError, IndexError):
            raise Refused(Reason.BROKEN, "no workbook in the archive") from None
        if len(book.worksheets) > SHEETS_MAX:
            raise Refused(Reason.TOO_MUCH_TEXT, f"more than {SHEETS_MAX} sheets")
        cells = 0
        for sheet in book.worksheets:
            read = read_sheet(book, sheet, CELLS_MAX - cells)
            cells += sum(len(row) for row in read.rows.values())
            _write(read, pieces)
    return Head(MEDIA_TYPE, book.properties.title or "")


def _write(sheet: Sheet, pieces: Pieces) -> None:
    if not sheet.visible:
        if pieces.wants(HiddenKind.HIDDEN_SHEET):
            pieces.add(sheet.title, heading=1)
        rows = ("; ".join(row[column] for column in sorted(row)) for row in sheet.rows.values())
        for text in (*rows, "; ".join(sheet.invisible)):
            pieces.add_hidden(HiddenKind.HIDDEN_SHEET, text)
        for comment in sheet.comments:
            pieces.add_hidden(HiddenKind.COMMENT, comment)
        return
    pieces.add(sheet.title, heading=1)
    for block in _tables(sheet, pieces):
        _table(block, pieces)
    if sheet.invisible:
        pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, "; ".join(sheet.invisible))
    for comment in sheet.comments:
        pieces.add_hidden(HiddenKind.COMMENT, comment)


def _tables(sheet: Sheet, pieces: Pieces) -> Iterator[list[Row]]:
    """Groups of visible rows, parted where a row is empty; what is hidden goes its own way."""
    block: list[Row] = []
    before = 0
    for number in sorted(sheet.rows):
        row = sheet.rows[number]
        if number in sheet.hidden_rows:
            pieces.add_hidden(HiddenKind.HIDDEN_ROW, "; ".join(row[column] for column in sorted(row)))
            before = number
            continue
        unseen = [column for column in sorted(row) if sheet.column_is_hidden(column)]
        if unseen:
            pieces.add_hidden(HiddenKind.HIDDEN_COLUMN, "; ".join(row.pop(column) for column in unseen))
        if block and number > before + 1:
            yield block
            block = []
        before = number
        if row:
            block.append(row)
    if block:
        yield block


def _table(rows: list[Row], pieces: Pieces) -> None:
    """Lines of one cell are text; the first row with more names the columns of those below."""
    names = Names[Row]()
    rows_named = 0
    for row in rows:
        names.passed(row.values())
        if len(row) == 1 and not names.now:
            pieces.add(next(iter(row.values())))
        elif not names.now:
            names.take(row, row.values())
        else:
            of = names.now
            pieces.fields(
                (of.get(column) or f"Column {get_column_letter(column)}", row[column]) for column in sorted(row)
            )
            rows_named += 1
    if names.now and not rows_named:
        pieces.add("; ".join(names.now[column] for column in sorted(names.now)))


def sample() -> bytes:
    """A workbook of our own, to load the library with."""
    book = openpyxl.Workbook()
    book.active.append(["a", 1])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
