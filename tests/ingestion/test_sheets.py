"""Sheets: what lies over them is read, colours by condition are believed, and large ones cost what they hold."""

import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill

from evals.hostile.samples import workbook
from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from policies.rules import Level
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import Fill, extracted, lines, parsed, rewritten

OPEN, CLOSE = "[ringfence level=secret]", "[/ringfence]"
_BOX = (
    '<xdr:twoCellAnchor xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><xdr:sp><xdr:nvSpPr><xdr:cNvPr id="9" name="b"{}/>'
    "</xdr:nvSpPr><xdr:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></xdr:txBody></xdr:sp></xdr:twoCellAnchor></"
)


def drawn(title: str = "Chart title", box: str = "In a box", off: str = "", *, hidden: bool = False) -> bytes:
    """A sheet with a chart and a text box over it; `off` is an attribute of the box."""

    def fill(book: Fill) -> None:
        sheet = book.active
        sheet.append(["Name", "Pay"])
        sheet.append(["Ann", 5])
        chart = BarChart()
        chart.title = title
        chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=2), titles_from_data=True)
        sheet.add_chart(chart, "D2")
        if hidden:
            book.create_sheet("Other")["A1"] = "shown"
            sheet.sheet_state = "hidden"

    def boxed(name: str, part: bytes) -> bytes:
        head, _, end = part.rpartition(b"</") if name == "xl/drawings/drawing1.xml" else (b"", b"", b"")
        return head + _BOX.format(off, box).encode() + end if head else part

    return rewritten(workbook(fill), boxed)


def test_text_boxes_and_titles_of_charts_are_read_beside_the_rows() -> None:
    pieces = [(piece.text, piece.beside) for piece in extracted(drawn(), ".xlsx").pieces]
    assert pieces == [("Sheet", False), ("Name: Ann; Pay: 5", False), ("In a box", True), ("Chart title", True)]


def test_a_text_box_that_is_switched_off_or_on_a_hidden_sheet_is_hidden_content() -> None:
    off = drawn(off=' hidden="1"')
    assert "In a box" not in lines(off, ".xlsx")
    assert extracted(off, ".xlsx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}
    assert lines(drawn(hidden=True), ".xlsx") == ["shown"]
    assert "In a box" in lines(drawn(hidden=True), ".xlsx", HiddenKind.HIDDEN_SHEET)


def _with_header(text: str) -> bytes:
    def fill(book: Fill) -> None:
        book.active["A1"] = "Words"
        book.active.oddHeader.center.text = "X"

    return rewritten(workbook(fill), lambda name, part: part.replace(b"&amp;CX", text.encode()))


@pytest.mark.parametrize(
    "data",
    [
        drawn(title=OPEN),
        drawn(box=OPEN),
        drawn(box=OPEN, off=' hidden="1"'),
        _with_header(f"&amp;C{OPEN}"),
        _with_header("[ring&amp;Bfence level=secret]"),
    ],
)
def test_a_marker_over_a_sheet_or_on_its_printed_page_refuses_the_document(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parsed(data, ".xlsx")
    assert refused.value.reason is Reason.BAD_MARKER


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("&amp;CConfidential", ["Confidential"]),
        ('&amp;LACME &amp;"Arial,Bold"&amp;14Lease&amp;R&amp;KFF0000R&amp;&amp;D', ["ACME Lease", "R&D"]),
        ("&amp;CPage &amp;P of &amp;N&amp;R&amp;D", []),
        ("&amp;CConfidential, page &amp;P of &amp;N", ["Confidential, page of"]),
    ],
)
def test_what_is_printed_on_each_page_of_a_sheet_is_read_without_its_numbers(header: str, read: list[str]) -> None:
    assert lines(_with_header(header), ".xlsx") == ["Words", *read]


def test_printed_headers_are_read_once_and_those_that_are_switched_off_are_hidden_content() -> None:
    def fill(book: Fill, *, on: bool) -> None:
        for sheet in (book.active, book.create_sheet("Other")):
            sheet["A1"] = "Words"
            sheet.oddFooter.left.text, sheet.firstHeader.left.text = "ACME", "Draft"
            sheet.HeaderFooter.differentFirst = on

    shown, off = (workbook(lambda book, on=on: fill(book, on=on)) for on in (True, False))
    assert sorted(lines(shown, ".xlsx")) == ["ACME", "Draft", "Words", "Words"]
    assert sorted(lines(off, ".xlsx")) == ["ACME", "Words", "Words"]
    assert (extracted(shown, ".xlsx").hidden, extracted(off, ".xlsx").hidden) == ({}, {HiddenKind.INVISIBLE_TEXT: 2})


def test_a_sheet_that_is_one_chart_is_read_with_its_title_unless_it_is_hidden() -> None:
    def fill(book: Fill, *, state: str) -> None:
        book.active.append(["Pay", 5])
        chart = BarChart()
        chart.title = "Pay by year"
        chart.add_data(Reference(book.active, min_col=2, min_row=1))
        sheet = book.create_chartsheet("Board")
        sheet.add_chart(chart)
        sheet.sheet_state = state

    shown, hidden = (workbook(lambda book, of=state: fill(book, state=of)) for state in ("visible", "hidden"))
    assert [(block.heading_path, block.text) for block in parsed(shown, ".xlsx").blocks][-1] == (
        ("Board",),
        "Pay by year",
    )
    assert "Pay by year" not in lines(hidden, ".xlsx")
    assert extracted(hidden, ".xlsx").hidden == {HiddenKind.HIDDEN_SHEET: 1}


def test_a_marker_that_is_merged_over_the_first_row_begins_a_section() -> None:
    def fill(book: Fill) -> None:
        sheet = book.active
        for row in ([OPEN], ["Name", "Room", "Pay"], ["Ann", 1, 2], [CLOSE], [], ["after"]):
            sheet.append(row)
        sheet.merge_cells("A1:C1")
        sheet.merge_cells("A4:C4")

    found = {block.text: block.tightening.level for block in parsed(workbook(fill), ".xlsx").blocks}
    assert found == {"Name: Ann; Room: 1; Pay: 2": Level.SECRET, "after": Level.PUBLIC}


def test_white_text_is_read_where_a_condition_may_color_the_cell() -> None:
    def fill(book: Fill, *, formatted: str) -> None:
        sheet = book.active
        for row in (["Item", "Status"], ["a", "LATE"], ["b", "LATE TOO"]):
            sheet.append(row)
        sheet["B2"].font = sheet["B3"].font = Font(color="FFFFFF")
        red = PatternFill("solid", bgColor="C00000")
        sheet.conditional_formatting.add(formatted, CellIsRule("equal", ['"LATE"'], fill=red))

    both = workbook(lambda book: fill(book, formatted="B2:B3"))
    assert lines(both, ".xlsx") == ["Item: a; Status: LATE", "Item: b; Status: LATE TOO"]
    assert extracted(both, ".xlsx").hidden == {}
    one = workbook(lambda book: fill(book, formatted="B2"))
    assert lines(one, ".xlsx") == ["Item: a; Status: LATE", "Item: b"]
    assert extracted(one, ".xlsx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}


def test_a_part_that_a_sheet_names_many_times_is_read_once(sandbox: Sandbox) -> None:
    def fill(book: Fill) -> None:
        book.active["A1"] = "Words"
        book.active["A1"].comment = Comment("Said.", "x")

    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/comments"
    relation = b'<Relationship Id="z%d" Type="' + kind + b'" Target="/xl/comments/comment1.xml"/>'
    many = b"".join(relation % number for number in range(2_000))

    def grown(name: str, part: bytes) -> bytes:
        if name.endswith("sheet1.xml.rels"):
            return part.replace(b"</Relationships>", many + b"</Relationships>")
        return part.replace(b"</comments>", b"<x/>" * 200_000 + b"</comments>")

    read = sandbox.parse(rewritten(workbook(fill), grown), "x.xlsx")
    assert ([block.text for block in read.blocks], read.hidden) == (["Words"], {HiddenKind.COMMENT: 1})


def test_many_hidden_columns_cost_what_they_are(roomy_sandbox: Sandbox) -> None:
    cells = b"".join(b"<c><v>%d</v></c>" % number for number in range(10))
    rows = b"".join(b'<row r="%d">%s</row>' % (number, cells) for number in range(1, 15_001))
    columns = b"".join(b'<col min="%d" max="%d" hidden="1"/>' % (at, at) for at in range(10, 16_000, 2))

    def grown(name: str, part: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return part
        start, end = part.index(b"<sheetData"), part.index(b"</sheetData>")
        return part[:start] + b"<cols>%s</cols><sheetData>%s" % (columns, rows) + part[end:]

    read = roomy_sandbox.parse(rewritten(workbook(lambda book: book.active.append([1])), grown), "x.xlsx")
    assert read.hidden == {HiddenKind.HIDDEN_COLUMN: 15_000}
    assert read.blocks[-1].text == "0: 0; 1: 1; 2: 2; 3: 3; 4: 4; 5: 5; 6: 6; 7: 7; 8: 8"


def _rows(*rows: tuple[object, ...], merged: str = "") -> list[str]:
    def fill(book: Fill) -> None:
        for row in rows:
            book.active.append(row)
        for cells in merged.split():
            book.active.merge_cells(cells)

    return lines(workbook(fill), ".xlsx")


def test_a_title_merged_over_a_table_names_no_columns_and_a_merged_name_names_all_of_its_own() -> None:
    table = (("Region", "Q1", "Q2"), ("North", 500, 600))
    read = ["Sales report", "Region: North; Q1: 500; Q2: 600"]
    assert _rows(("Sales report",), *table, merged="A1:C1") == read
    assert _rows(("Sales report",), (), *table, merged="A1:C1") == read
    assert _rows(("Region", "Sales", None), *table[1:], merged="B1:C1") == ["Region: North; Sales: 500; Sales: 600"]
    assert _rows(("Sales report",), ("Region", "Sales", None), *table[1:], merged="A1:C1 B2:C2")[1] == (
        "Region: North; Sales: 500; Sales: 600"
    )


def test_the_pairs_of_a_form_stay_together_and_a_table_below_them_has_its_names() -> None:
    form = (("Employee:", "Ann Lee"), ("Start:", "1 May", "End:", "2 June"))
    read = ["Employee: Ann Lee", "Start: 1 May; End: 2 June"]
    assert _rows(*form) == read
    assert _rows(*form, ("Item:", "Price:"), ("Bolt", 3)) == [*read, "Item: Bolt; Price: 3"]
    assert _rows(("Name:", "Ann", "(new)"), ("Room:", "5")) == ["Name: Ann; (new)", "Room: 5"]
    assert _rows(("Employee:", "Ann Lee", None), ("Boss:", "Bo", None), merged="B1:C1 B2:C2") == [
        "Employee: Ann Lee",
        "Boss: Bo",
    ]


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ((("Total", 100, "EUR"), ("Tax", 19)), ["Total: 100; EUR", "Tax: 19"]),
        (((4711, "Ann", 12.5), (4712, "Bo", 9.5)), ["4711; Ann; 12.5", "4712; Bo; 9.5"]),
        (
            (("Invoice", 4711), ("Date", "2026-01-01"), ("Customer", "ACME")),
            ["Invoice: 4711", "Date: 2026-01-01", "Customer: ACME"],
        ),
        ((("Budget", 900), ("Item", "Cost"), ("Rent", 500)), ["Budget: 900", "Item: Rent; Cost: 500"]),
        ((("EUR", "31.12.2025"), ("Assets",), ("Cash", 500)), ["EUR: Assets", "EUR: Cash; 31.12.2025: 500"]),
        ((("Item", 2025, 2026), ("Rent", 500, 600)), ["Item: Rent; 2025: 500; 2026: 600"]),
        ((("Size", 36, 38), ("Shoes", 5, 4)), ["Size: Shoes; 36: 5; 38: 4"]),
        (
            (("Order", "100 EUR", "1,000 EUR", "5,000 EUR"), ("Fee", 9, 5, 0)),
            ["Order: Fee; 100 EUR: 9; 1,000 EUR: 5; 5,000 EUR: 0"],
        ),
        ((("Rent", 14, 12), ("Power", 5, 6), ("Gas", 3, 1)), ["Rent: 14; 12", "Power: 5; 6", "Gas: 3; 1"]),
        ((("Item", "31.12.2025"), ("Cash", 500)), ["Item: Cash; 31.12.2025: 500"]),
        ((("Age", "30 days", "60 days"), ("Sum", 7, 5)), ["Age: Sum; 30 days: 7; 60 days: 5"]),
    ],
)
def test_amounts_name_no_columns_and_years_sizes_and_dates_do(
    rows: tuple[tuple[object, ...], ...], read: list[str]
) -> None:
    assert _rows(*rows) == read


def test_a_strict_workbook_is_read_like_any_other(sandbox: Sandbox) -> None:
    """As Excel saves it by that name."""

    def fill(book: Fill) -> None:
        book.active.append(["Name", "Pay", "Since"])
        book.active.append(["Ann", 5, "SINCE"])

    def strict(name: str, part: bytes) -> bytes:
        for kind in (b"spreadsheetml", b"officeDocument", b"drawingml"):
            usual = b"http://schemas.openxmlformats.org/%s/2006/" % kind
            part = part.replace(usual, b"http://purl.oclc.org/ooxml/%s/" % kind)
        return part

    changed = rewritten(workbook(fill), strict)
    assert changed != rewritten(workbook(fill), lambda name, part: part)
    assert [block.text for block in sandbox.parse(changed, "x.xlsx").blocks] == ["Name: Ann; Pay: 5; Since: SINCE"]
