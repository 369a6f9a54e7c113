"""Giving originals back, whole and in streams."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from rag.privacy.unmask import StreamUnmasker, Token, tokens_in, unmask

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


@given(pieces_of_text, st.data())
@example(f"<{ANN}", None)
def test_stream_in_any_pieces_equals_the_whole(text: str, data: st.DataObject | None) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted)) if data else range(len(text))
    stream = StreamUnmasker(RESOLVE)
    bounds = [0, *cuts, len(text)]
    out = [stream.push(text[start:end]) for start, end in itertools.pairwise(bounds)]
    assert "".join([*out, stream.close()]) == unmask(text, RESOLVE)


@given(pieces_of_text)
def test_stream_never_holds_back_more_than_a_token(text: str) -> None:
    stream = StreamUnmasker(RESOLVE)
    longest = max(map(len, RESOLVE))
    given_out = 0
    for position, char in enumerate(text, 1):
        stream.push(char)
        given_out = position - len(stream._held)
        assert position - given_out <= longest


@given(st.text())
def test_text_without_tokens_is_unchanged_and_not_held_for_ever(text: str) -> None:
    stream = StreamUnmasker(RESOLVE)
    assert stream.push(text) + stream.close() == unmask(text, RESOLVE) == text


def test_originals_are_not_in_repr() -> None:
    assert "Ann" not in repr(StreamUnmasker(RESOLVE))
