"""One sheet of a workbook as it is stored: texts by place, what of it is hidden, and comments.

Only cells that exist are visited: a sheet's size is its sender's claim. Formulas are read as the value that the
program stored with them.
"""

import posixpath
import re
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from openpyxl.utils import range_boundaries
from openpyxl.worksheet._reader import WorkSheetParser

from ingestion.parse.archive import parse_xml
from ingestion.parse.document import Reason, Refused
from ingestion.parse.numbers import shown
from ingestion.parse.sheet_styles import Styles

CELLS_MAX = 2_000_000
MERGED_MAX = 20_000
TABLES_MAX = 100
"""Of one sheet with white cells; among more, nothing is taken for hidden by its colour."""
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
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
    unvalued: int = 0

    def column_is_hidden(self, column: int) -> bool:
        return any(column in columns for columns in self.hidden_columns)


def read_sheet(book: Any, sheet: Any, cells_left: int) -> Sheet:
    """Read a sheet of a workbook that was opened `read_only` and `data_only`.

    Raises:
        Refused: more than `cells_left` cells.
    """
    read = Sheet(sheet.title, sheet.sheet_state == "visible")
    styles = Styles(book)
    white: list[tuple[int, int]] = []
    with book._archive.open(sheet._worksheet_path) as source:
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
    # A table's own style may colour the paper, which no cell tells.
    colored = list(_tables(book._archive, sheet._worksheet_path)) if white else []
    for row, column in white if len(colored) <= TABLES_MAX else ():
        if not any(left <= column <= right and top <= row <= bottom for left, top, right, bottom in colored):
            read.invisible.append(read.rows[row].pop(column))
    read.unvalued = parser.unvalued
    read.hidden_rows = {int(number) for number, given in parser.row_dimensions.items() if _hides(given, "ht")}
    read.hidden_columns = [
        range(int(given["min"]), int(given["max"]) + 1)
        for given in parser.column_dimensions.values()
        if _hides(given, "width")
    ]
    _fill_merged(read, parser.merged_cells.mergeCell if parser.merged_cells else [])
    read.comments = list(_comments(book._archive, sheet._worksheet_path))
    return read


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


def _fill_merged(read: Sheet, ranges: list[Any]) -> None:
    """A value that spans rows stands in each of those that hold anything; one that spans columns, in each of its row.

    So a label beside a group of rows, or above a group of columns, goes with all of them.
    """
    if len(ranges) > MERGED_MAX:
        raise Refused(Reason.TOO_MUCH_TEXT, f"more than {MERGED_MAX} merged ranges")
    present = sorted(read.rows)
    filled = 0
    for merged in ranges:
        value = read.rows.get(merged.min_row, {}).get(merged.min_col)
        if value is None:
            continue
        # Only the first row, which names columns, is filled to the right.
        last = min(merged.max_col, merged.min_col + 100) if merged.min_row == present[0] else merged.min_col
        for number in present[bisect_left(present, merged.min_row) : bisect_right(present, merged.max_row)]:
            for column in range(merged.min_col, last + 1):
                read.rows[number].setdefault(column, value)
                filled += 1
            if filled > CELLS_MAX:
                raise Refused(Reason.TOO_MUCH_TEXT, f"more than {CELLS_MAX} cells")


def _tables(archive: zipfile.ZipFile, sheet: str) -> Iterator[tuple[int, int, int, int]]:
    """The first column and row, and the last, of each table on a sheet."""
    for root in _related(archive, sheet, "/table"):
        bounds = range_boundaries(str(root.get("ref", "")))
        if None not in bounds:
            yield bounds


def _comments(archive: zipfile.ZipFile, sheet: str) -> Iterator[str]:
    for root in _related(archive, sheet, "/comments", "/threadedComment"):
        for comment in root.iter("{*}comment", "{*}threadedComment"):
            yield "".join(str(one.text or "") for one in comment.iter("{*}t", "{*}text"))


def _related(archive: zipfile.ZipFile, sheet: str, *kinds: str) -> Iterator[etree._Element]:
    """The parts of a sheet that are of these kinds."""
    folder, name = posixpath.split(sheet)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    if relations not in archive.namelist():
        return
    for relation in parse_xml(archive.read(relations)).iter(_RELATIONS):
        if not relation.get("Type", "").endswith(kinds):
            continue
        target = posixpath.normpath(posixpath.join(folder, relation.get("Target", ""))).lstrip("/")
        if target in archive.namelist():
            yield parse_xml(archive.read(target))
