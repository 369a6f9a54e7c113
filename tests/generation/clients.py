"""A generator as tests use one: short limits, a clock of its own, and back-offs that take no time."""

import time
from contextlib import aclosing
from typing import Any, Protocol

from rag.generation.openai_compatible import OpenAIGenerator
from rag.generation.protocol import GenerationRequest
from rag.settings import GeneratorSettings
from tests.generation.requests import request
from tests.generation.stand_in import StandIn

QUESTION = "What is the notice period for suppliers?"
ANSWER = "The notice period for suppliers is 90 days [1]."


class Client:
    """`generator` on the servers of `base_url`; `waits` are the back-offs it would have slept."""

    def __init__(self, base_url: str, **settings: Any) -> None:
        self.waits: list[float] = []
        self._ahead_s = 0.0
        values = {"kind": "openai", "base_url": base_url, "model": "m", "token_timeout_s": 5.0}
        values |= {"first_token_timeout_s": 5.0, "health_interval_s": 60.0} | settings
        self.generator = OpenAIGenerator(
            GeneratorSettings.model_validate(values), sleep=self._sleep, clock=lambda: time.monotonic() + self._ahead_s
        )

    def pass_s(self, seconds: float) -> None:
        self._ahead_s += seconds

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.pass_s(seconds)

    async def ask(self, asked: GenerationRequest | None = None) -> str:
        """The whole answer, to `QUESTION` unless something else is asked."""
        async with aclosing(self.generator.generate(asked or request(QUESTION))) as pieces:
            return "".join([piece async for piece in pieces])


class Connect(Protocol):
    """A client of these servers with these settings."""

    def __call__(self, *servers: StandIn | str, **settings: object) -> Client: ...
