"""Where the time of one question went."""

import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rag.domain import Timings

T = TypeVar("T")


class StageClock:
    """Adds up milliseconds by stage, in the order in which stages first began."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._spent.setdefault(name, 0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] += (time.perf_counter() - began) * 1000

    async def timed(self, name: str, work: Awaitable[T]) -> T:
        with self.stage(name):
            return await work

    def timings(self) -> Timings:
        return Timings(tuple(self._spent.items()))
