"""The characters of a PDF page with their places, by the text objects that draw them."""

import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse.pdf_lines import Run
from ingestion.parse.pdf_objects import Box, key

_NO_GLYPH_PT = 0.05
"""A thinner glyph is none: the engine measured nothing."""


class Glyph(NamedTuple):
    """A character that is no space. `at` is its index on the text page; `is_mark`: neither letter nor digit."""

    at: int
    box: Box
    is_mark: bool


@dataclass(slots=True)
class Stretch:
    """What one text object draws, or a part of it.

    `blank`: the engine has no glyphs for some of it, as their font is not in the file.
    """

    handle: pdfium.FPDF_PAGEOBJECT
    glyphs: list[Glyph] = field(default_factory=list)
    blank: bool = False

    @property
    def box(self) -> Box:
        return around(glyph.box for glyph in self.glyphs)

    def words(self) -> Iterator["Stretch"]:
        """Its parts that hang together."""
        start = 0
        for end in range(1, len(self.glyphs) + 1):
            if end == len(self.glyphs) or self.glyphs[end].at != self.glyphs[end - 1].at + 1:
                yield Stretch(self.handle, self.glyphs[start:end], self.blank)
                start = end


def stretches(text: pypdfium2.PdfTextPage, only: set[int] | None) -> dict[int, Stretch]:
    """By the key of the object; characters in the order of the text page, all or only those of these numbers."""
    found: dict[int, Stretch] = {}
    chars = characters(text)
    for index in range(len(chars)) if only is None else sorted(only):
        char = chars[index]
        if char.isspace():
            continue
        handle = pdfium.FPDFText_GetTextObject(text.raw, index)
        if not handle:
            continue  # a hyphen or break that the engine made up
        stretch = found.setdefault(key(handle), Stretch(handle))
        box = tight(text, index)
        if min(box[2] - box[0], box[3] - box[1]) < _NO_GLYPH_PT:
            box = _loose(text, index)
            stretch.blank = stretch.blank or not _is_embedded(handle)
        stretch.glyphs.append(Glyph(index, box, not char.isalnum()))
    return found


def characters(text: pypdfium2.PdfTextPage) -> str:
    """One for each index of the text page."""
    count = text.count_chars()
    whole = str(text.get_text_range())
    if len(whole) == count:
        return whole
    codes = (pdfium.FPDFText_GetUnicode(text.raw, index) for index in range(count))
    return "".join(chr(code) if 0 < code < 0x110000 else "\x00" for code in codes)


def height_at(text: pypdfium2.PdfTextPage, index: int) -> float:
    """Of the line there, in points, whichever way the text runs; of narrow letters too."""
    boxes = (_loose(text, index), tight(text, index))
    return max(max(right - left, top - bottom) for left, bottom, right, top in boxes)


def words(text: pypdfium2.PdfTextPage, without: frozenset[int]) -> Iterator[Run]:
    """The page by words, without these characters."""
    at: list[int] = []
    chars = characters(text)
    for index, char in enumerate([*chars, " "]):
        if index not in without and not char.isspace() and char != "\x00":
            at.append(index)
        elif at:
            box = around(_loose(text, one) for one in at)
            yield Run(*box, text=text.get_text_range(at[0], len(at)))
            at = []


def without(text: pypdfium2.PdfTextPage, left_out: frozenset[int]) -> str:
    """The text of the page as it comes, without these characters."""
    return "".join(text.get_text_range(first, end - first) for first, end in _ranges(text, left_out, kept=True))


def passages(text: pypdfium2.PdfTextPage, of: frozenset[int]) -> list[str]:
    """What these characters say, each stretch that hangs together by itself."""
    return [text.get_text_range(first, end - first) for first, end in _ranges(text, of, kept=False)]


def with_spaces(text: pypdfium2.PdfTextPage, glyphs: set[int]) -> frozenset[int]:
    """These characters and the spaces that go with them: those between, and those after where some stand before."""
    chars = characters(text)
    all_of_them = set(glyphs)
    inside = spaced = False
    index = 0
    while index < len(chars):
        if not chars[index].isspace():
            if index in glyphs and not inside:
                spaced = index == 0 or chars[index - 1].isspace()
            inside = index in glyphs
            index += 1
            continue
        end = index
        while end < len(chars) and chars[end].isspace():
            end += 1
        if inside and (spaced or end == len(chars) or end in glyphs):
            all_of_them.update(range(index, end))
        index = end
    return frozenset(all_of_them)


def _ranges(text: pypdfium2.PdfTextPage, chosen: frozenset[int], *, kept: bool) -> Iterator[tuple[int, int]]:
    first = None
    count = text.count_chars()
    for index in range(count):
        if (index in chosen) is not kept:
            first = index if first is None else first
        elif first is not None:
            yield first, index
            first = None
    if first is not None:
        yield first, count


def around(boxes: Iterable[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def tight(text: pypdfium2.PdfTextPage, index: int) -> Box:
    left, right, bottom, top = ctypes.c_double(), ctypes.c_double(), ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharBox(text.raw, index, left, right, bottom, top)
    return left.value, bottom.value, right.value, top.value


def _loose(text: pypdfium2.PdfTextPage, index: int) -> Box:
    box = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(text.raw, index, box)
    return box.left, box.bottom, box.right, box.top


def _is_embedded(handle: pdfium.FPDF_PAGEOBJECT) -> bool:
    font = pdfium.FPDFTextObj_GetFont(handle)
    return bool(font) and pdfium.FPDFFont_GetIsEmbedded(font) == 1
