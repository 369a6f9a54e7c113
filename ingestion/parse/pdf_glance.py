"""A first look at a PDF page by its lines, which clears most of them: asking for each character is what costs."""

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_camera import Camera, Shot
from ingestion.parse.pdf_glyphs import characters, height_at, tight
from ingestion.parse.pdf_objects import Box

LINES_MAX = 3_000
"""Stretches of text; a page with more is looked at by characters."""
SMALL_PT = 2.5
GAP = 0.75
"""Of a line's height: two letters that are missing leave more, or one between spaces; a space alone leaves less."""
GAP_AT_END = 0.35
UPRIGHT = 1.5
"""Higher than so many times its width, a line may be one that is turned."""


def lines(text: pypdfium2.PdfTextPage) -> list[Box] | None:
    """Stretches of text, each of one object; None for too many."""
    count = text.count_rects()
    return None if count > LINES_MAX else [text.get_rect(index) for index in range(count)]


def indices(text: pypdfium2.PdfTextPage, line: Box) -> range | None:
    """The characters of a line, if its ends are found; None where those found stand on another."""
    left, bottom, right, top = line
    middle, reach = (bottom + top) / 2, top - bottom
    first = pdfium.FPDFText_GetCharIndexAtPos(text.raw, left + 0.1, middle, 2.0, reach)
    last = pdfium.FPDFText_GetCharIndexAtPos(text.raw, right - 0.1, middle, 2.0, reach)
    if not 0 <= first <= last:
        return None
    middles = ((box[1] + box[3]) / 2 for box in (tight(text, first), tight(text, last)))
    return range(first, last + 1) if all(bottom <= y <= top for y in middles) else None


def unclear(text: pypdfium2.PdfTextPage, found: list[Box], camera: Camera, with_text: Shot, bare: Shot) -> list[Box]:
    """Those of the lines that are not seen for certain."""
    chars = characters(text)
    left_over: list[Box] = []
    for line in found:
        if _is_clear(line, camera, with_text, bare):
            continue
        of_line = indices(text, line)
        # Wide spaces and coloured grounds are no cause for more pictures, if each letter is seen on these.
        if of_line is None or not _is_seen(text, chars, of_line, camera, with_text, bare):
            left_over.append(line)
    return left_over


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


def _is_seen(
    text: pypdfium2.PdfTextPage, chars: str, of_line: range, camera: Camera, with_text: Shot, bare: Shot
) -> bool:
    glyphs = [index for index in of_line if not chars[index].isspace()]
    letters = [index for index in glyphs if chars[index].isalnum()] or glyphs
    return (
        bool(letters)
        and height_at(text, letters[0]) >= SMALL_PT
        and all(camera.differ(with_text, bare, tight(text, index)) for index in letters)
    )


def meet(found: list[Box]) -> bool:
    """Whether some stand over others. From the top; what is passed is dropped: a line is compared with few."""
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
