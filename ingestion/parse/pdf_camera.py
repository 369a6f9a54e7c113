"""Pictures of a PDF page, and where two of them differ: what is drawn and makes no difference shows nothing."""

import math
from dataclasses import dataclass, field
from functools import cache, lru_cache, reduce
from operator import or_, sub

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_budget import Budget
from ingestion.parse.pdf_objects import Box

SCALE = 1.5
"""Pixels of a point: letters are some pixels high, and a picture of A4 has a million of them, drawn in milliseconds."""
SIDE_PX_MAX = 2_000
CONTRAST = 10
"""Of 255, in any colour: white differs from the lightest grey that people see on it by more."""
_BYTES = 3


@cache
def _far_from(level: int) -> bytes:
    """Turns values that contrast with this one into 1 and others into 0."""
    return bytes(abs(level - value) >= CONTRAST for value in range(256))


@lru_cache(maxsize=1)
def _white(count: int) -> bytes:
    return b"\xff" * count


@dataclass(frozen=True, slots=True)
class Shot:
    """Rows of pixels from the top. `stride` is the number of bytes in a row."""

    pixels: bytes = field(repr=False)
    stride: int


class Camera:
    """Takes pictures of a page as it is now, upright as its text is written, whatever way it is turned for reading."""

    def __init__(self, page: pypdfium2.PdfPage, budget: Budget) -> None:
        self._page = page
        self._budget = budget
        self._turned = pdfium.FPDFPage_GetRotation(page.raw) % 4
        self.shown: Box = page.get_bbox()
        left, bottom, right, top = self.shown
        across, up = max(right - left, 1.0), max(top - bottom, 1.0)
        scale = min(SCALE, SIDE_PX_MAX / max(across, up))
        self._width, self._height = math.ceil(across * scale), math.ceil(up * scale)
        self._scale_x, self._scale_y = self._width / across, self._height / up
        self._bitmap = pypdfium2.PdfBitmap.new_native(self._width, self._height, pdfium.FPDFBitmap_BGR)

    def shot(self) -> Shot:
        with self._budget.spending():
            return self._shot()

    def _shot(self) -> Shot:
        self._bitmap.fill_rect((255, 255, 255, 255), 0, 0, self._width, self._height)
        turn_back = (4 - self._turned) % 4
        pdfium.FPDF_RenderPageBitmap(self._bitmap.raw, self._page.raw, 0, 0, self._width, self._height, turn_back, 0)
        return Shot(bytes(self._bitmap.buffer), self._bitmap.stride)

    def paper(self) -> Shot:
        """A page with nothing on it."""
        return Shot(_white(self._bitmap.stride * self._height), self._bitmap.stride)

    def differ(self, one: Shot, other: Shot, box: Box) -> bool:
        """Whether a glyph in the box is to be made out: in its middle, or both above and below that.

        A tail that looks out from under what covers the rest is nothing that one could read.
        """
        left, bottom, right, top = box
        inset = 0.15 * (right - left)
        first, end = self._columns(left + inset, right - inset)
        lines = self._lines(bottom, top)
        edge = len(lines) // 4
        if self._rows(one, other, lines[edge : len(lines) - edge], first, end):
            return True
        return self._rows(one, other, lines[:edge], first, end) and self._rows(
            one, other, lines[len(lines) - edge :], first, end
        )

    def is_uniform(self, shot: Shot, box: Box) -> bool:
        """Whether there is nothing to be made out in the middle of the box."""
        left, bottom, right, top = box
        edge = (top - bottom) / 4
        first, end = self._columns(left, right)
        rows = self._lines(bottom + edge, top - edge)
        pixels = b"".join(shot.pixels[row * shot.stride + first : row * shot.stride + end] for row in rows)
        return all(max(one) - min(one) < CONTRAST for one in (pixels[colour::_BYTES] for colour in range(3)) if one)

    def ink(self, with_text: Shot, bare: Shot, box: Box) -> bytes:
        """A byte for each column of pixels, 0 where no pixel differs; empty where the ground is not of one colour."""
        left, bottom, right, top = box
        first, end = self._columns(left, right)
        rows = [slice(row * bare.stride + first, row * bare.stride + end) for row in self._lines(bottom, top)]
        if first >= end or not rows:
            return b""
        ground = bare.pixels[rows[0].start : rows[0].start + _BYTES]
        plain = ground * ((end - first) // _BYTES)
        marked = 0
        for row in rows:
            if bare.pixels[row] != plain:
                return b""
            pixels = with_text.pixels[row]
            if pixels != plain:
                for colour, level in enumerate(ground):
                    marked |= int.from_bytes(pixels[colour::_BYTES].translate(_far_from(level)))
        return marked.to_bytes((end - first) // _BYTES)

    def pixels(self, box: Box) -> int:
        """Of the picture, within the box."""
        first, end = self._columns(box[0], box[2])
        return max(0, end - first) // _BYTES * len(self._lines(box[1], box[3]))

    def alike(self, one: tuple[Shot, Shot], other: tuple[Shot, Shot], box: Box) -> tuple[int, int]:
        """How many pixels differ within both of two pairs, and how many within either."""
        first, end = self._columns(box[0], box[2])
        both = either = 0
        for row in self._lines(box[1], box[3]) if first < end else ():
            here, there = (_differing(pair, row, first, end) for pair in (one, other))
            both += (here & there).bit_count()
            either += (here | there).bit_count()
        return both, either

    def across(self, points: float) -> int:
        """Pixels of a width."""
        return int(points * self._scale_x + 0.5)

    def _lines(self, bottom: float, top: float) -> range:
        first = max(0, math.floor((self.shown[3] - top) * self._scale_y))
        return range(first, min(self._height, math.ceil((self.shown[3] - bottom) * self._scale_y)))

    def _columns(self, left: float, right: float) -> tuple[int, int]:
        first = max(0, math.floor((left - self.shown[0]) * self._scale_x))
        return _BYTES * first, _BYTES * min(self._width, math.ceil((right - self.shown[0]) * self._scale_x))

    def _rows(self, one: Shot, other: Shot, rows: range, first: int, end: int) -> bool:
        # From the middle, where most glyphs have ink.
        for row in sorted(rows, key=lambda row: abs(row - rows[len(rows) // 2])):
            at = row * one.stride
            here, there = one.pixels[at + first : at + end], other.pixels[at + first : at + end]
            if here != there and max(map(abs, map(sub, here, there))) >= CONTRAST:
                return True
        return False


def _differing(pair: tuple[Shot, Shot], row: int, first: int, end: int) -> int:
    """A bit for each pixel of a row."""
    one, other = (shot.pixels[row * shot.stride + first : row * shot.stride + end] for shot in pair)
    far = bytes(abs(here - there) >= CONTRAST for here, there in zip(one, other, strict=True))
    return reduce(or_, (int.from_bytes(far[colour::_BYTES]) for colour in range(_BYTES)))
