"""Tables of a Word document: which of their cells are names, as far as the document tells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from lxml import etree

from ingestion.parse.colors import POINTS_MIN
from ingestion.parse.document import DEPTH_MAX, Reason, Refused
from ingestion.parse.table import is_value
from ingestion.parse.word_look import Looks, shading
from ingestion.parse.word_tree import is_on, value, w

_MARKUP = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
WRAPPERS = frozenset(
    (
        *(w(name) for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")),
        *(f"{_MARKUP}{name}" for name in ("AlternateContent", "Choice")),
    )
)
"""What may stand around whole paragraphs, tables, rows and cells."""
_ON = ("1", "true", "on")
_FIRST_ROW, _FIRST_COLUMN = 0x20, 0x80
_HEADER_ROWS_MAX = 5
GRID_MAX = 2_000_000
"""Places in the tables of one document: a cell says itself over how many columns it spans."""
_TWIPS_MIN = 20 * POINTS_MIN


class Named(Enum):
    """What names the values of a table."""

    BY_ROWS = "the first row of several cells"
    BY_MARKED_ROWS = "the rows that are repeated on each page"
    BY_COLUMN = "the first cell of each row"


@dataclass(slots=True)
class Row:
    """`texts` by column: a cell that spans rows stands in each, one that spans columns in its first.

    `apart` is what is to be read after the row.
    """

    texts: list[str] = field(repr=False)
    spans: list[int]
    marked: bool = False
    apart: list[etree._Element] = field(default_factory=list, repr=False)


def within(element: etree._Element, *wanted: str) -> Iterator[etree._Element]:
    """The children with these tags, in order, also those in content controls and tracked insertions."""
    stack = [(child, 0) for child in reversed(element)]
    while stack:
        child, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP)
        if child.tag in wanted:
            yield child
        elif child.tag in WRAPPERS:
            stack.extend((one, depth + 1) for one in reversed(child))


def is_repeated(row: etree._Element) -> bool:
    """Whether it is repeated on each page, as only headers are."""
    return is_on(row.find(f"{w('trPr')}/{w('tblHeader')}"))


def is_deleted(row: etree._Element) -> bool:
    """Whether it was deleted with change tracking on."""
    return row.find(f"{w('trPr')}/{w('del')}") is not None


def is_unseen(row: etree._Element) -> bool:
    """Whether it is hidden by name, or too low to be seen. An exact height of nothing is none: Word shows the row."""
    height = row.find(f"{w('trPr')}/{w('trHeight')}")
    low = height is not None and height.get(w("hRule")) == "exact" and 0 < _whole(value(height)) < _TWIPS_MIN
    return low or is_on(row.find(f"{w('trPr')}/{w('hidden')}"))


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else 0


def span(cell: etree._Element) -> int:
    given = cell.find(f"{w('tcPr')}/{w('gridSpan')}")
    width = "1" if given is None else str(given.get(w("val"), "1"))
    return min(max(int(width), 1), 63)


def goes_on(cell: etree._Element) -> bool:
    """Whether it belongs to the cell above it."""
    merge = cell.find(f"{w('tcPr')}/{w('vMerge')}")
    return merge is not None and merge.get(w("val"), "continue") != "restart"


def named(table: etree._Element, rows: list[Row], looks: Looks) -> Named:
    marked = sum(1 for row in rows if row.marked)
    if 0 < marked < len(rows) and marked <= _HEADER_ROWS_MAX and all(row.marked for row in rows[:marked]):
        return Named.BY_MARKED_ROWS
    width = max((len(row.texts) for row in rows), default=0)
    if width < 2 or _stands_out(table, looks):
        return Named.BY_ROWS
    if width == 2:
        says_row = _says(table, looks, "firstRow", _FIRST_ROW)
        return Named.BY_ROWS if says_row and not _are_pairs(table, rows, looks) else Named.BY_COLUMN
    by_column = _says(table, looks, "firstColumn", _FIRST_COLUMN) and not _says(table, looks, "firstRow", _FIRST_ROW)
    return Named.BY_COLUMN if by_column and looks.formats(table, "firstCol") is not None else Named.BY_ROWS


def joined(rows: list[Row]) -> dict[int, str]:
    """The names that several rows give together, from above to below."""
    found: dict[int, list[str]] = {}
    for row in rows:
        for column, text in enumerate(row.texts):
            for below in range(column, column + (row.spans[column] if text.strip() else 1)):
                if text.strip() and text not in found.setdefault(below, []):
                    found[below].append(text)
    return {column: " ".join(texts) for column, texts in sorted(found.items())}


def _says(table: etree._Element, looks: Looks, part: str, bit: int) -> bool:
    """Whether the table says that a part of it is of another kind.

    Word says it of every new table: where it names a style that makes no difference, nothing is said by it.
    """
    look = table.find(f"{w('tblPr')}/{w('tblLook')}")
    if look is None:
        return False
    stated = look.get(w(part))
    bits = str(look.get(w("val"), "0"))
    says = stated in _ON if stated is not None else bool(int(bits, 16) & bit)
    return says and looks.formats(table, part.replace("Column", "Col")) is not False


def _stands_out(table: etree._Element, looks: Looks) -> bool:
    """Whether the first row, and not the second, is bold or coloured throughout."""
    rows = [list(within(row, w("tc"))) for row, _ in zip(within(table, w("tr")), range(2), strict=False)]
    if len(rows) < 2 or not all(rows):
        return False
    first, second = ([_marked(cell, looks) for cell in cells] for cells in rows)
    return all(first) and not any(second)


def _are_pairs(table: etree._Element, rows: list[Row], looks: Looks) -> bool:
    """Whether rows of two cells look like names with their values, although the table says nothing of the kind."""
    keys = [row.texts[0].strip() for row in rows if len(row.texts) == 2 and row.texts[0].strip()]
    first = next((row.texts for row in rows if len(row.texts) == 2), ["", ""])
    if is_value(first[1]) or sum(key.endswith(":") for key in keys) * 2 > len(keys):
        return True
    bold = [
        [_marked(cell, looks) for cell in within(row, w("tc"))]
        for row, _ in zip(within(table, w("tr")), range(3), strict=False)
    ]
    return len(bold) > 1 and all(len(cells) == 2 and cells[0] and not cells[1] for cells in bold)


def _marked(cell: etree._Element, looks: Looks) -> bool:
    """Whether all the text of a cell is bold, or the cell is coloured."""
    if shading(cell.find(f"{w('tcPr')}/{w('shd')}")) not in (None, "FFFFFF", "ffffff"):
        return True
    runs = [run for run in cell.iter(w("r")) if run.find(w("t")) is not None]
    return bool(runs) and all(looks.look(run).bold for run in runs)
