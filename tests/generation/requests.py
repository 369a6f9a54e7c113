"""Requests that several tests of generators use."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.generation.protocol import GenerationRequest, Passage
from rag.generation.words import content_of, coverage

NOTICE = Passage(1, "Supplier terms", "The notice period for suppliers is 90 days. It begins on the first of a month.")
CANTEEN = Passage(2, "Canteen", "The canteen opens at 11:30. On Fridays it serves fish.")


class WordSimilarity:
    """A `SentenceSimilarity` without a model: the share of common words."""

    def face(self, text: str) -> str:
        return text

    def score(self, question: str, sentences: Sequence[str]) -> NDArray[np.float32]:
        wanted = content_of(question)
        return np.array([coverage(wanted, content_of(sentence)) for sentence in sentences], dtype=np.float32)


def request(question: str, *passages: Passage, max_tokens: int = 64) -> GenerationRequest:
    return GenerationRequest(
        question=question,
        passages=passages or (NOTICE, CANTEEN),
        max_tokens=max_tokens,
        temperature=0.0,
        cache_salt="salt-of-these-rights",
    )
