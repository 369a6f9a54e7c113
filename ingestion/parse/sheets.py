"""One sheet of a workbook as it is stored: texts by place, what of it is hidden, and comments.

Only cells that exist are visited: a sheet's size is its sender's claim. Formulas are read as the value that the
program stored with them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import Any

from openpyxl.worksheet._reader import WorkSheetParser

from ingestion.parse.cleaning import marker_in
from ingestion.parse.document import Reason, Refused
from ingestion.parse.numbers import shown
from ingestion.parse.sheet_parts import Bounds, SheetParts
from ingestion.parse.sheet_styles import Styles

CELLS_MAX = 2_000_000
MERGED_MAX = 20_000
COLORED_MAX = 100
"""Tables and ranges with formats of their own on a sheet; among more, nothing is taken for hidden by its colour."""
_FORMULA, _VALUE = (f"{{http://schemas.openxmlformats.org/spreadsheetml/2006/main}}{name}" for name in "fv")

Row = dict[int, str]
"""Text by column number."""


@dataclass(slots=True)
class Sheet:
    """What is read of one sheet. `rows` in order, by their number; `comments` are texts.

    `unvalued` counts formulas of which the program that wrote the file stored no value.
    """

    title: str = field(repr=False)
    visible: bool
    rows: dict[int, Row] = field(default_factory=dict, repr=False)
    invisible: list[str] = field(default_factory=list, repr=False)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[range] = field(default_factory=list)
    comments: list[str] = field(default_factory=list, repr=False)
    boxes: list[str] = field(default_factory=list, repr=False)
    unvalued: int = 0

    def column_is_hidden(self, column: int) -> bool:
        """`hidden_columns` are in order and apart from each other."""
        before = bisect_right(self.hidden_columns, column, key=lambda columns: columns.start)
        return before > 0 and column in self.hidden_columns[before - 1]


def read_sheet(book: Any, sheet: Any, parts: SheetParts, cells_left: int) -> Sheet:
    """Read a sheet of a workbook that was opened `read_only` and `data_only`; `parts` are the workbook's.

    Raises:
        Refused: more than `cells_left` cells; bad_marker, in a text box, a chart or the page's header or footer.
    """
    path = sheet._worksheet_path
    read = Sheet(sheet.title, sheet.sheet_state == "visible")
    styles = Styles(book)
    white: list[tuple[int, int]] = []
    with book._archive.open(path) as source:
        parser = _Parser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for _, cells in parser.parse():
            for cell in cells:
                style = styles.of(cell["style_id"])
                text = shown(cell["value"], style.number_format) if cell["value"] is not None else ""
                if not text.strip():
                    continue
                cells_left -= 1
                if style.unseen:
                    read.invisible.append(text)
                    continue
                read.rows.setdefault(cell["row"], {})[cell["column"]] = text
                if style.white_on_white:
                    white.append((cell["row"], cell["column"]))
            if cells_left < 0:
                raise Refused(Reason.TOO_MUCH_TEXT, f"more than {CELLS_MAX} cells")
    # The style of a table, or a format by condition, may colour the paper, which no cell tells.
    colored = list(islice(chain(parts.tables(path), _formatted(parser)), COLORED_MAX + 1)) if white else []
    for row, column in white if len(colored) <= COLORED_MAX else ():
        if not any(left <= column <= right and top <= row <= bottom for left, top, right, bottom in colored):
            read.invisible.append(read.rows[row].pop(column))
    read.unvalued = parser.unvalued
    read.hidden_rows = {int(number) for number, given in parser.row_dimensions.items() if _hides(given, "ht")}
    read.hidden_columns = _apart(
        range(int(given["min"]), int(given["max"]) + 1)
        for given in parser.column_dimensions.values()
        if _hides(given, "width")
    )
    _fill_merged(read, parser.merged_cells.mergeCell if parser.merged_cells else [])
    read.comments = list(parts.comments(path))
    _read_beside(read, path, parts)
    return read


def read_chart_sheets(parts: SheetParts) -> Iterator[Sheet]:
    """Those that say anything.

    Raises:
        Refused: bad_marker.
    """
    for title, visible, path in parts.chart_sheets():
        read = Sheet(title, visible)
        _read_beside(read, path, parts)
        if read.boxes or read.invisible:
            yield read


def _read_beside(read: Sheet, path: str, parts: SheetParts) -> None:
    """What lies over a sheet, and what is printed above and below it."""
    for drawn in (*parts.drawn(path), parts.printed(path)):
        read.boxes.extend(drawn.seen)
        read.invisible.extend(drawn.unseen)


class _Parser(WorkSheetParser):  # type: ignore[misc] # the library ships no types
    """Counts the formulas that have no stored value: the library takes their cells for empty ones."""

    unvalued = 0

    def parse_cell(self, element: Any) -> Any:
        if element.find(_FORMULA) is not None and element.get("t") != "str":
            self.unvalued += not (element.findtext(_VALUE) or "").strip()
        return super().parse_cell(element)


def _hides(given: dict[str, str], size: str) -> bool:
    """Hidden by name, or by having no height or width.

    `zeroHeight` of a sheet hides none of these: it is the height of rows that the file does not hold.
    """
    return given.get("hidden") in ("1", "true") or re.fullmatch(r"0+(?:\.0*)?", given.get(size, "1")) is not None


def _apart(columns: Iterable[range]) -> list[range]:
    """These columns in order, what overlaps joined."""
    found: list[range] = []
    for one in sorted(columns, key=lambda columns: columns.start):
        if found and one.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, one.stop))
        else:
            found.append(one)
    return found


def _formatted(parser: Any) -> Iterator[Bounds]:
    """The ranges whose looks depend on their values: as what, is not worked out."""
    for formatting in parser.formatting:
        for one in formatting.sqref.ranges:
            yield one.bounds


def _fill_merged(read: Sheet, ranges: list[Any]) -> None:
    """A value that spans rows stands in each of those that hold anything; one that spans columns, in each of its row.

    So a label beside a group of rows, or above a group of columns, goes with all of them. A title above the table does
    not: it is the only value of its row.
    """
    if len(ranges) > MERGED_MAX:
        raise Refused(Reason.TOO_MUCH_TEXT, f"more than {MERGED_MAX} merged ranges")
    present = sorted(read.rows)
    pairs = pairwise([*present, 0])
    naming, below = next(((number, below) for number, below in pairs if len(read.rows[number]) > 1), (0, 0))
    groups = set(read.rows.get(below, ()))  # before anything is filled
    filled = 0
    for merged in ranges:
        value = read.rows.get(merged.min_row, {}).get(merged.min_col)
        if value is None:
            continue
        # Only the row that names columns is filled to the right.
        names = merged.min_row == naming and len(groups.intersection(range(merged.min_col, merged.max_col + 1))) > 1
        last = min(merged.max_col, merged.min_col + 100) if names and not marker_in([value]) else merged.min_col
        for number in present[bisect_left(present, merged.min_row) : bisect_right(present, merged.max_row)]:
            for column in range(merged.min_col, last + 1):
                read.rows[number].setdefault(column, value)
                filled += 1
            if filled > CELLS_MAX:
                raise Refused(Reason.TOO_MUCH_TEXT, f"more than {CELLS_MAX} cells")
