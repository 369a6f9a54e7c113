"""What has a place of its own on the pages of a Word document: what it paints, and whether it is on them at all."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice

from docx.oxml.ns import qn
from lxml import etree

from ingestion.parse.colors import POINTS_MIN, UNKNOWN, WHITE, alike
from ingestion.parse.word_place import Place

_FIRST = 4
_NO_FILL, _SOLID = (
    "{http://schemas.openxmlformats.org/drawingml/2006/main}" + name for name in ("noFill", "solidFill")
)
_SHAPE = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"
_PICTURE = "{http://schemas.openxmlformats.org/drawingml/2006/picture}pic"
_DRAWN = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_RELATIVE = "{http://schemas.microsoft.com/office/word/2010/wordprocessingDrawing}"
ANCHOR, INLINE = f"{_DRAWN}anchor", f"{_DRAWN}inline"
_ON = ("1", "true", "on")
_POINT, _TWIP = 12_700, 635
"""Where a size is given without its unit, it is in the 914,400th part of an inch."""
_UNDER_MIN = (72 * _POINT, 18 * _POINT)
"""Width and height of what text may stand on: behind a line there is room for less."""
_PAGE = (612 * _POINT, 792 * _POINT)


class Drawn:
    """What has a place of its own in a document."""

    def __init__(self, body: etree._Element, edges: Callable[[], Iterable[etree._Element]]) -> None:
        """`edges` are the roots of its headers and footers: they are read where it depends on them."""
        self._body = body
        self._edges = edges

    def lies_under(self, *, floats: bool) -> bool:
        """Whether anything that is not white may be behind text, or behind a text box that `floats` itself."""
        return self._floating if floats else self._behind

    def beside(self, anchor: etree._Element) -> bool:
        """Whether a drawing is too small to be seen, or wholly outside of the page."""
        extent = anchor.find(f"{_DRAWN}extent")
        size = [_number(extent, of) for of in ("cx", "cy")]
        relative = any(str(child.tag).startswith(f"{_RELATIVE}sizeRel") for child in anchor)
        if not relative and any(one is not None and one < POINTS_MIN * _POINT for one in size):
            return True
        for axis, (name, length) in enumerate(zip("HV", self._page, strict=True)):
            place = anchor.find(f"{_DRAWN}position{name}")
            offset = None if place is None else _whole(place.findtext(f"{_DRAWN}posOffset"))
            if place is None or offset is None:
                continue
            of_page = place.get("relativeFrom") == "page"
            # Where else it is counted from lies on the page; a place too far down is moved up to where it fits.
            before = 0 if of_page else -length
            if (of_page or name == "H") and (offset + (size[axis] or 0) <= before or offset >= length):
                return True
        return False

    def frame_beside(self, frame: etree._Element | None) -> bool:
        """Whether the frame around a paragraph is wholly outside of the page."""
        if frame is None:
            return False
        left, width = _number(frame, qn("w:x")), _number(frame, qn("w:w")) or 0
        if left is None:
            return False
        before = 0 if frame.get(qn("w:hAnchor")) == "page" and width else -self._page[0]
        return (left + width) * _TWIP <= before or left * _TWIP >= self._page[0]

    def line_beside(self, place: Place) -> bool:
        """Whether the lines of a paragraph begin outside of the page."""
        return place.is_beside(self._page[0] // _TWIP)

    @cached_property
    def _page(self) -> tuple[int, int]:
        """The width of the widest page, and the height of the highest."""
        sizes = [[_number(one, qn(f"w:{of}")) or 0 for of in "wh"] for one in self._body.iter(qn("w:pgSz"))]
        width, height = (max((size[of] for size in sizes), default=0) * _TWIP for of in (0, 1))
        return width or _PAGE[0], height or _PAGE[1]

    @cached_property
    def _behind(self) -> bool:
        return any(_paints(anchor) for anchor in self._anchors() if anchor.get("behindDoc") in _ON)

    @cached_property
    def _floating(self) -> bool:
        return any(map(_paints, self._anchors()))

    def _anchors(self) -> Iterable[etree._Element]:
        yield from self._body.iter(ANCHOR)
        for root in self._edges():
            yield from root.iter(ANCHOR)


def fill_of_box(box: etree._Element) -> str | None:
    """The colour that a text box paints behind its text; None where it paints nothing."""
    shape = next(box.iterancestors(f"{_SHAPE}wsp"), None)
    return UNKNOWN if shape is None else _fill(shape)


def _fill(shape: etree._Element) -> str | None:
    properties = next((child for child in islice(shape, _FIRST) if child.tag == f"{_SHAPE}spPr"), None)
    if properties is None:
        return UNKNOWN
    if properties.find(_NO_FILL) is not None:
        return None
    solid = properties.find(f"{_SOLID}/*")
    return UNKNOWN if solid is None else str(solid.get("val", UNKNOWN)).replace("bg1", WHITE)


def _paints(anchor: etree._Element) -> bool:
    extent = anchor.find(f"{_DRAWN}extent")
    sizes = (_number(extent, of) for of in ("cx", "cy"))
    if any(size is not None and size < least for size, least in zip(sizes, _UNDER_MIN, strict=True)):
        return False
    fills = (UNKNOWN if drawn.tag == _PICTURE else _fill(drawn) for drawn in anchor.iter(_PICTURE, f"{_SHAPE}wsp"))
    return any(fill is not None and not alike(fill, WHITE) for fill in fills)


def _number(element: etree._Element | None, name: str) -> int | None:
    return None if element is None else _whole(element.get(name))


def _whole(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d{1,12}", text) else None
