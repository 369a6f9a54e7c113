"""Text that a PDF page writes as the outline of what it paints next: letters of a gradient, a pattern or a picture.

It paints nothing itself, so nothing is missing without it. It is seen where what is painted next has its shape.
"""

import ctypes
from collections.abc import Callable, Iterable
from functools import partial

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_budget import Budget
from ingestion.parse.pdf_camera import Camera
from ingestion.parse.pdf_glyphs import Glyph, Stretch
from ingestion.parse.pdf_objects import Box, Objects, Placed, key
from ingestion.parse.pdf_toggle import Switches

SHOTS = 3
"""Pictures that are taken to find out."""
WORD_FROM = 0.65
"""Of all pixels that the letters of a word or the paint have in their place and around it, those that both have."""
LETTER_FROM = 0.4
"""As above, for each letter."""
AROUND = 0.25
"""Of its height, around a letter: there, paint of another shape shows itself."""
PIXELS_MAX = 1_000_000
"""Of all letters that are compared."""


def is_clip(handle: pdfium.FPDF_PAGEOBJECT) -> bool:
    return bool(pdfium.FPDFTextObj_GetTextRenderMode(handle) == pdfium.FPDF_TEXTRENDERMODE_CLIP)


def paint(drawn: Objects, clips: Iterable[Stretch]) -> list[Placed]:
    """What is drawn after the first of these texts."""
    handles = {key(one.handle) for one in clips}
    first = min((one.order for one in drawn.texts if key(one.handle) in handles), default=0)
    return [one for one in (*drawn.shapes, *drawn.images) if one.order > first]


def unseen(page: pypdfium2.PdfPage, drawn: Objects, clips: list[Stretch], budget: Budget) -> list[Glyph]:
    """Those of the letters that nothing is painted in the shape of. Leaves everything on."""
    painted = paint(drawn, clips)
    switches, camera = Switches(page, drawn), Camera(page, budget)
    switches.set_all(drawn.texts, on=False)
    whole = camera.shot()
    switches.set_all(painted, on=False)
    without = camera.shot()
    switches.set_all([*drawn.shapes, *drawn.images], on=False)
    colours = [_blacken(clip.handle) for clip in clips]
    letters = camera.shot()
    for clip, colour in zip(clips, colours, strict=True):
        pdfium.FPDFPageObj_SetFillColor(clip.handle, *colour)
        pdfium.FPDFTextObj_SetTextRenderMode(clip.handle, pdfium.FPDF_TEXTRENDERMODE_CLIP)
    switches.set_all([*drawn.texts, *drawn.shapes, *drawn.images], on=True)
    pixels_left = PIXELS_MAX
    found: list[Glyph] = []
    for word in (word for clip in clips for word in clip.words()):
        pixels_left -= sum(camera.pixels(_around(glyph.box)) for glyph in word.glyphs)
        compare = partial(camera.alike, (whole, without), (letters, camera.paper()))
        found += word.glyphs if pixels_left < 0 else _unlike(word, compare)
    return found


def _unlike(word: Stretch, compare: Callable[[Box], tuple[int, int]]) -> list[Glyph]:
    """Those of the letters that the paint has not the shape of. Marks are too little to tell by."""
    letters = [glyph for glyph in word.glyphs if not glyph.is_mark] or word.glyphs
    compared = {glyph.at: compare(_around(glyph.box)) for glyph in letters}
    if sum(both for both, _ in compared.values()) < WORD_FROM * sum(either for _, either in compared.values()):
        return word.glyphs
    unlike = {at for at, (both, either) in compared.items() if not both or both < LETTER_FROM * either}
    return [glyph for glyph in word.glyphs if glyph.at in unlike]


def _around(box: Box) -> Box:
    left, bottom, right, top = box
    margin = AROUND * (top - bottom)
    return left - margin, bottom - margin, right + margin, top + margin


def _blacken(handle: pdfium.FPDF_PAGEOBJECT) -> list[int]:
    """Let this text be drawn for itself. Returns the colour that it had."""
    colour = [ctypes.c_uint() for _ in range(4)]
    pdfium.FPDFPageObj_GetFillColor(handle, *colour)
    pdfium.FPDFPageObj_SetFillColor(handle, 0, 0, 0, 255)
    pdfium.FPDFTextObj_SetTextRenderMode(handle, pdfium.FPDF_TEXTRENDERMODE_FILL)
    pdfium.FPDFPageObj_SetIsActive(handle, True)
    return [part.value for part in colour]
