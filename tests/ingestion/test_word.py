"""Word: what a page shows is read, in order; what it does not show is hidden content, however that was done."""

import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.shared import Pt, RGBColor

from evals.hostile.samples import word
from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import (
    NAMESPACES,
    Fill,
    body,
    extracted,
    lines,
    paragraph,
    parsed,
    picture,
    rewritten,
    table_row,
)
from tests.ingestion.outcomes import said

WHITE, BLACK = RGBColor(255, 255, 255), RGBColor(0, 0, 0)
_BOX = (
    '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:anchor><wp:docPr id="1" name="b"{0}/>'
    '<a:graphic><a:graphicData uri="x"><wps:wsp><wps:txbx><w:txbxContent>{1}</w:txbxContent></wps:txbx></wps:wsp>'
    "</a:graphicData></a:graphic></wp:anchor></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent>{1}"
    "</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)
_LEVELS = """<w:abstractNum w:abstractNumId="90">
  <w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/><w:lvlText w:val="§ %1"/></w:lvl>
  <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl>
  <w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1.%2.%3"/></w:lvl>
  <w:lvl w:ilvl="3"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>
  <w:lvl w:ilvl="4"><w:numFmt w:val="chicago"/><w:lvlText w:val="%5"/></w:lvl>
</w:abstractNum>"""


def styled(fill: Fill) -> Fill:
    """A document with `fill` in the first run of a paragraph whose text is HIDDEN, after one that says `shown`."""

    def made(document: Fill) -> None:
        document.add_paragraph("shown")
        fill(document, document.add_paragraph().add_run("HIDDEN"))

    return word(made)


def _based_on_hidden(document: Fill, run: Fill, *, shown: bool = False) -> None:
    above = document.styles.add_style("Above", WD_STYLE_TYPE.CHARACTER)
    above.font.hidden = not shown
    below = document.styles.add_style("Below", WD_STYLE_TYPE.CHARACTER)
    below.base_style = above
    run.style = below


def _hidden_paragraph(document: Fill, run: Fill, *, shown: bool = False) -> None:
    style = document.styles.add_style("Para", WD_STYLE_TYPE.PARAGRAPH)
    style.font.hidden = True
    run._r.getparent().style = style.style_id
    if shown:
        run.font.hidden = False


def _white_style(document: Fill, run: Fill, *, shown: bool = False) -> None:
    style = document.styles.add_style("White", WD_STYLE_TYPE.CHARACTER)
    style.font.color.rgb = BLACK if shown else WHITE
    run.style = style


def _nearly_white(_: Fill, run: Fill, *, shown: bool = False) -> None:
    run.font.color.rgb = RGBColor(0xC0, 0xC0, 0xC0) if shown else RGBColor(0xF8, 0xFE, 0xFE)


def _white_of_the_theme(_: Fill, run: Fill, *, shown: bool = False) -> None:
    run._r.get_or_add_rPr().append(
        parse_xml(
            f'<w:color {NAMESPACES} w:val="{"BFBFBF" if shown else "auto"}" w:themeColor="background1"'
            f"{' w:themeShade=' + chr(34) + 'BF' + chr(34) if shown else ''}/>"
        )
    )


def _tiny(_: Fill, run: Fill, *, shown: bool = False) -> None:
    run.font.size = Pt(6 if shown else 1)


def _white_in_a_cell(document: Fill, run: Fill, *, shown: bool = False) -> None:
    cell = document.add_table(1, 2).cell(0, 1)
    cell.paragraphs[0]._p.append(run._r)
    run.font.color.rgb = WHITE
    fill = "1F3864" if shown else "auto"
    cell._tc.get_or_add_tcPr().append(parse_xml(f'<w:shd {NAMESPACES} w:val="clear" w:fill="{fill}"/>'))


def _black_on_black(_: Fill, run: Fill, *, shown: bool = False) -> None:
    run.font.color.rgb = WHITE if shown else BLACK
    run._r.get_or_add_rPr().append(parse_xml(f'<w:shd {NAMESPACES} w:val="clear" w:fill="000000"/>'))


@pytest.mark.parametrize(
    "hide",
    [
        _based_on_hidden,
        _hidden_paragraph,
        _white_style,
        _nearly_white,
        _white_of_the_theme,
        _tiny,
        _white_in_a_cell,
        _black_on_black,
    ],
)
def test_text_that_its_style_hides_is_hidden_content_and_its_visible_twin_is_not(hide: Fill) -> None:
    hidden = styled(hide)
    assert lines(hidden, ".docx") == ["shown"]
    assert extracted(hidden, ".docx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    assert "HIDDEN" in lines(hidden, ".docx", HiddenKind.INVISIBLE_TEXT)
    shown = styled(lambda document, run: hide(document, run, shown=True))
    assert lines(shown, ".docx") == ["shown", "HIDDEN"]
    assert extracted(shown, ".docx").hidden == {}


def test_styles_that_rest_on_each_other_in_a_circle_are_read() -> None:
    def fill(document: Fill) -> None:
        one, two = (document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH) for name in ("One", "Two"))
        one.base_style, two.base_style = two, one
        document.add_paragraph("text", style="One")

    assert lines(word(fill), ".docx") == ["text"]


@pytest.mark.parametrize(("styles", "is_refused"), [(20, False), (40, True)])
def test_styles_that_rest_on_each_other_without_end_are_refused(styles: int, is_refused: bool) -> None:
    """Cut short instead, a long chain would be a way to hide text."""

    def fill(document: Fill) -> None:
        above = None
        for number in range(styles):
            style = document.styles.add_style(f"S{number}", WD_STYLE_TYPE.PARAGRAPH)
            style.base_style, above = above, style
        document.add_paragraph("text", style=above)

    if not is_refused:
        assert lines(word(fill), ".docx") == ["text"]
        return
    with pytest.raises(Refused) as refused:
        lines(word(fill), ".docx")
    assert refused.value.reason is Reason.TOO_DEEP


def test_a_paragraph_of_many_unseen_runs_costs_what_its_runs_cost(sandbox: Sandbox) -> None:
    """Looking through the whole paragraph for each of them took minutes."""
    white = '<w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>x</w:t></w:r>' * 40_000
    parsed = sandbox.parse(body(paragraph("shown", white)), "x.docx")
    assert ([block.text for block in parsed.blocks], parsed.hidden) == (["shown"], {HiddenKind.INVISIBLE_TEXT: 1})


def test_a_hidden_row_and_a_hidden_box_are_hidden_content() -> None:
    off = '<w:trPr><w:hidden w:val="false"/></w:trPr>'
    data = body(
        paragraph(_BOX.format(' hidden="1"', paragraph("BOX")), "text"),
        f"<w:tbl>{table_row('Name', 'Pay')}{table_row('ANN', '1', properties='<w:trPr><w:hidden/></w:trPr>')}"
        f"{table_row('Bo', '2', properties=off)}</w:tbl>",
    )
    assert lines(data, ".docx") == ["text", "Name: Pay", "Bo: 2"]
    assert extracted(data, ".docx").hidden == {HiddenKind.INVISIBLE_TEXT: 2}


def test_a_text_box_is_a_passage_of_its_own_also_in_a_header() -> None:
    box = _BOX.format("", paragraph("Box line"))

    def header(document: Fill) -> None:
        document.sections[0].header.paragraphs[0]._p.append(parse_xml(box.replace("<w:r>", f"<w:r {NAMESPACES}>", 1)))
        document.sections[0].header.paragraphs[0].add_run("Header line")

    assert lines(body(paragraph(box, "Text.")), ".docx") == ["Text.", "Box line"]
    assert lines(body(paragraph("Text."), then=header), ".docx") == ["Text.", "Header line", "Box line"]


def test_rows_in_content_controls_are_rows() -> None:
    def control(inside: str) -> str:
        return f"<w:sdt><w:sdtContent>{inside}</w:sdtContent></w:sdt>"

    cell = control(f"<w:tc>{paragraph('200')}</w:tc>")
    rows = (
        table_row("Name", "Pay", "Room"),
        control(table_row("Ann", "100", "1")),
        f"<w:tr><w:tc>{paragraph('Bo')}</w:tc>{cell}<w:tc>{paragraph('2')}</w:tc></w:tr>",
    )
    assert lines(body(f"<w:tbl>{''.join(rows)}</w:tbl>"), ".docx") == [
        "Name: Ann; Pay: 100; Room: 1",
        "Name: Bo; Pay: 200; Room: 2",
    ]


def test_equations_and_symbols_are_read() -> None:
    fraction = (
        "<m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>"
    )
    power = (
        "<m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"
    )
    signs = '<w:r><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>'
    data = body(paragraph("Mean ", fraction, ", square ", power, ", signs ", signs))
    assert lines(data, ".docx") == ["Mean (a+b)/(2), square x^(2), signs \u03b1☑"]


def test_a_document_that_word_would_take_in_is_read_or_noted() -> None:
    inserted = '<w:altChunk r:id="rId77"/>'
    missing = body(paragraph("Text."), inserted)
    assert extracted(missing, ".docx").notes == ("1 inserted document not read broken",)

    def related(name: str, part: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            relation = b'<Relationship Id="rId77" Type="http://x/aFChunk" Target="chunk.html"/></Relationships>'
            return part.replace(b"</Relationships>", relation)
        return part.replace(b"</Types>", b'<Default Extension="html" ContentType="text/html"/></Types>')

    whole = rewritten(missing, related, {"word/chunk.html": b"<html><body><p>Taken in.</p></body></html>"})
    assert said(parsed(whole, ".docx")) == [((), "Text."), (("Inserted document",), "Taken in.")]


def test_pictures_are_counted_and_a_document_of_nothing_else_is_refused() -> None:
    def fill(document: Fill) -> None:
        document.add_picture(picture())
        document.add_picture(picture())

    with pytest.raises(Refused) as refused:
        extracted(word(fill), ".docx")
    assert refused.value.reason is Reason.IMAGE_ONLY
    beside = extracted(body(paragraph("Text."), then=fill), ".docx")
    assert ([piece.text for piece in beside.pieces], beside.notes) == (["Text."], ("2 pictures not read",))


def numbered(*items: tuple[int, str], levels: str = _LEVELS, other: str = "") -> bytes:
    """Paragraphs of a list; with `other`, what it overrides, those with an upper-case text are of another use of it."""

    def number(name: str, part: bytes) -> bytes:
        if name != "word/numbering.xml":
            return part
        nums = (
            f'<w:num w:numId="{number}"><w:abstractNumId w:val="90"/>{overrides}</w:num>'
            for number, overrides in ((99, ""), (98, other))
        )
        at = part.index(b"<w:num ")
        made = part[:at] + levels.encode() + part[at:]
        return made.replace(b"</w:numbering>", "".join(nums).encode() + b"</w:numbering>")

    elements = (
        f'<w:p><w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{98 if text.isupper() else 99}"/></w:numPr>'
        f"</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        for level, text in items
    )
    return rewritten(body(*elements), number)


def test_numbers_of_a_list_are_read_as_the_page_shows_them() -> None:
    data = numbered(
        (0, "Rent"), (1, "Due"), (1, "Late"), (2, "Fee"), (0, "End"), (1, "Notice"), (3, "dot"), (4, "star")
    )
    assert lines(data, ".docx") == [
        "§ 3 Rent", "a) Due", "b) Late", "3.b.I Fee", "§ 4 End", "a) Notice", "dot", "star",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("restart", "read"),
    [("", "a) e"), ('<w:lvlRestart w:val="0"/>', "c) e"), ('<w:lvlRestart w:val="1"/>', "a) e")],
)
def test_a_level_that_never_begins_anew_counts_on(restart: str, read: str) -> None:
    levels = _LEVELS.replace('<w:numFmt w:val="lowerLetter"/>', f'<w:numFmt w:val="lowerLetter"/>{restart}')
    data = numbered((0, "a"), (1, "b"), (1, "c"), (0, "d"), (1, "e"), levels=levels)
    assert lines(data, ".docx") == ["§ 3 a", "a) b", "b) c", "§ 4 d", read]


def test_a_level_looks_as_the_use_of_its_list_says() -> None:
    level = '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperLetter"/><w:lvlText w:val="(%1)"/></w:lvl>'
    other = f'<w:lvlOverride w:ilvl="0">{level}</w:lvlOverride>'
    assert lines(numbered((0, "a"), (0, "B"), (1, "C"), other=other), ".docx") == ["§ 3 a", "(D) B", "a) C"]
    assert lines(numbered((0, "a"), (0, "B"), (1, "C")), ".docx") == ["§ 3 a", "§ 4 B", "a) C"]


def test_numbers_come_from_styles_too_and_begin_anew_in_a_new_list(sandbox: Sandbox) -> None:
    def fill(document: Fill) -> None:
        for text in ("Pay", "Fee"):
            document.add_paragraph(text, style="List Number")
        document.add_paragraph("dot", style="List Bullet")

    assert [block.text for block in sandbox.parse(word(fill), "x.docx").blocks] == ["1. Pay", "2. Fee", "dot"]


def test_a_marker_that_is_an_item_of_a_list_protects_what_it_should() -> None:
    blocks = parsed(numbered((0, "Open."), (0, "[ringfence level=secret]"), (0, "Closed.")), ".docx").blocks
    assert [(block.text, int(block.tightening.level)) for block in blocks] == [("§ 3 Open.", 0), ("§ 5 Closed.", 4)]


def test_styles_of_a_house_that_rest_on_headings_are_headings() -> None:
    def fill(document: Fill) -> None:
        house = document.styles.add_style("House 1", WD_STYLE_TYPE.PARAGRAPH)
        house.base_style = document.styles["Heading 1"]
        outlined = document.styles.add_style("House 2", WD_STYLE_TYPE.PARAGRAPH)
        level = '<w:pPr %s><w:outlineLvl w:val="1"/></w:pPr>'
        outlined.element.append(parse_xml(level % NAMESPACES))
        plain = document.styles.add_style("Not in contents", WD_STYLE_TYPE.PARAGRAPH)
        plain.base_style = house
        plain.element.append(parse_xml((level % NAMESPACES).replace('"1"', '"9"')))
        for text, style in (("Pay", "House 1"), ("Bonus", "House 2"), ("text", None), ("aside", "Not in contents")):
            document.add_paragraph(text, style=style)

    assert said(parsed(word(fill), ".docx")) == [(("Pay", "Bonus"), "text"), (("Pay", "Bonus"), "aside")]


def test_a_table_within_a_table_is_read_after_its_row_and_one_in_a_frame_in_its_place() -> None:
    inner = f"<w:tbl>{table_row('City', 'Rent', 'Year')}{table_row('Rome', '9', '2024')}</w:tbl>"
    outer = f"<w:tbl>{table_row('No', 'What', 'Note')}{table_row('1', paragraph('Flats') + inner, 'x')}"
    assert lines(body(f"{outer}{table_row('2', 'Cars', 'y')}</w:tbl>"), ".docx") == [
        "No: 1; What: Flats; Note: x",
        "City: Rome; Rent: 9; Year: 2024",
        "No: 2; What: Cars; Note: y",
    ]
    framed = table_row(f"{paragraph('Before')}{inner}{paragraph('After')}")
    assert lines(body(f"<w:tbl>{framed}</w:tbl>"), ".docx") == ["Before", "City: Rome; Rent: 9; Year: 2024", "After"]


def test_a_table_within_a_row_that_is_repeated_on_each_page_is_read() -> None:
    inner = f"<w:tbl>{table_row('a', 'b')}{table_row('c', 'd')}</w:tbl><w:p/>"
    repeated = table_row("Name", f"<w:p/>{inner}", properties="<w:trPr><w:tblHeader/></w:trPr>")
    assert lines(body(f"<w:tbl>{repeated}{table_row('Ann', '12')}</w:tbl>"), ".docx")[-1] == "Name: Ann; Column 2: 12"
    assert "c" in "".join(lines(body(f"<w:tbl>{repeated}{table_row('Ann', '12')}</w:tbl>"), ".docx")[:-1])


def _form_field(inside: str) -> str:
    begin = f'<w:r><w:fldChar w:fldCharType="begin"><w:ffData>{inside}</w:ffData></w:fldChar></w:r>'
    return f'{begin}<w:r><w:instrText> FORM </w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'


@pytest.mark.parametrize(
    ("inside", "read"),
    [
        ('<w:ddList><w:result w:val="1"/><w:listEntry w:val="Yes"/><w:listEntry w:val="No"/></w:ddList>', "No"),
        ('<w:ddList><w:default w:val="0"/><w:listEntry w:val="Yes"/><w:listEntry w:val="No"/></w:ddList>', "Yes"),
        ('<w:ddList><w:result w:val="7"/><w:listEntry w:val="Yes"/></w:ddList>', ""),
        ('<w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox>', "☒"),
        ('<w:checkBox><w:default w:val="1"/><w:checked w:val="0"/></w:checkBox>', "☐"),
        ('<w:checkBox><w:default w:val="1"/></w:checkBox>', "☒"),
    ],
)
def test_what_was_chosen_in_an_old_form_is_read(inside: str, read: str) -> None:
    assert lines(body(paragraph("Agreed: ", _form_field(inside))), ".docx") == [f"Agreed: {read}".strip()]
    hidden = _form_field(inside).replace("<w:r><w:fldChar", "<w:r><w:rPr><w:vanish/></w:rPr><w:fldChar")
    assert lines(body(paragraph("Agreed: ", hidden)), ".docx") == ["Agreed:"]


def test_paragraphs_of_a_newer_kind_are_read_and_not_what_stands_for_them_in_older_programs() -> None:
    made = (
        f'<mc:AlternateContent><mc:Choice Requires="wps">{paragraph("new")}</mc:Choice>'
        f"<mc:Fallback>{paragraph('old')}</mc:Fallback></mc:AlternateContent>"
    )
    assert lines(body(paragraph("Text."), made), ".docx") == ["Text.", "new"]


def test_names_without_a_row_below_them_are_text() -> None:
    data = body(f"<w:tbl>{table_row('Client', 'ACME', 'Bonn')}{table_row('', '', '')}</w:tbl>")
    assert lines(data, ".docx") == ["Client; ACME; Bonn"]


def test_a_row_over_the_whole_width_is_text_and_names_nothing() -> None:
    wide = f'<w:tr><w:tc><w:tcPr><w:gridSpan w:val="3"/></w:tcPr>{paragraph("Staff")}</w:tc></w:tr>'
    data = body(f"<w:tbl>{wide}{table_row('Name', 'Room', 'Pay')}{table_row('Ann', '1', '2')}</w:tbl>")
    assert lines(data, ".docx") == ["Staff", "Name: Ann; Room: 1; Pay: 2"]


_PAIRS = (table_row("Employee", "Anna Berg"), table_row("Manager", "Carl Duve"))
_LOOK = '<w:tblPr>{}<w:tblLook w:firstRow="{}" w:firstColumn="1"/></w:tblPr>'
_HEADER = "<w:trPr><w:tblHeader/></w:trPr>"


@pytest.mark.parametrize(
    ("properties", "rows", "read"),
    [
        ("", _PAIRS, ["Employee: Anna Berg", "Manager: Carl Duve"]),
        (_LOOK.format("", 0), _PAIRS, ["Employee: Anna Berg", "Manager: Carl Duve"]),
        (_LOOK.format('<w:tblStyle w:val="TableGrid"/>', 1), _PAIRS, ["Employee: Anna Berg", "Manager: Carl Duve"]),
        (_LOOK.format("", 1), (table_row("Since:", "May"), table_row("Until:", "June")), ["Since: May", "Until: June"]),
        (
            _LOOK.format("", 1),
            (table_row("Since", "2024-05-01"), table_row("Name", "Bo")),
            ["Since: 2024-05-01", "Name: Bo"],
        ),
        (_LOOK.format("", 1), _PAIRS, ["Employee: Manager; Anna Berg: Carl Duve"]),
        (_LOOK.format('<w:tblStyle w:val="LightList"/>', 1), _PAIRS, ["Employee: Manager; Anna Berg: Carl Duve"]),
        ("", (table_row("A", "B", properties=_HEADER), table_row("1", "2")), ["A: 1; B: 2"]),
        (
            "",
            (
                table_row("Pay", "in", properties=_HEADER),
                table_row("2024", "EUR", properties=_HEADER),
                table_row("1", "2"),
            ),
            ["Pay 2024: 1; in EUR: 2"],
        ),
        ("", (table_row("a", "b"), table_row("only one", "")), ["a: b", "only one"]),
    ],
)
def test_a_table_says_what_names_its_values(properties: str, rows: tuple[str, ...], read: list[str]) -> None:
    """A table of two columns that says nothing is taken for names with their values; a wider one has a header."""
    assert lines(body(f"<w:tbl>{properties}{''.join(rows)}</w:tbl>"), ".docx") == read


def _strict(name: str, part: bytes) -> bytes:
    for kind in (b"wordprocessingml", b"officeDocument", b"drawingml"):
        part = part.replace(
            b"http://schemas.openxmlformats.org/%s/2006/" % kind, b"http://purl.oclc.org/ooxml/%s/" % kind
        )
    return part


def _template(name: str, part: bytes) -> bytes:
    return part.replace(b"wordprocessingml.document.main+xml", b"wordprocessingml.template.main+xml")


@pytest.mark.parametrize("change", [_strict, _template])
def test_strict_open_xml_and_templates_are_read_like_other_documents(sandbox: Sandbox, change: Fill) -> None:
    data = body(paragraph("Text."), f"<w:tbl>{table_row('a', 'b')}</w:tbl>")
    changed = rewritten(data, change)
    assert changed != rewritten(data, lambda name, part: part)
    assert [block.text for block in sandbox.parse(changed, "x.docx").blocks] == ["Text.", "a: b"]


def test_word_art_is_read_and_switched_off_it_is_hidden_content() -> None:
    shape = '<v:shape xmlns:v="urn:schemas-microsoft-com:vml"{}><v:textpath string="Draft"/></v:shape>'
    art = f"<w:r><w:pict>{shape}</w:pict></w:r>"
    assert lines(body(paragraph("Text.", art.format(""))), ".docx") == ["Text.\nDraft"]
    hidden = body(paragraph("Text.", art.format(' style="visibility:hidden"')))
    assert (lines(hidden, ".docx"), extracted(hidden, ".docx").hidden) == (["Text."], {HiddenKind.INVISIBLE_TEXT: 1})
