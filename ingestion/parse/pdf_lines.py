"""Lines of a PDF page, and what stands apart on them. Geometry in points, origin at the bottom left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

GAP = 1.2
"""Cells of a line stand at least this many line heights apart; words of a sentence never do."""
BROKEN = "\x02"
"""At the end of a run's text: its last word goes on in the next line."""
GOES_ON = "\x0b"
"""Between lines of one paragraph, where their places tell that they are."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text on one line."""

    left: float
    bottom: float
    right: float
    top: float
    text: str = field(default="", repr=False)
    begins: bool = False
    """An item of a list, and with it a paragraph."""

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 1.0)


Line = list[Run]
"""Cells from left to right."""


def lines_of(runs: Sequence[Run]) -> list[Line]:
    lines: list[Line] = []
    for run in sorted(runs, key=lambda one: (-(one.top + one.bottom), one.left)):
        if lines and _same_line(lines[-1][0], run):
            lines[-1].append(run)
        else:
            lines.append([run])
    return [_cells(sorted(line, key=lambda run: run.left)) for line in lines]


def _same_line(one: Run, other: Run) -> bool:
    middle = (other.top + other.bottom) / 2
    return one.bottom <= middle <= one.top


def _cells(line: Line) -> Line:
    cells: Line = []
    for run in line:
        if cells and run.left - cells[-1].right < GAP * max(run.height, cells[-1].height):
            last = cells[-1]
            between = " " if run.left - last.right > 0.15 * run.height else ""
            text = before(last.text) + between + run.text
            cells[-1] = Run(
                last.left, min(last.bottom, run.bottom), max(last.right, run.right), max(last.top, run.top), text
            )
        else:
            cells.append(run)
    return cells


def before(text: str) -> str:
    """The text of what stands before something else on its line."""
    return f"{text.removesuffix(BROKEN)}-" if text.endswith(BROKEN) else text
