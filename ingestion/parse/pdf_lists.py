"""Lists of a PDF page: a number or bullet that stands apart from its text begins it, and is no cell of a table."""

import re
from collections.abc import Sequence

from ingestion.parse.pdf_lines import Line, Run

_LABEL = re.compile(
    r"[-*o\u2013\u2022\u2023\u2043\u25a0\u25a1\u25aa\u25ab\u25b6\u25ba\u25cb\u25cf\u25e6\u2610-\u2612\u2713\u2714\u27a2]"
    r"|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})(?:\.\d{1,3})*[.)]"
    r"|\d{1,3}(?:\.\d{1,3}){1,4}|\u00a7{1,2} ?\d{1,4}[a-z]?\.?"
)
_LABELLED = re.compile(rf"(?:{_LABEL.pattern})\s")
_LABELS_MIN = 3
_FAR = 6.0
"""An item stands at most so many line heights to the right of its number."""
_NEAR = 4.0
"""What stands so many line heights above a column may be its header."""


def are_apart(whole: str) -> bool:
    """Whether a page's text has labels alone on their lines: they were written before their items, or after."""
    return sum(_LABEL.fullmatch(line.strip()) is not None for line in whole.splitlines()) >= _LABELS_MIN


def is_labelled(text: str) -> bool:
    return _LABELLED.match(text) is not None


def joined(lines: Sequence[Line]) -> list[Line]:
    """These lines, with the label of each item at the beginning of its text.

    Labels close below something else in their place are a column of a table, and stay there. So do those below lines of
    a text that begins higher than they stand: they are in the middle of their rows.
    """
    found: list[Line] = []
    column: Line = []
    kept: list[int] = []
    beside = False
    for line in lines:
        if not _is_item(line):
            beside = bool(column) and line[0].left > column[0].right
            if not beside:
                kept.clear()
                column = line if len(line) > 1 else column
        elif column and _is_above(column, line) and (_is_near(column, line) or (beside and not kept)):
            if kept or not beside:
                kept.append(len(found))
            column, beside = line, False
        else:
            # Texts of several lines between them: those before are items as well.
            for number in kept:
                found[number] = _begun(found[number])
            kept.clear()
            line, column, beside = _begun(line), [], False
        found.append(line)
    return found


def _begun(line: Line) -> Line:
    return [_item(*line[:2]), *line[2:]]


def _is_item(line: Line) -> bool:
    if len(line) < 2 or not _LABEL.fullmatch(line[0].text):
        return False
    return line[1].left - line[0].right <= _FAR * line[1].height


def _is_above(column: Line, line: Line) -> bool:
    """Whether the first cell of a line stands where the label of the other does, beside its text."""
    return line[0].left <= column[0].right < line[1].left


def _is_near(column: Line, line: Line) -> bool:
    return column[0].bottom - line[0].top <= _NEAR * line[0].height


def _item(label: Run, text: Run) -> Run:
    bottom, top = min(label.bottom, text.bottom), max(label.top, text.top)
    return Run(label.left, bottom, text.right, top, f"{label.text} {text.text}", begins=True)
