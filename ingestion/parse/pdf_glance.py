"""A first look at a PDF page by its lines, which clears most of them: asking for each character is what costs."""

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_objects import Box
from ingestion.parse.pdf_camera import Camera, Shot
from ingestion.parse.pdf_scan import Scan

LINES_MAX = 3_000
"""Stretches of text; a page with more is looked at by characters."""
SMALL_PT = 2.5
GAP = 0.75
"""Of a line's height: two letters that are missing leave more, or one between spaces; a space alone leaves less."""
GAP_AT_END = 0.35
UPRIGHT = 1.5
"""Higher than so many times its width, a line may be one that is turned."""


def lines(text: pypdfium2.PdfTextPage) -> list[Box] | None:
    """Stretches of text; None where some stand over others, or where there are too many to tell."""
    count = text.count_rects()
    if count > LINES_MAX:
        return None
    found = [text.get_rect(index) for index in range(count)]
    return None if _meet(found) else found


def doubtful(
    text: pypdfium2.PdfTextPage, found: list[Box], scan: Scan, camera: Camera, with_text: Shot, bare: Shot
) -> set[int] | None:
    """The characters of those lines that cannot be cleared at a glance; None for all that there are."""
    indices: set[int] = set()
    for line in found:
        if scan.has_image_near(line) or not _is_clear(line, camera, with_text, bare):
            of_line = _indices(text, line)
            if of_line is None:
                return None
            indices.update(of_line)
    return indices


def _is_clear(line: Box, camera: Camera, with_text: Shot, bare: Shot) -> bool:
    """Whether ink on one colour goes through from the one end to the other, as far as that of letters does."""
    left, bottom, right, top = line
    height = top - bottom
    if height < SMALL_PT or height > UPRIGHT * (right - left):
        return False
    ink = camera.ink(with_text, bare, (left, bottom + height / 4, right, top - height / 4))
    if not any(ink):
        return False
    gap, at_end = camera.across(GAP * height), camera.across(GAP_AT_END * height)
    ends = len(ink) - len(ink.lstrip(b"\0")), len(ink) - len(ink.rstrip(b"\0"))
    return max(ends) <= at_end and bytes(gap + 1) not in ink


def _indices(text: pypdfium2.PdfTextPage, line: Box) -> range | None:
    left, bottom, right, top = line
    middle, reach = (bottom + top) / 2, top - bottom
    first = pdfium.FPDFText_GetCharIndexAtPos(text.raw, left + 0.1, middle, 2.0, reach)
    last = pdfium.FPDFText_GetCharIndexAtPos(text.raw, right - 0.1, middle, 2.0, reach)
    return range(first, last + 1) if 0 <= first <= last else None


def _meet(found: list[Box]) -> bool:
    """From the top; what has been passed is dropped, so a page of text compares a few lines with each."""
    open_lines: list[Box] = []
    compared = 0
    for line in sorted(found, key=lambda one: -one[3]):
        left, bottom, right, top = _core(line)
        open_lines = [other for other in open_lines if other[1] < top]
        compared += len(open_lines)
        if compared > 100 * LINES_MAX or any(other[0] < right and left < other[2] for other in open_lines):
            return True
        open_lines.append((left, bottom, right, top))
    return False


def _core(box: Box) -> Box:
    left, bottom, right, top = box
    across, up = min(0.15 * (right - left), 1.0), 0.2 * (top - bottom)
    return left + across, bottom + up, right - across, top - up
