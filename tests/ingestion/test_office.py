"""Word, PowerPoint and Excel: structure survives, values are as they are shown, hidden content is told apart."""

import datetime
from typing import Any

import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement, parse_xml
from docx.shared import RGBColor
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from pptx.util import Inches

from evals.hostile.samples import WORD_NAMESPACE, slides, word, workbook
from ingestion.parse.numbers import shown
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import DROP_ALL, HiddenAction, HiddenKind, HiddenPolicy
from tests.ingestion.outcomes import said

INDEX_ALL = HiddenPolicy(dict.fromkeys(HiddenKind, HiddenAction.INDEX))
Fill = Any
"""The libraries ship no types."""


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def both(sandbox: Sandbox, data: bytes, name: str) -> tuple[str, str]:
    """All the text with hidden content left out, and with it."""
    left_out, indexed = sandbox.parse(data, name, DROP_ALL), sandbox.parse(data, name, INDEX_ALL)
    assert left_out.hidden == indexed.hidden
    return tuple("\n".join(block.text for block in one.blocks) for one in (left_out, indexed))  # type: ignore[return-value] # two


def test_slides_are_pages_with_titles_tables_and_groups_in_order(sandbox: Sandbox) -> None:
    def fill(deck: Fill) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = "Canteen"
        slide.placeholders[1].text = "Open\nfrom eleven"
        table = slide.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
        for number, value in enumerate(("Name", "Room", "Ann", "12")):
            table.cell(number // 2, number % 2).text = value
        group = slide.shapes.add_group_shape()
        group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
        deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_textbox(0, 0, 9, 9).text_frame.text = "no title"

    parsed = sandbox.parse(slides(fill), "deck.pptx")
    assert [(block.page, *one) for block, one in zip(parsed.blocks, said(parsed), strict=True)] == [
        (1, ("Canteen",), "Open"),
        (1, ("Canteen",), "from eleven"),
        (1, ("Canteen",), "Name: Ann; Room: 12"),
        (1, ("Canteen",), "in a group"),
        (2, ("Slide 2",), "no title"),
    ]


def test_notes_hidden_slides_and_text_beside_the_slide_are_hidden_content(sandbox: Sandbox) -> None:
    def fill(deck: Fill) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = "Shown"
        slide.notes_slide.notes_text_frame.text = "NOTE"
        slide.shapes.add_textbox(Inches(40), 0, Inches(1), Inches(1)).text_frame.text = "BESIDE"
        switched_off = slide.shapes.add_textbox(0, 0, Inches(1), Inches(1))
        switched_off.text_frame.text = "OFF"
        switched_off._element.nvSpPr.cNvPr.set("hidden", "1")
        hidden = deck.slides.add_slide(deck.slide_layouts[5])
        hidden.shapes.title.text = "WHOLE"
        hidden._element.set("show", "0")

    data = slides(fill)
    left_out, indexed = both(sandbox, data, "deck.pptx")
    assert left_out == "Shown"
    assert all(word in indexed for word in ("Speaker note: NOTE", "BESIDE", "OFF", "WHOLE"))
    assert sandbox.parse(data, "deck.pptx").hidden == {
        HiddenKind.SPEAKER_NOTE: 1,
        HiddenKind.INVISIBLE_TEXT: 2,
        HiddenKind.HIDDEN_SLIDE: 1,
    }


def test_each_row_of_a_sheet_can_be_understood_alone_with_values_as_shown(sandbox: Sandbox) -> None:
    def fill(book: Fill) -> None:
        sheet = book.active
        sheet.title = "Pay"
        sheet.append(["Pay list of 2026"])
        sheet.append(["Name", "Hired", "Share", "Pay", "Sum"])
        sheet.append(["Ann", datetime.date(2020, 1, 2), 0.25, 1234.5, "=1+1"])
        sheet["C3"].number_format, sheet["D3"].number_format = "0.0%", '#,##0.00 "EUR"'
        sheet["A6"], sheet["B6"] = "Region", "City"
        sheet["A7"], sheet["B7"], sheet["B8"] = "EU", "Rome", "Paris"
        sheet.merge_cells("A7:A8")
        book.create_sheet("Empty")
        book.create_sheet("Rooms").append(["only a line"])

    assert said(sandbox.parse(workbook(fill), "pay.xlsx")) == [
        (("Pay",), "Pay list of 2026"),
        (("Pay",), "Name: Ann; Hired: 2020-01-02; Share: 25.0%; Pay: 1,234.50 EUR"),
        (("Pay",), "Sum"),
        (("Pay",), "Region: EU; City: Rome"),
        (("Pay",), "Region: EU; City: Paris"),
        ((), "Empty"),
        (("Rooms",), "only a line"),
    ]


def test_hidden_sheets_rows_columns_and_comments_are_hidden_content(sandbox: Sandbox) -> None:
    def fill(book: Fill) -> None:
        sheet = book.active
        for row in (["Name", "Room", "PIN"], ["Ann", "12", "COLUMN"], ["ROW", "13", "x"], ["Bo", "14", ""]):
            sheet.append(row)
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["C"].hidden = True
        sheet["A2"].comment = Comment("REMARK", "somebody")
        secret = book.create_sheet("Secret")
        secret["A1"] = "SHEET"
        secret.sheet_state = "veryHidden"
        sheet["A6"], sheet["A7"] = "WHITE", "NOTHING"
        sheet["A6"].font, sheet["A7"].number_format = Font(color="FFFFFF"), ";;;"
        sheet["A8"] = "white on black"
        sheet["A8"].font, sheet["A8"].fill = Font(color="FFFFFF"), PatternFill("solid", fgColor="000000")

    data = workbook(fill)
    left_out, indexed = both(sandbox, data, "staff.xlsx")
    assert left_out == "Name: Ann; Room: 12\nName: Bo; Room: 14\nwhite on black"
    assert all(word in indexed for word in ("COLUMN", "ROW", "Comment: REMARK", "SHEET", "WHITE", "NOTHING"))
    assert sandbox.parse(data, "staff.xlsx").hidden == {
        HiddenKind.HIDDEN_COLUMN: 2,
        HiddenKind.HIDDEN_ROW: 1,
        HiddenKind.COMMENT: 1,
        HiddenKind.HIDDEN_SHEET: 1,
        HiddenKind.INVISIBLE_TEXT: 1,
    }


def test_a_sheet_with_cells_at_its_far_ends_costs_what_its_cells_cost(sandbox: Sandbox) -> None:
    def fill(book: Fill) -> None:
        book.active["A1"], book.active["XFD1048576"] = "near", "far"

    parsed = sandbox.parse(workbook(fill), "sparse.xlsx")
    assert [block.text for block in parsed.blocks] == ["near", "far"]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (0.1 + 0.2, "General", "0.3"),
        (1234567, "General", "1234567"),
        (0.5, "0%", "50%"),
        (-1234.567, "#,##0.00;[Red]-#,##0.00", "-1,234.57"),
        (12, "[$€-407]#,##0.0", "12.0 €"),
        (3, '"about "0', "about 3"),
        (1067, "00000", "01067"),
        (1234.5, '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-', "1,234.50 €"),
        (-1234.5, '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-', "-1,234.50 €"),
        (12345678, '0.0,, "Mio. €"', "12.3 Mio. €"),
        (-5.5, "#,##0.00;(#,##0.00)", "(5.50)"),
        (1.5, "0.##", "1.5"),
        (2.5, "0", "3"),
        (0.125, "0.00", "0.13"),
        (-2.675, "0.00", "-2.68"),
        (0.285, "0%", "29%"),
        (37040044, "000 000 00", "370 400 44"),
        (0, '0;-0;"-"', "0"),
        (500, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "500"),
        (2500, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "2.5K"),
        (3000000, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "3.0M"),
        (-7, '[>=1000]0.0,"K";[Red]0', "-7"),
        (-7, "[<0]-0.0;0", "-7.0"),
        (500, '[>=1000]0.0,"K"', "500"),
        (2065551234, "[<=9999999]###-####;(###) ###-####", "(206) 555-1234"),
        (-5, "0.00;[Red]0.00", "-5.00"),
        (-5, '0.00 "DR";[Red]0.00 "CR"', "5.00 CR"),
        (1.5, "# ?/?", "1.5"),
        (12345678901234567890, "0", "12345678901234567890"),
        (True, "General", "TRUE"),
        (datetime.datetime.fromisoformat("2026-01-02T03:04"), "yyyy", "2026-01-02 03:04:00"),
        (datetime.datetime.fromisoformat("2026-01-02"), "yyyy", "2026-01-02"),
        (datetime.timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
        (1e300, "0" * 400, "1" + "0" * 300),
    ],
)
def test_a_number_is_written_as_its_cell_shows_it(value: object, number_format: str, text: str) -> None:
    if value == 1e300:
        assert len(shown(value, number_format)) < 400
    else:
        assert shown(value, number_format) == text


def test_word_deletions_comments_and_unseen_runs_are_hidden_content_and_the_page_is_not(sandbox: Sandbox) -> None:
    def fill(document: Fill) -> None:
        paragraph = document.add_paragraph("Kept. ")
        paragraph.add_run("VANISH").font.hidden = True
        paragraph.add_run("WHITE").font.color.rgb = RGBColor(255, 255, 255)
        style = document.styles.add_style("Unseen", WD_STYLE_TYPE.CHARACTER)
        style.font.hidden = True
        paragraph.add_run("STYLED").style = style
        paragraph._p.append(parse_xml(f"<w:del {WORD_NAMESPACE}><w:r><w:delText>DELETED</w:delText></w:r></w:del>"))
        document.add_comment(paragraph.runs[0], text="REMARK", author="a")
        document.sections[0].header.paragraphs[0].text = "Header line"
        document.sections[0].footer.paragraphs[0].text = "Footer line"
        control = parse_xml(
            f"<w:sdt {WORD_NAMESPACE}><w:sdtContent><w:p><w:r><w:t>In a control.</w:t></w:r></w:p></w:sdtContent>"
            "</w:sdt>"
        )
        document.element.body.insert(1, control)

    data = word(fill)
    left_out, indexed = both(sandbox, data, "policy.docx")
    assert left_out.split("\n") == ["Kept.", "In a control.", "Header line", "Footer line"]
    assert all(text in indexed for text in ("VANISH", "WHITE", "STYLED", "DELETED", "Comment: REMARK"))
    assert sandbox.parse(data, "policy.docx").hidden == {
        HiddenKind.INVISIBLE_TEXT: 1,
        HiddenKind.TRACKED_DELETION: 1,
        HiddenKind.COMMENT: 1,
    }


def test_white_text_on_a_dark_cell_is_read(sandbox: Sandbox) -> None:
    """Headers of tables are often white: their paper is the cell's, or the table style's, which no run tells."""

    def fill(document: Fill) -> None:
        table = document.add_table(2, 2, "Light List Accent 1")
        for cell, value in zip(
            (c for row in table.rows for c in row.cells), ("Name", "Room", "Ann", "12"), strict=True
        ):
            cell.paragraphs[0].add_run(value).font.color.rgb = RGBColor(255, 255, 255)
        marked = document.add_paragraph().add_run("on black")
        marked.font.color.rgb = RGBColor(255, 255, 255)
        shading = OxmlElement("w:shd")
        marked._r.rPr.append(shading)

    parsed = sandbox.parse(word(fill), "dark.docx")
    assert [block.text for block in parsed.blocks] == ["Name: Ann; Room: 12", "on black"]
    assert parsed.hidden == {}


def test_cells_that_span_keep_the_columns_of_their_row(sandbox: Sandbox) -> None:
    def fill(document: Fill) -> None:
        table = document.add_table(3, 3)
        for number, value in enumerate(("Region", "City", "Room", "EU", "Rome", "1", "", "Paris", "2")):
            table.cell(number // 3, number % 3).text = value
        table.cell(1, 0).merge(table.cell(2, 0))

    parsed = sandbox.parse(word(fill), "spans.docx")
    assert [block.text for block in parsed.blocks] == [
        "Region: EU; City: Rome; Room: 1",
        "Region: EU; City: Paris; Room: 2",
    ]
