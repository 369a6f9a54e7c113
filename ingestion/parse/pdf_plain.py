"""Text of a PDF page that is seen for certain, by rules alone: drawing thousands of pages costs too much.

Dark enough, large enough, on the page, and nothing over it; or on an even ground that it differs from. The rules clear
less than pictures do: what they leave open may well be seen.
"""

import ctypes
from collections.abc import Iterable, Iterator
from itertools import islice

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_glyphs import characters, tight
from ingestion.parse.pdf_objects import Box, Objects, Placed, key
from ingestion.parse.pdf_scan import COVER_PT, Places

CONTRAST = 75
"""Of 255, in any colour."""
SMALL_PT = 2.5
LOOKED_AT_MAX = 100_000
"""Shapes of a page, and pairs of a text and what stands where it does."""
TEXTS_MAX = 3_000
SEEN_AT_MAX = 500
"""Places at which a letter is looked for in a font."""
STROKES_MAX = 4
"""Thin things that may cross a text: more could be a hatching. As many as make a frame are none."""
SEGMENTS_MAX = 8
MARKS_MAX = 32
_PAINTED = (pdfium.FPDF_TEXTRENDERMODE_FILL, pdfium.FPDF_TEXTRENDERMODE_FILL_STROKE)
_WHITE = (255, 255, 255)
_NO_GLYPH_PT = 0.05

_Colour = tuple[int, int, int]


def clear(text: pypdfium2.PdfTextPage, drawn: Objects, shown: Box) -> set[int]:
    """The keys of the text objects that are seen."""
    modes = {pdfium.FPDFTextObj_GetTextRenderMode(one.handle) for one in drawn.texts}
    if not drawn.complete or drawn.deep or len(drawn.texts) > TEXTS_MAX or modes - set(_PAINTED):
        return set()  # what is written as a clip counts for what comes after
    around = _Around(drawn)
    of_text = {key(one.handle): _text(one.handle, text) for one in drawn.texts}
    seen = set()
    for one in drawn.texts:
        box, name = one.box(), key(one.handle)
        if _is_large(box, of_text[name]) and _is_open(one, box, shown) and around.leaves(one, box):
            seen.add(name)
    fonts = {
        name: key(pdfium.FPDFTextObj_GetFont(one.handle)) for one in drawn.texts if (name := key(one.handle)) in seen
    }
    return _with_shapes(text, fonts, of_text)


def _with_shapes(text: pypdfium2.PdfTextPage, fonts: dict[int, int], of_text: dict[int, str]) -> set[int]:
    """Those of the texts, given with their fonts, that are drawn of glyphs that are not empty."""
    chars = characters(text)
    wanted = {name: {char for char in set(of_text[name]) if char.isalnum()} for name in fonts}
    shaped = {(font, char): False for name, font in fonts.items() for char in wanted[name]}
    for char in {char for _, char in shaped}:
        of_char = {font for font, one in shaped if one == char}
        at = chars.find(char)
        for _ in range(SEEN_AT_MAX):
            if at < 0 or not of_char:
                break
            handle = pdfium.FPDFText_GetTextObject(text.raw, at)
            font = fonts.get(key(handle)) if handle else None
            if font in of_char:
                left, bottom, right, top = tight(text, at)
                shaped[font, char] = min(right - left, top - bottom) >= _NO_GLYPH_PT
                of_char.remove(font)
            at = chars.find(char, at + 1)
    return {name for name, font in fonts.items() if all(shaped[font, char] for char in wanted[name])}


class _Around:
    """What is drawn where texts are."""

    def __init__(self, drawn: Objects) -> None:
        self._images = Places(drawn.images)
        self._shapes = Places(drawn.shapes, at_most=LOOKED_AT_MAX)
        self._by_order = {one.order: one for one in drawn.shapes}
        self._left = LOOKED_AT_MAX

    def leaves(self, text: Placed, box: Box) -> bool:
        """Whether the text is to be seen for all that."""
        colour = _fill(text)
        if colour is None or self._images.everywhere or self._shapes.everywhere or any(self._images.meeting(box)):
            return False
        if not self._by_order:
            return _differ(colour, _WHITE)
        core = _core(box)
        found = {one.order for one in islice(self._shapes.meeting(core), max(self._left, 0) + 1)}
        self._left -= len(found) + 1
        if self._left < 0:
            return False
        strokes = 0
        ground = False
        for order in sorted(found, reverse=True):
            shape = self._by_order[order]
            if _is_thin(shape):
                strokes += not (_is_frame(shape) and _is_rectangle(shape) and _contains(shape.box(), core))
            elif order > text.order:
                return False
            elif not ground:
                below = _even(shape, box)
                if below is None or not _differ(colour, below):
                    return False
                ground = _is_rectangle(shape) and _contains(shape.box(), box)
        return strokes <= STROKES_MAX and (ground or _differ(colour, _WHITE))


def _is_large(box: Box, text: str) -> bool:
    across, up = box[2] - box[0], box[3] - box[1]
    if min(across, up) >= SMALL_PT:
        return True
    letters = sum(map(str.isalnum, text))
    # A narrow letter by itself; marks by themselves say nothing.
    return letters == 0 or (letters == 1 and up >= 2 * SMALL_PT)


def _is_open(text: Placed, box: Box, shown: Box) -> bool:
    """Whether it is on the page, in no layer, no form, and not cut off."""
    return (
        text.matrix is None
        and _contains(shown, box)
        and not pdfium.FPDFPageObj_HasTransparency(text.handle)
        and not _is_of_layer(text)
        and _is_within_clips(text, box)
    )


def _is_of_layer(one: Placed) -> bool:
    count = pdfium.FPDFPageObj_CountMarks(one.handle)
    return count > MARKS_MAX or any(_name(pdfium.FPDFPageObj_GetMark(one.handle, n)) == "OC" for n in range(count))


def _name(mark: pdfium.FPDF_PAGEOBJECTMARK) -> str:
    size = ctypes.c_ulong()
    buffer = (ctypes.c_ushort * 8)()
    pdfium.FPDFPageObjMark_GetName(mark, buffer, ctypes.sizeof(buffer), size)
    return bytes(buffer)[: max(size.value - 2, 0)].decode("utf-16-le", "replace")


def _is_within_clips(one: Placed, box: Box) -> bool:
    clips = pdfium.FPDFPageObj_GetClipPath(one.handle)
    count = pdfium.FPDFClipPath_CountPaths(clips) if clips else 0
    if count > SEGMENTS_MAX:
        return False
    for number in range(count):
        segments = pdfium.FPDFClipPath_CountPathSegments(clips, number)
        if segments > SEGMENTS_MAX:
            return False
        within = _rectangle(pdfium.FPDFClipPath_GetPathSegment(clips, number, index) for index in range(segments))
        if within is None or not _contains(within, box):
            return False
    return True


def _rectangle(segments: Iterable[pdfium.FPDF_PATHSEGMENT]) -> Box | None:
    """The one that these draw, if they draw one whose sides are level."""
    points: list[tuple[float, float]] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for segment in segments:
        if pdfium.FPDFPathSegment_GetType(segment) not in (pdfium.FPDF_SEGMENT_MOVETO, pdfium.FPDF_SEGMENT_LINETO):
            return None
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        points.append((x.value, y.value))
    corners = points[:4]
    xs, ys = {x for x, _ in corners}, {y for _, y in corners}
    if len(set(corners)) != 4 or len(xs) != 2 or len(ys) != 2 or any(more != corners[0] for more in points[4:]):
        return None
    return min(xs), min(ys), max(xs), max(ys)


def _is_rectangle(shape: Placed) -> bool:
    count = pdfium.FPDFPath_CountSegments(shape.handle)
    return count <= SEGMENTS_MAX and _rectangle(_segments(shape, count)) is not None


def _segments(shape: Placed, count: int) -> Iterator[pdfium.FPDF_PATHSEGMENT]:
    return (pdfium.FPDFPath_GetPathSegment(shape.handle, index) for index in range(count))


def _is_thin(shape: Placed) -> bool:
    """A line, or an outline of few: what it crosses can still be read."""
    left, bottom, right, top = shape.box()
    if min(right - left, top - bottom) < COVER_PT:
        return True
    return _is_frame(shape)


def _is_frame(shape: Placed) -> bool:
    mode, is_stroked, width = ctypes.c_int(), ctypes.c_int(), ctypes.c_float()
    return bool(
        pdfium.FPDFPageObj_GetType(shape.handle) == pdfium.FPDF_PAGEOBJ_PATH
        and pdfium.FPDFPath_GetDrawMode(shape.handle, mode, is_stroked)
        and mode.value == pdfium.FPDF_FILLMODE_NONE
        and pdfium.FPDFPageObj_GetStrokeWidth(shape.handle, width)
        and width.value < COVER_PT
        and pdfium.FPDFPath_CountSegments(shape.handle) <= SEGMENTS_MAX
    )


def _even(shape: Placed, box: Box) -> _Colour | None:
    """The colour of a ground that is even."""
    is_path = pdfium.FPDFPageObj_GetType(shape.handle) == pdfium.FPDF_PAGEOBJ_PATH
    is_plain = is_path and shape.matrix is None and not pdfium.FPDFPageObj_HasTransparency(shape.handle)
    return _fill(shape) if is_plain and not _is_of_layer(shape) and _is_within_clips(shape, box) else None


def _fill(one: Placed) -> _Colour | None:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFPageObj_GetFillColor(one.handle, red, green, blue, alpha) or alpha.value != 255:
        return None
    return red.value, green.value, blue.value


def _differ(one: _Colour, other: _Colour) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) >= CONTRAST


def _contains(one: Box, other: Box) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and other[2] <= one[2] and other[3] <= one[3]


def _core(box: Box) -> Box:
    """Without its edge, where lines above and below may touch it."""
    up = 0.15 * (box[3] - box[1])
    return box[0], box[1] + up, box[2], box[3] - up


def _text(handle: pdfium.FPDF_PAGEOBJECT, text: pypdfium2.PdfTextPage) -> str:
    size = pdfium.FPDFTextObj_GetText(handle, text.raw, None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDFTextObj_GetText(handle, text.raw, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00")
