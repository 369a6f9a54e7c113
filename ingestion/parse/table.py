"""Rows as `Column: value; ...`, so that personal data is found by the name of its field; and CSV, which is rows."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice, takewhile

from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.pieces import Names, Pieces, one_line
from ingestion.parse.plain import decode

COLUMNS_MAX = 1_000
NAME_CHARS_MAX = 100
"""Of a column's name beside each of its values: a paragraph that stands in a first row names nothing."""
_DELIMITERS = ",;\t|"
_LOOKED_AT = 60
"""Rows at the top among which the one that names the columns is looked for."""
_VALUE = re.compile(r"[^\w]*\d[\d.,:/\s'%€$£-]*\D{0,4}")


@dataclass(slots=True)
class _Header:
    texts: Mapping[int, str] = field(repr=False)
    names: Mapping[int, str] = field(repr=False)
    said: bool = False


class NamedRows:
    """Rows of one table as they come, by column from 0. A row that named nothing below it is text of its own."""

    def __init__(
        self, pieces: Pieces, *, page: int | None = None, unnamed: Callable[[int], str] = lambda column: str(column + 1)
    ) -> None:
        """`unnamed` is what a column without a name is called, after `Column`."""
        self._pieces = pieces
        self._page = page
        self._unnamed = unnamed
        self._names = Names[_Header]()

    @property
    def names(self) -> Mapping[int, str] | None:
        """What names the columns now."""
        return self._names.now.names if self._names.now else None

    def passed(self, cells: Iterable[str]) -> None:
        """Take note of a row before anything is done with it; see `Names.passed`."""
        before = self._names.now
        self._names.passed(cells)
        if before is not self._names.now:
            self._say(before)  # still inside the section that it was read in

    def name(self, cells: Mapping[int, str]) -> None:
        """Let a row name the columns of those below it, in place of what named them.

        Raises:
            Refused: bad_marker.
        """
        self._say(self._names.now)
        texts = {column: text for column, text in cells.items() if text.strip()}
        names = {column: _cut(text) for column, text in texts.items()}
        header = _Header(texts, names)
        self._names.take(header, texts.values())
        if any(len(text) > NAME_CHARS_MAX for text in texts.values()):
            self._say(header)

    def row(self, cells: Mapping[int, str]) -> None:
        header = self._names.now
        names: Mapping[int, str] = header.names if header else {}
        if header and not _holds_no_record(cells.values()):
            header.said = True
        self._pieces.fields(
            ((names.get(column) or f"Column {self._unnamed(column)}", text) for column, text in cells.items()),
            page=self._page,
        )

    def labelled(self, cells: Mapping[int, str]) -> None:
        """A row whose first cell says what the others are."""
        filled = [text for _, text in sorted(cells.items()) if text.strip()]
        # A cell that holds a pair of its own says nothing about the others.
        if len(filled) > 1 and cells.get(0, "").strip() and ": " not in filled[0].strip():
            self._pieces.fields([(filled[0], "; ".join(filled[1:]))], page=self._page)
        else:
            self.text(cells)

    def text(self, cells: Mapping[int, str]) -> None:
        """A row that is no record: a title, a remark, a pair."""
        self._pieces.add("; ".join(text.strip() for text in cells.values() if text.strip()), page=self._page)

    def end(self) -> None:
        self._say(self._names.now)

    def _say(self, header: _Header | None) -> None:
        if header and not header.said:
            self.text(header.texts)
            header.said = True


def _holds_no_record(cells: Iterable[str]) -> bool:
    """Whether a row is empty, or a marker and nothing else."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return not filled or (len(filled) == 1 and _is_marker(filled))


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


def _cut(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= NAME_CHARS_MAX else name[:NAME_CHARS_MAX].rstrip() + "…"


def extract(data: bytes, pieces: Pieces) -> Head:
    text = decode(data)
    csv.field_size_limit(pieces.chars_max + 1)
    said, text = _said_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=said or _delimiter(text))
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
    return bool(cells) and cells[0].strip().startswith(("[ringfence", "[/ringfence"))


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
