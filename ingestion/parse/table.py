"""CSV: each row a block of `Column: value; ...`, so that personal data is found by the name of its field."""

import csv
import io

from ingestion.parse.document import Extracted, Reason, Refused
from ingestion.parse.pieces import Pieces
from ingestion.parse.plain import decode

COLUMNS_MAX = 1_000
_DELIMITERS = ",;\t|"


def extract(data: bytes, chars_max: int) -> Extracted:
    text = decode(data)
    csv.field_size_limit(chars_max + 1)
    pieces = Pieces(chars_max)
    names: list[str] = []
    rows = 0
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)):
        if len(cells) > COLUMNS_MAX:
            raise Refused(Reason.BROKEN, f"a row has more than {COLUMNS_MAX} columns")
        if not any(cell.strip() for cell in cells):
            continue
        if not names and not _is_marker(cells):
            names = cells
            continue
        pieces.row(names, cells)
        rows += not _is_marker(cells)
    if names and not rows:
        pieces.add("; ".join(name for name in names if name.strip()))
    return pieces.done("text/csv")


def _is_marker(cells: list[str]) -> bool:
    return cells[0].strip().startswith(("[ringfence", "[/ringfence"))


def _delimiter(text: str) -> str:
    """The delimiter that stands most often, and equally often, in the first lines."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip() and not line.startswith("[")]

    def score(mark: str) -> tuple[bool, int]:
        counts = [line.count(mark) for line in lines]
        return (bool(counts) and min(counts) == max(counts) > 0, sum(counts))

    return max(_DELIMITERS, key=score)
