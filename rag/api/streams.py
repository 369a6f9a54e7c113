"""Streams whose work stops when nobody listens any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rag.api.errors import ClientLeft

_T = TypeVar("_T")
_BUFFERED = 16
"""Events made ahead of a slow reader."""


class Pump(Generic[_T]):
    """Runs an iterator in one task of its own, from its first event to its end.

    One task, because what an iterator opens (timeouts, connections) must be closed by the task that opened it.
    """

    def __init__(self, events: AsyncIterator[_T]) -> None:
        self._queue: asyncio.Queue[_T | None] = asyncio.Queue(_BUFFERED)
        self._failure: Exception | None = None
        self._task = asyncio.create_task(self._run(events))

    async def next(self) -> _T | None:
        """The next event, or None at the end. Raises what the iterator raised."""
        event = await self._queue.get()
        if event is None and self._failure is not None:
            raise self._failure
        return event

    def stop(self) -> None:
        """End the work now; the iterator closes what it holds in its own task."""
        self._task.cancel()

    async def stopped(self) -> None:
        """Wait until the work has ended."""
        await asyncio.wait({self._task})

    async def _run(self, events: AsyncIterator[_T]) -> None:
        try:
            async with aclosing(events) as open_events:  # type: ignore[type-var] # every iterator here is a generator
                async for event in open_events:
                    await self._queue.put(event)
        except Exception as cause:  # noqa: BLE001 - carried to the reader, who answers with it
            self._failure = cause
        await self._queue.put(None)


async def in_a_task_of_its_own(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`. When the caller is cancelled, `work` is cancelled once, and closes what it holds in peace.

    anyio cancels all that waits within its scopes again and again, cleaning up included.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    return task.result()


async def unless_left(receive: Receive, work: Awaitable[_T]) -> _T:
    """The result of `work`, which is cancelled as soon as the caller closes the connection.

    Raises:
        ClientLeft: she did.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientLeft()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events. `write` sends them through the function it is given; `stop` runs at the end, always."""

    media_type = "text/event-stream"

    def __init__(self, write: Callable[[Callable[[str], Awaitable[None]]], Awaitable[None]], stop: Callable[[], None]):
        self._write = write
        self._stop = stop
        self.status_code = 200
        self.background = None
        self.init_headers({"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_text(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await unless_left(receive, self._write(send_text))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ClientLeft as left:
            scope["ringfence.code"] = left.code
        finally:
            self._stop()
