"""Names of columns: each is said beside its values, and alone where there are none."""

import pytest

from evals.hostile.samples import slides, word, workbook
from tests.ingestion.office_documents import Fill, lines, parsed
from tests.ingestion.pdf_files import page_of

Rows = list[tuple[str, ...]]

SHORT_ROWS: Rows = [("Customer", "ACME", "Contract 4711"), ("Street", "Main St", ""), ("City", "Bonn", "")]
FULL_ROWS: Rows = [("Name", "Room", "Phone"), ("Ann", "12", ""), ("Bo", "", "556")]


def csv(rows: Rows) -> bytes:
    return "\n".join(",".join(row) for row in rows).encode()


def html(rows: Rows) -> bytes:
    return f"<table>{''.join('<tr><td>' + '<td>'.join(row) for row in rows)}</table>".encode()


def xlsx(rows: Rows) -> bytes:
    def fill(book: Fill) -> None:
        for row in rows:
            book.active.append([text or None for text in row])

    return workbook(fill)


def docx(rows: Rows) -> bytes:
    def fill(document: Fill) -> None:
        table = document.add_table(len(rows), 3)
        table.style = "Table Grid"
        _write(table, rows)

    return word(fill)


def pptx(rows: Rows) -> bytes:
    def fill(deck: Fill) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        _write(slide.shapes.add_table(len(rows), 3, 0, 0, 9_000_000, 900_000).table, rows)

    return slides(fill)


def _write(table: Fill, rows: Rows) -> None:
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            table.cell(number, column).text = text


def pdf(rows: Rows) -> bytes:
    placed = (
        b"BT /F 10 Tf %d %d Td (%s) Tj ET" % (20 + 90 * column, 250 - 14 * number, text.encode())
        for number, row in enumerate([*rows, ("Total", "", "")][:4])
        for column, text in enumerate(row)
        if text
    )
    return page_of(b" ".join(placed))


@pytest.mark.parametrize("made", [csv, html, xlsx, docx, pptx, pdf])
def test_a_name_without_a_value_below_it_is_read_and_one_with_a_value_only_beside_it(made: Fill) -> None:
    suffix = f".{made.__name__}"
    read = [line for line in lines(made(SHORT_ROWS), suffix) if "Total" not in line]
    assert read == ["Customer: Street; ACME: Main St", "Customer: City; ACME: Bonn", "Contract 4711"]
    read = [line for line in lines(made(FULL_ROWS), suffix) if "Total" not in line]
    assert read == ["Name: Ann; Room: 12", "Name: Bo; Phone: 556"]


def test_a_row_of_a_pdf_alone_on_its_table_is_read() -> None:
    """A letterhead: what stands beside the label belongs to one row."""
    block = [(20, 250, "Tenant"), (90, 250, "ACME"), (180, 250, "Phone 1"), (90, 236, "Main St"), (180, 236, "Fax 2")]
    more = [(90, 222, "Bonn"), (180, 222, "Mail 3")]
    content = b" ".join(b"BT /F 10 Tf %d %d Td (%s) Tj ET" % (x, y, text.encode()) for x, y, text in [*block, *more])
    assert lines(page_of(content), ".pdf") == ["Tenant; ACME Main St Bonn; Phone 1 Fax 2 Mail 3"]


def test_a_second_row_of_names_that_is_shorter_takes_none_away() -> None:
    head = "<tr><th>Name<th>Pay<th>Room<tr><th>of staff<th>in euro<tr><td>Ann<td>1<td>12"
    assert lines(f"<table>{head}</table>".encode(), ".html") == ["Name of staff: Ann; Pay in euro: 1; Room: 12"]


@pytest.mark.parametrize("made", [csv, html, xlsx, docx, pptx])
def test_names_without_values_are_read_in_the_section_that_they_stand_in(made: Fill) -> None:
    def levels(rows: Rows) -> list[tuple[int, str]]:
        blocks = parsed(made(rows), f".{made.__name__}").blocks
        return [(int(block.tightening.level), block.text) for block in blocks]

    begin, end = ("[ringfence level=secret]", "", ""), ("[/ringfence]", "", "")
    inside = levels([("a", "b", "c"), ("1", "2", ""), begin, ("3", "4", ""), end, ("5", "", "")])
    assert inside == [(0, "a: 1; b: 2"), (4, "a: 3; b: 4"), (0, "a: 5"), (0, "c")]
    within = levels([begin, ("FALCON", "PRICE", "DAY"), ("1", "2", ""), end, ("a", "b", "c"), ("5", "6", "")])
    assert within == [(4, "FALCON: 1; PRICE: 2"), (4, "DAY"), (0, "a: 5; b: 6"), (0, "c")]
