"""PDF pages with markers: whether what is drawn between them stands between them, too.

A page with markers is read in the order it is drawn in; its author sees places. What only its place puts into a section
is as strict as all sections of the document. Where places do not tell what is meant, the document is refused.
"""

import ctypes
import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.document import Reason, Refused
from ingestion.parse.pdf_glyphs import around, characters, height_at, tight
from ingestion.parse.pdf_layout import Region, is_laid_out, regions
from ingestion.parse.pdf_lines import Run

RUNS_MAX = 5_000
MARKERS_MAX = 500
SAME_LINE = 0.3
"""Of a marker's height: what stands nearer to it, up or down, is neither before nor after it."""
_LEVEL = 0.99
"""Cosine of the angle between two lines that are read from one side."""
_RUN = re.compile(r"<(\d+)>")
_COLUMN_CHARS = 40
"""As many as tell columns of text from those of tables: tables are read by columns as well, to be sure."""


@dataclass(frozen=True, slots=True)
class _Marker:
    """`start` and `end` are indices on the text page; `before` and `after` bound its place on the way down the page."""

    start: int
    end: int
    closes: bool
    before: float
    after: float


class _Page:
    """`depths`: how many sections are open before the first marker, and after each."""

    def __init__(self, markers: Sequence[_Marker], depths: Sequence[int], angle: float) -> None:
        self.markers = markers
        self.depths = depths
        self._angle = angle
        self._starts = [marker.start for marker in markers]
        self._after = [marker.after for marker in markers]

    def part_at(self, x: float, y: float) -> int:
        """The number of markers above; -1 for beside one of them."""
        down = _down(x, y, self._angle)
        above = bisect_left(self._after, down)
        beside = above < len(self.markers) and self.markers[above].before <= down
        return -1 if beside else above

    def part_of(self, index: int) -> int:
        """The number of markers drawn before this character."""
        return bisect_left(self._starts, index)

    def agree(self, drawn: int, placed: int) -> bool:
        return drawn == placed or (placed >= 0 and self.depths[drawn] == self.depths[placed] == 0)

    def is_of_marker(self, first: int, last: int) -> bool:
        """Whether one of them has some of these characters."""
        part = max(self.part_of(first) - 1, 0)
        return any(one.start <= last and first <= one.end for one in self.markers[part : part + 2])


class Sections:
    """Those of one document that are open, from page to page."""

    def __init__(self) -> None:
        self._open = 0

    def lines(
        self, text: pypdfium2.PdfTextPage, unseen: frozenset[int], looks_like: re.Pattern[str]
    ) -> list[tuple[str, bool]]:
        """The page with markers in the order it is drawn in, and whether each stretch of lines is `beside`.

        Raises:
            Refused: bad_marker.
        """
        chars = characters(text)
        shown = [index for index in range(len(chars)) if index not in unseen]
        page = self._page(text, chars, shown, looks_like)
        self._open = page.depths[-1]
        _check_columns(text, page)
        tagged = [(line, _is_beside(text, chars, line, page)) for line in _lines(chars, shown)]
        return [
            ("\n".join("".join(chars[index] for index in line) for line, _ in group), beside)
            for beside, group in groupby(tagged, key=lambda one: one[1])
        ]

    def _page(self, text: pypdfium2.PdfTextPage, chars: str, shown: list[int], looks_like: re.Pattern[str]) -> _Page:
        whole = "".join(chars[index] for index in shown)
        found = list(looks_like.finditer(whole))
        if not 0 < len(found) <= MARKERS_MAX:
            raise Refused(Reason.BAD_MARKER, f"more than {MARKERS_MAX} on a page" if found else "in pieces")
        starts = [*(one.start() for one in found), len(whole)]
        angle = _angle(text, shown[starts[0]])
        markers: list[_Marker] = []
        depths = [self._open]
        for one, (start, limit) in zip(found, pairwise(starts), strict=True):
            end = max(whole.find("]", start, limit), one.end() - 1)
            markers.append(_marker(text, shown[start], shown[end], "/" in one.group(), angle))
            depths.append(max(0, depths[-1] + (-1 if markers[-1].closes else 1)))
            if math.cos(_angle(text, shown[start]) - angle) < _LEVEL:
                raise Refused(Reason.BAD_MARKER, "markers that are turned differently")
        if any(second.before <= first.after for first, second in pairwise(markers)):
            raise Refused(Reason.BAD_MARKER, "markers that are not drawn in the order they stand in")
        return _Page(markers, depths, angle)


def _marker(text: pypdfium2.PdfTextPage, start: int, end: int, closes: bool, angle: float) -> _Marker:
    room = SAME_LINE * height_at(text, start)
    first, last = _down(*_origin(text, start), angle), _down(*_origin(text, end), angle)
    return _Marker(start, end, closes, min(first, last) - room, max(first, last) + room)


def _lines(chars: str, shown: list[int]) -> Iterator[list[int]]:
    line: list[int] = []
    for index in shown:
        if chars[index] == "\n":
            yield line
            line = []
        else:
            line.append(index)
    yield line


def _is_beside(text: pypdfium2.PdfTextPage, chars: str, line: list[int], page: _Page) -> bool:
    glyphs = [index for index in line if not chars[index].isspace() and not _is_made_up(text, index)]
    if not glyphs or page.is_of_marker(glyphs[0], glyphs[-1]):
        return False
    drawn = page.part_of(glyphs[0])
    return not all(page.agree(drawn, page.part_at(*_origin(text, index))) for index in glyphs)


def _check_columns(text: pypdfium2.PdfTextPage, page: _Page) -> None:
    """
    Raises:
        Refused: bad_marker, where to read by columns puts something into a section that nothing else puts there.
    """
    count = text.count_rects()
    if count > RUNS_MAX:
        raise Refused(Reason.BAD_MARKER, "on a page of too many pieces to tell what stands between markers")
    runs = [Run(*text.get_rect(index)) for index in range(count)]
    if not is_laid_out(runs):
        return
    found = regions([replace(run, text=f"<{index}>".ljust(_COLUMN_CHARS)) for index, run in enumerate(runs)])
    number = {run: part for part, run in enumerate(_runs_of(text, page, runs), 1)}
    parts = sorted(number)
    reached = 0
    for index in _numbers(found):
        if index in number:
            if number[index] != reached + 1:
                raise Refused(Reason.BAD_MARKER, "markers that do not stand in the order of columns")
            reached = number[index]
            continue
        drawn = bisect_left(parts, index)
        if page.depths[reached] and not page.agree(drawn, reached) and not page.depths[drawn]:
            left, bottom, right, top = runs[index].left, runs[index].bottom, runs[index].right, runs[index].top
            placed = page.part_at((left + right) / 2, (bottom + top) / 2)
            if placed >= 0 and not page.depths[placed]:
                raise Refused(Reason.BAD_MARKER, "a section that goes from column to column")


def _runs_of(text: pypdfium2.PdfTextPage, page: _Page, runs: list[Run]) -> Iterator[int]:
    """The run that each marker begins in."""
    for marker in page.markers:
        left, bottom, right, top = around([tight(text, marker.start)])
        x, y = (left + right) / 2, (bottom + top) / 2
        at = (n for n, run in enumerate(runs) if run.left <= x <= run.right and run.bottom <= y <= run.top)
        run = next(at, None)
        if run is None:
            raise Refused(Reason.BAD_MARKER, "that has no place")
        yield run


def _numbers(found: list[Region]) -> Iterator[int]:
    for region in found:
        for said in (*region.lines, *(cell for row in region.rows for cell in row)):
            yield from (int(one) for one in _RUN.findall(said))


def _down(x: float, y: float, angle: float) -> float:
    """How far down the page a point is, for those who hold it so that lines of this angle are level."""
    return -x * math.sin(angle) - y * math.cos(angle)


def _angle(text: pypdfium2.PdfTextPage, index: int) -> float:
    """Clockwise."""
    return float(pdfium.FPDFText_GetCharAngle(text.raw, index))


def _origin(text: pypdfium2.PdfTextPage, index: int) -> tuple[float, float]:
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(text.raw, index, x, y)
    return x.value, y.value


def _is_made_up(text: pypdfium2.PdfTextPage, index: int) -> bool:
    return bool(pdfium.FPDFText_IsGenerated(text.raw, index) == 1)
