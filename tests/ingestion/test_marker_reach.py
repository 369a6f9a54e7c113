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
from tests.ingestion.pdf_files import page_of

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
    closed, later = [("Ann", "Rome"), ("Bo", "Paris")], [("Carl", "Oslo"), ("Dan", "Bonn")]
    section = [(MARKER,), *closed, ("[/ringfence]",), *later]
    assert levels(parsed(made(section), suffix)) == {
        "Ann: Bo; Rome: Paris": Level.SECRET,
        "Carl: Dan; Oslo: Bonn": Level.PUBLIC,
    }
    named = levels(parsed(made([("Name", "City"), *section]), suffix))
    assert named["Name: Ann; City: Rome"] is Level.SECRET
    assert named["Name: Carl; City: Oslo"] is Level.PUBLIC


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


def drawn(*texts: tuple[int, int, str], turned: bool = False) -> bytes:
    """Texts by their places, drawn in this order; on a page that lies on its side."""
    matrix = "0 1 -1 0 800 0 cm" if turned else ""
    shown = "".join(f"BT /F 10 Tf {x} {y} Td ({text}) Tj ET\n" for x, y, text in texts)
    return pdf_of(f"q {matrix}\n{shown} Q".encode())


OPENED, CLOSED = (40, 700, MARKER), (40, 600, "[/ringfence]")
ABOVE, WITHIN, BELOW = (40, 750, "Above."), (40, 650, "Within."), (40, 550, "Below.")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "order",
    [
        (ABOVE, OPENED, WITHIN, CLOSED, BELOW),
        (BELOW, ABOVE, OPENED, WITHIN, CLOSED),
        (ABOVE, OPENED, CLOSED, BELOW, WITHIN),
        (WITHIN, ABOVE, OPENED, CLOSED, BELOW),
        (ABOVE, WITHIN, BELOW, OPENED, CLOSED),
    ],
)
def test_what_stands_between_markers_on_a_page_is_as_strict_whenever_it_is_drawn(
    order: tuple[tuple[int, int, str], ...], turned: bool
) -> None:
    found = levels(parsed(drawn(*order, turned=turned), ".pdf"))
    assert found == {"Above.": Level.PUBLIC, "Within.": Level.SECRET, "Below.": Level.PUBLIC}


def test_what_is_drawn_within_a_section_stays_there_wherever_it_stands() -> None:
    found = levels(parsed(drawn((40, 740, "Before."), OPENED, ABOVE, BELOW, CLOSED), ".pdf"))
    assert found == {"Before.": Level.PUBLIC, "Above. Below.": Level.SECRET}


def test_what_stands_beside_a_marker_is_as_strict_as_its_section() -> None:
    found = levels(parsed(drawn(ABOVE, OPENED, WITHIN, CLOSED, BELOW, (300, 699, "Aside.")), ".pdf"))
    assert (found["Aside."], found["Below."]) == (Level.SECRET, Level.PUBLIC)


def test_a_footer_that_is_drawn_first_is_as_strict_as_the_section_that_goes_on_below_it() -> None:
    found = levels(parsed(drawn((40, 30, "Page 1"), ABOVE, OPENED, WITHIN), ".pdf"))
    assert found == {"Page 1": Level.SECRET, "Above.": Level.PUBLIC, "Within.": Level.SECRET}


@pytest.mark.parametrize(
    "order",
    [
        (WITHIN, (40, 500, MARKER), (40, 750, "[/ringfence]"), BELOW),
        ((40, 750, "Head."), OPENED, WITHIN, (300, 650, "[/ringfence]"), (40, 700 - 13, "[/ringfence]")),
    ],
)
def test_markers_that_do_not_stand_in_the_order_they_are_drawn_in_refuse_the_document(
    order: tuple[tuple[int, int, str], ...],
) -> None:
    with pytest.raises(Refused) as refused:
        parsed(drawn(*order), ".pdf")
    assert refused.value.reason is Reason.BAD_MARKER


def columns(*, ends_in: int) -> list[tuple[int, int, str]]:
    """Line by line, with a section from the left column on that ends in this one."""
    texts = [
        (x, 780 - 14 * line, f"{side} {line} has words.") for line in range(12) for x, side in ((40, "L"), (300, "R"))
    ]
    markers = {(40, 780 - 14 * 2): MARKER, ((40, 300)[ends_in], 780 - 14 * 6): "[/ringfence]"}
    return [(x, y, markers.get((x, y), text)) for x, y, text in texts if (340 - x, y) not in markers]


def test_a_section_that_goes_on_in_the_next_column_refuses_a_page_that_is_drawn_line_by_line() -> None:
    """By columns, what stands left below its end is within it; by lines it is not."""
    within = levels(parsed(drawn(*columns(ends_in=0)), ".pdf"))
    assert {level for text, level in within.items() if "L 4" in text or "R 4" in text} == {Level.SECRET}
    assert {level for text, level in within.items() if "L 9" in text or "R 9" in text} == {Level.PUBLIC}
    with pytest.raises(Refused) as refused:
        parsed(drawn(*columns(ends_in=1)), ".pdf")
    assert refused.value.reason is Reason.BAD_MARKER


def test_a_column_drawn_after_the_section_in_the_other_is_not_refused() -> None:
    texts = sorted(columns(ends_in=0))
    found = levels(parsed(drawn(*sorted(texts, key=lambda one: (one[0], -one[1]))), ".pdf"))
    assert {level for text, level in found.items() if "L 4" in text or "R 4" in text} == {Level.SECRET}
    assert {level for text, level in found.items() if "L 9" in text or "R 9" in text} == {Level.PUBLIC}


def test_a_marker_that_is_written_in_pieces_refuses_the_document() -> None:
    """What nobody sees in it is dropped later, when the page may have been put in another order."""
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</Type/Encoding/Differences[1/softhyphen]>>>>"
    content = b"BT /S 10 Tf 40 200 Td ([ring%sfence level=secret]) Tj 0 -20 Td (Closed.) Tj ET"
    whole, cut = (page_of(content % between, fonts=b"/S 9 0 R", last=font) for between in (b"", b"\001"))
    assert levels(parsed(whole, ".pdf")) == {"Closed.": Level.SECRET}
    with pytest.raises(Refused) as refused:
        parsed(cut, ".pdf")
    assert refused.value.reason is Reason.BAD_MARKER


def test_hundreds_of_markers_on_a_page_refuse_the_document() -> None:
    with pytest.raises(Refused) as refused:
        parsed(drawn(*((40, 780 - n, f"[ringfence denied_shares=user:u{n}]") for n in range(700))), ".pdf")
    assert refused.value.reason is Reason.BAD_MARKER
