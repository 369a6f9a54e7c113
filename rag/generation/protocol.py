"""What writes an answer from passages. It never sees an original value, and never decides what may be read."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.generation.marks import UNKEYED_MARK

CUT = "\u2026"
"""Ends a text that reached its limit of tokens: what stands before it may be half a sentence."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A readable chunk as a generator sees it: numbered from 1, reading face.

    `noticed` where it contains text that speaks to a model.
    """

    number: int
    title: str = field(repr=False)
    text: str = field(repr=False)
    noticed: bool = False


class SentenceSimilarity(Protocol):
    """How near sentences are to a question. Texts are the reading face. Synchronous: called in a worker thread."""

    def face(self, text: str) -> str:
        """The text as it is compared by words: one word per part of a name, so that a surname meets the full name."""
        ...

    def score(self, question: str, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(sentences),), cosine, in input order."""
        ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """`passages` come best first. `cache_salt` separates prefix caches of different readers' rights.

    `mark` stands before every line of retrieved text in a prompt; no answer contains it.

    `similarity` compares as the asker's tenant does, knowing its index faces; without it a generator uses its own.
    """

    question: str = field(repr=False)
    passages: tuple[Passage, ...] = field(repr=False)
    max_tokens: int
    temperature: float
    cache_salt: str = field(repr=False)
    mark: str = field(default=UNKEYED_MARK, repr=False)
    similarity: SentenceSimilarity | None = field(default=None, repr=False)


class Generator(Protocol):
    """Every adapter passes `tests/contracts/test_generator.py`."""

    @property
    def name(self) -> str:
        """What stands as the model in answers and audit records."""
        ...

    @property
    def verbatim(self) -> bool:
        """True when every sentence is copied from a passage."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Pieces of text with `[n]` after each sentence that rests on passage n; no piece means "not found".

        A text that was cut at `max_tokens` ends with `CUT`.

        Closing the iterator stops the work behind it.

        Raises:
            GeneratorUnavailable: no answer within the time limits; nothing is invented instead.
        """
        ...

    async def close(self) -> None: ...
