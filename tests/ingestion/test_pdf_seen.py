"""Text of a PDF page that a reader does not see is hidden content, for whatever reason; what is seen is indexed.

Each way of hiding stands beside a twin that looks much the same to a program and is seen by people.
"""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from fpdf import FPDF
from fpdf.enums import TextMode
from PIL import Image, ImageDraw

from ingestion.parse import child, pdf_budget
from ingestion.parse.document import ParsedDocument, Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenAction, HiddenKind, HiddenPolicy
from tests.ingestion.pdf_files import FONT, page_of, pdf, stream, with_form_of

INDEXED = HiddenPolicy({HiddenKind.INVISIBLE_TEXT: HiddenAction.INDEX})
HIDDEN = {HiddenKind.INVISIBLE_TEXT: 1}
BLACK, WHITE, NAVY = (0, 0, 0), (255, 255, 255), (0, 0, 90)


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def shown(parsed: ParsedDocument) -> str:
    return " ".join(block.text for block in parsed.blocks)


def drawn(draw: Callable[[FPDF], None]) -> bytes:
    page = FPDF()
    page.set_font("Helvetica", size=11)
    page.add_page()
    page.text(20, 20, "Public.")
    draw(page)
    return bytes(page.output())


def box(page: FPDF, colour: tuple[int, int, int], x: float = 18, width: float = 80) -> None:
    page.set_fill_color(*colour)
    page.rect(x, 35, width, 8, style="F")


def words(page: FPDF, colour: tuple[int, int, int] = BLACK, text: str = "WORDS 99000") -> None:
    page.set_text_color(*colour)
    page.text(20, 40, text)


def picture(page: FPDF, colour: int) -> None:
    page.image(Image.new("L", (20, 20), colour), 18, 35, 80, 8)


def under_a_black_box(page: FPDF) -> None:
    words(page)
    box(page, BLACK)


def under_a_white_box(page: FPDF) -> None:
    words(page)
    box(page, WHITE)


def under_a_picture(page: FPDF) -> None:
    words(page)
    picture(page, 90)


def under_a_box_with_a_label(page: FPDF) -> None:
    words(page)
    box(page, BLACK)
    page.set_text_color(*WHITE)
    page.set_font("Helvetica", size=7)
    page.text(22, 40, "(b)(6)")


def black_on_black(page: FPDF) -> None:
    box(page, BLACK)
    words(page, BLACK)


def black_on_a_black_picture(page: FPDF) -> None:
    picture(page, 0)
    words(page, BLACK)


def nearly_white(page: FPDF) -> None:
    words(page, (249, 249, 249))


def in_tiny_print(page: FPDF) -> None:
    page.set_font("Helvetica", size=1)
    words(page)


def unpainted_beside_a_logo(page: FPDF) -> None:
    page.image(Image.new("L", (5, 5)), 150, 10, 2, 2)
    with page.local_context(text_mode=TextMode.INVISIBLE):
        words(page)


def outside_a_clip(page: FPDF) -> None:
    with page.rect_clip(100, 100, 10, 10):
        words(page)


@pytest.mark.parametrize(
    "draw",
    [
        under_a_black_box, under_a_white_box, under_a_picture, under_a_box_with_a_label, black_on_black,
        black_on_a_black_picture, nearly_white, in_tiny_print, unpainted_beside_a_logo, outside_a_clip,
    ],
)  # fmt: skip
def test_text_that_nobody_sees_is_hidden_content(sandbox: Sandbox, draw: Callable[[FPDF], None]) -> None:
    data = drawn(draw)
    parsed = sandbox.parse(data, "page.pdf")
    assert "99000" not in shown(parsed)
    assert "Public." in shown(parsed)
    assert parsed.hidden == HIDDEN
    assert "WORDS 99000" in shown(sandbox.parse(data, "page.pdf", INDEXED))


def under_a_highlighter(page: FPDF) -> None:
    words(page)
    with page.local_context(fill_opacity=0.4):
        box(page, (255, 255, 0))


def white_on_a_dark_box(page: FPDF) -> None:
    box(page, NAVY)
    words(page, WHITE)


def white_on_a_dark_picture(page: FPDF) -> None:
    picture(page, 40)
    words(page, WHITE)


def on_a_white_box(page: FPDF) -> None:
    box(page, WHITE)
    words(page)


def on_a_picture_as_large_as_the_page(page: FPDF) -> None:
    page.image(Image.new("RGB", (20, 20), (210, 230, 250)), 0, 0, 210, 297)
    words(page)
    page.text(20, 20, "Public.")


def light_grey(page: FPDF) -> None:
    words(page, (205, 205, 205))


def in_small_print(page: FPDF) -> None:
    page.set_font("Helvetica", size=4)
    words(page)


def beside_a_box(page: FPDF) -> None:
    words(page)
    box(page, BLACK, x=50)


def written_twice(page: FPDF) -> None:
    words(page)
    words(page)
    page.text(20, 60, "below")


def within_a_clip(page: FPDF) -> None:
    with page.rect_clip(10, 30, 100, 20):
        words(page)


def struck_through(page: FPDF) -> None:
    words(page)
    page.set_fill_color(*BLACK)
    page.rect(18, 38.4, 40, 0.4, style="F")


def under_a_stamp(page: FPDF) -> None:
    words(page)
    page.set_text_color(200, 200, 200)
    page.set_font("Helvetica", size=70)
    page.text(10, 50, "DRAFT")


@pytest.mark.parametrize(
    "draw",
    [
        under_a_stamp, under_a_highlighter, white_on_a_dark_box, white_on_a_dark_picture, on_a_white_box, light_grey,
        in_small_print, on_a_picture_as_large_as_the_page, beside_a_box, written_twice, within_a_clip, struck_through,
    ],
)  # fmt: skip
def test_text_that_is_seen_is_indexed_whatever_is_drawn_around_it(
    sandbox: Sandbox, draw: Callable[[FPDF], None]
) -> None:
    parsed = sandbox.parse(drawn(draw), "page.pdf")
    assert "WORDS 99000" in shown(parsed)
    assert "Public." in shown(parsed)
    assert parsed.hidden == {}


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_of_a_line_that_is_blackened_in_part_the_rest_is_read(sandbox: Sandbox, turned: int) -> None:
    content = b"BT /F 12 Tf 20 200 Td (Salary of Ann is 99000 a year.) Tj ET 0 g 107 195 36 16 re f"
    parsed = sandbox.parse(page_of(content, b"/Rotate %d" % turned), "page.pdf")
    assert shown(parsed) == "Salary of Ann is a year."
    assert parsed.hidden == HIDDEN


def test_a_table_with_a_blackened_cell_keeps_its_rows(sandbox: Sandbox) -> None:
    def table(page: FPDF, covered: bool) -> None:
        page.set_y(50)
        with page.table() as rows:
            for cells in (
                ("Name", "Room", "Pay"),
                ("Ann", "12", "70100"),
                ("Bo", "14", "80200"),
                ("Cy", "15", "90300"),
            ):
                rows.row(cells)
        if covered:
            page.set_fill_color(*BLACK)
            page.rect(136, 62, 60, 9, style="F")

    whole = sandbox.parse(drawn(lambda page: table(page, False)), "page.pdf")
    parsed = sandbox.parse(drawn(lambda page: table(page, True)), "page.pdf")
    assert whole.hidden == {}
    assert [block.text for block in parsed.blocks] == [
        block.text.replace("; Pay: 80200", "") if "Bo" in block.text else block.text for block in whole.blocks
    ]
    assert parsed.hidden == HIDDEN


@pytest.mark.parametrize(
    ("content", "is_hidden"),
    [
        (b"1 g BT /F 10 Tf 20 200 Td (WORDS) Tj ET", True),
        (b"BT /F 10 Tf 20 200 Td (WORDS) Tj ET 0 g 10 190 90 30 re f", True),
        (b"BT 3 Tr /F 10 Tf 20 200 Td (WORDS) Tj ET", True),
        (b"BT /F 10 Tf 20 500 Td (WORDS) Tj ET", True),
        (b"0 g 10 190 90 30 re f 1 g BT /F 10 Tf 20 200 Td (WORDS) Tj ET", False),
        (b"BT /F 10 Tf 20 200 Td (WORDS) Tj ET", False),
    ],
)
def test_what_a_form_within_a_page_draws_is_examined_at_its_place(
    sandbox: Sandbox, content: bytes, is_hidden: bool
) -> None:
    parsed = sandbox.parse(with_form_of(content), "page.pdf")
    assert ("WORDS" not in shown(parsed), parsed.hidden) == (is_hidden, HIDDEN if is_hidden else {})


@pytest.mark.parametrize(
    ("painted", "is_hidden"),
    [
        (b"/S sh Q", False),
        (b"0 0 300 300 re f Q", False),
        (b"1 0 0 rg 0 0 300 300 re f Q 0 0 1 rg 0 250 300 9 re f", False),
        (b"Q", True),
        (b"1 g 0 0 300 300 re f Q", True),
        (b"Q 0 150 300 100 re f", True),
        (b"Q 20 199 90 19 re f", True),
        (b"/S sh Q 20 190 200 40 re f", True),
        (b"Q BT /F 24 Tf 20 200 Td (OTHER) Tj ET", True),
    ],
)
def test_letters_that_are_the_outline_of_paint_are_read_and_its_twin_without_paint_is_hidden(
    sandbox: Sandbox, painted: bytes, is_hidden: bool
) -> None:
    shading = (
        b"/Shading<</S<</ShadingType 2/ColorSpace/DeviceRGB/Coords[0 0 300 0]"
        b"/Function<</FunctionType 2/Domain[0 1]/C0[1 0 0]/C1[0 0 1]/N 1>>>>>>"
    )
    content = b"q BT /F 24 Tf 7 Tr 20 200 Td (WORDS) Tj ET " + painted
    parsed = sandbox.parse(page_of(b"BT /F 10 Tf 20 280 Td (Shown.) Tj ET " + content, resources=shading), "page.pdf")
    assert ("WORDS" not in shown(parsed), parsed.hidden) == (is_hidden, HIDDEN if is_hidden else {})


@pytest.mark.parametrize(("state", "is_hidden"), [(b"/OFF[9 0 R]", True), (b"/ON[9 0 R]", False)])
def test_a_layer_is_read_if_it_is_on(sandbox: Sandbox, state: bytes, is_hidden: bool) -> None:
    content = b"BT /F 10 Tf 20 250 Td (Shown.) Tj ET /OC /L BDC BT /F 10 Tf 20 200 Td (WORDS) Tj ET EMC"
    catalog = b"/OCProperties<</OCGs[9 0 R]/D<<%s/Order[9 0 R]>>>>" % state
    data = page_of(content, catalog=catalog, resources=b"/Properties<</L 9 0 R>>", last=b"<</Type/OCG/Name(draft)>>")
    parsed = sandbox.parse(data, "page.pdf")
    assert ("WORDS" not in shown(parsed), parsed.hidden) == (is_hidden, HIDDEN if is_hidden else {})


def test_text_beside_what_the_page_is_cropped_to_is_hidden(sandbox: Sandbox) -> None:
    content = b"BT /F 10 Tf 20 250 Td (WORDS) Tj ET BT /F 10 Tf 20 100 Td (Shown.) Tj ET"
    parsed = sandbox.parse(page_of(content, b"/CropBox[0 0 300 200]"), "page.pdf")
    assert (shown(parsed), parsed.hidden) == ("Shown.", HIDDEN)
    assert sandbox.parse(page_of(content), "page.pdf").hidden == {}


@pytest.mark.parametrize(("extra", "is_hidden"), [(b"", False), (b"0 g 10 140 280 50 re f", True)])
def test_text_whose_font_is_not_in_the_file_is_read_unless_it_is_covered(
    sandbox: Sandbox, extra: bytes, is_hidden: bool
) -> None:
    """Old files in Chinese and Japanese leave their fonts to the reader's machine; the confined parser has none."""
    font = (
        b"<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/GBK-EUC-H/DescendantFonts[<</Type/Font"
        b"/Subtype/CIDFontType0/BaseFont/STSong-Light/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 2>>"
        b"/FontDescriptor<</Type/FontDescriptor/FontName/STSong-Light/Flags 6/FontBBox[0 -200 1000 900]/ItalicAngle 0"
        b"/Ascent 800/Descent -200/StemV 90>>>>]>>"
    )
    content = b"BT /F 12 Tf 20 250 Td (Ann) Tj ET BT /C 12 Tf 20 150 Td <C4E3BAC3CAC0BDE7> Tj ET " + extra
    parsed = sandbox.parse(page_of(content, fonts=b"/C 9 0 R", last=font), "page.pdf")
    assert ("\u4f60\u597d" not in shown(parsed), parsed.hidden) == (is_hidden, HIDDEN if is_hidden else {})


def scan(page: FPDF, draw_more: Callable[[FPDF], None], *, under: bool = False) -> None:
    """A page with the picture of two lines, and what was recognised of them."""
    picture = Image.new("L", (840, 1188), 255)
    pen = ImageDraw.Draw(picture)
    for top in (150, 230):
        pen.text((80, top), "a line of the scan that shows something", fill=0)
    if not under:
        page.image(picture, 0, 0, 210, 297)
    with nullcontext() if under else page.local_context(text_mode=TextMode.INVISIBLE):
        page.text(20, 40, "First line of the scan.")
        page.text(20, 60, "Second line of the scan.")
    if under:
        page.image(picture, 0, 0, 210, 297)
    draw_more(page)


def scanned(draw_more: Callable[[FPDF], None], *, under: bool = False) -> bytes:
    page = FPDF()
    page.set_font("Helvetica", size=11)
    page.add_page()
    scan(page, draw_more, under=under)
    return bytes(page.output())


@pytest.mark.parametrize("under", [False, True])
def test_what_was_read_from_a_scan_is_hidden_where_the_scan_is_blackened(sandbox: Sandbox, under: bool) -> None:
    """Recognition writes what it read over the image unpainted, or under it."""
    whole = sandbox.parse(scanned(lambda page: None, under=under), "scan.pdf")
    assert (shown(whole), whole.hidden) == ("First line of the scan. Second line of the scan.", {})
    blackened = sandbox.parse(scanned(lambda page: box(page, BLACK), under=under), "scan.pdf")
    assert (shown(blackened), blackened.hidden) == ("Second line of the scan.", HIDDEN)

    def marked(page: FPDF) -> None:
        with page.local_context(fill_opacity=0.4):
            box(page, (255, 255, 0))

    assert sandbox.parse(scanned(marked, under=under), "scan.pdf").hidden == {}


def test_a_marker_that_is_covered_in_part_refuses_the_document(sandbox: Sandbox) -> None:
    """Left as it is, half a marker would protect nothing of what its author meant."""
    content = b"BT /F 12 Tf 20 200 Td ([ringfence level=secret]) Tj ET 0 g %d 195 30 16 re f"
    with pytest.raises(Refused) as caught:
        sandbox.parse(page_of(content % 20), "page.pdf")
    assert caught.value.reason is Reason.BAD_MARKER
    beside = sandbox.parse(page_of(content % 200 + b" BT /F 12 Tf 20 100 Td (Words.) Tj ET"), "page.pdf")
    assert [int(block.tightening.level) for block in beside.blocks] == [4]


def test_a_page_of_a_hundred_thousand_shapes_is_still_examined(sandbox: Sandbox) -> None:
    shapes = b"\n".join(b"%d %d 2 2 re f" % (300 + i % 200, i % 280) for i in range(100_000))
    text = b"BT /F 12 Tf 20 200 Td (Shown.) Tj ET BT /F 12 Tf 20 100 Td (WORDS) Tj ET 0 g 10 95 90 20 re f\n"
    parsed = sandbox.parse(page_of(text + shapes, b"/MediaBox[0 0 600 300]"), "map.pdf")
    assert (shown(parsed), parsed.hidden) == ("Shown.", HIDDEN)


def test_text_on_pictures_too_large_to_unpack_is_taken_for_hidden_and_said(sandbox: Sandbox) -> None:
    picture = (
        b"<</Type/XObject/Subtype/Image/Width 60000/Height 60000/ColorSpace/DeviceGray/BitsPerComponent 1/Length 0>>"
    )
    content = b"q 200 0 0 50 10 90 cm /X Do Q BT /F 12 Tf 20 200 Td (Shown.) Tj ET BT /F 12 Tf 20 100 Td (WORDS) Tj ET"
    data = page_of(content, resources=b"/XObject<</X 9 0 R>>", last=picture + b"stream\n\nendstream")
    parsed = sandbox.parse(data, "page.pdf")
    assert (shown(parsed), parsed.hidden) == ("Shown.", HIDDEN)
    assert parsed.notes == ("text on 1 of 1 pages too costly to draw and taken for hidden",)


def by_rules(data: bytes) -> tuple[str, object, object]:
    """Text, hidden content and notes, as they are found without a picture."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pdf_budget, "SECONDS", 0.0)
        answer = child.parse(data, ".pdf", chars_max=99_999, indexed=frozenset())
    assert isinstance(answer["pieces"], list), answer
    return " ".join(piece[0] for piece in answer["pieces"]), answer["hidden"], answer["notes"]


@pytest.mark.parametrize(
    "draw",
    [
        under_a_black_box, under_a_white_box, under_a_picture, under_a_box_with_a_label, black_on_black,
        black_on_a_black_picture, nearly_white, in_tiny_print, outside_a_clip,
    ],
)  # fmt: skip
def test_text_that_nobody_sees_is_hidden_when_there_is_no_time_to_draw_the_page(draw: Callable[[FPDF], None]) -> None:
    said, hidden, _ = by_rules(drawn(draw))
    assert "99000" not in said
    assert "Public." in said
    assert hidden == HIDDEN


def with_frames_and_lines(page: FPDF) -> None:
    page.rect(10, 10, 190, 270)
    page.rect(15, 30, 150, 20)
    words(page)
    page.line(18, 41, 60, 41)


@pytest.mark.parametrize(
    "draw",
    [
        words, white_on_a_dark_box, on_a_white_box, in_small_print, beside_a_box, written_twice, within_a_clip,
        struck_through, with_frames_and_lines,
    ],
)  # fmt: skip
def test_text_that_is_plainly_seen_is_read_when_there_is_no_time_to_draw_the_page(draw: Callable[[FPDF], None]) -> None:
    said, hidden, notes = by_rules(drawn(draw))
    assert "WORDS 99000" in said
    assert (hidden, notes) == ({}, ("1 of 1 pages examined by rules alone and not drawn",))


def hatched(page: FPDF) -> None:
    words(page)
    for number in range(40):
        page.line(18 + number, 36, 19 + number, 44)


def scribbled(page: FPDF) -> None:
    words(page)
    page.set_line_width(0.8)
    page.polyline([(18 + number, 35 + 9 * (number % 2)) for number in range(50)])


@pytest.mark.parametrize("draw", [hatched, scribbled])
def test_what_is_crossed_out_by_many_lines_is_not_plainly_seen(draw: Callable[[FPDF], None]) -> None:
    said, hidden, notes = by_rules(drawn(draw))
    assert ("99000" in said, hidden) == (False, HIDDEN)
    assert "text on 1 of 1 pages too costly to draw and taken for hidden" in notes  # type: ignore[operator]


@pytest.mark.parametrize("state", [b"/OFF[9 0 R]", b"/ON[9 0 R]"])
def test_a_layer_is_hidden_when_there_is_no_time_to_draw_it(state: bytes) -> None:
    content = b"BT /F 10 Tf 20 250 Td (Shown.) Tj ET /OC /L BDC BT /F 10 Tf 20 200 Td (WORDS) Tj ET EMC"
    catalog = b"/OCProperties<</OCGs[9 0 R]/D<<%s/Order[9 0 R]>>>>" % state
    data = page_of(content, catalog=catalog, resources=b"/Properties<</L 9 0 R>>", last=b"<</Type/OCG/Name(draft)>>")
    assert by_rules(data)[:2] == ("Shown.", HIDDEN)


def test_letters_without_a_shape_are_hidden_when_there_is_no_time_to_draw_them() -> None:
    font = (
        b"<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[.1 0 0 .1 0 0]/FirstChar 97/LastChar 98/Widths[9 9]"
        b"/Encoding<</Differences[97/a/b]>>/CharProcs<</a 5 0 R/b 6 0 R>>>>"
    )
    shaped, empty = stream(b"9 0 0 0 9 9 d1 0 0 8 8 re f"), stream(b"9 0 0 0 0 0 d1")
    content = b"BT /E 10 Tf 20 250 Td (aaaa) Tj ET BT /E 10 Tf 20 200 Td (bbbb) Tj ET"
    said, hidden, _ = by_rules(page_of(content, fonts=b"/E 9 0 R", last=font, more=(shaped, empty)))
    assert (said, hidden) == ("aaaa", HIDDEN)


def pages_of(count: int, content: bytes) -> bytes:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 850]/Contents 3 0 R/Resources<</Font<</F %s>>>>>>" % FONT
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(count))
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count),
        stream(content),
        *[page] * count,
    )


def test_all_of_a_long_document_is_read_though_not_all_of_it_is_drawn(sandbox: Sandbox) -> None:
    parsed = sandbox.parse(
        pages_of(4_000, b"BT /F 10 Tf 20 250 Td (Plain words) Tj 0 -20 Td (on 2 lines) Tj ET"), "x.pdf"
    )
    assert (parsed.blocks[-1].page, parsed.blocks[-1].text, parsed.hidden) == (4_000, "Plain words on 2 lines", {})
    [note] = parsed.notes
    assert note.endswith("of 4000 pages examined by rules alone and not drawn")


def test_pages_that_are_dear_to_draw_do_not_hide_text_of_later_ones_nor_show_what_is_hidden_there() -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pdf_budget, "SECONDS", 1.0)
        dear = b"/G gs " + b"\n".join(b"%d 0 290 290 re f" % (n % 9) for n in range(150))
        later = b"BT /F 10 Tf 20 250 Td (Shown.) Tj 0 -50 Td (WORDS) Tj ET 0 g 10 190 90 30 re f"
        font = b"/Resources<</Font<</F %s>>/ExtGState<</G<</ca .5>>>>>>" % FONT
        pages = [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents %d 0 R%s>>" % (n, font) for n in [3] * 60 + [4]
        ]
        kids = b" ".join(b"%d 0 R" % (5 + number) for number in range(61))
        data = pdf(
            b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%s]/Count 61>>" % kids,
            stream(b"BT /F 10 Tf 20 250 Td (Under.) Tj ET " + dear), stream(later), *pages,
        )  # fmt: skip
        answer = child.parse(data, ".pdf", chars_max=99_999, indexed=frozenset())
    last = [piece[0] for piece in answer["pieces"] if piece[2] == 61]  # type: ignore[attr-defined]
    assert last == ["Shown."]
    assert "of 61 pages too costly to draw and taken for hidden" in str(answer["notes"])


def test_text_under_forms_within_forms_by_the_hundred_thousand_is_read(sandbox: Sandbox) -> None:
    """They are too many to be looked at one by one, and quickly drawn."""
    head = b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<</XObject<</X %d 0 R>>>>"
    inner = [stream(b"/X Do " * 12, head % (number + 1)) for number in range(5, 9)]
    last = stream(b"0 0 1 1 re f " * 20, b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]")
    data = page_of(
        b"/X Do BT /F 10 Tf 20 250 Td (Shown.) Tj 0 -50 Td (WORDS) Tj ET 0 g 10 190 90 30 re f",
        resources=b"/XObject<</X 5 0 R>>", more=tuple(inner), last=last,
    )  # fmt: skip
    parsed = sandbox.parse(data, "page.pdf")
    assert (shown(parsed), parsed.hidden) == ("Shown.", HIDDEN)
