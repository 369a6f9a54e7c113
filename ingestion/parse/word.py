"""DOCX: headings, paragraphs and tables in the order of the page. Deleted and hidden text is not read."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml import etree

from ingestion.parse.document import ARCHIVE_BYTES_MAX, ARCHIVE_MEMBERS_MAX, Extracted, Reason, Refused
from ingestion.parse.pieces import Pieces

_STEP = 1 << 20
_LEFT_OUT = frozenset(
    (qn("w:del"), qn("w:moveFrom"), "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback")
)
_SPACE = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}


def extract(data: bytes, chars_max: int) -> Extracted:
    _check_archive(data)
    try:
        document = docx.Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError):
        raise Refused(Reason.BROKEN, "no Word document in the archive") from None
    pieces = Pieces(chars_max)
    headings = _heading_styles(document)
    for part in document.iter_inner_content():
        if isinstance(part, Table):
            _table(part, pieces)
        else:
            pieces.add(_text(part._p), heading=headings.get(_style(part), 0))
    return pieces.done(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", document.core_properties.title or ""
    )


def _check_archive(data: bytes) -> None:
    """Decompress every member once and count: the sizes that the archive declares are its sender's claims.

    Raises:
        Refused: archive_bomb, encrypted, broken.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, EOFError):
        raise Refused(Reason.BROKEN, "the archive is incomplete") from None
    members = archive.infolist()
    if len(members) > ARCHIVE_MEMBERS_MAX:
        raise Refused(Reason.ARCHIVE_BOMB, f"more than {ARCHIVE_MEMBERS_MAX} members")
    total = 0
    for member in members:
        if member.flag_bits & 0x1:
            raise Refused(Reason.ENCRYPTED)
        head = b""
        try:
            with archive.open(member) as file:
                while piece := file.read(_STEP):
                    head = head or piece[:4096]
                    total += len(piece)
                    if total > ARCHIVE_BYTES_MAX:
                        raise Refused(Reason.ARCHIVE_BOMB)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, zlib.error):
            raise Refused(Reason.BROKEN, "the archive is damaged") from None
        if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
            raise Refused(Reason.ARCHIVE_BOMB, "it declares entities, which the format forbids")


def _heading_styles(document: "docx.document.Document") -> dict[str, int]:
    levels: dict[str, int] = {}
    for style in document.styles:
        match = re.fullmatch(r"heading ([1-9])", str(style.name or "").lower())
        if match:
            levels[str(style.style_id)] = min(6, int(match.group(1)))
        elif str(style.name or "").lower() == "title":
            levels[str(style.style_id)] = 1
    return levels


def _style(paragraph: Paragraph) -> str:
    return str(paragraph._p.style or "")


def _table(table: Table, pieces: Pieces) -> None:
    rows = [[_text(cell) for cell in row.findall(qn("w:tc"))] for row in table._tbl.findall(qn("w:tr"))]
    if len(rows) == 1:
        pieces.add("; ".join(cell for cell in rows[0] if cell.strip()))
    names: list[str] = []
    for cells in rows if len(rows) > 1 else ():
        if not names and len(cells) > 1:
            names = cells
        else:
            pieces.row(names, cells)


def _text(root: etree._Element) -> str:
    """The text below an element. `Paragraph.text` leaves out what was inserted with change tracking on."""
    return "".join(_parts(root))


def _parts(root: etree._Element) -> Iterator[str]:
    stack = [root]
    while stack:
        element = stack.pop()
        if element.tag == qn("w:p") and element is not root:
            yield "\n"
        if element.tag == qn("w:t"):
            yield element.text or ""
        elif element.tag in _SPACE:
            yield _SPACE[element.tag]
        elif element.tag in _LEFT_OUT or (element.tag == qn("w:r") and _vanishes(element)):
            continue
        else:
            stack.extend(reversed(element))


def _vanishes(run: etree._Element) -> bool:
    mark = run.find(f"{qn('w:rPr')}/{qn('w:vanish')}")
    return mark is not None and mark.get(qn("w:val"), "true") not in ("0", "false", "off")


def sample() -> bytes:
    """A document of our own, to load the library with."""
    document = docx.Document()
    document.add_heading("Title", 1)
    document.add_table(1, 1)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()
