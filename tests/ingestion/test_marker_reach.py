"""What stands outside the flow of a document does not escape its stricter sections, and no marker is lost there.

From the design: a paragraph may carry stricter attributes than its document, and a marker that cannot be honoured
refuses the document.
"""

import io
import zipfile
from collections.abc import Callable

import docx
import openpyxl
import pytest
from openpyxl.comments import Comment
from pptx.oxml import parse_xml

from evals.hostile.samples import pdf_of, slides
from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parse.formats import read
from ingestion.parse.pieces import Pieces
from ingestion.parse.structure import build
from policies.rules import Level
from rag.hidden_content import HiddenKind

MARKER = "[ringfence level=secret]"
SECTION = ("Open one.", MARKER, "Closed.", "[/ringfence]", "Open two.")
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_FOOTER = (
    '<p:sp xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:nvSpPr><p:cNvPr id="99" name="f"/><p:cNvSpPr/>'
    '<p:nvPr><p:ph type="ftr"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{}</a:t></a:r></a:p>'
    "</p:txBody></p:sp>"
)


def parsed(data: bytes, suffix: str) -> ParsedDocument:
    pieces = Pieces(100_000, read, frozenset(HiddenKind))
    return build(pieces.done(read(data, suffix, pieces)), f"x{suffix}")


def levels(document: ParsedDocument) -> dict[str, Level]:
    return {block.text: block.tightening.level for block in document.blocks}


def letter(lines: tuple[str, ...], *, header: str = "") -> bytes:
    document = docx.Document()
    for line in lines:
        document.add_paragraph(line)
    if header:
        document.sections[0].header.paragraphs[0].text = header
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def with_notes(data: bytes) -> bytes:
    """A footnote and a comment in parts of their own, as Word writes them."""
    parts = {
        "footnotes": f'<w:footnotes xmlns:w="{_W}"><w:footnote w:id="2">{{}}</w:footnote></w:footnotes>',
        "comments": f'<w:comments xmlns:w="{_W}"><w:comment w:id="0">{{}}</w:comment></w:comments>',
    }
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            content = source.read(name).decode("utf-8", "surrogateescape")
            for part in parts:
                content = content.replace(
                    "</Relationships>" if name == "word/_rels/document.xml.rels" else "\x00",
                    f'<Relationship Id="r{part}" Type="{_RELATED}/{part}" Target="{part}.xml"/></Relationships>',
                )
                content = content.replace(
                    "</Types>" if name == "[Content_Types].xml" else "\x00",
                    f'<Override PartName="/word/{part}.xml" ContentType="application/xml"/></Types>',
                )
            target.writestr(name, content.encode("utf-8", "surrogateescape"))
        for part, xml in parts.items():
            target.writestr(f"word/{part}.xml", xml.format(f"<w:p><w:r><w:t>{part.title()} here.</w:t></w:r></w:p>"))
    return written.getvalue()


def deck(*lines: str, footer: str = "Page", note: str = "") -> bytes:
    def fill(made) -> None:  # type: ignore[no-untyped-def] # the library ships no types for it
        slide = made.slides.add_slide(made.slide_layouts[5])
        slide.shapes.title.text = "Title"
        for line in lines:
            slide.shapes.add_textbox(0, 0, 99, 99).text_frame.text = line
        slide.shapes._spTree.append(parse_xml(_FOOTER.format(footer)))
        if note:
            slide.notes_slide.notes_text_frame.text = note

    return slides(fill)


def sheet(*rows: tuple[str | None, ...], comment: str = "") -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if comment:
        book.active["A2"].comment = Comment(comment, "x")
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def test_footnotes_and_comments_are_as_strict_as_every_section_of_their_document() -> None:
    found = levels(parsed(with_notes(letter(SECTION)), ".docx"))
    assert found["Footnotes here."] is found["Comment: Comments here."] is Level.SECRET
    assert found["Closed."] is Level.SECRET
    assert found["Open one."] is found["Open two."] is Level.PUBLIC
    without = levels(parsed(with_notes(letter(("Open one.",))), ".docx"))
    assert without["Footnotes here."] is without["Comment: Comments here."] is Level.PUBLIC


def test_speaker_notes_and_comments_of_cells_do_not_leave_a_closed_section() -> None:
    found = levels(parsed(deck(MARKER, "Closed.", "[/ringfence]", "Open.", note="Said."), ".pptx"))
    assert (found["Speaker note: Said."], found["Open."]) == (Level.SECRET, Level.PUBLIC)
    cells = levels(parsed(sheet((MARKER,), ("Closed.",), ("[/ringfence]",), ("Open.",), comment="Said."), ".xlsx"))
    assert (cells["Comment: Said."], cells["Open."]) == (Level.SECRET, Level.PUBLIC)


def _comment(text: str) -> bytes:
    return f"# T\n\n<!-- {text} -->\n\nBody.\n".encode()


@pytest.mark.parametrize(
    ("made", "suffix"),
    [
        (lambda text: letter(("Body.",), header=text), ".docx"),
        (lambda text: deck("Body.", footer=text), ".pptx"),
        (_comment, ".md"),
        (_comment, ".html"),
        (lambda text: f"---\nname: {text}\n---\n\nBody.\n".encode(), ".md"),
        (lambda text: f"Name,{text}\nBody.,\n".encode(), ".csv"),
        (lambda text: f'[{{"{text}": null, "a": "Body."}}]'.encode(), ".json"),
        (lambda text: sheet((text, "Name"), (None, "Body.")), ".xlsx"),
    ],
)
def test_a_marker_where_none_can_be_honoured_refuses_the_document(made: Callable[[str], bytes], suffix: str) -> None:
    assert any("Body." in block.text for block in parsed(made("Nothing"), suffix).blocks)
    with pytest.raises(Refused) as refused:
        parsed(made(MARKER), suffix)
    assert refused.value.reason is Reason.BAD_MARKER


def _html(rows: list[tuple[str, ...]]) -> bytes:
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>".encode()


@pytest.mark.parametrize(
    ("made", "suffix"),
    [
        (lambda rows: "\n".join(map(",".join, rows)).encode(), ".csv"),
        (lambda rows: sheet(*rows), ".xlsx"),
        (_html, ".html"),
    ],
)
def test_a_row_of_a_stricter_section_names_no_columns_outside_of_it(
    made: Callable[[list[tuple[str, ...]]], bytes], suffix: str
) -> None:
    closed, later = [("Ann", "5000"), ("Bo", "6000")], [("Carl", "3000"), ("Dan", "2000")]
    section = [(MARKER,), *closed, ("[/ringfence]",), *later]
    assert levels(parsed(made(section), suffix)) == {
        "Ann: Bo; 5000: 6000": Level.SECRET,
        "Carl: Dan; 3000: 2000": Level.PUBLIC,
    }
    named = levels(parsed(made([("Name", "Pay"), *section]), suffix))
    assert named["Name: Ann; Pay: 5000"] is Level.SECRET
    assert named["Name: Carl; Pay: 3000"] is Level.PUBLIC


def page(*lines: tuple[str, ...]) -> bytes:
    """Lines from the top, their cells 280 points apart."""
    shown = (
        f"BT /F 10 Tf {40 + 280 * column} {780 - 14 * number} Td ({cell}) Tj ET"
        for number, cells in enumerate(lines)
        for column, cell in enumerate(cells)
    )
    return pdf_of("\n".join(shown).encode())


def test_a_page_with_a_marker_is_not_put_in_another_order() -> None:
    """Columns read one after the other would leave the right one behind the marker that ends the section."""
    beside = [(f"The left column has line {n} of it.", f"The right column has line {n} of it.") for n in range(4)]
    found = levels(parsed(page((MARKER,), *beside, ("[/ringfence]",)), ".pdf"))
    assert set(found.values()) == {Level.SECRET}
    assert "line 3" in " ".join(found)
    laid_out = " ".join(levels(parsed(page(*beside), ".pdf")))
    assert laid_out.index("left column has line 3") < laid_out.index("right column has line 0")
