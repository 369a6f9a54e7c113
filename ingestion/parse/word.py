"""DOCX: headings, paragraphs and tables in the order of the page, then notes, headers and footers.

What was deleted with change tracking on, comments and hidden text are hidden content; what was inserted is text.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.opc.part import Part
from docx.oxml.ns import qn
from lxml import etree

from ingestion.parse import graphics, word_text
from ingestion.parse.archive import check_office, parse_xml
from ingestion.parse.cleaning import marker_in
from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.naming import NamedRows
from ingestion.parse.office import as_usual
from ingestion.parse.office_markers import refuse_apart
from ingestion.parse.pieces import Pieces
from ingestion.parse.table import COLUMNS_MAX
from ingestion.parse.word_notes import NOTES, Notes
from ingestion.parse.word_numbers import Numbers
from ingestion.parse.word_parts import EDGES, Beside, beside, looks, numbering
from ingestion.parse.word_tables import (
    GRID_MAX,
    Named,
    Row,
    goes_on,
    is_deleted,
    is_repeated,
    is_unseen,
    joined,
    named,
    span,
    within,
)
from ingestion.parse.word_tree import w
from rag.hidden_content import HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_BLOCKS = (w("p"), w("tbl"), *word_text.DELETED)
_INSERTED = w("altChunk")
APART_DEPTH_MAX = 25
"""Text boxes and tables within each other: for each level, all that is in it is looked through for markers."""
_R_ID = qn("r:id")


def extract(data: bytes, pieces: Pieces) -> Head:
    check_office(data, pieces)
    try:
        document = docx.Document(io.BytesIO(as_usual(data)))
    except (PackageNotFoundError, KeyError, ValueError):
        raise Refused(Reason.BROKEN, "no Word document in the archive") from None
    before = len(pieces.added)
    reader = _Reader(document, pieces)
    reader.blocks(document.element.body)
    notes = Notes(document.element.body, reader.looks)
    for one in beside(document):
        reader.part_beside(one, parse_xml(one.part.blob), notes)
    if reader.pictures:
        if len(pieces.added) == before:
            raise Refused(Reason.IMAGE_ONLY, "save it as PDF, for text recognition")
        pieces.note(f"{reader.pictures} picture{'s' * (reader.pictures > 1)} not read")
    return Head(MEDIA_TYPE, document.core_properties.title or "")


class _Reader:
    def __init__(self, document: "docx.document.Document", pieces: Pieces) -> None:
        self._part: Part = document.part
        self._pieces = pieces
        self.looks = looks(document)
        self._numbers = Numbers(numbering(document), self.looks)
        self._graphics = graphics.Graphics(pieces)
        self._said: set[str] = set()
        self._grid = 0
        self._depth = 0
        self.pictures = 0

    def blocks(self, container: etree._Element) -> None:
        """Paragraphs and tables in order, with what they hold apart."""
        for element in within(container, *_BLOCKS, _INSERTED):
            if element.tag == w("tbl"):
                self._table(element)
            elif element.tag == _INSERTED:
                self._inserted(element)
            else:
                read = self._paragraph(element)
                self._pieces.add(read.text, heading=self.looks.heading(element))
                self._apart(read.apart)

    def part_beside(self, beside: Beside, root: etree._Element, notes: Notes) -> None:
        if beside.kind == "comments":
            for comment in root.iter(w("comment")):
                self._pieces.add_hidden(HiddenKind.COMMENT, "\n".join(self._lines(within(comment, *_BLOCKS))))
            return
        self._part = beside.part
        shown = self.pictures
        for note in [one for one in root if one.tag in NOTES]:
            self._beside(note, notes.hidden(note))
        if beside.kind in EDGES:
            self._beside(root, None if beside.shown else HiddenKind.INVISIBLE_TEXT)
        self.pictures = shown  # logos

    def _beside(self, container: etree._Element, hidden: HiddenKind | None) -> None:
        # Pages of several sections often repeat the same header.
        texts = [line.strip() for line in self._lines(within(container, *_BLOCKS))]
        new = [text for text in dict.fromkeys(texts) if text not in self._said]
        if hidden is not None:
            self._pieces.add_hidden(hidden, "\n".join(new))
            return
        for text in new:
            self._pieces.add(text, beside=True)
            self._said.add(text)

    def _lines(self, elements: Iterable[etree._Element], depth: int = 0) -> Iterator[str]:
        """What stands beside the page, as text without structure."""
        _check_depth(depth)
        for element in elements:
            if element.tag in graphics.GRAPHICS:
                yield from self._graphics.said(element, self._part)
            elif element.tag == w("txbxContent"):
                yield from self._lines(within(element, *_BLOCKS), depth + 1)
            elif element.tag == w("tbl"):
                for row in self._rows(element):
                    yield "; ".join(text.strip() for text in row.texts if text.strip())
                    yield from self._lines(row.apart, depth + 1)
            else:
                read = self._paragraph(element)
                yield read.text
                yield from self._lines(read.apart, depth + 1)

    def _apart(self, elements: list[etree._Element]) -> None:
        self._depth += bool(elements)
        _check_depth(self._depth)
        for element in elements:
            if element.tag == w("tbl"):
                self._table(element)
            elif element.tag == w("txbxContent"):
                self.blocks(element)
            else:
                for line in self._graphics.said(element, self._part):
                    self._pieces.add(line)
        self._depth -= bool(elements)

    def _paragraph(self, element: etree._Element) -> word_text.Read:
        """With the number that Word shows before it."""
        read = word_text.read(element, self.looks, self._pieces)
        self.pictures += read.pictures
        gone = element.find(f"{w('pPr')}/{w('rPr')}/{w('del')}") is not None
        if element.tag != w("p") or (not read.text.strip() and (read.unseen or gone)):
            return read
        label = self._numbers.label(element)
        # A marker stands alone on its line, also where the line is an item of a list.
        if label and read.text.strip() and "ringfence" not in read.text.lower():
            read.text = f"{label} {read.text.lstrip()}"
        return read

    def _inserted(self, element: etree._Element) -> None:
        """A whole document that Word would take in when it opens this one."""
        relation = self._part.rels.get(element.get(_R_ID))
        if relation is None or relation.is_external:
            self._pieces.unread("inserted document", Reason.BROKEN)
            return
        part = relation.target_part
        suffix = PurePosixPath(str(part.partname)).suffix[:16]
        self._pieces.attach("Inserted document", suffix, part.blob, what="inserted document")

    def _table(self, table: etree._Element) -> None:
        if all(len(list(within(row, w("tc")))) == 1 for row in within(table, w("tr"))):
            # A frame around text, which keeps its headings.
            for framed in self._shown_rows(table):
                self.blocks(next(within(framed, w("tc"))))
            return
        rows = list(self._rows(table))
        how = named(table, rows, self.looks)
        out = NamedRows(self._pieces)
        marked = [row for row in rows if row.marked] if how is Named.BY_MARKED_ROWS else []
        if marked:
            out.name(joined(marked))
        for row in marked:
            self._apart(row.apart)
        for row in rows[len(marked) :]:
            self._write(row, how, out)
            self._apart(row.apart)
        out.end()

    def _write(self, row: Row, how: Named, out: NamedRows) -> None:
        out.passed(row.texts)
        cells = dict(enumerate(row.texts))
        wide = len(row.spans) == 1 or len(row.texts) == row.spans[0]
        if wide or (out.names is None and marker_in(row.texts)):
            out.text(cells)
        elif how is Named.BY_COLUMN:
            out.labelled(cells)
        elif how is Named.BY_ROWS and out.names is None:
            out.name(cells)
        else:
            out.row(cells)

    def _rows(self, table: etree._Element) -> Iterator[Row]:
        above: list[str] = []
        for row in self._shown_rows(table):
            read = self._row(row, above)
            above = read.texts
            yield read

    def _shown_rows(self, table: etree._Element) -> Iterator[etree._Element]:
        for row in within(table, w("tr")):
            if is_deleted(row):
                self._pieces.add_hidden(HiddenKind.TRACKED_DELETION, "".join(word_text.all_text(row)))
            elif is_unseen(row):
                self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, "".join(word_text.all_text(row)))
            else:
                yield row

    def _row(self, row: etree._Element, above: list[str]) -> Row:
        made = Row([], [], is_repeated(row))
        for cell in within(row, w("tc")):
            if goes_on(cell) and len(made.texts) < len(above):
                # Text of its own is stored there and not shown.
                self._pieces.add_hidden(HiddenKind.INVISIBLE_TEXT, "".join(word_text.all_text(cell)))
                text = above[len(made.texts)]
            else:
                text = self._cell(cell, made)
            width = span(cell)
            self._grid += width
            if len(made.texts) + width > COLUMNS_MAX or self._grid > GRID_MAX:
                raise Refused(Reason.TOO_MUCH_TEXT, f"a row of more than {COLUMNS_MAX} columns, or too many cells")
            made.texts.extend([text, *[""] * (width - 1)])
            made.spans.extend([width, *[1] * (width - 1)])
        refuse_apart(made.texts, ("".join(word_text.all_text(one)) for one in made.apart))
        return made

    def _cell(self, cell: etree._Element, row: Row) -> str:
        texts: list[str] = []
        for element in within(cell, *_BLOCKS):
            if element.tag == w("tbl"):
                row.apart.append(element)
            else:
                read = self._paragraph(element)
                texts.append(read.text)
                row.apart.extend(read.apart)
        return "\n".join(texts)


def _check_depth(depth: int) -> None:
    if depth > APART_DEPTH_MAX:
        raise Refused(Reason.TOO_DEEP, "text boxes and tables within each other")


def sample() -> bytes:
    """A document of our own, to load the library with."""
    document = docx.Document()
    document.add_heading("Title", 1)
    document.add_table(1, 1)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()
