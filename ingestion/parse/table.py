"""CSV: each row a block of `Column: value; ...`, so that personal data is found by the name of its field."""

import csv
import io

from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.pieces import Names, Pieces
from ingestion.parse.plain import decode

COLUMNS_MAX = 1_000
_DELIMITERS = ",;\t|"


def extract(data: bytes, pieces: Pieces) -> Head:
    text = decode(data)
    csv.field_size_limit(pieces.chars_max + 1)
    said, text = _said_delimiter(text)
    names = Names[list[str]]()
    rows = 0
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter=said or _delimiter(text)):
        if len(cells) > COLUMNS_MAX:
            raise Refused(Reason.BROKEN, f"a row has more than {COLUMNS_MAX} columns")
        if not any(cell.strip() for cell in cells):
            continue
        names.passed(cells)
        if not names.now and not _is_marker(cells):
            names.take(cells, cells)
            continue
        pieces.row(names.now or [], cells)
        rows += not _is_marker(cells)
    if names.now and not rows:
        pieces.add("; ".join(name for name in names.now if name.strip()))
    return Head("text/csv")


def _is_marker(cells: list[str]) -> bool:
    return cells[0].strip().startswith(("[ringfence", "[/ringfence"))


def _said_delimiter(text: str) -> tuple[str, str]:
    """The delimiter that Excel's first line names (`sep=;`), if there is one, and the rest."""
    first, _, rest = text.partition("\n")
    said = first.strip().lower()
    return (said[4], rest) if said.startswith("sep=") and len(said) == 5 else ("", text)


def _delimiter(text: str) -> str:
    """The delimiter that stands most often, and equally often, in the first lines."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip() and not line.startswith("[")]

    def score(mark: str) -> tuple[bool, int]:
        counts = [_outside_quotes(line).count(mark) for line in lines]
        return (bool(counts) and min(counts) == max(counts) > 0, sum(counts))

    return max(_DELIMITERS, key=score)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])
