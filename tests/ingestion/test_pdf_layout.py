"""Reading order of a page: whatever stands where, each run is read once."""

from hypothesis import given
from hypothesis import strategies as st

from ingestion.parse.pdf_layout import LINES_MIN, Region, is_laid_out, regions
from ingestion.parse.pdf_lines import Run


def line(number: int, *cells: tuple[float, float, str]) -> list[Run]:
    """Cells as left, right and text on the line with this number from the top."""
    return [Run(left, 700 - 14 * number, right, 710 - 14 * number, text) for left, right, text in cells]


def words(found: list[Region]) -> list[str]:
    return [
        word
        for one in found
        for text in (*one.lines, *(cell for row in one.rows for cell in row))
        for word in text.split()
    ]


LONG = "a sentence that is long enough for a column"


def test_three_columns_are_read_from_left_to_right() -> None:
    runs = [
        run
        for number in range(5)
        for run in line(
            number, *((left, left + 150, f"{name}{number} {LONG}") for left, name in ((0, "x"), (200, "y"), (400, "z")))
        )
    ]
    found = [text.split()[0] for one in regions(runs) for text in one.lines]
    assert found == [f"{name}{number}" for name in "xyz" for number in range(5)]


def test_a_table_between_paragraphs_keeps_its_place_and_its_empty_cells() -> None:
    runs = [
        *line(0, (0, 500, f"Before. {LONG}")),
        *line(2, (0, 50, "Name"), (100, 150, "Room"), (200, 250, "Phone")),
        *line(3, (0, 50, "Ann"), (200, 250, "555")),
        *line(4, (0, 50, "Bo"), (100, 150, "14"), (200, 250, "556")),
        *line(5, (100, 150, "and 15")),
        *line(7, (0, 500, f"After. {LONG}")),
    ]
    assert regions(runs) == [
        Region(lines=(f"Before. {LONG}",)),
        Region(rows=(("Name", "Room", "Phone"), ("Ann", "", "555"), ("Bo", "14 and 15", "556"))),
        Region(lines=(f"After. {LONG}",)),
    ]


def test_lines_of_one_run_and_words_side_by_side_are_left_as_they_come() -> None:
    plain = [run for number in range(9) for run in line(number, (0, 300, LONG))]
    close = [run for number in range(9) for run in line(number, (0, 100, "two"), (103, 200, "words"))]
    assert not is_laid_out(plain)
    assert not is_laid_out(close)
    assert is_laid_out([run for n in range(LINES_MIN) for run in line(n, (0, 50, "a"), (100, 150, "b"))])


places = st.tuples(st.integers(0, 12), st.integers(0, 9), st.integers(1, 8))


@given(st.lists(places, max_size=25))
def test_whatever_stands_where_every_word_is_read_once(drawn: list[tuple[int, int, int]]) -> None:
    runs = [
        run
        for number, (row, column, width) in enumerate(drawn)
        for run in line(row, (60.0 * column, 60.0 * column + 30 * width, f"w{number}"))
    ]
    found = regions(runs)
    assert not found or sorted(words(found)) == sorted(run.text for run in runs)
