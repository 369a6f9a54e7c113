"""Markers in Office documents: what is read apart from where it stands leaves no section by that."""

import pytest
from pptx.util import Pt

from evals.hostile.samples import slides
from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from policies.rules import Level
from tests.ingestion.office_documents import Fill, body, lines, paragraph, parsed, rewritten, table_row

OPEN, CLOSE = "[ringfence level=secret]", "[/ringfence]"
_HIDDEN = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>{}</w:t></w:r>"


def box(*paragraphs: str) -> str:
    return f"<w:r><w:pict><w:txbxContent>{''.join(paragraphs)}</w:txbxContent></w:pict></w:r>"


def cells(*rows: str) -> str:
    return f"<w:tbl>{''.join(rows)}</w:tbl>"


def levels(data: bytes, suffix: str) -> dict[str, Level]:
    return {block.text: block.tightening.level for block in parsed(data, suffix).blocks}


def is_refused(data: bytes, suffix: str = ".docx") -> bool:
    with pytest.raises(Refused) as refused:
        parsed(data, suffix)
    return refused.value.reason is Reason.BAD_MARKER


INNER = cells(table_row("SECRET", "1"), table_row("SECRET 2", "2"))
WIDE = '<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>{}</w:tc>'


@pytest.mark.parametrize("cell", [f"<w:tr>{WIDE}</w:tr>", "<w:tr><w:tc>{}</w:tc><w:tc><w:p/></w:tc></w:tr>"])
def test_a_marker_and_a_table_within_one_row_refuse_the_document(cell: str) -> None:
    """The row is read first: both markers stood before the table that they enclose."""

    def made(opening: str, closing: str) -> bytes:
        row = cell.format(paragraph(opening) + INNER + paragraph(closing))
        return body(paragraph("public"), cells(table_row("k", "v"), row))

    assert is_refused(made(OPEN, CLOSE))
    assert "SECRET: 1" in lines(made("before", "after"), ".docx")


def test_a_section_that_a_table_within_a_row_leaves_open_refuses_the_document() -> None:
    def made(*rows: str) -> bytes:
        return body(cells(table_row("k", "v"), table_row(paragraph("x") + cells(*rows), "y")))

    assert is_refused(made(table_row(OPEN, ""), table_row("SECRET", "1")))
    whole = made(table_row(OPEN, ""), table_row("SECRET", "1"), table_row(CLOSE, ""))
    assert levels(whole, ".docx") == {"k: v": Level.PUBLIC, "x: y": Level.PUBLIC, "SECRET: 1": Level.SECRET}


@pytest.mark.parametrize(
    "runs", [(box(paragraph("SECRET")), CLOSE), (CLOSE, box(paragraph("SECRET"))), (box(paragraph(CLOSE)), "SECRET")]
)
def test_a_text_box_in_the_paragraph_of_a_marker_refuses_the_document(runs: tuple[str, ...]) -> None:
    assert is_refused(body(paragraph(OPEN), paragraph("inside"), paragraph(*runs), paragraph("after")))


def test_a_text_box_in_a_paragraph_of_its_own_is_as_strict_as_the_section_around_it() -> None:
    alone = body(paragraph(OPEN), paragraph(box(paragraph("SECRET"))), paragraph(CLOSE), paragraph("after"))
    assert levels(alone, ".docx") == {"SECRET": Level.SECRET, "after": Level.PUBLIC}
    whole = body(paragraph(box(paragraph(OPEN), paragraph("SECRET"), paragraph(CLOSE)), "beside"))
    assert levels(whole, ".docx") == {"SECRET": Level.SECRET, "beside": Level.PUBLIC}
    opened = body(paragraph(box(paragraph(OPEN))), paragraph("SECRET"))
    assert levels(opened, ".docx") == {"SECRET": Level.SECRET}


@pytest.mark.parametrize(
    "runs",
    [
        (_HIDDEN.format("[ring"), "fence level=secret]"),
        ("[ring", _HIDDEN.format("fence level=secret]")),
        ("[ring", _HIDDEN.format("x"), "fence level=secret]"),
        ("[ring", "<w:del><w:r><w:delText>fence level=secret]</w:delText></w:r></w:del>"),
    ],
)
def test_a_marker_that_is_hidden_in_part_refuses_the_document(runs: tuple[str, ...]) -> None:
    assert is_refused(body(paragraph(*runs), paragraph("SECRET")))


def test_a_marker_that_was_changed_with_tracking_on_is_the_one_that_is_shown() -> None:
    deleted = "<w:del><w:r><w:delText>internal</w:delText></w:r></w:del>"
    inserted = "<w:ins><w:r><w:t>secret</w:t></w:r></w:ins>"
    changed = body(paragraph("[ringfence level=", deleted, inserted, "]"), paragraph("SECRET"))
    assert levels(changed, ".docx") == {"SECRET": Level.SECRET}


def _merged(below: str) -> bytes:
    first, goes_on = (f'<w:tc><w:tcPr><w:vMerge w:val="{how}"/></w:tcPr>{{}}</w:tc>' for how in ("restart", "continue"))
    rest = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    rows = (
        f"<w:tr>{first.format(paragraph('x'))}{rest.format(1)}{rest.format(2)}</w:tr>",
        f"<w:tr>{goes_on.format(paragraph(below))}{rest.format(3)}{rest.format(4)}</w:tr>",
    )
    return body(cells(table_row("A", "B", "C"), *rows))


def test_text_that_is_stored_in_a_merged_cell_and_not_shown_is_hidden_content() -> None:
    read = parsed(_merged("HIDDEN"), ".docx")
    assert [block.text for block in read.blocks] == ["A: x; B: 1; C: 2", "A: x; B: 3; C: 4"]
    assert sum(read.hidden.values()) == 1
    assert not parsed(_merged(""), ".docx").hidden
    assert is_refused(_merged(OPEN))


def deck(*texts: str, title: str = "Title") -> bytes:
    """A slide of text boxes, its title where the texts say so."""

    def fill(made: Fill) -> None:
        slide = made.slides.add_slide(made.slide_layouts[5])
        named = slide.shapes.title
        named.text = title
        for text in texts:
            if text == title:
                slide.shapes._spTree.append(named._element)
            else:
                slide.shapes.add_textbox(0, 0, 99, 99).text_frame.text = text

    return slides(fill)


def test_a_title_that_stands_in_a_section_does_not_leave_it() -> None:
    read = parsed(deck(OPEN, "Title", "Body", CLOSE, "after"), ".pptx")
    assert {block.text: block.tightening.level for block in read.blocks} == {
        "Body": Level.SECRET,
        "after": Level.PUBLIC,
    }
    assert [block.heading_path for block in read.blocks] == [("Title",), ()]
    assert "Title" not in read.title
    read = parsed(deck(OPEN, "Body", CLOSE), ".pptx")
    assert {block.text: block.heading_path for block in read.blocks} == {"Body": ("Title",)}
    assert read.title == "Title"


def test_a_title_after_a_text_names_a_slide_without_markers() -> None:
    assert [block.heading_path for block in parsed(deck("Body", "Title"), ".pptx").blocks] == [("Title",)]


def test_a_marker_of_which_a_slide_hides_a_part_refuses_the_document() -> None:
    def fill(made: Fill, *, size: int) -> None:
        slide = made.slides.add_slide(made.slide_layouts[5])
        words = slide.shapes.add_textbox(0, 0, 99, 99).text_frame.paragraphs[0]
        words.add_run().text = "[ring"
        words.runs[0].font.size = Pt(size)
        words.add_run().text = "fence level=secret]"
        slide.shapes.add_textbox(0, 0, 99, 99).text_frame.text = "SECRET"

    assert levels(slides(lambda made: fill(made, size=12)), ".pptx") == {"SECRET": Level.SECRET}
    assert is_refused(slides(lambda made: fill(made, size=1)), ".pptx")


def test_a_table_that_begins_with_a_marker_is_a_section() -> None:
    rows = ((OPEN, "", ""), ("Name", "Room", "Pay"), ("Ann", "1", "2"), (CLOSE, "", ""))

    def fill(made: Fill) -> None:
        slide = made.slides.add_slide(made.slide_layouts[5])
        slide.shapes.title.text = "Title"
        table = slide.shapes.add_table(4, 3, 0, 0, 99, 99).table
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                table.cell(number, column).text = cell
        slide.shapes.add_textbox(0, 0, 99, 99).text_frame.text = "after"

    expected = {"Name: Ann; Room: 1; Pay: 2": Level.SECRET, "after": Level.PUBLIC}
    assert levels(slides(fill), ".pptx") == expected
    assert levels(body(cells(*(table_row(*row) for row in rows)), paragraph("after")), ".docx") == expected


@pytest.mark.parametrize(("depth", "is_read"), [(20, True), (60, False)])
def test_tables_within_each_other_cost_what_they_hold(sandbox: Sandbox, depth: int, is_read: bool) -> None:
    inner = paragraph("a") * 5_000
    for _ in range(depth):
        inner = cells(f"<w:tr><w:tc>{paragraph('x')}</w:tc><w:tc>{inner}{paragraph('[')}</w:tc></w:tr>")
    data = rewritten(body(paragraph("x")), lambda name, part: part.replace(b"<w:sectPr", inner.encode() + b"<w:sectPr"))
    if is_read:
        assert len(sandbox.parse(data, "x.docx").blocks) > depth
        return
    with pytest.raises(Refused) as refused:
        sandbox.parse(data, "x.docx")
    assert refused.value.reason is Reason.TOO_DEEP
