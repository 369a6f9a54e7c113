"""What is laid over a PDF page and what is enclosed in the file: read as far as a reader sees it."""

from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image

from evals.hostile.samples import archive
from ingestion.parse import child
from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenAction, HiddenKind, HiddenPolicy
from tests.ingestion.pdf_files import FONT, SYMBOLS, page_of, stream

EVERYTHING = HiddenPolicy(dict.fromkeys(HiddenKind, HiddenAction.INDEX))
LABELS = b"BT /F 10 Tf 20 250 Td (Applicant:) Tj 0 -50 Td (Married:) Tj 0 -50 Td (End.) Tj ET"
NAME = b"/Subtype/Widget/FT/Tx/T(name)/V(Anna Berg)/Rect[90 247 200 262]/DA(/F 10 Tf 0 g)"
TICK = b"/Subtype/Widget/FT/Btn/T(m)/V/Yes/AS/Yes/Rect[90 197 105 212]/F 4"
DRAWN_NAME = stream(b"/Tx BMC BT /F 10 Tf 2 3 Td (Anna Berg) Tj ET EMC", b"/Type/XObject/Subtype/Form/BBox[0 0 110 15]")
DRAWN_NAME = DRAWN_NAME.replace(b"/Form/", b"/Form/Resources<</Font<</F %s>>>>/" % FONT)
BOX = b"/Type/XObject/Subtype/Form/BBox[0 0 15 15]/Resources<</Font<</Z %s>>>>" % SYMBOLS
HOOK = stream(b"BT /Z 10 Tf 2 3 Td (4) Tj ET", BOX)
CROSS = stream(b"1 1 m 14 14 l 1 14 m 14 1 l S", BOX)


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def form(*fields: bytes, drawings: tuple[bytes, ...] = (), form: bytes = b"", content: bytes = LABELS) -> bytes:
    """Fields may refer to the drawings as objects 5 and 6."""
    names = b" ".join(b"%d 0 R" % (7 + number) for number in range(len(fields)))
    catalog = b"/AcroForm<</Fields[%s]/DR<</Font<</F %s>>>>/DA(/F 10 Tf 0 g)%s>>" % (names, FONT, form)
    fill = (*drawings, *[b"null"] * (2 - len(drawings)))
    objects = tuple(b"<</Type/Annot%s>>" % field for field in fields)
    return page_of(content, b"/Annots[%s]" % names, catalog=catalog, more=(*fill, *objects))


def said(parsed: ParsedDocument) -> list[str]:
    return [block.text for block in parsed.blocks]


def shown(parsed: ParsedDocument) -> str:
    return " ".join(said(parsed))


@pytest.mark.parametrize(("tick", "mark"), [(HOOK, "\u2714"), (CROSS, "\u2612")])
def test_what_is_filled_in_stands_beside_its_label(sandbox: Sandbox, tick: bytes, mark: str) -> None:
    fields = NAME + b"/F 4/AP<</N 5 0 R>>", TICK + b"/AP<</N<</Yes 6 0 R>>>>"
    parsed = sandbox.parse(form(*fields, drawings=(DRAWN_NAME, tick)), "form.pdf")
    assert shown(parsed) == f"Applicant: Anna Berg Married: {mark} End."
    assert parsed.hidden == {}


@pytest.mark.parametrize("flag", [b"", b"/NeedAppearances true"])
def test_a_field_that_readers_draw_themselves_is_read(sandbox: Sandbox, flag: bytes) -> None:
    parsed = sandbox.parse(form(NAME + b"/F 4", TICK, form=flag), "form.pdf")
    assert shown(parsed) == "Applicant: Anna Berg Married: \u2612 End."


def test_an_empty_form_is_its_labels(sandbox: Sandbox) -> None:
    empty = NAME.replace(b"/V(Anna Berg)", b""), TICK.replace(b"/V/Yes/AS/Yes", b"/V/Off/AS/Off")
    assert shown(sandbox.parse(form(*empty), "form.pdf")) == "Applicant: Married: End."


@pytest.mark.parametrize("flag", [2, 32])
def test_a_hidden_field_is_hidden_content(sandbox: Sandbox, flag: int) -> None:
    data = form(NAME + b"/F %d/AP<</N 5 0 R>>" % flag, drawings=(DRAWN_NAME,))
    parsed = sandbox.parse(data, "form.pdf")
    assert "Anna" not in shown(parsed)
    assert parsed.hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    assert "Anna Berg" in shown(sandbox.parse(data, "form.pdf", EVERYTHING))


def test_the_value_of_a_password_field_is_not_read(sandbox: Sandbox) -> None:
    data = form(NAME.replace(b"/FT/Tx", b"/FT/Tx/Ff 8192") + b"/F 4")
    assert "Anna" not in shown(sandbox.parse(data, "form.pdf", EVERYTHING))


def test_typed_remarks_are_text_and_comments_are_comments(sandbox: Sandbox) -> None:
    page = FPDF()
    page.set_font("Helvetica", size=11)
    page.add_page()
    page.text(20, 20, "Public.")
    page.text(20, 120, "Last.")
    page.free_text_annotation("Reject this.", x=20, y=60, w=80, h=20)
    page.text_annotation(20, 90, "STICKY")
    page.highlight("MARKED", page=1, quad_points=[56, 790, 90, 790, 56, 780, 90, 780])
    data = bytes(page.output())
    parsed = sandbox.parse(data, "page.pdf")
    assert shown(parsed) == "Public. Reject this. Last."
    assert parsed.hidden[HiddenKind.COMMENT] >= 1
    assert "Comment: STICKY" in shown(sandbox.parse(data, "page.pdf", EVERYTHING))


@pytest.mark.parametrize(
    ("annotation", "is_hidden"),
    [
        (b"/Subtype/Square/IC[0 0 0]/C[0 0 0]", True),
        (b"/Subtype/Highlight/C[0 0 0]/QuadPoints[15 262 120 262 15 245 120 245]", True),
        (b"/Subtype/Highlight/C[1 1 0]/QuadPoints[15 262 120 262 15 245 120 245]", False),
        (b"/Subtype/Square/C[1 0 0]", False),
    ],
)
def test_a_drawing_that_is_laid_over_text_hides_what_it_covers(
    sandbox: Sandbox, annotation: bytes, is_hidden: bool
) -> None:
    """The box that a person draws over a name in a viewer, without applying the redaction."""
    colour = b"0 0 0" if is_hidden else b"1 1 0"
    rect = (
        b"%s rg 0 0 105 17 re f" % colour if b"/IC" in annotation or b"Highlight" in annotation else b"0 0 105 17 re S"
    )
    look = stream(
        b"/G gs " + rect,
        b"/Type/XObject/Subtype/Form/BBox[0 0 105 17]/Resources<</ExtGState<</G<</BM/Multiply>>>>>>",
    )
    data = form(annotation + b"/Rect[15 245 120 262]/F 4/AP<</N 5 0 R>>", drawings=(look,))
    parsed = sandbox.parse(data, "page.pdf")
    assert ("Applicant" not in shown(parsed), "Married" in shown(parsed)) == (is_hidden, True)
    assert parsed.hidden == ({HiddenKind.INVISIBLE_TEXT: 1} if is_hidden else {})


def test_a_field_below_which_a_section_ends_refuses_the_document(sandbox: Sandbox) -> None:
    """Its value comes after the text of the page, so it could leave the section that it stands in."""
    ends = b"BT /F 10 Tf 20 280 Td ([ringfence level=secret]) Tj 0 -100 Td ([/ringfence]) Tj ET "
    with pytest.raises(Refused) as caught:
        sandbox.parse(form(NAME + b"/F 4", content=ends + LABELS), "form.pdf")
    assert caught.value.reason is Reason.BAD_MARKER
    begins = sandbox.parse(form(NAME + b"/F 4", content=ends.replace(b"[/ringfence]", b"More.") + LABELS), "form.pdf")
    assert "Anna Berg" in said(begins)[-1]
    assert {int(block.tightening.level) for block in begins.blocks} == {4}


def with_files(**files: bytes) -> bytes:
    page = FPDF()
    page.set_font("Helvetica", size=11)
    page.add_page()
    page.text(20, 20, "Cover.")
    for name, data in files.items():
        page.embed_file(bytes=data, basename=name.replace("_", "."), compress=True)
    return bytes(page.output())


def test_files_within_a_pdf_are_read_below_their_names(sandbox: Sandbox) -> None:
    inner = with_files(c_csv=b"Name,Room\nAnn,12\n")
    data = with_files(a_txt=b"Attached contract.", b_pdf=inner, d_exe=b"MZ\x90\x00\x03\x00\x00\x00\x04\x00")
    parsed = sandbox.parse(data, "cover.pdf")
    assert [(block.heading_path, block.text) for block in parsed.blocks] == [
        ((), "Cover."),
        (("a.txt",), "Attached contract."),
        (("b.pdf",), "Cover."),
        (("b.pdf", "c.csv"), "Name: Ann; Room: 12"),
    ]
    [note] = parsed.notes
    assert note.startswith("1 embedded file not read")
    assert parsed.title == "cover"


def test_a_file_that_is_pinned_within_a_section_is_as_strict_as_all_sections(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is read after the pages, when the section may have ended."""
    (tmp_path / "pay.csv").write_text("Name,Pay\nAnn,99000\n")

    def pages(*lines: str) -> bytes:
        page = FPDF()
        page.set_font("Helvetica", size=11)
        for line in lines:
            page.add_page()
            page.text(20, 20, line)
            if line == "Closed.":
                page.file_attachment_annotation(tmp_path / "pay.csv", 30, 30)
        page.add_page()
        page.text(20, 20, "Open.")
        return bytes(page.output())

    def levels(data: bytes) -> dict[str, int]:
        parsed = sandbox.parse(data, "cover.pdf")
        assert parsed.title == "cover"
        return {block.text: int(block.tightening.level) for block in parsed.blocks}

    sections = "[ringfence level=confidential]", "Closed.", "[/ringfence]", "[ringfence level=secret]", "[/ringfence]"
    assert levels(pages(*sections)) == {"Closed.": 2, "Open.": 0, "Name: Ann; Pay: 99000": 4}
    assert levels(pages("Closed.")) == {"Closed.": 0, "Open.": 0, "Name: Ann; Pay: 99000": 0}


def test_a_section_of_a_pdf_ends_with_it_for_the_files_beside_it(sandbox: Sandbox) -> None:
    section = b"BT /F 10 Tf 20 280 Td ([ringfence level=secret]) Tj 0 -20 Td (Closed.) Tj 0 -20 Td (%s) Tj ET"

    def later(ending: bytes, inner: bytes) -> dict[str, int]:
        content = section % ending
        names = b"/Names<</EmbeddedFiles<</Names[(i)7 0 R]>>>>"
        held = page_of(content, catalog=names, more=(stream(inner), b"null", b"<</F(i.txt)/EF<</F 5 0 R>>>>"))
        parsed = sandbox.parse(with_files(a_pdf=held, b_txt=b"Beside."), "cover.pdf")
        return {block.text: int(block.tightening.level) for block in parsed.blocks}

    assert later(b"[/ringfence]", b"Within.") == {"Cover.": 0, "Closed.": 4, "Within.": 4, "Beside.": 0}
    assert later(b"More.", b"Within.")["Beside."] == 4
    assert later(b"[/ringfence]", b"[ringfence level=secret]\nWithin.")["Beside."] == 4


def test_files_beside_a_section_and_a_page_that_is_to_be_recognised_refuse_the_document() -> None:
    """The page's text is put in later, and the files' names before it."""

    def read(*files: bytes) -> dict[str, object]:
        page = FPDF()
        page.set_font("Helvetica", size=11)
        page.add_page()
        page.image(Image.new("L", (20, 20)), 0, 0, 200, 280)
        page.add_page()
        page.text(20, 20, "[ringfence level=secret]")
        for file in files:
            page.embed_file(bytes=file, basename="a.txt")
        return child.parse(bytes(page.output()), ".pdf", chars_max=9_999, indexed=frozenset(), awaiting=True)

    assert read()["awaited"] == (1,)
    assert read(b"Within.")["reason"] == "bad_marker"


def test_a_file_that_is_pinned_to_a_page_is_read_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is in the list of the document's files as well."""
    (tmp_path / "a.txt").write_text("Attached contract.")
    page = FPDF()
    page.set_font("Helvetica", size=11)
    page.add_page()
    page.text(20, 20, "Cover.")
    page.file_attachment_annotation(tmp_path / "a.txt", 30, 30)
    assert said(sandbox.parse(bytes(page.output()), "cover.pdf")) == ["Cover.", "Attached contract."]


def test_a_cover_without_text_is_no_reason_to_leave_its_files_unread(sandbox: Sandbox) -> None:
    page = FPDF()
    page.add_page()
    page.embed_file(bytes=b"Attached contract.", basename="a.txt")
    parsed = sandbox.parse(bytes(page.output()), "cover.pdf")
    assert (said(parsed), parsed.notes) == (["Attached contract."], ("no text on 1 of 1 pages",))


def test_a_scan_with_a_remark_is_still_a_page_without_text(sandbox: Sandbox) -> None:
    """Its own text is to be recognised, whatever was typed upon it."""
    page = FPDF()
    page.set_font("Helvetica", size=11)
    page.add_page()
    page.image(Image.new("L", (20, 20)), 0, 0, 200, 280)
    page.free_text_annotation("Approved.", x=20, y=60, w=80, h=20)
    parsed = sandbox.parse(bytes(page.output()), "scan.pdf")
    assert (said(parsed), parsed.notes) == (["Approved."], ("no text on 1 of 1 pages",))


def test_files_within_a_pdf_share_the_limit_of_what_may_be_unpacked(sandbox: Sandbox) -> None:
    bomb = with_files(a_txt=bytes(210_000_000))
    with pytest.raises(Refused) as caught:
        sandbox.parse(bomb, "cover.pdf")
    assert caught.value.reason is Reason.ARCHIVE_BOMB


def test_an_archive_within_a_pdf_is_not_lost_silently(sandbox: Sandbox) -> None:
    parsed = sandbox.parse(with_files(a_zip=archive({"x.txt": b"Within."})), "cover.pdf")
    assert "Within." in shown(parsed)
