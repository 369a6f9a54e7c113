"""Reading order of a PDF page: columns one after the other, tables by rows. A PDF itself knows only places.

Standard library only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ingestion.parse.pdf_lines import GOES_ON, Line, Run, before, lines_of
from ingestion.parse.pdf_lists import joined

SPACE = 2.5
"""Lines further apart than so many usual distances belong to different things."""
_NEXT = 1.4
"""Lines of a paragraph are at most so many usual distances apart."""
LINES_MIN = 3
"""Fewer lines beside each other are chance."""
PROSE_CHARS = 25
"""Mean length of a cell from which two cells side by side are columns of text and not of a table."""


@dataclass(frozen=True, slots=True)
class Region:
    """Lines of text, of which an empty one parts paragraphs, or rows of a table."""

    lines: tuple[str, ...] = field(default=(), repr=False)
    rows: tuple[tuple[str, ...], ...] = field(default=(), repr=False)


def is_laid_out(runs: Sequence[Run]) -> bool:
    """Whether enough stands beside each other for order to be a question. Asks for places only, not for text."""
    return sum(len(line) > 1 for line in lines_of(runs)) >= LINES_MIN


def regions(runs: Sequence[Run]) -> list[Region]:
    """The page in reading order; empty where neither columns nor tables are found: then lines as they come will do."""
    found = list(_ordered(lines_of(runs)))
    return found if len(found) > 1 or any(region.rows for region in found) else []


def by_lines(runs: Sequence[Run]) -> Region:
    """The page by what stands on one line, from top to bottom, where it has neither columns nor tables."""
    return _as_text(joined(lines_of(runs)))


def _ordered(lines: list[Line]) -> Iterator[Region]:
    lines = joined(lines)
    gutter = _gutter(lines)
    if gutter is None:
        if lines:
            yield _as_text(lines)
        return
    pitch = _pitch(lines)
    band: list[Line] = []
    plain: list[Line] = []
    for line in lines:
        crossing = any(cell.left < gutter < cell.right for cell in line)
        if band and (crossing or band[-1][0].bottom - line[0].bottom > SPACE * pitch):
            yield from _band(band, plain, gutter)
            band = []
        (plain if crossing else band).append(line)
    yield from _band(band, plain, gutter)
    if len(plain) < len(lines):
        yield from _ordered(plain)
    else:
        yield _as_text(plain)


def _as_text(lines: list[Line]) -> Region:
    texts: list[str] = []
    near = _NEXT * _pitch(lines)
    item: Run | None = None
    for above, line in pairwise([[], *lines]):
        first = line[0]
        text = " ".join([*(before(cell.text) for cell in line[:-1]), line[-1].text])
        if item and not first.begins and _hangs(first, item) and above[0].bottom - first.bottom <= near:
            texts[-1] += f"{GOES_ON}{text}"
            continue
        ends = first.begins or (item is not None and GOES_ON in texts[-1])
        texts += [""] * ends + [text]
        item = first if first.begins else None
    return Region(lines=tuple(texts))


def _hangs(run: Run, item: Run) -> bool:
    """Whether a line begins to the right of an item's number, as the lines of its text do."""
    return run.left - item.left > run.height / 2


def _pitch(lines: list[Line]) -> float:
    """The usual distance from line to line."""
    steps = sorted(above[0].bottom - below[0].bottom for above, below in pairwise(lines))
    return max(steps[len(steps) // 2], 1.0) if steps else 1.0


def _band(band: list[Line], plain: list[Line], gutter: float) -> Iterator[Region]:
    """What stands left and right of the gutter, after the lines before it; empties `plain`."""
    beside = [line for line in band if line[0].right <= gutter <= line[-1].left]
    if len(beside) < LINES_MIN:
        plain.extend(band)
        return
    prose = _is_prose(beside)
    while band[0] not in beside and (prose or len(band[0]) == 1):
        plain.append(band.pop(0))  # a heading or a short line above
    after: list[Line] = []
    edge = min(line[0].right for line in beside)
    # What stands alone in another column than the first goes on with the cell above it.
    while band[-1] not in beside and len(band[-1]) == 1 and band[-1][0].left < edge and not prose:
        after.insert(0, band.pop())
    yield from _ordered(plain)
    plain[:] = after
    if prose:
        yield from _ordered([left for line in band if (left := [cell for cell in line if cell.right <= gutter])])
        yield from _ordered([right for line in band if (right := [cell for cell in line if cell.left >= gutter])])
    else:
        yield Region(rows=_rows(band))


def _is_prose(lines: list[Line]) -> bool:
    lengths = [len(cell.text) for line in lines for cell in line]
    return sum(lengths) / len(lengths) >= PROSE_CHARS and max(map(len, lines)) <= 4


def _gutter(lines: list[Line]) -> float | None:
    """The place that most lines leave free between two cells."""
    gaps = [(one.right, other.left) for line in lines for one, other in pairwise(line)]
    if len(gaps) < LINES_MIN:
        return None
    events = sorted([(left, -1) for left, _ in gaps] + [(right, 1) for _, right in gaps])
    best, at, open_gaps = 0, 0.0, 0
    for number, (place, kind) in enumerate(events):
        open_gaps -= kind
        if open_gaps > best:
            best, at = open_gaps, (place + events[number + 1][0]) / 2
    return at if best >= LINES_MIN else None


def _rows(lines: list[Line]) -> tuple[tuple[str, ...], ...]:
    """Cells by column; a line without a first cell goes on with the row above."""
    columns = _columns(lines)
    rows: list[list[str]] = []
    for line in lines:
        cells = [""] * len(columns)
        for cell in line:
            place = next(number for number, (_, right) in enumerate(columns) if cell.left <= right)
            cells[place] = f"{cells[place]} {cell.text}".strip()
        if rows and not cells[0]:
            rows[-1] = [f"{above} {below}".strip() for above, below in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    return tuple(tuple(row) for row in rows)


def _columns(lines: list[Line]) -> list[tuple[float, float]]:
    """Stretches of the page's width that cells cover, from left to right."""
    columns: list[tuple[float, float]] = []
    for cell in sorted((cell for line in lines for cell in line), key=lambda one: one.left):
        if columns and cell.left <= columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], cell.right))
        else:
            columns.append((cell.left, cell.right))
    return columns
