"""Switching off what draws a PDF page, to see what is missing then."""

import ctypes
import math
from collections.abc import Iterable

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_glyphs import Stretch
from ingestion.parse.pdf_objects import Box, Objects, Placed, key

GROUPS_MAX = 8
"""Times that a page is drawn without some of its text; text over text over text needs more."""
CELLS_MAX = 2_000_000
_CELL_PT = 2.5


def apart(stretches: Iterable[Stretch]) -> tuple[list[list[Stretch]], list[Stretch]]:
    """Groups within which nothing stands over the other, and what would need more of them than may be.

    What is missing with a group from where one of it stands is then its own.
    """
    groups: list[list[Stretch]] = []
    taken: list[set[tuple[int, int]]] = []
    too_many: list[Stretch] = []
    left = CELLS_MAX
    for stretch in stretches:
        left -= sum(_count(glyph.box) for glyph in stretch.glyphs)
        cells = set() if left < 0 else {cell for glyph in stretch.glyphs for cell in _cells(glyph.box)}
        free = next((number for number, others in enumerate(taken) if others.isdisjoint(cells)), len(groups))
        if left < 0 or free == GROUPS_MAX:
            too_many.append(stretch)
            continue
        if free == len(groups):
            groups.append([])
            taken.append(set())
        groups[free].append(stretch)
        taken[free] |= cells
    return groups, too_many


def _spans(box: Box) -> tuple[range, range]:
    left, bottom, right, top = box
    across, up = 0.15 * (right - left), 0.15 * (top - bottom)
    return (
        range(math.floor((left + across) / _CELL_PT), math.ceil((right - across) / _CELL_PT)),
        range(math.floor((bottom + up) / _CELL_PT), math.ceil((top - up) / _CELL_PT)),
    )


def _count(box: Box) -> int:
    across, up = _spans(box)
    return len(across) * len(up)


def _cells(box: Box) -> Iterable[tuple[int, int]]:
    across, up = _spans(box)
    return ((x, y) for x in across for y in up)


class Switches:
    """What is on and off of a page. What is off is left out of pictures, as if it were not there."""

    def __init__(self, page: pypdfium2.PdfPage, drawn: Objects) -> None:
        self._page = page
        self._drawn = drawn
        self._bars: dict[int, pdfium.FPDF_PAGEOBJECT] = {}

    def set_text(self, stretch: Stretch, *, on: bool) -> None:
        pdfium.FPDFPageObj_SetIsActive(stretch.handle, on)
        bar = self._bars.get(key(stretch.handle))
        if bar is not None:
            pdfium.FPDFPageObj_SetIsActive(bar, on)

    @staticmethod
    def set_all(placed: Iterable[Placed], *, on: bool) -> None:
        for one in placed:
            pdfium.FPDFPageObj_SetIsActive(one.handle, on)

    def stand_in(self, blank: Iterable[Stretch]) -> None:
        """Draw bars of its colour in the place of text for which the engine has no glyphs, while readers have."""
        tops = {key(one.handle): one.top for one in self._drawn.texts}
        wanted = [(tops[name], name, one) for one in blank if (name := key(one.handle)) in tops]
        # From the last: each moves those after it.
        for top, name, stretch in sorted(wanted, key=lambda one: one[0], reverse=True):
            left, bottom, right, upper = stretch.box
            bar = pdfium.FPDFPageObj_CreateNewRect(left, bottom, right - left, upper - bottom)
            colour = [ctypes.c_uint() for _ in range(4)]
            pdfium.FPDFPageObj_GetFillColor(stretch.handle, *colour)
            pdfium.FPDFPageObj_SetFillColor(bar, *(part.value for part in colour))
            pdfium.FPDFPath_SetDrawMode(bar, pdfium.FPDF_FILLMODE_WINDING, False)
            pdfium.FPDFPage_InsertObjectAtIndex(self._page.raw, bar, top + 1)
            self._bars[name] = bar
