"""PPTX: slides in order, each a page; its title is a heading. Notes, comments and hidden slides are hidden content."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import pptx
from lxml import etree
from pptx.exc import PackageNotFoundError
from pptx.oxml.ns import qn
from pptx.slide import Slide

from ingestion.parse import graphics, slide_text
from ingestion.parse.archive import check_office, parse_xml
from ingestion.parse.cleaning import marker_in, refuse_markers
from ingestion.parse.document import Head, Reason, Refused, listed
from ingestion.parse.naming import NamedRows
from ingestion.parse.office import as_usual
from ingestion.parse.office_markers import has_marker, refuse_torn
from ingestion.parse.pieces import Pieces
from ingestion.parse.slide_colors import Colors
from ingestion.parse.slide_ground import Grounds
from ingestion.parse.slide_layouts import Layouts
from ingestion.parse.slide_shapes import Shape, placeholder, shapes
from rag.hidden_content import HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES = ("title", "ctrTitle")
_FOOTER = "ftr"
_COUNTED = ("dt", "sldNum")
"""Date and number: another on every slide, and never a statement."""


def extract(data: bytes, pieces: Pieces) -> Head:
    check_office(data, pieces)
    try:
        deck = pptx.Presentation(io.BytesIO(as_usual(data)))
    except (PackageNotFoundError, KeyError, ValueError, AttributeError):
        raise Refused(Reason.BROKEN, "no presentation in the archive") from None
    before = len(pieces.added)
    size = int(deck.slide_width or 0), int(deck.slide_height or 0)
    shared = _Shared(size, Grounds(), graphics.Graphics(pieces), Layouts(pieces, size))
    footers: dict[str, int] = {}
    silent: list[int] = []
    pictures = False
    for number, slide in enumerate(deck.slides, 1):
        read = _Slide(slide, number, pieces, shared)
        read.read()
        pictures |= read.pictures
        if read.footer and read.footer not in footers:
            footers[read.footer] = number
        if not read.spoken:
            silent.append(number)
    if pictures and len(silent) == len(deck.slides) and len(pieces.added) == before:
        raise Refused(Reason.IMAGE_ONLY, "save it as PDF, for text recognition")
    for footer, number in footers.items():
        pieces.add(footer, page=number, beside=True)
    shared.layouts.say()
    if silent:
        pieces.note(f"no text on slide{'s' * (len(silent) > 1)} {listed(silent)} of {len(deck.slides)}")
    return Head(MEDIA_TYPE, deck.core_properties.title or "")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the slides of a deck have in common: width and height, what lies under them, parts that are read once."""

    size: tuple[int, int]
    grounds: Grounds
    graphics: graphics.Graphics
    layouts: Layouts


class _Slide:
    """`spoken` after reading: whether it has text, shown or not; `footer` is what stands below it."""

    def __init__(self, slide: Slide, number: int, pieces: Pieces, shared: _Shared) -> None:
        self._slide = slide
        self._number = number
        self._pieces = pieces
        self._size = shared.size
        self._graphics = shared.graphics
        self._hidden = slide._element.get("show") in ("0", "false")
        self._within = HiddenKind.HIDDEN_SLIDE if self._hidden else None
        ground = shared.grounds.of(slide)
        self._colors = Colors(slide, ground)
        if not self._hidden:
            shared.layouts.take(slide, ground, number)
        self._headed = False
        self._title = ""
        self._in_place = False
        self.spoken = False
        self.pictures = False
        self.footer = ""

    def read(self) -> None:
        found = list(shapes(self._slide._element.cSld.spTree))
        for shape in found:
            self._colors.painted(shape)
        titles = [shape for shape in found if placeholder(shape.element) in _TITLES and not self._unseen(shape)]
        # Read first, a title would leave the section that a marker before it begins.
        self._in_place = has_marker(slide_text.text(shape.element) for shape in found)
        titled = {shape.element for shape in titles}
        if not self._in_place:
            self._head("\n".join(self._seen(shape.element, self._behind(shape)) for shape in titles).strip())
        for shape in found:
            kind = placeholder(shape.element)
            if kind in _COUNTED:
                refuse_markers((slide_text.text(shape.element),), "in a footer")
            elif kind == _FOOTER and not self._unseen(shape):
                self._footer(shape)
            elif shape.element not in titled:
                self._shape(shape)
            elif self._in_place:
                self._head(self._seen(shape.element, self._behind(shape)).strip())
        self._notes()
        self._comments()

    def _head(self, title: str) -> None:
        """Say a title, where it has text."""
        self._title = title
        if title:
            self._headed = False
            self._say_title()
            self.spoken = True
            if self._hidden:
                self._pieces.add_hidden(HiddenKind.HIDDEN_SLIDE, title, page=self._number)

    def _say_title(self) -> None:
        """The heading of the slide, once, before the first that it says: a slide of pictures has none."""
        if not self._headed and (not self._hidden or self._pieces.wants(HiddenKind.HIDDEN_SLIDE)):
            self._pieces.add(self._title or f"Slide {self._number}", heading=1, page=self._number)
        self._headed = True

    def _shape(self, shape: Shape) -> None:
        if self._unseen(shape):
            self._hide(HiddenKind.INVISIBLE_TEXT, slide_text.text(shape.element))
            return
        self.pictures |= shape.kind == "pic"
        for drawn in shape.element.iter(*graphics.GRAPHICS):
            for line in self._graphics.said(drawn, self._slide.part):
                self._add(line)
        table = shape.element.find(f".//{qn('a:tbl')}")
        if table is not None:
            self._table(table)
            return
        behind = self._behind(shape)
        for paragraph in shape.element.iter(qn("a:p")):
            self._add(self._seen(paragraph, behind))

    def _table(self, table: etree._Element) -> None:
        rows = [
            [self._seen(cell, cache(partial(self._colors.of_cell, cell))) for cell in row.findall(qn("a:tc"))]
            for row in table.findall(qn("a:tr"))
        ]
        look = table.find(qn("a:tblPr"))
        says_row, says_column = (look is not None and look.get(of) in ("1", "true") for of in ("firstRow", "firstCol"))
        by_column = not says_row and (says_column or max(map(len, rows), default=0) == 2)
        if self._hidden:
            for cells in rows:
                self._add("; ".join(cells))
            return
        out = NamedRows(self._pieces, page=self._number)
        for cells in rows:
            if any(cell.strip() for cell in cells):
                if not marker_in(cells):
                    self._say_title()
                self.spoken = True
            out.passed(cells)
            by_number = dict(enumerate(cells))
            if by_column:
                out.labelled(by_number)
            elif out.names is None and (len(rows) == 1 or marker_in(cells)):
                out.text(by_number)
            elif out.names is None:
                out.name(by_number)
            else:
                out.row(by_number)
        out.end()

    def _footer(self, shape: Shape) -> None:
        text = self._seen(shape.element, self._behind(shape))
        refuse_markers((text,), "in a footer")
        if self._hidden:
            self._hide(HiddenKind.HIDDEN_SLIDE, text)
        else:
            self.footer = text

    def _add(self, text: str) -> None:
        if not text.strip():
            return
        if not (self._in_place and marker_in([text])):
            self._say_title()
        self.spoken = True
        if self._hidden:
            self._pieces.add_hidden(HiddenKind.HIDDEN_SLIDE, text, page=self._number)
        else:
            self._pieces.add(text, page=self._number)

    def _hide(self, kind: HiddenKind, text: str) -> None:
        """Hidden on its own, and with its slide where that is hidden."""
        if text.strip() and self._pieces.wants(kind) and self._pieces.wants(self._within or kind):
            self._say_title()
        self._pieces.add_hidden(kind, text, page=self._number, within=self._within)

    def _seen(self, root: etree._Element, behind: Callable[[], str]) -> str:
        """The text of an element that a viewer sees; the rest is counted."""
        unseen = {run for run in root.iter(qn("a:r"), qn("a:fld")) if self._colors.unseen(run, behind)}
        if unseen:
            self._hide(HiddenKind.INVISIBLE_TEXT, "".join(slide_text.text(run) for run in root.iter() if run in unseen))
            refuse_torn(slide_text.text(root), slide_text.text(root, unseen))
        return slide_text.text(root, unseen)

    def _behind(self, shape: Shape) -> Callable[[], str]:
        """Looked up only where a run has a colour, and once."""
        return cache(partial(self._colors.behind, shape))

    def _unseen(self, shape: Shape) -> bool:
        return shape.switched_off or shape.beside(*self._size)

    def _notes(self) -> None:
        if not self._slide.has_notes_slide:
            return
        for shape in shapes(self._slide.notes_slide._element.cSld.spTree):
            if placeholder(shape.element) == "body":
                self._hide(HiddenKind.SPEAKER_NOTE, slide_text.text(shape.element))

    def _comments(self) -> None:
        for relation in self._slide.part.rels.values():
            if relation.is_external or not relation.reltype.endswith("/comments"):
                continue
            root = parse_xml(relation.target_part.blob)
            for comment in root.iter("{*}cm"):
                self._hide(HiddenKind.COMMENT, "".join(str(one.text or "") for one in comment.iter("{*}text", "{*}t")))


def sample() -> bytes:
    """A presentation of our own, to load the library with."""
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Title"
    slide.notes_slide.notes_text_frame.text = "note"
    written = io.BytesIO()
    deck.save(written)
    return written.getvalue()
