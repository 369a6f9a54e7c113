"""The generator that cannot invent."""

from contextlib import aclosing

import pytest

from rag.generation.extractive import ExtractiveGenerator, score_candidates
from rag.generation.protocol import Passage
from rag.generation.words import quantities_of
from tests.generation.requests import CANTEEN, NOTICE, WordSimilarity, request


async def answer(question: str, *passages: Passage, threshold: float = 0.5) -> list[str]:
    generator = ExtractiveGenerator(WordSimilarity(), threshold)
    async with aclosing(generator.generate(request(question, *passages))) as pieces:
        return [piece async for piece in pieces]


async def test_the_answer_is_the_sentence_of_the_right_passage() -> None:
    assert await answer("When does the canteen open?", NOTICE, CANTEEN) == ["The canteen opens at 11:30. [2]\n"]


async def test_what_no_passage_says_is_not_found() -> None:
    """Its twin above is answered from the same passages."""
    assert await answer("Who designed the new logo?", NOTICE, CANTEEN) == []


async def test_a_sentence_that_leans_on_the_one_before_brings_it_along() -> None:
    passage = Passage(1, "Wall", "The climbing wall stands in Bonn. It was designed by Meyer in 1998.")
    assert await answer("Who designed the wall in 1998 and was it Meyer?", passage) == [
        "The climbing wall stands in Bonn. [1]\n",
        "It was designed by Meyer in 1998. [1]\n",
    ]


async def test_a_question_in_a_document_is_never_its_own_answer() -> None:
    passage = Passage(1, "FAQ", "How many days of leave do I have? You have 25 days.")
    assert await answer("How many days of leave do I have?", passage) == ["You have 25 days. [1]\n"]


async def test_a_heading_gives_its_row_a_meaning_but_is_no_answer() -> None:
    passage = Passage(1, "Canteen", "Opening hours canteen\nMonday: 11:30 to 14:00\nFriday: closed")
    assert await answer("canteen opening hours Friday", passage) == ["Friday: closed [1]\n"]


async def test_another_persons_sentence_is_no_answer() -> None:
    """The token asked about is missing: similar wording about somebody else must not answer."""
    passage = Passage(1, "Pay", "The salary of <PERSON_0123456789ABCDEF> is 60000 euros.")
    assert await answer("What is the salary of <PERSON_0123456789ABCDEF>?", passage) != []
    assert await answer("What is the salary of <PERSON_FEDCBA9876543210>?", passage) == []


async def test_the_same_sentence_in_two_documents_is_said_once() -> None:
    copy = Passage(2, "Copy", NOTICE.text)
    assert await answer("What is the notice period for suppliers?", NOTICE, copy) == [
        "The notice period for suppliers is 90 days. [1]\n"
    ]


CANCELLATION = Passage(
    1, "Terms", "A cancellation is free until 24 hours before loading. A later one costs 80 percent."
)


async def test_a_question_for_a_quantity_brings_the_sentence_that_gives_it() -> None:
    assert await answer("How much is a cancellation later than 24 hours before loading?", CANCELLATION) == [
        "A cancellation is free until 24 hours before loading. [1]\n",
        "A later one costs 80 percent. [1]\n",
    ]
    assert await answer("Until when is a cancellation free before loading?", CANCELLATION) == [
        "A cancellation is free until 24 hours before loading. [1]\n"
    ]


def test_a_sentence_without_any_quantity_counts_less_where_one_is_asked_for() -> None:
    passage = Passage(1, "Standby", "Standby of engineers is paid with the salary.")
    plain, quantity = (
        score_candidates(request(question, passage), WordSimilarity())[0].support
        for question in ("By what is standby of engineers paid?", "How much standby of engineers is paid?")
    )
    assert quantity < 0.9 * plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is done twice a year.", {"twice"}),
        ("It lasts eight weeks, or 1,080 hours.", {"8", "1080"}),
        ("One of 3.50 euros.", {"1", "3.5"}),
        ("Nothing is said about it.", set()),
    ],
)
def test_quantities_are_numbers_spelled_or_not_and_frequencies(text: str, expected: set[str]) -> None:
    assert quantities_of(text) == expected


def test_a_passage_that_shares_only_the_name_counts_less() -> None:
    other = Passage(1, "Suppliers", "Ask <PERSON_0123456789ABCDEF> about paper.")
    about = Passage(2, "Pay", "Ask <PERSON_0123456789ABCDEF> about the salary.")
    asked = request("What is the salary of <PERSON_0123456789ABCDEF>?", other, about)
    found = {c.passage.number: c.on_topic for c in score_candidates(asked, WordSimilarity())}
    assert found == {1: False, 2: True}
