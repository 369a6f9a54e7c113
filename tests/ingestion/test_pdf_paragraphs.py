"""Words and paragraphs of a PDF that the width of the page broke."""

import pytest

from tests.ingestion.office_documents import lines
from tests.ingestion.pdf_files import page_of

BROKEN = [
    (("according to ISO-", "9001 and more"), "according to ISO-9001 and more"),
    (("the clerk Anna-", "Maria Lee signed"), "the clerk Anna-Maria Lee signed"),
    (("so it was in all the years 2024-", "2025 of the lease"), "so it was in all the years 2024-2025 of the lease"),
    (("the term of the con-", "tract of lease"), "the term of the contract of lease"),
    (("THE TERM OF THE CON-", "TRACT OF LEASE"), "THE TERM OF THE CONTRACT OF LEASE"),
    (("what is on the page -", "and what is not"), "what is on the page - and what is not"),
]


def column(left: int, *texts: str) -> bytes:
    placed = (b"BT /F 9 Tf %d %d Td (%s) Tj ET" % (left, 250 - 12 * n, text.encode()) for n, text in enumerate(texts))
    return b" ".join(placed)


@pytest.mark.parametrize(("broken", "whole"), BROKEN)
def test_a_word_broken_at_the_end_of_a_line_is_whole_and_keeps_a_hyphen_of_its_own(
    broken: tuple[str, str], whole: str
) -> None:
    assert lines(page_of(column(20, *broken)), ".pdf") == [whole]


@pytest.mark.parametrize(("broken", "whole"), BROKEN)
def test_a_word_broken_within_a_column_is_whole_too(broken: tuple[str, str], whole: str) -> None:
    beside = "The other column is a text of its own beside it"
    first = column(
        20, "A sentence that stands before what follows it", *broken, "and more of the text behind it as well"
    )
    page = page_of(first + b" " + column(270, *[beside] * 4), b"/MediaBox[0 0 500 300]")
    assert [whole in " ".join(lines(page, ".pdf")), lines(page, ".pdf")[-1].count(beside)] == [True, 4]


def test_what_ends_with_a_hyphen_in_a_table_keeps_it() -> None:
    rows = [("Bond", "Rating", "Year"), ("North", "A-", "2024"), ("South", "AA-", "2025")]
    cells = (column(20 + 90 * number, *texts) for number, texts in enumerate(zip(*rows, strict=True)))
    assert lines(page_of(b" ".join(cells)), ".pdf") == [
        "Bond: North; Rating: A-; Year: 2024",
        "Bond: South; Rating: AA-; Year: 2025",
    ]


def test_broken_words_make_no_line_longer_than_it_is() -> None:
    """The longest line of a page tells which others go on: what was one line more than others would end them all."""
    texts = (
        "The lease begins on the first of the con-",
        "tracted months and ends, as the par-",
        "ties agreed, on the last day",
    )
    texts += ("that they name. It is renewed by one", "year if nobody says in writing that", "it is not.")
    assert len(lines(page_of(column(20, *texts)), ".pdf")) == 1
