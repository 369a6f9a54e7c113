"""Sentences are what answers are made of: exact offsets, and no fact cut in half."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.generation.sentences import Kind, split_sentences


def pieces(text: str) -> list[str]:
    return [sentence.of(text) for sentence in split_sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Meyer approved it.",
        "Bring papers, e.g. a passport, to the desk.",
        "See No. 5 of the rules.",
        "The rate is 3.5 percent.",
        "Ask <PERSON_0123456789ABCDEF> about it.",
        "J. Smith of the U.S. office signed.",
        "It costs approx. 40 euros.",
        "The plan of\nthis year is wrapped\nover lines.",
        "Version 1.2.3 is at example.com/a.b today.",
    ],
)
def test_one_sentence_stays_one(text: str) -> None:
    assert pieces(text) == [text]


def test_sentences_end_at_their_marks() -> None:
    assert pieces("Is it no. Then stop! Why? Because.") == ["Is it no.", "Then stop!", "Why?", "Because."]


def test_a_citation_marker_belongs_to_the_sentence_before_it() -> None:
    assert pieces("It is 90 days. [2] It begins in May [1].") == ["It is 90 days. [2]", "It begins in May [1]."]


def test_each_row_of_a_table_is_one_sentence_and_its_rule_is_none() -> None:
    text = "| City | Rate |\n|---|---|\n| Bonn | 4.5. Net |\nName: Bonn; Rate: 4.5\n"
    found = split_sentences(text)
    assert [s.of(text) for s in found] == ["| City | Rate |", "| Bonn | 4.5. Net |", "Name: Bonn; Rate: 4.5"]
    assert {s.kind for s in found} == {Kind.ROW}


def test_a_short_heading_is_not_a_sentence_but_a_finished_short_one_is() -> None:
    text = "Leave policy\n\nAsk first. Employees have 25 days of leave in each year."
    assert [s.kind for s in split_sentences(text)] == [Kind.HEADING, Kind.PROSE, Kind.PROSE]


def test_a_heading_does_not_run_into_the_text_below_it() -> None:
    text = "Leave policy\nEmployees have 25 days of leave in each calendar year."
    assert pieces(text) == ["Leave policy", "Employees have 25 days of leave in each calendar year."]


@given(st.text(alphabet=st.sampled_from("ab A.!?\n|:;-1[]<>_\t "), max_size=80) | st.text(max_size=80))
def test_any_text_splits_into_ordered_spans_that_lose_no_word(text: str) -> None:
    found = split_sentences(text)
    ends = [0]
    for sentence in found:
        assert ends[-1] <= sentence.start < sentence.end <= len(text)
        assert sentence.of(text) == sentence.of(text).strip()
        ends.append(sentence.end)
    left_out = text
    for sentence in reversed(found):
        left_out = left_out[: sentence.start] + " " + left_out[sentence.end :]
    assert not any(char.isalnum() for char in left_out)


def test_prose_wrapped_by_hand_is_no_row_even_if_it_begins_like_one() -> None:
    wrapped = (
        "Drivers: we offer a modern truck with your name on it and a starting\nbonus of 1,000 euros after six months."
    )
    assert [s.kind for s in split_sentences(wrapped)] == [Kind.PROSE]
    rows = "Canteen: in the main building of the head office, from Monday to Friday\nCloses: 14:00"
    assert [s.kind for s in split_sentences(rows)] == [Kind.ROW, Kind.ROW]
