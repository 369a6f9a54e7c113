"""Where documents are prepared, and how many at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

from ingestion.parse.sandbox import Isolation
from ingestion.parts import Masker, Tools
from ingestion.prepare import Prepared, Raw, prepare
from ingestion.report import Step


class Engine(Protocol):
    """Prepares documents for one tenant. What it makes of one does not depend on the others."""

    @property
    def in_flight(self) -> int:
        """So many documents are held at once, from their bytes to what is written of them: more would only wait."""
        ...

    @property
    def isolation(self) -> Isolation | None:
        """What was taken away from parser processes, wherever they ran; None where none has run."""
        ...

    async def prepare(self, raw: Raw, reached: Callable[[Step], None]) -> Prepared:
        """`ingestion.prepare.prepare`, somewhere. `reached` is called in the caller's loop, in order, or not at all.

        Raises:
            Refused: it is not to be indexed, and why.
            Unavailable: nothing can be prepared at all.
        """
        ...


class ThisProcess:
    """Threads of this process, with the models that are loaded here. Parsing has processes of its own."""

    def __init__(self, tools: Tools, masker: Masker, in_flight: int) -> None:
        self.in_flight = in_flight
        self._tools = tools
        self._masker = masker

    @property
    def isolation(self) -> Isolation | None:
        return self._tools.parser.isolation

    async def prepare(self, raw: Raw, reached: Callable[[Step], None]) -> Prepared:
        loop = asyncio.get_running_loop()
        given_up = False

        def tell(step: Step) -> None:
            # A thread cannot be stopped from outside: it stops by itself at its next step.
            if given_up:
                raise asyncio.CancelledError
            loop.call_soon_threadsafe(reached, step)

        try:
            return await asyncio.to_thread(prepare, raw, self._tools, self._masker, tell)
        except asyncio.CancelledError:
            given_up = True
            raise


OpenEngine: TypeAlias = Callable[[Tools, Masker], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def this_process(tools: Tools, masker: Masker) -> AsyncIterator[Engine]:
    """The engine that is always there."""
    yield ThisProcess(tools, masker, tools.settings.in_flight)
