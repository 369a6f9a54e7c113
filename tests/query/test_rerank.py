"""Which chunks come first."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.rules import Attributes, Level
from rag.domain import Chunk, ReadableChunk, Span
from rag.query.rerank import rerank

QUESTION = "When does the lease of the Hamburg office end?"
TEXTS = ("The lease ends in May.", "Hamburg office", "Nothing of it.", QUESTION.replace("?", "."))


def found(number: int, score: float, text: str) -> ReadableChunk:
    chunk = Chunk(f"chk_{number:02}", "doc", "ver", number, Span(0, len(text)), None, "", text)
    return ReadableChunk(chunk, Attributes("acme", "doc", "hr", Level.PUBLIC), 1, "Title", score, 0.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.010, 0.0125, 0.016, 0.02, 0.03]), st.sampled_from(TEXTS)), max_size=12))
def test_the_best_few_are_the_first_of_all(drawn: list[tuple[float, str]]) -> None:
    """With a limit, chunks that cannot come among the best are not read: never one that would."""
    chunks = [found(number, score, text) for number, (score, text) in enumerate(drawn)]
    whole = rerank(QUESTION, chunks)
    assert len(whole) == len(chunks)
    for limit in (0, 1, 3, 20):
        assert rerank(QUESTION, chunks, limit) == whole[:limit]


def test_words_of_the_question_lift_a_chunk() -> None:
    low, high = found(1, 0.016, QUESTION), found(2, 0.017, "Nothing of it.")
    assert rerank(QUESTION, [high, low])[0].chunk == low.chunk
    assert rerank(QUESTION, [high, replace(low, score=0.001)], 1)[0].chunk == high.chunk
