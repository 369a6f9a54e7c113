"""Office documents with what the libraries that write them cannot write, and what is read of them."""

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from docx.oxml import parse_xml
from PIL import Image

from evals.hostile.samples import archive, word
from ingestion.parse.document import Extracted, ParsedDocument
from ingestion.parse.formats import read
from ingestion.parse.pieces import Pieces
from ingestion.parse.structure import build
from rag.hidden_content import HiddenKind

NAMESPACES = " ".join(
    f'xmlns:{prefix}="http://schemas.{rest}"'
    for prefix, rest in {
        "w": "openxmlformats.org/wordprocessingml/2006/main",
        "wp": "openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "wps": "microsoft.com/office/word/2010/wordprocessingShape",
        "a": "openxmlformats.org/drawingml/2006/main",
        "mc": "openxmlformats.org/markup-compatibility/2006",
        "m": "openxmlformats.org/officeDocument/2006/math",
        "r": "openxmlformats.org/officeDocument/2006/relationships",
        "p": "openxmlformats.org/presentationml/2006/main",
    }.items()
)
Fill = Any
"""The libraries ship no types."""


def extracted(data: bytes, suffix: str, *kinds: HiddenKind) -> Extracted:
    """With hidden content of these kinds indexed."""
    pieces = Pieces(1_000_000, read, frozenset(kinds))
    return pieces.done(read(data, suffix, pieces))


def parsed(data: bytes, suffix: str, *kinds: HiddenKind) -> ParsedDocument:
    return build(extracted(data, suffix, *kinds), f"x{suffix}")


def lines(data: bytes, suffix: str, *kinds: HiddenKind) -> list[str]:
    return [block.text for block in parsed(data, suffix, *kinds).blocks]


def body(*elements: str, then: Callable[[Fill], object] = lambda document: None) -> bytes:
    """A Word document of these elements."""

    def fill(document: Fill) -> None:
        for element in elements:
            head, _, rest = element.partition(">")
            closed = head.endswith("/")
            made = parse_xml(f"{head.rstrip('/')} {NAMESPACES}{'/' * closed}>{rest}")
            document.element.body.insert(len(document.element.body) - 1, made)
        then(document)

    return word(fill)


def paragraph(*runs: str) -> str:
    return "<w:p>" + "".join(run if run.startswith("<") else f"<w:r><w:t>{run}</w:t></w:r>" for run in runs) + "</w:p>"


def table_row(*cells: str, properties: str = "") -> str:
    filled = "".join(f"<w:tc>{cell if cell.startswith('<') else paragraph(cell)}</w:tc>" for cell in cells)
    return f"<w:tr>{properties}{filled}</w:tr>"


def rewritten(data: bytes, change: Callable[[str, bytes], bytes], added: Mapping[str, bytes] | None = None) -> bytes:
    """An Office document with each of its parts changed, and others added."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        parts = {name: change(name, source.read(name)) for name in source.namelist()}
    return archive({**parts, **(added or {})})


def picture() -> io.BytesIO:
    written = io.BytesIO()
    Image.new("RGB", (40, 40)).save(written, "PNG")
    written.seek(0)
    return written
