"""CSV, and what tells the names of columns from values."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain, islice, takewhile

from ingestion.parse.cleaning import MARKER, one_line
from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.naming import NamedRows
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode

COLUMNS_MAX = 1_000
_DELIMITERS = ",;\t|"
_LOOKED_AT = 60
"""Rows at the top among which the one that names the columns is looked for."""
_VALUE = re.compile(r"[^\w]*\d[\d.,:/\s'%€$£-]*\D{0,4}")


def is_value(text: str) -> bool:
    """Whether it looks like a number, a date or an amount, and not like the name of a column. A year may be either."""
    text = text.strip()
    return not re.fullmatch(r"(?:19|20)\d\d", text) and _VALUE.fullmatch(text) is not None


def names_columns(cells: Mapping[int, str], below: Mapping[int, str]) -> bool:
    """Whether a row of words stands above one that is of another pattern, as a header does above its first record."""
    filled = {column: text for column, text in cells.items() if text.strip()}
    if any(is_value(text) for text in filled.values()):
        return False
    return any(is_value(below.get(column, "")) for column in filled)


def extract(data: bytes, pieces: Pieces) -> Head:
    said, text = _said_delimiter(decode(data))
    return _read(text, said or _delimiter(text), pieces)


def extract_tabbed(data: bytes, pieces: Pieces) -> Head:
    """What its name says is separated by tabs: there, a comma is one of a text. Without any tab, names lie."""
    text = decode(data)
    return _read(text, "\t", pieces) if "\t" in text else extract(data, pieces)


def _read(text: str, delimiter: str, pieces: Pieces) -> Head:
    csv.field_size_limit(pieces.chars_max + 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    first = list(islice(reader, _LOOKED_AT))
    before = _preamble(first)
    rows = NamedRows(pieces)
    for number, cells in enumerate(chain(first, reader)):
        if len(cells) > COLUMNS_MAX:
            raise Refused(Reason.BROKEN, f"a row has more than {COLUMNS_MAX} columns")
        if not any(cell.strip() for cell in cells):
            continue
        rows.passed(cells)
        by_column = dict(enumerate(cells))
        if number < before:
            rows.text(by_column)
        elif rows.names is None and not _is_marker(cells):
            rows.name(by_column)
        else:
            rows.row(by_column)
    rows.end()
    return Head("text/csv")


def _preamble(rows: list[list[str]]) -> int:
    """How many rows stand above the one that names the columns: what an export says about itself, and empty ones.

    They are narrower than the table. One of two cells may be a header that is shorter than its rows: it is taken for a
    preamble only where the first row of full width looks like a header too, or an empty row stands between.
    """
    widths = [0 if _is_marker(cells) else _width(cells) for cells in rows]
    if any(_is_marker(cells) for cells in rows[:1]) or not any(widths):
        return 0
    usual = Counter(width for width in widths if width).most_common(1)[0][0]
    above = list(takewhile(lambda width: width < min(usual, 3), widths))
    number = len(above)
    if number in (0, len(rows)) or not any(above) or widths[number] < usual:
        return 0
    if any(_is_marker(cells) for cells in rows[:number]):
        return 0
    below = next((cells for cells in rows[number + 1 :] if _width(cells)), [])
    looks_like_names = names_columns(dict(enumerate(rows[number])), dict(enumerate(below)))
    alone = all(len(cells) < 2 for cells in rows[:number])
    return number if alone or 0 in above or looks_like_names else 0


def _width(cells: list[str]) -> int:
    """Without the empty cells at its end, which programs add to make all rows equally wide."""
    return max((number for number, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _is_marker(cells: list[str]) -> bool:
    return bool(cells) and MARKER.match(one_line(cells[0])) is not None


def _said_delimiter(text: str) -> tuple[str, str]:
    """The delimiter that Excel's first line names (`sep=;`), if there is one, and the rest."""
    first, _, rest = text.partition("\n")
    said = first.strip().lower()
    return (said[4], rest) if said.startswith("sep=") and len(said) == 5 else ("", text)


def _delimiter(text: str) -> str:
    """The delimiter that stands equally often in the first lines, or in most of them."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip() and not line.startswith("[")]

    def score(mark: str) -> tuple[bool, int, int]:
        counts = [_outside_quotes(line).count(mark) for line in lines]
        alike = Counter(count for count in counts if count)
        return (bool(counts) and min(counts) == max(counts) > 0, max(alike.values(), default=0), sum(counts))

    return max(_DELIMITERS, key=score)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])
