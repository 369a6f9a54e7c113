import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rag.index.lexical import LexicalEncoder


@pytest.fixture(scope="module")
def encoder() -> LexicalEncoder:
    return LexicalEncoder()


def terms(encoder: LexicalEncoder, text: str) -> set[int]:
    return set(encoder.encode_passage(text).indices.tolist())


def test_inflected_words_meet_and_stop_words_vanish(encoder: LexicalEncoder) -> None:
    assert terms(encoder, "The running of the dogs") == terms(encoder, "run dog")
    assert terms(encoder, "the of and") == terms(encoder, "") == set()


@pytest.mark.parametrize("word", ["kavulo", "zq4x9", "3F9A2C", "INV-00123", "2024-01-03", "Zürich", "x"])
def test_pseudo_words_numbers_and_names_survive(encoder: LexicalEncoder, word: str) -> None:
    """The index face holds such words in place of personal data: each must be found by itself, in any case."""
    assert terms(encoder, word)
    assert terms(encoder, word) <= terms(encoder, f"a note on {word}, and more")
    assert terms(encoder, word.lower()) == terms(encoder, word.upper())
    assert terms(encoder, word).isdisjoint(terms(encoder, "kavula zq4x8 4F9A2C JNV 00124 2023"))


def test_vectors_are_sorted_unique_and_positive(encoder: LexicalEncoder) -> None:
    for vector in (encoder.encode_passage("zeta beta zeta alpha beta zeta"), encoder.encode_query("zeta beta zeta")):
        assert vector.indices.dtype == np.uint32
        assert vector.values.dtype == np.float32
        assert (np.diff(vector.indices.astype(np.int64)) > 0).all()
        assert (vector.values > 0).all()
    assert encoder.encode_query("zeta beta zeta").values.tolist() == [1, 1]


def test_a_weight_depends_on_its_text_only(encoder: LexicalEncoder) -> None:
    """BM25 with fixed k, b and average length: repeated words weigh more, long texts less."""
    once, twice, long = (encoder.encode_passage(text) for text in ("fig", "fig fig", "fig " + "w " * 200))
    fig = once.indices[0]
    weights = [float(vector.values[vector.indices == fig][0]) for vector in (twice, once, long)]
    assert weights == sorted(weights, reverse=True)
    assert np.array_equal(LexicalEncoder().encode_passage("fig fig").values, twice.values)


def test_the_digest_is_that_of_the_vectors_in_the_index() -> None:
    """A new value means other term ids or weights: everything has to be indexed again. Set it on purpose."""
    assert LexicalEncoder().digest == "ea07d99c3eaa648db5f8da5ab442f73375c034e7433256879ed34016a147e7cb"


def test_no_network_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other BM25 packages download their stop words."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert LexicalEncoder().encode_query("word").indices.size == 1


def test_threads_share_an_encoder(encoder: LexicalEncoder) -> None:
    texts = [f"alpha{n} beta gamma" * 20 for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(encoder.encode_passage, texts))
    assert all(
        np.array_equal(a.indices, b.indices) for a, b in zip(together, map(encoder.encode_passage, texts), strict=True)
    )
