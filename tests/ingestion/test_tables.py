"""Tables of CSV and Excel: which row names the columns, values as shown, and cells that nobody sees."""

import pytest
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.styles.colors import Color
from openpyxl.worksheet.table import Table

from evals.hostile.samples import MAIN_PARTS, workbook
from ingestion.parse.document import Reason, Refused
from ingestion.parse.naming import NAME_CHARS_MAX
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import Fill, extracted, lines, parsed, rewritten

_STAFF = "Name;Pay;City\nAnn;1,50;Rome\nBo;2,50;Paris\n"
_READ = ["Name: Ann; Pay: 1,50; City: Rome", "Name: Bo; Pay: 2,50; City: Paris"]


@pytest.mark.parametrize("comma", [b"Lee, Ann", b"Lee, Ann, Dr", b"Ann Lee"])
def test_tabs_part_the_columns_of_a_file_that_is_named_after_them(comma: bytes) -> None:
    source = b"Name\tCity\n" + comma + b"\tBonn\nKim, Bo\tRome\n"
    assert lines(source, ".tsv") == [f"Name: {comma.decode()}; City: Bonn", "Name: Kim, Bo; City: Rome"]
    assert lines(b"Name,City\nAnn,Bonn\n", ".tsv") == ["Name: Ann; City: Bonn"]


@pytest.mark.parametrize(
    ("before", "read"),
    [
        ("", []),
        ("Export 2024\n", ["Export 2024"]),
        ("Export 2024\n\n", ["Export 2024"]),
        ("Account;\nIBAN;DE12\n\n", ["Account", "IBAN; DE12"]),
        ("Account;;\nIBAN;DE12;\n", ["Account", "IBAN; DE12"]),
    ],
)
def test_what_an_export_says_about_itself_names_no_columns(before: str, read: list[str]) -> None:
    assert lines((before + _STAFF).encode(), ".csv") == [*read, *_READ]


@pytest.mark.parametrize(
    ("source", "read"),
    [
        (b"Name;\nAnn;x\nBo;y\n", ["Name: Ann; Column 2: x", "Name: Bo; Column 2: y"]),
        (b"Name;Pay\nAnn;x;1\nBo;y;2\n", ["Name: Ann; Pay: x; Column 3: 1", "Name: Bo; Pay: y; Column 3: 2"]),
        (b";a;b\nx;1;2\n", ["Column 1: x; a: 1; b: 2"]),
        (b"Name\nAnn\nBo\n", ["Name: Ann", "Name: Bo"]),
        (b"only;this\n", ["only; this"]),
    ],
)
def test_a_header_that_is_shorter_than_its_rows_is_still_one(source: bytes, read: list[str]) -> None:
    assert lines(source, ".csv") == read


def test_a_marker_above_a_table_keeps_its_reach() -> None:
    blocks = lines(f"[ringfence level=secret]\n{_STAFF}[/ringfence]\n".encode(), ".csv")
    assert blocks == _READ


def test_markers_of_a_table_are_known_in_capitals_too() -> None:
    source = f"Report\n\n{_STAFF}[RINGFENCE level=secret]\nCy;3,50;Oslo\n[/Ringfence]\nDi;4,50;Bern\n".encode()
    found = [(block.text, int(block.tightening.level)) for block in parsed(source, ".csv").blocks]
    assert found[-2:] == [("Name: Cy; Pay: 3,50; City: Oslo", 4), ("Name: Di; Pay: 4,50; City: Bern", 0)]
    above = parsed(f"[RINGFENCE level=secret]\n{_STAFF}".encode(), ".csv")
    assert [(block.text, int(block.tightening.level)) for block in above.blocks] == [(text, 4) for text in _READ]


def sheet(*rows: tuple[object, ...]) -> bytes:
    def fill(book: Fill) -> None:
        book.active.title = "S"
        for row in rows:
            book.active.append(row)

    return workbook(fill)


@pytest.mark.parametrize(
    ("behind", "read"),
    [
        ([("Carl", 3), ("Dora", 4)], ["Name: Carl; Pay: 3", "Name: Dora; Pay: 4"]),
        ([("City", "Rent"), ("Rome", 9)], ["City: Rome; Rent: 9"]),
        ([("City", "Rent", "Year"), ("Rome", 9, 2024)], ["City: Rome; Rent: 9; Year: 2024"]),
        ([("a remark",), ("Carl", 3)], ["a remark", "Carl; 3"]),
    ],
)
def test_records_behind_an_empty_row_go_on_with_their_table_unless_it_has_a_header(
    behind: list[tuple[object, ...]], read: list[str]
) -> None:
    data = sheet(("Name", "Pay"), ("Ann", 1), ("Bo", 2), (), *behind)
    assert lines(data, ".xlsx") == ["Name: Ann; Pay: 1", "Name: Bo; Pay: 2", *read]


def test_a_long_first_row_is_read_once_and_not_beside_every_value() -> None:
    long = "clause " * 400
    found = lines((f"{long},b\n" + "x,y\n" * 3).encode(), ".csv")
    assert found[0] == f"{long.strip()}; b"
    assert len(found) == 4
    assert all(len(text) < NAME_CHARS_MAX + 20 for text in found[1:])


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_long_name_on_a_page_is_read_once_and_not_beside_every_value(suffix: str) -> None:
    long = ("clause " * 400).strip()
    rows = "| 1 | 2 |\n" * 3000 if suffix == ".md" else "<tr><td>1<td>2</tr>" * 3000
    head = f"| {long} | b |\n|--|--|\n" if suffix == ".md" else f"<table><tr><th>{long}<th>b</tr>"
    found = lines((head + rows).encode(), suffix)
    assert (found[0], len(found)) == (f"{long}; b", 3001)
    assert found[1] == found[-1] and found[1].endswith("…: 1; b: 2") and len(found[1]) < NAME_CHARS_MAX + 20
    assert lines((head + rows[:0]).encode(), suffix) == [f"{long}; b"]
    many = "".join(f"<tr><th>{n} {'x' * 200}<th>b</tr>" for n in range(3000))
    assert len(lines(f"<table>{many}<tr><td>1<td>2</table>".encode(), ".html")) == 3001


def test_formulas_without_a_stored_value_are_told_and_nothing_else_is_a_refusal() -> None:
    some = extracted(sheet(("Name", "Sum", "More"), ("Ann", "=1+1", "=2+2")), ".xlsx")
    assert some.notes == ("2 formulas without a stored value",)
    assert "Name: Ann" in [piece.text for piece in some.pieces]
    with pytest.raises(Refused) as refused:
        extracted(sheet(("=1+1",)), ".xlsx")
    assert (refused.value.reason, "1 formula without a stored value" in refused.value.detail) == (Reason.EMPTY, True)


def _patched(*rows: tuple[object, ...], old: str, new: str) -> bytes:
    def change(name: str, part: bytes) -> bytes:
        if name != MAIN_PARTS[".xlsx"]:
            return part
        assert old.encode() in part
        return part.replace(old.encode(), new.encode())

    return rewritten(sheet(*rows), change)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (
            "<sheetData>",
            '<cols><col min="2" max="2" width="0" customWidth="1"/></cols><sheetData>',
            HiddenKind.HIDDEN_COLUMN,
        ),
        ('<row r="2">', '<row r="2" ht="0" customHeight="1">', HiddenKind.HIDDEN_ROW),
        ("<sheetData>", '<cols><col min="2" max="2" width="9" customWidth="1"/></cols><sheetData>', None),
        ('<row r="2">', '<row r="2" ht="10.5" customHeight="1">', None),
        ('defaultRowHeight="15"', 'defaultRowHeight="15" zeroHeight="1"', None),
    ],
)
def test_columns_without_width_and_rows_without_height_are_hidden(old: str, new: str, kind: HiddenKind | None) -> None:
    """`zeroHeight` is the height of rows that the file does not hold."""
    data = _patched(("Name", "Pin"), ("Ann", "SECRET"), old=old, new=new)
    assert ("SECRET" in "\n".join(lines(data, ".xlsx"))) is (kind is None)
    assert set(extracted(data, ".xlsx").hidden) == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("font", "fill", "hidden"),
    [
        (Font(color="FF1F3864"), PatternFill("solid", fgColor="FF1F3864"), True),
        (Font(color="FFFFFFFF"), PatternFill("solid", fgColor="FFFFFFFF"), True),
        (Font(color="FFFEFEFE"), PatternFill(), True),
        (Font(color=Color(indexed=9)), PatternFill(), True),
        (Font(color=Color(theme=4)), PatternFill("solid", fgColor=Color(theme=4)), True),
        (Font(size=1), PatternFill(), True),
        (Font(color="FFFFFFFF"), PatternFill("solid", fgColor="FF1F3864"), False),
        (Font(color=Color(theme=4)), PatternFill("solid", fgColor=Color(theme=4, tint=0.8)), False),
        (Font(color="FFFFFFFF"), PatternFill("darkGrid", fgColor="FF1F3864"), False),
        (Font(color="FFC0C0C0"), PatternFill(), False),
        (Font(size=6), PatternFill(), False),
    ],
)
def test_cells_of_the_colour_of_their_paper_are_hidden_content(font: Font, fill: PatternFill, hidden: bool) -> None:
    def made(book: Fill) -> None:
        book.active["A1"], book.active["A2"] = "shown", "WORDS"
        book.active["A2"].font, book.active["A2"].fill = font, fill

    data = workbook(made)
    assert ("WORDS" not in lines(data, ".xlsx")) is hidden
    assert extracted(data, ".xlsx").hidden == ({HiddenKind.INVISIBLE_TEXT: 1} if hidden else {})


def test_white_cells_are_read_inside_a_table_whose_style_may_colour_them_and_not_beside_it() -> None:
    def made(book: Fill) -> None:
        for row in (("Name", "Room", ""), ("Ann", "12", ""), ("", "", "WORDS")):
            book.active.append(row)
        for place in ("A1", "B1", "C3"):
            book.active[place].font = Font(color="FFFFFFFF")
        book.active.add_table(Table(displayName="T", ref="A1:B2"))

    data = workbook(made)
    assert lines(data, ".xlsx") == ["Name: Ann; Room: 12"]
    assert extracted(data, ".xlsx").hidden == {HiddenKind.INVISIBLE_TEXT: 1}


@pytest.mark.parametrize("kind", [HiddenKind.COMMENT, HiddenKind.HIDDEN_ROW, HiddenKind.INVISIBLE_TEXT])
def test_what_is_hidden_on_a_hidden_sheet_is_read_only_where_both_kinds_are(kind: HiddenKind) -> None:
    def fill(book: Fill) -> None:
        book.active["A1"] = "shown"
        hidden = book.create_sheet("Other")
        hidden.sheet_state = "hidden"
        hidden["A1"], hidden["A2"], hidden["A3"] = "a", "INNER row", "INNER white"
        hidden["A1"].comment = Comment("INNER remark", "x")
        hidden.row_dimensions[2].hidden = True
        hidden["A3"].font = Font(color="FFFFFFFF")

    data = workbook(fill)
    assert "INNER" not in "\n".join(lines(data, ".xlsx", kind))
    assert "INNER" not in "\n".join(lines(data, ".xlsx", HiddenKind.HIDDEN_SHEET))
    assert "\n".join(lines(data, ".xlsx", kind, HiddenKind.HIDDEN_SHEET)).count("INNER") == 1


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_key_that_is_given_twice_keeps_both_values(suffix: str) -> None:
    """Which of the two a program believes differs by program: a reader may have seen either."""
    assert lines(b'{"pay": "100", "name": "Ann", "pay": "200", "pay": "300"}', suffix) == [
        "pay: 100; name: Ann; pay: 200; pay: 300"
    ]
    nested = lines(b'{"a": {"x": "1"}, "a": {"x": "2"}}', ".json")
    assert nested == ["x: 1", "x: 2"]
