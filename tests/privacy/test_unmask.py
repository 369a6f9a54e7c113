"""Giving originals back: whole tokens of a given map, however they are written, and nothing else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.privacy.unmask import Token, token_of, tokens_in, unmask, with_whole_tokens

ANN = "<PERSON_8K2MAB3C4D5E6F7G>"
MAIL = "<EMAIL_ADDRESS_0123456789ABCDEF>"
RESOLVE = {ANN: "Ann Lee", MAIL: "ann.lee@x.com"}
OTHER = "<PERSON_ZZZZZZZZZZZZZZZZ>"

pieces_of_text = st.lists(
    st.sampled_from(
        [
            ANN,
            MAIL,
            OTHER,
            ANN.lower(),
            ANN[1:-1],
            ANN[1:],
            ANN[:-1],
            ANN[:9],
            "[" + ANN[1:-1] + "]",
            "<",
            ">",
            "{",
            "}",
            "[",
            "]",
            "_",
            " ",
            "a",
            "A",
            "PERSON",
            "PERSON_",
            "é",
            "Ann",
            "1",
            "\n",
        ]
    ),
    max_size=8,
).map("".join)


def test_known_tokens_are_given_back_and_others_stay() -> None:
    assert unmask(f"{ANN} wrote to {MAIL}, not {OTHER}.", RESOLVE) == f"Ann Lee wrote to ann.lee@x.com, not {OTHER}."


def test_token_in_another_case_or_bracket_is_given_back() -> None:
    core = ANN[1:-1]
    for changed in (ANN.lower(), core, f"[{core}]", f"{{{core}}}", f"<{core}", f"{core}>", ANN.title()):
        assert unmask(f"by {changed}, 2024", RESOLVE) == "by Ann Lee, 2024", changed
    assert unmask(f"({core})", RESOLVE) == "(Ann Lee)"


def test_token_that_lost_or_gained_a_character_stays() -> None:
    """Its digits no longer name one entry: guessing would put a wrong person into an answer."""
    for damaged in (ANN[:-2] + ">", ANN[:-1] + "A>", "<PERSON_>", "<PERSON>", "<PERSON_1>", "X" + ANN[1:-1]):
        assert unmask(damaged, RESOLVE) == damaged


def test_what_was_given_back_is_not_scanned_again() -> None:
    assert unmask(ANN, {ANN: MAIL, MAIL: "x"}) == MAIL


def test_tokens_in_lists_each_occurrence() -> None:
    found = tokens_in(f"{ANN} {ANN.lower()} {MAIL}")
    assert found == [Token("PERSON", ANN, 0, 25), Token("EMAIL_ADDRESS", MAIL, 52, 52 + len(MAIL))]


@pytest.mark.parametrize("written", [ANN, ANN[1:-1], ANN.lower(), f"  {ANN[:-1]} ", ANN[1:]])
def test_a_token_is_read_however_somebody_writes_it(written: str) -> None:
    assert token_of(written) == Token("PERSON", ANN, 0, 25)


@pytest.mark.parametrize("written", ["", "Ann Lee", ANN[:-2], ANN + ANN, f"[{ANN}]", "PERSON_8K2M", "<>"])
def test_what_has_not_the_form_of_a_token_is_none(written: str) -> None:
    assert token_of(written) is None


@given(pieces_of_text)
@example(f"<{ANN}")
def test_making_tokens_whole_first_changes_nothing_that_is_given_back(text: str) -> None:
    """The path makes a generator's tokens whole before it verifies a claim, and gives them back afterwards."""
    whole = with_whole_tokens(text, RESOLVE)
    assert unmask(whole, RESOLVE) == unmask(text, RESOLVE)
    assert with_whole_tokens(whole, RESOLVE) == whole


@given(st.text())
def test_text_without_tokens_is_unchanged(text: str) -> None:
    assert unmask(text, RESOLVE) == with_whole_tokens(text, RESOLVE) == text
