"""A directory: people or customers of a tenant from a CSV file, kept as keyed digests of the forms of their values.

The file is somebody's export and may hold anything. A row that cannot be read is reported by its line and the reason,
never its content, and stops no other.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from rag.errors import Misuse
from rag.privacy.configuration import checked_entity
from rag.privacy.directory_forms import forms_digest, packed
from rag.privacy.known_values import Unusable, forms_of

LINE_BYTES_MAX = 64 * 1024
ROW_LINES_MAX = 8
"""Lines that one row may have: addresses come with line breaks inside of quotes."""
ROWS_MAX = 1_000_000
BROKEN_MAX = 1000
"""Broken rows that are listed one by one; the others are counted."""
_FORMULA = re.compile(r"[=@\t\r]|[+-](?=[^\d(\s])")
IsErased = Callable[[str, str], bool]
"""Whether a value of an entity was erased."""
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row of which something was not taken. `line` counts from 1, the header included."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Directory:
    """What was read: forms with their entities, ready to be stored."""

    entities: Mapping[str, int]
    """Number of different values by entity."""
    forms: bytes = field(repr=False)
    rows: int = 0
    broken: tuple[Broken, ...] = ()
    broken_rows: int = 0

    @property
    def digest(self) -> str:
        return forms_digest(self.entities, self.forms)


def parse_columns(columns: Sequence[str]) -> dict[tuple[str, ...], str]:
    """`name=PERSON`, `first_name+last_name=PERSON`, ... as columns and their entity.

    Raises:
        Misuse: not of that form, an unknown entity, or a column named twice.
    """
    wanted: dict[tuple[str, ...], str] = {}
    for column in columns:
        names, _, entity = column.rpartition("=")
        parts = tuple(part.strip().casefold() for part in names.split("+"))
        if not all(parts) or parts in wanted:
            raise Misuse(f"Write --column as NAME=ENTITY or FIRST+LAST=ENTITY, each once; {column[:60]!r} is not that.")
        try:
            wanted[parts] = checked_entity(entity)
        except ValueError as cause:
            raise Misuse(f"The entity of a column is not known: {cause}.") from None
    if not wanted:
        raise Misuse("Say with --column which columns to take, for example --column name=PERSON.")
    return wanted


def read_directory(
    file: BinaryIO,
    columns: Mapping[tuple[str, ...], str],
    key: bytes,
    observe: Callable[[int], None] = lambda rows: None,
    erased: IsErased = lambda entity, value: False,
) -> Directory:
    """Read a CSV file. Memory grows with the values, never with the length of a line. What is `erased` is not taken.

    Raises:
        Misuse: a column is not in the header, or no value at all could be taken.
    """
    reading = _Reading(columns, key, erased)
    lines = _lines(file)
    reading.header(next(lines, None))
    for row in _rows(lines, reading.delimiter):
        reading.take(row)
        if reading.rows % 1000 == 0:
            observe(reading.rows)
        if reading.rows >= ROWS_MAX:
            reading.complain(row.line, f"the file has more than {ROWS_MAX} rows; the rest was not read")
            break
    if not reading.values:
        first = f" Line {reading.broken[0].line}: {reading.broken[0].reason}." if reading.broken else ""
        raise Misuse(f"The file holds no value that can be taken; nothing was changed.{first}", code="empty_directory")
    return reading.directory()


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Sequence[str] = field(repr=False)
    fault: str = ""


def _lines(file: BinaryIO) -> Iterator[_Line]:
    number = 0
    while raw := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(raw) > LINE_BYTES_MAX:
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(LINE_BYTES_MAX)
            yield _Line(number, "", f"longer than {LINE_BYTES_MAX} bytes")
        elif b"\0" in raw:
            yield _Line(number, "", "it holds NUL characters")
        else:
            try:
                yield _Line(number, raw.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError:
                yield _Line(number, "", "it is not UTF-8")


def _rows(lines: Iterator[_Line], delimiter: str) -> Iterator[_Row]:
    """Rows; a quote that nobody closes spoils its own line only."""
    waiting: list[_Line] = []
    while True:
        line = waiting.pop(0) if waiting else next(lines, None)
        if line is None:
            return
        if line.fault or not line.text.strip():
            if line.fault:
                yield _Row(line.number, (), line.fault)
            continue
        held = [line]
        cells = _cells(line.text, delimiter)
        while cells is None and len(held) < ROW_LINES_MAX:
            following = waiting.pop(0) if waiting else next(lines, None)
            if following is None:
                break
            held.append(following)
            if following.fault:
                break
            cells = _cells("".join(one.text for one in held), delimiter)
        if cells is None:
            waiting = held[1:] + waiting
            yield _Row(line.number, (), "a quote is not closed, or something stands behind a closing one")
        else:
            yield _Row(line.number, cells)


def _cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of a row; None where its quotes do not fit."""
    try:
        found = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 else None


class _Reading:
    """What has been read so far."""

    def __init__(self, columns: Mapping[tuple[str, ...], str], key: bytes, erased: IsErased) -> None:
        self._wanted = columns
        self._key = key
        self._places: list[tuple[tuple[int, ...], str]] = []
        self._entities = sorted(set(columns.values()))
        self._erased = erased
        self.delimiter = ","
        self.values: set[tuple[str, bytes]] = set()
        self._forms: set[bytes] = set()
        self.broken: list[Broken] = []
        self._broken_rows = 0
        self.rows = 0

    def header(self, line: _Line | None) -> None:
        names = {name for parts in self._wanted for name in parts}
        for delimiter in _DELIMITERS if line is not None and not line.fault else ():
            cells = [cell.strip().casefold() for cell in _cells(line.text if line else "", delimiter) or []]
            if names <= set(cells):
                self.delimiter = delimiter
                self._places = [
                    (tuple(cells.index(part) for part in parts), entity) for parts, entity in self._wanted.items()
                ]
                return
        # The header is not repeated: a file without one has somebody's values there.
        raise Misuse(
            f"The first line of the file does not name all of the columns {', '.join(sorted(names))}. It must be a "
            "header in UTF-8, separated by comma, semicolon, tab or bar.",
            code="no_such_column",
        )

    def take(self, row: _Row) -> None:
        self.rows += 1
        if row.fault:
            self.complain(row.line, row.fault)
            return
        faults = []
        for places, entity in self._places:
            if max(places) >= len(row.cells):
                faults.append(f"it has {len(row.cells)} cells, too few for the column of {entity}")
                continue
            cells = [row.cells[place].strip() for place in places]
            value = " ".join(cell for cell in cells if cell)
            if any(_FORMULA.match(cell) for cell in cells):
                faults.append(f"the {entity} is a formula")
            elif value:
                self._take(value, entity, faults)
        if faults:
            self.complain(row.line, "; ".join(faults))

    def _take(self, value: str, entity: str, faults: list[str]) -> None:
        if self._erased(entity, value):
            faults.append(f"the {entity} was erased")
            return
        try:
            forms = forms_of(self._key, entity, value, variants=True)
        except Unusable as cause:
            faults.append(f"the {entity} is not taken: {cause}")
            return
        self.values.add((entity, forms[0].digest))
        self._forms.update(packed(self._entities, entity, form) for form in forms)

    def complain(self, line: int, reason: str) -> None:
        self._broken_rows += 1
        if len(self.broken) < BROKEN_MAX:
            self.broken.append(Broken(line, reason))

    def directory(self) -> Directory:
        counts = Counter(entity for entity, _ in self.values)
        # All that were asked for, those without a value too: records name entities by their place among these.
        entities = {entity: counts.get(entity, 0) for entity in self._entities}
        return Directory(entities, b"".join(sorted(self._forms)), self.rows, tuple(self.broken), self._broken_rows)
