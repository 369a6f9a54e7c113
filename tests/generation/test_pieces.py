"""What happens to an answer's pieces does not depend on where a server cuts them."""

from collections.abc import AsyncGenerator

from hypothesis import example, given
from hypothesis import strategies as st

from rag.generation.pieces import renumbered, unmarked, without_not_found

NUMBERS = {"1": "3", "2": "1", "3": "2"}


async def pieces_of(text: str, cuts: list[int]) -> AsyncGenerator[str, None]:
    ends = sorted({min(cut, len(text)) for cut in cuts} | {len(text)})
    for start, end in zip([0, *ends], ends, strict=False):
        if text[start:end]:
            yield text[start:end]


async def joined(pieces: AsyncGenerator[str, None]) -> str:
    received = [piece async for piece in pieces]
    assert all(received)
    return "".join(received)


@given(st.text(alphabet="[]12 ,a.9\u2026", max_size=30), st.lists(st.integers(0, 30), max_size=8))
@example("It is so [1] [2, 3]. Yes [1]", [10, 13, 17])
async def test_markers_are_renumbered_the_same_wherever_the_text_is_cut(text: str, cuts: list[int]) -> None:
    cut, whole = joined(renumbered(pieces_of(text, cuts), NUMBERS)), joined(renumbered(pieces_of(text, []), NUMBERS))
    assert await cut == await whole


async def test_only_numbers_in_markers_are_replaced() -> None:
    text = "In 2023 it took 1 day [1, 3]. Then [2]. See [9]. [note 1] [1"
    assert await joined(renumbered(pieces_of(text, []), NUMBERS)) == (
        "In 2023 it took 1 day [3, 2]. Then [1]. See [0]. [note 1] [1"
    )


async def test_a_piece_is_held_back_only_while_it_may_be_a_marker() -> None:
    async def given() -> AsyncGenerator[str, None]:
        for piece in ("90 days [", "1", "]. It [", "never] ends"):
            yield piece

    assert [piece async for piece in renumbered(given(), NUMBERS)] == ["90 days ", "[3]. It ", "[never] ends"]


@given(st.lists(st.integers(0, 30), max_size=8))
async def test_not_found_is_no_piece_wherever_it_is_cut(cuts: list[int]) -> None:
    assert await joined(without_not_found(pieces_of('"Not found."', cuts))) == ""
    assert await joined(without_not_found(pieces_of("Notes are kept.", cuts))) == "Notes are kept."


@given(st.lists(st.integers(0, 40), max_size=8))
async def test_a_copied_data_mark_is_gone_wherever_the_text_is_cut(cuts: list[int]) -> None:
    text = "^abcd1234 It is so. ^abcd1234 2^a = x^abcd"
    assert await joined(unmarked(pieces_of(text, cuts), "^abcd1234")) == "It is so. 2^a = x^abcd"
