"""Lists and tables of a PDF, which both are texts beside each other: numbers stay with their items."""

import pytest

from tests.ingestion.office_documents import lines
from tests.ingestion.pdf_files import page_of

Placed = list[tuple[int, int, str]]

TITLE = (20, 270, "The following holds for the lease of the flat.")


def page(placed: Placed) -> bytes:
    return page_of(b" ".join(b"BT /F 10 Tf %d %d Td (%s) Tj ET" % (x, y, text.encode()) for x, y, text in placed))


def column(left: int, *texts: str) -> Placed:
    return [(left, 240 - 14 * number, text) for number, text in enumerate(texts) if text]


@pytest.mark.parametrize("indent", [18, 28, 36, 50])
@pytest.mark.parametrize("labels", [("1.", "2.", "3."), ("1.1", "1.2", "1.3"), ("(a)", "(b)", "(c)"), ("-", "-", "-")])
@pytest.mark.parametrize("by_column", [False, True])
def test_the_label_of_an_item_begins_its_text(indent: int, labels: tuple[str, ...], by_column: bool) -> None:
    placed = [*column(30, *labels), *column(30 + indent, "Milk and bread", "Eggs", "Butter from Bonn")]
    if not by_column:
        placed.sort(key=lambda one: (-one[1], one[0]))
    items = [f"{labels[0]} Milk and bread", f"{labels[1]} Eggs", f"{labels[2]} Butter from Bonn"]
    assert lines(page([TITLE, *placed]), ".pdf") == [TITLE[2], *items]


def test_an_item_of_several_lines_is_read_together() -> None:
    labels = column(30, "1.1", "", "1.2", "", "1.3")
    first = ("The lessee pays the rent on the first day", "of each month.")
    second = ("The lessor keeps the roof of the house", "in repair.")
    placed = [TITLE, *labels, *column(66, *first, *second, "Pets need consent.")]
    assert lines(page(placed), ".pdf") == [
        TITLE[2],
        f"1.1 {' '.join(first)}",
        f"1.2 {' '.join(second)}",
        "1.3 Pets need consent.",
    ]


def test_what_stands_beside_items_is_read_with_them() -> None:
    """The first item names nothing for the others."""
    items, who = ("Budget of 2026", "Lease", "Rooms"), ("Ann", "Tom", "Bo")
    placed = [*column(30, "1.", "2.", "3."), *column(50, *items), *column(200, *who)]
    assert lines(page([TITLE, *placed]), ".pdf") == [
        TITLE[2],
        "1. Budget of 2026: Ann",
        "2. Lease: Tom",
        "3. Rooms: Bo",
    ]


def test_items_of_several_lines_below_a_header_keep_their_numbers() -> None:
    """The first one stands close below the header, as a row of a table does."""
    texts = (
        "The lessee pays the rent",
        "on the first",
        "day of the",
        "month here",
        "and there.",
        "Roofs are not his.",
    )
    labels = ["No.", "1.1", *[""] * 4, "1.2", "1.3"]
    placed = [TITLE, *column(30, *labels), *column(66, "Duty", *texts, "Pets need consent.")]
    assert lines(page(placed), ".pdf") == [
        TITLE[2],
        "No. Duty",
        f"1.1 {' '.join(texts[:5])}",
        f"1.2 {texts[5]}",
        "1.3 Pets need consent.",
    ]


def test_labels_in_the_middle_of_their_rows_part_no_text() -> None:
    labels = ["No.", "", "1.1", "", "", "1.2", "", "", "1.3", ""]
    texts = [f"the {line} line of what {duty} says" for duty in (1, 2, 3) for line in ("first", "second", "third")]
    found = lines(page([TITLE, *column(30, *labels), *column(66, "Duty", *texts)]), ".pdf")
    assert not [line for line in found if line.startswith(("1.1 the second", "1.2 the second", "1.3 the second"))]


def test_lines_of_an_item_in_a_narrow_column_are_read_together() -> None:
    """Compared with the longest line of the page, each of them seems to end a paragraph."""
    wide = (20, 270, "The following duties are those of the lessee, for as long as the lease is not ended.")
    items = [
        ("Pays the rent on the", "first day of each month", "to the lessor."),
        ("Cleans the stairs",),
        ("Keeps no pets.",),
    ]
    labels = column(30, "1.", "", "", "2.", "3.")
    after = (30, 156, "All of them end with it.")
    placed = [wide, *labels, *column(54, *(line for item in items for line in item)), (30, 170, "No others."), after]
    assert lines(page(placed), ".pdf") == [
        wide[2],
        f"1. {' '.join(items[0])}",
        "2. Cleans the stairs",
        "3. Keeps no pets.",
        "No others.",
        after[2],
    ]


def test_numbers_below_the_name_of_their_column_stay_in_it() -> None:
    placed = [*column(30, "No.", "1.", "2."), *column(66, "Item", "Pen", "Desk"), *column(200, "Price", "1.50", "9.00")]
    assert lines(page([TITLE, *placed]), ".pdf") == [
        TITLE[2],
        "No.: 1.; Item: Pen; Price: 1.50",
        "No.: 2.; Item: Desk; Price: 9.00",
    ]


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ([("Chapter 1", "3"), ("Chapter 2", "12"), ("Chapter 3", "20")], ["Chapter 1: 3", "Chapter 2: 12"]),
        ([("Customer", "4711"), ("Street", "Main St"), ("City", "Bonn")], ["Customer: 4711", "Street: Main St"]),
        ([("Pen", "2", "1.50"), ("Desk", "1", "300.00"), ("Lamp", "", "9.00")], ["Pen; 2; 1.50", "Desk; 1; 300.00"]),
        ([("Year", "2023", "2024"), ("Sales", "5", "6"), ("Cost", "1", "2")], ["Year: Sales; 2023: 5; 2024: 6"]),
        ([("Month", "01/2024", "02/2024"), ("Sales", "5", "6"), ("Cost", "1", "2")], ["Month: Sales; 01/2024: 5;"]),
        ([("Room 1", "Room 2"), ("a", "b"), ("Room 1", "Room 2"), ("c", "d")], ["Room 1: a; Room 2: b"]),
        ([("Item", "Q1", "Q2"), ("Sales", "5", "6"), ("Cost", "1", "2")], ["Item: Sales; Q1: 5; Q2: 6"]),
    ],
)
def test_a_first_row_like_those_below_it_names_nothing(rows: list[tuple[str, ...]], read: list[str]) -> None:
    placed = [one for number, texts in enumerate(zip(*rows, strict=True)) for one in column(30 + 100 * number, *texts)]
    found = lines(page([TITLE, *placed]), ".pdf")
    assert [line[: len(start)] for line, start in zip(found[1:], read, strict=False)] == read


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ([("Week", "1", "2", "3"), ("Orders", "12", "15", "11")], "Week: Orders; 1: 12; 2: 15; 3: 11"),
        ([("Size", "36", "38", "40"), ("Stock", "5", "6", "2")], "Size: Stock; 36: 5; 38: 6; 40: 2"),
        ([("Shift", "08:00", "14:00"), ("Monday", "Ann", "Tom")], "Shift: Monday; 08:00: Ann; 14:00: Tom"),
        ([("Day", "3.8.2026", "4.8.2026"), ("Early", "Ann", "Tom")], "Day: Early; 3.8.2026: Ann; 4.8.2026: Tom"),
        ([("Rent", "10", "14", "12"), ("Power", "12", "15", "11")], "Rent; 10; 14; 12"),
        ([("1", "7", "9"), ("2", "8", "3")], "1; 7; 9"),
    ],
)
def test_numbers_that_count_on_and_values_unlike_those_below_name_columns(
    rows: list[tuple[str, ...]], read: str
) -> None:
    """The last two are records: counted first, or of amounts that rise and fall."""
    rows = [*rows, *rows[1:], *rows[1:]]
    placed = [one for number, texts in enumerate(zip(*rows, strict=True)) for one in column(30 + 60 * number, *texts)]
    assert lines(page([TITLE, *placed]), ".pdf")[1] == read


def test_names_below_the_pairs_of_an_invoice_name_its_items() -> None:
    pairs = [*column(30, "Number", "Date"), *column(90, "4711", "1.3.2026")]
    items = [("Item", "Count", "Price"), ("Pen", "2", "1.50"), ("Desk", "1", "300.00")]
    placed = [
        (30 + 60 * place, 212 - 14 * number, text) for number, row in enumerate(items) for place, text in enumerate(row)
    ]
    assert lines(page([TITLE, *pairs, *placed]), ".pdf") == [
        TITLE[2],
        "Number: 4711",
        "Date: 1.3.2026",
        "Item: Pen; Count: 2; Price: 1.50",
        "Item: Desk; Count: 1; Price: 300.00",
    ]
