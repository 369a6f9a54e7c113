"""DOCX: headings, paragraphs and tables in the order of the page, then notes, headers and footers.

What was deleted with change tracking on, comments and hidden text are hidden content; what was inserted is text.
"""

import io
import re
from collections.abc import Iterator

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from lxml import etree

from ingestion.parse.archive import check_office, parse_xml
from ingestion.parse.document import DEPTH_MAX, Head, Reason, Refused
from ingestion.parse.pieces import Names, Pieces
from rag.hidden_content import HiddenKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_DELETED = frozenset((qn("w:del"), qn("w:moveFrom")))
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SPACE = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_WRAPPERS = frozenset(qn(f"w:{name}") for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo"))
"""What may stand around whole paragraphs and tables."""
_BESIDE = ("footnotes", "endnotes", "header", "footer", "comments")
_OFF = ("0", "false", "off")


def extract(data: bytes, pieces: Pieces) -> Head:
    check_office(data, pieces)
    try:
        document = docx.Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError):
        raise Refused(Reason.BROKEN, "no Word document in the archive") from None
    reader = _Reader(document, pieces)
    for block in _blocks(document.element.body):
        reader.block(block)
    for kind, root in _beside(document):
        reader.part_beside(kind, root)
    return Head(MEDIA_TYPE, document.core_properties.title or "")


def _beside(document: "docx.document.Document") -> Iterator[tuple[str, etree._Element]]:
    """Notes, headers, footers and comments, in this order."""
    found: list[tuple[int, str, bytes]] = []
    for relation in document.part.rels.values():
        kind = relation.reltype.rsplit("/", 1)[-1]
        if kind in _BESIDE and not relation.is_external:
            found.append((_BESIDE.index(kind), str(relation.target_part.partname), relation.target_part.blob))
    for order, _, blob in sorted(found):
        yield _BESIDE[order], parse_xml(blob)


def _blocks(body: etree._Element) -> Iterator[etree._Element]:
    """Paragraphs and tables in order, also those in content controls and tracked insertions."""
    stack = [(child, 0) for child in reversed(body)]
    while stack:
        element, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP)
        if element.tag in (qn("w:p"), qn("w:tbl")) or element.tag in _DELETED:
            yield element
        elif element.tag in _WRAPPERS:
            stack.extend((child, depth + 1) for child in reversed(element))


class _Reader:
    def __init__(self, document: "docx.document.Document", pieces: Pieces) -> None:
        self._pieces = pieces
        self._headings = _heading_styles(document)
        self._vanishing = _vanishing_styles(document)
        self._said: set[str] = set()

    def block(self, element: etree._Element) -> None:
        if element.tag == qn("w:tbl"):
            self._table(element)
        else:
            style = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
            name = "" if style is None else str(style.get(qn("w:val"), ""))
            self._pieces.add(self._text(element), heading=self._headings.get(name, 0))

    def part_beside(self, kind: str, root: etree._Element) -> None:
        if kind == "comments":
            for comment in root.iter(qn("w:comment")):
                self._pieces.add_hidden(HiddenKind.COMMENT, self._text(comment))
            return
        for paragraph in root.iter(qn("w:p")):
            # Pages of several sections often repeat the same header.
            text = self._text(paragraph).strip()
            if text not in self._said:
                self._pieces.add(text, beside=True)
                self._said.add(text)

    def _table(self, table: etree._Element) -> None:
        rows: list[list[str]] = []
        for row in table.findall(qn("w:tr")):
            if row.find(f"{qn('w:trPr')}/{qn('w:del')}") is not None:
                self._pieces.add_hidden(HiddenKind.TRACKED_DELETION, "".join(_all_text(row)))
            else:
                rows.append(self._cells(row, rows[-1] if rows else []))
        if len(rows) == 1:
            self._pieces.add("; ".join(cell for cell in rows[0] if cell.strip()))
        names = Names[list[str]]()
        for cells in rows if len(rows) > 1 else ():
            self._pieces.table_row(names, cells)

    def _cells(self, row: etree._Element, above: list[str]) -> list[str]:
        """Texts by column. A cell that spans rows stands in each, one that spans columns in its first."""
        cells: list[str] = []
        for cell in row.iter(qn("w:tc")):
            if next(cell.iterancestors(qn("w:tr"))) is not row:
                continue  # of a table within the cell
            text = self._text(cell)
            merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
            if merge is not None and merge.get(qn("w:val"), "continue") != "restart" and len(cells) < len(above):
                text = above[len(cells)]
            span = cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}")
            width = 1 if span is None else int(span.get(qn("w:val"), "1"))
            cells.extend([text, *[""] * (min(max(width, 1), 63) - 1)])
        return cells

    def _text(self, root: etree._Element) -> str:
        """The text below an element that a reader sees; the rest is counted.

        `Paragraph.text` leaves out what was inserted with change tracking on.
        """
        parts: list[str] = []
        unseen: dict[HiddenKind, list[str]] = {}
        stack = [root]
        while stack:
            element = stack.pop()
            if element.tag in _DELETED:
                unseen.setdefault(HiddenKind.TRACKED_DELETION, []).extend(_all_text(element))
                continue
            if element.tag == qn("w:r") and self._invisible(element):
                unseen.setdefault(HiddenKind.INVISIBLE_TEXT, []).extend(_all_text(element))
                continue
            if element.tag == qn("w:p") and element is not root:
                parts.append("\n")
            if element.tag == qn("w:t"):
                parts.append(element.text or "")
            elif element.tag in _SPACE:
                parts.append(_SPACE[element.tag])
            elif element.tag != _FALLBACK:
                stack.extend(reversed(element))
        for kind, texts in unseen.items():
            self._pieces.add_hidden(kind, "".join(texts))
        return "".join(parts)

    def _invisible(self, run: etree._Element) -> bool:
        """Hidden by its own properties or its style, or white where nothing says that the paper is not."""
        properties = run.find(qn("w:rPr"))
        if properties is None:
            return False
        vanish = properties.find(qn("w:vanish"))
        if vanish is not None:
            return vanish.get(qn("w:val"), "true") not in _OFF
        style = properties.find(qn("w:rStyle"))
        if style is not None and style.get(qn("w:val")) in self._vanishing:
            return True
        color = properties.find(qn("w:color"))
        if color is None or str(color.get(qn("w:val"), "")).upper() != "FFFFFF":
            return False
        coloured = properties.find(qn("w:shd")) is not None or properties.find(qn("w:highlight")) is not None
        around = next(run.iterancestors(qn("w:p")), None)
        shaded = around is not None and around.find(f"{qn('w:pPr')}/{qn('w:shd')}") is not None
        return not coloured and not shaded and next(run.iterancestors(qn("w:tbl"), qn("w:txbxContent")), None) is None


def _all_text(root: etree._Element) -> Iterator[str]:
    for element in root.iter(qn("w:t"), qn("w:delText"), qn("w:p")):
        yield " " if element.tag == qn("w:p") else element.text or ""


def _heading_styles(document: "docx.document.Document") -> dict[str, int]:
    levels: dict[str, int] = {}
    for style in document.styles:
        match = re.fullmatch(r"heading ([1-9])", str(style.name or "").lower())
        if match:
            levels[str(style.style_id)] = min(6, int(match.group(1)))
        elif str(style.name or "").lower() == "title":
            levels[str(style.style_id)] = 1
    return levels


def _vanishing_styles(document: "docx.document.Document") -> frozenset[str]:
    found: set[str] = set()
    for style in document.styles.element.iter(qn("w:style")):
        vanish = style.find(f"{qn('w:rPr')}/{qn('w:vanish')}")
        if vanish is not None and vanish.get(qn("w:val"), "true") not in _OFF:
            found.add(str(style.get(qn("w:styleId"))))
    return frozenset(found)


def sample() -> bytes:
    """A document of our own, to load the library with."""
    document = docx.Document()
    document.add_heading("Title", 1)
    document.add_table(1, 1)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()
