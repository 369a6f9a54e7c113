"""Writes the PDF and DOCX files of the sample company from their text sources.

    python -m evals.sample_company.build          rewrite documents/**.pdf and documents/**.docx

A source is `sources/<path of the document>.md`: `# ` title, `## ` heading, `- ` list item, `---page---` for a
new page, anything else a paragraph. The same sources give the same bytes with the same library versions.
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import BytesIO
from pathlib import Path

import docx
from docx.enum.text import WD_BREAK
from fpdf import FPDF

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
DOCUMENTS = HERE / "documents"
WRITTEN_AT = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
COMPANY = "Meridian Freight"
_LINE_MM = 5.5


class Kind(StrEnum):
    TITLE = "title"
    HEADING = "heading"
    ITEM = "item"
    PARAGRAPH = "paragraph"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Block:
    kind: Kind
    text: str


def blocks_of(source: str) -> Iterator[Block]:
    """The blocks of a text source, in order."""
    for block in re.split(r"\n\s*\n", source.strip()):
        if block == "---page---":
            yield Block(Kind.PAGE, "")
        elif block.startswith("# "):
            yield Block(Kind.TITLE, block[2:])
        elif block.startswith("## "):
            yield Block(Kind.HEADING, block[3:])
        elif block.startswith("- "):
            yield from (Block(Kind.ITEM, line[2:]) for line in block.splitlines())
        else:
            yield Block(Kind.PARAGRAPH, block)


def pdf_of(source: str) -> bytes:
    """The source as a PDF with the fixed date; uncompressed, so that its bytes do not depend on zlib."""
    pdf = FPDF()
    pdf.set_compression(False)
    pdf.set_creation_date(WRITTEN_AT)
    pdf.set_author(COMPANY)
    pdf.set_margins(22, 20, 22)
    pdf.set_auto_page_break(True, margin=20)
    pdf.add_page()
    for block in blocks_of(source):
        if block.kind is Kind.PAGE:
            pdf.add_page()
            continue
        if block.kind is Kind.TITLE:
            pdf.set_title(block.text)
        size, style = {Kind.TITLE: (17, "B"), Kind.HEADING: (12.5, "B")}.get(block.kind, (11, ""))
        pdf.set_font("Helvetica", style, size)
        bullet = "- " if block.kind is Kind.ITEM else ""
        pdf.multi_cell(0, _LINE_MM, bullet + block.text, align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(0.5 if bullet else 3)
    return bytes(pdf.output())


def docx_of(source: str) -> bytes:
    """The source as a DOCX with fixed dates, in the document and in its zip entries."""
    document = docx.Document()
    properties = document.core_properties
    properties.author = properties.last_modified_by = COMPANY
    properties.created = properties.modified = WRITTEN_AT.replace(tzinfo=None)
    for block in blocks_of(source):
        if block.kind is Kind.TITLE:
            properties.title = block.text
            document.add_heading(block.text, level=1)
        elif block.kind is Kind.HEADING:
            document.add_heading(block.text, level=2)
        elif block.kind is Kind.ITEM:
            document.add_paragraph(block.text, style="List Bullet")
        elif block.kind is Kind.PAGE:
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        else:
            document.add_paragraph(block.text)
    written = BytesIO()
    document.save(written)
    return _with_fixed_dates(written)


def _with_fixed_dates(package: BytesIO) -> bytes:
    # python-docx stamps each zip entry with the time of writing.
    result = BytesIO()
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in sorted(old.namelist()):
            info = zipfile.ZipInfo(entry, WRITTEN_AT.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, old.read(entry))
    return result.getvalue()


WRITERS = {".pdf": pdf_of, ".docx": docx_of}


def build(into: Path = DOCUMENTS) -> list[Path]:
    """Write every PDF and DOCX below `into`; returns the files written, in order."""
    written = []
    for source in sorted(SOURCES.rglob("*.md")):
        target = into / source.relative_to(SOURCES).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(WRITERS[target.suffix](source.read_text(encoding="utf-8")))
        written.append(target)
    return written


if __name__ == "__main__":
    sys.stdout.writelines(f"{path}\n" for path in build())
