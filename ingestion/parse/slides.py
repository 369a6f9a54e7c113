"""PPTX: slides in order, each a page; its title is a heading. Notes, comments and hidden slides are hidden content."""

import io
from collections.abc import Iterator

import pptx
from lxml import etree
from pptx.exc import PackageNotFoundError
from pptx.oxml.ns import qn
from pptx.slide import Slide

from ingestion.parse.archive import check_office, parse_xml
from ingestion.parse.document import DEPTH_MAX, Head, Reason, Refused
from ingestion.parse.pieces import IN_A_NAME, Pieces, refuse_markers
from rag.hidden_content import HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Choice"
_TITLES = ("title", "ctrTitle")
_FURNITURE = ("dt", "ftr", "sldNum")
"""Date, footer and number: the same on every slide."""


def extract(data: bytes, pieces: Pieces) -> Head:
    check_office(data, pieces)
    try:
        deck = pptx.Presentation(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError, AttributeError):
        raise Refused(Reason.BROKEN, "no presentation in the archive") from None
    width, height = int(deck.slide_width or 0), int(deck.slide_height or 0)
    for number, slide in enumerate(deck.slides, 1):
        _Slide(slide, number, pieces, (width, height)).read()
    return Head(MEDIA_TYPE, deck.core_properties.title or "")


class _Slide:
    def __init__(self, slide: Slide, number: int, pieces: Pieces, size: tuple[int, int]) -> None:
        self._slide = slide
        self._number = number
        self._pieces = pieces
        self._size = size
        self._hidden = slide._element.get("show") in ("0", "false")

    def read(self) -> None:
        shapes = list(_shapes(self._slide._element.cSld.spTree))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        title = "\n".join(_text(shape) for shape in titles).strip()
        if self._hidden:
            self._add(title or f"Slide {self._number}")
        if not self._hidden or self._pieces.wants(HiddenKind.HIDDEN_SLIDE):
            self._pieces.add(title or f"Slide {self._number}", heading=1, page=self._number)
        for shape in shapes:
            if _placeholder(shape) in _FURNITURE:
                refuse_markers((_text(shape),), "in a footer")
            elif shape not in titles:
                self._shape(shape)
        self._notes()
        self._comments()

    def _shape(self, shape: etree._Element) -> None:
        if self._unseen(shape):
            self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, _text(shape), page=self._number)
            return
        table = shape.find(f".//{qn('a:tbl')}")
        if table is None:
            for paragraph in shape.iter(qn("a:p")):
                self._add(_text(paragraph))
            return
        rows = [[_text(cell) for cell in row.findall(qn("a:tc"))] for row in table.findall(qn("a:tr"))]
        names = rows[0] if len(rows) > 1 else []
        refuse_markers(names, IN_A_NAME)
        for cells in rows[1:] or rows:
            if self._hidden:
                self._add("; ".join(cells))
            else:
                self._pieces.row(names, cells, page=self._number)

    def _add(self, text: str) -> None:
        if self._hidden:
            self._pieces.add_hidden(HiddenKind.HIDDEN_SLIDE, text, page=self._number)
        else:
            self._pieces.add(text, page=self._number)

    def _unseen(self, shape: etree._Element) -> bool:
        """Switched off in the selection pane, or placed wholly beside the slide."""
        described = shape.find(f"*/{qn('p:cNvPr')}")
        if described is not None and described.get("hidden") in ("1", "true"):
            return True
        offset, extent = shape.find(f".//{qn('a:off')}"), shape.find(f".//{qn('a:ext')}[@cx]")
        if offset is None or extent is None or not all(self._size) or _in_group(shape):
            return False
        x, y = int(offset.get("x", "0")), int(offset.get("y", "0"))
        right, below = x + int(extent.get("cx", "0")), y + int(extent.get("cy", "0"))
        return right <= 0 or below <= 0 or x >= self._size[0] or y >= self._size[1]

    def _notes(self) -> None:
        if not self._slide.has_notes_slide:
            return
        for shape in _shapes(self._slide.notes_slide._element.cSld.spTree):
            if _placeholder(shape) == "body":
                self._pieces.add_hidden(HiddenKind.SPEAKER_NOTE, _text(shape), page=self._number)

    def _comments(self) -> None:
        for relation in self._slide.part.rels.values():
            if relation.is_external or not relation.reltype.endswith("/comments"):
                continue
            root = parse_xml(relation.target_part.blob)
            for comment in root.iter("{*}cm"):
                text = "".join(str(one.text or "") for one in comment.iter("{*}text", "{*}t"))
                self._pieces.add_hidden(HiddenKind.COMMENT, text, page=self._number)


def _shapes(tree: etree._Element) -> Iterator[etree._Element]:
    """Shapes in reading order, those of groups in their place."""
    stack = [(child, 0) for child in reversed(tree)]
    while stack:
        element, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP)
        if element.tag in (qn("p:grpSp"), _CHOICE):
            stack.extend((child, depth + 1) for child in reversed(element))
        elif element.tag == _ALTERNATIVES:
            # The first one is what a program of today shows; the others repeat it for older ones.
            stack.extend((child, depth + 1) for child in element.findall(_CHOICE)[:1])
        elif element.tag in (qn("p:sp"), qn("p:graphicFrame"), qn("p:cxnSp")):
            yield element


def _in_group(shape: etree._Element) -> bool:
    """Whether its coordinates are a group's and not the slide's."""
    parent = shape.getparent()
    return parent is not None and parent.tag == qn("p:grpSp")


def _placeholder(shape: etree._Element) -> str:
    mark = shape.find(f".//{qn('p:nvPr')}/{qn('p:ph')}")
    return "" if mark is None else str(mark.get("type", "body"))


def _text(root: etree._Element) -> str:
    parts: list[str] = []
    for element in root.iter(qn("a:p"), qn("a:t"), qn("a:br")):
        if element.tag == qn("a:t"):
            parts.append(element.text or "")
        elif element is not root:
            parts.append("\n")
    return "".join(parts).strip()


def sample() -> bytes:
    """A presentation of our own, to load the library with."""
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Title"
    slide.notes_slide.notes_text_frame.text = "note"
    written = io.BytesIO()
    deck.save(written)
    return written.getvalue()
