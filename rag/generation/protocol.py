"""What writes an answer from passages. It never sees an original value, and never decides what may be read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """A readable chunk as a generator sees it: numbered from 1, reading face."""

    number: int
    title: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """`passages` come best first. `cache_salt` separates prefix caches of different readers' rights."""

    question: str = field(repr=False)
    passages: tuple[Passage, ...] = field(repr=False)
    max_tokens: int
    temperature: float
    cache_salt: str = field(repr=False)


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

    def generate(self, request: GenerationRequest) -> AsyncIterator[str]:
        """Pieces of text with `[n]` after each sentence that rests on passage n; no piece means "not found".

        Closing the iterator stops the work behind it.

        Raises:
            GeneratorUnavailable: no answer within the time limits; nothing is invented instead.
        """
        ...

    async def close(self) -> None: ...
