"""Publishing for many parts of syncs at once: each time costs about the same, however little there is to publish.

A part waits until what it wrote is visible, and ends only then. So a worker that is killed leaves nothing unpublished
behind that is called done: others take the parts that were waiting, find their documents written, and publish.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE_S = 5.0
"""Between two publishings of a tenant's parts, while more of them are worked on."""


class JointPublishing:
    """One worker's. `waiting` parts are done but for this; `joined` is set when there is one more."""

    def __init__(self, publish: Callable[[str], Awaitable[object]], pause_s: float = PAUSE_S) -> None:
        self.waiting = 0
        self.joined = asyncio.Event()
        self._publish = publish
        self._pause_s = pause_s
        self._next: dict[str, _Batch] = {}
        self._published: dict[str, float] = {}
        self._turn = asyncio.Lock()
        self._hurried = False

    async def visible(self, tenant: str, *, at_once: bool) -> None:
        """Return when all that was written before this call is visible. Raises what publishing raises."""
        batch = self._next.get(tenant)
        if batch is None:
            batch = self._next[tenant] = _Batch()
            batch.task = asyncio.create_task(self._published_later(tenant, batch))
        if at_once or self._hurried:
            batch.go.set()
        self.waiting += 1
        batch.waiting += 1
        self.joined.set()
        try:
            await asyncio.wait({batch.task})
            batch.task.result()
        finally:
            self.waiting -= 1
            batch.waiting -= 1
            if not batch.waiting:
                batch.task.cancel()  # Nobody asks for it any more: whoever takes up their jobs publishes.
                self._forget(tenant, batch)

    def now(self) -> None:
        """Nothing else is done meanwhile: wait for no more parts."""
        for batch in self._next.values():
            batch.go.set()

    def hurry(self) -> None:
        """`now`, and for all that come later."""
        self._hurried = True
        self.now()

    async def _published_later(self, tenant: str, batch: "_Batch") -> None:
        pause_s = self._published.get(tenant, 0.0) + self._pause_s - time.monotonic()
        going = asyncio.create_task(batch.go.wait())
        await asyncio.wait({going}, timeout=max(0.0, pause_s))
        going.cancel()
        async with self._turn:
            # Who comes from now on may write what is not looked at any more.
            self._forget(tenant, batch)
            try:
                await self._publish(tenant)
            finally:
                self._published[tenant] = time.monotonic()

    def _forget(self, tenant: str, batch: "_Batch") -> None:
        if self._next.get(tenant) is batch:
            del self._next[tenant]


class _Batch:
    """Parts of one tenant that are published together."""

    task: "asyncio.Task[None]"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = 0
