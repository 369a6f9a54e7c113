"""A worker: takes jobs, keeps their leases while they are worked on, and ends so that nothing is lost.

Told to stop, it takes no more, gives what it works on some time to end, and gives back the rest. Killed, it does
nothing; its jobs are taken by others once they are not heard of. A worker that was held up for so long that somebody
else has its job can write nothing of it any more (`JobQueue.fenced`), and notices at its next heartbeat.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sqlalchemy.exc import SQLAlchemyError

from ingestion.jobs import Done, JobParts, do
from ingestion.joint_publishing import JointPublishing
from ingestion.leases import Lease, LeaseLost, Progress
from ingestion.queue import LEASE_S, JobQueue
from policies.tenancy import bind
from rag.db.job_table import SYNC, JobState
from rag.errors import RingfenceError

_log = logging.getLogger(__name__)

POLL_S = 1.0
"""Between two looks at an empty queue."""
BEAT_S = 1.0
"""Between two reports of progress, which keep the lease as well."""
GRACE_S = 20.0
"""What is worked on when the worker is told to stop may take so long to end."""
KEEP_S = LEASE_S / 6
"""The lease is kept so often where nothing is to be told. By it a worker learns that its job was cancelled."""
WAITING_MAX = 32
"""Jobs that are done but for becoming visible, and do not count as worked on."""
FORGET_S = 3600.0

End = Literal["done", "failed", "dead", "lost", "given_back"]


class Teller(Protocol):
    """Told of every job that ended here: how, and with which code."""

    def __call__(self, lease: Lease, end: End, reason: str) -> None: ...


def silent(lease: Lease, end: End, reason: str) -> None:
    """The teller that says nothing."""


@dataclass(slots=True)
class Pace:
    """How long a worker waits for what. Tests make it shorter."""

    poll_s: float = POLL_S
    beat_s: float = BEAT_S
    keep_s: float = KEEP_S
    grace_s: float = GRACE_S


@dataclass(slots=True)
class Worker:
    """Works on `jobs` jobs at once. `run` once; `stop` from anywhere in the same loop."""

    queue: JobQueue
    parts: JobParts
    jobs: int = 1
    tell: Teller = silent
    pace: Pace = field(default_factory=Pace)
    progressed: Callable[[Lease, Progress], None] = lambda lease, progress: None
    died: int = 0
    """Jobs that ended dead here."""
    heard_at: float = field(default_factory=time.monotonic)
    """When the job table last answered."""
    publishing: JointPublishing = field(init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurried: asyncio.Event = field(default_factory=asyncio.Event)
    _working: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.publishing = JointPublishing(self._publish)

    @property
    def in_hand(self) -> int:
        """Jobs that are worked on."""
        return len(self._working)

    def silent_s(self) -> float:
        """For how many seconds the job table has not answered. From any thread."""
        return time.monotonic() - self.heard_at

    def stop(self) -> None:
        """Take no more; a second call gives back at once what is worked on."""
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    async def run(self, *, once: bool = False) -> None:
        """Work until told to stop, or with `once` until nothing is queued or worked on anywhere."""
        forgotten = -FORGET_S
        while not self._stopping.is_set():
            try:
                if time.monotonic() - forgotten >= FORGET_S:
                    await self.queue.forget()
                    forgotten = time.monotonic()
                if await self._taken():
                    continue
                if once and not self._working and await self.queue.idle():
                    return
            except SQLAlchemyError as cause:
                if once:
                    raise
                _log.warning("the job table does not answer: %s", type(cause).__name__)
            await self._something_happens()
        await self._end()

    async def _taken(self) -> bool:
        """Whether there is more to be taken at once."""
        # Those that wait to be visible keep their leases, and nobody from going on.
        if len(self._working) - min(self.publishing.waiting, WAITING_MAX) >= self.jobs:
            return False
        lease = await self.queue.claim()
        self.heard_at = time.monotonic()
        if lease is None:
            return False
        task = asyncio.create_task(self._work(lease), name=lease.job)
        self._working.add(task)
        return True

    async def _something_happens(self) -> None:
        """A job ends or is about to, the worker is told to stop, or it is time to look at the queue again."""
        if self.publishing.waiting >= len(self._working):
            self.publishing.now()
        self.publishing.joined.clear()
        events = {asyncio.create_task(event.wait()) for event in (self._stopping, self.publishing.joined)}
        waiting = {*events, *self._working}
        await asyncio.wait(waiting, timeout=self.pace.poll_s, return_when=asyncio.FIRST_COMPLETED)
        for event in events:
            event.cancel()
        self._forget_ended()

    def _forget_ended(self) -> None:
        for task in [task for task in self._working if task.done()]:
            self._working.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                # What a job raises is told by `_work`: this is a mistake of ours. The others go on, and this one is
                # taken again when its lease ends.
                _log.error("the end of the job %s could not be written down", task.get_name(), exc_info=error)

    async def _end(self) -> None:
        """Let what is worked on end, for a while; then stop it, which gives it back."""
        self.publishing.hurry()
        if self._working:
            hurried = asyncio.create_task(self._hurried.wait())
            ending = asyncio.create_task(asyncio.wait(self._working))
            await asyncio.wait({hurried, ending}, timeout=self.pace.grace_s, return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
            ending.cancel()
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)
        self._working.clear()

    async def _work(self, lease: Lease) -> None:
        """One job from its beginning to the end of its lease, in a task of its own: all of it is its tenant's."""
        bind(lease.tenant)
        progress = Progress()
        # A task of its own: when the lease is lost it is cancelled, which is not this task being told to stop.
        doing = asyncio.create_task(self._done(lease, progress))
        beating = asyncio.create_task(self._beat(lease, progress, doing))
        try:
            await asyncio.wait({doing})
            await self._report(lease, progress, doing)
        except asyncio.CancelledError:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            with contextlib.suppress(SQLAlchemyError):
                await self.queue.give_back(lease)
            self.tell(lease, "given_back", "stopped")
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _done(self, lease: Lease, progress: Progress) -> Done:
        def told(now: Progress) -> None:
            progress.step, progress.done, progress.total = now.step, now.done, now.total
            self.progressed(lease, now)

        if await self.queue.superseded(lease):
            raise LeaseLost(lease.job)
        done = await do(lease, self.queue.fenced(lease), self.parts, told)
        # A listing takes rights away, which waits for nothing.
        await self.publishing.visible(lease.tenant, at_once=lease.kind == SYNC)
        if done.again is not None:
            raise done.again
        return done

    async def _publish(self, tenant: str) -> None:
        await self.parts.publish(self.parts.ingestion.database, tenant)

    async def _report(self, lease: Lease, progress: Progress, doing: asyncio.Task[Done]) -> None:
        if doing.cancelled():
            await self._lost(lease)
            return
        try:
            done = doing.result()
            await self.queue.finish(lease, progress, done.result, done.parts)
        except LeaseLost:
            await self._lost(lease)
        except RingfenceError as error:
            await self._failed(lease, error.code)
        except SQLAlchemyError:
            await self._failed(lease, "database_unavailable")
        except Exception as error:  # noqa: BLE001 - a job that fails, however it does, stops no other
            await self._failed(lease, f"internal:{type(error).__name__}"[:64])
        else:
            self.tell(lease, "done", "")

    async def _lost(self, lease: Lease) -> None:
        # If a later listing sees to all of it, nobody needs to try again. Where that cannot be written down now,
        # the lease ends, and whoever takes the job finds the same.
        with contextlib.suppress(SQLAlchemyError):
            await self.queue.superseded(lease)
        self.tell(lease, "lost", LeaseLost.code)

    async def _failed(self, lease: Lease, reason: str) -> None:
        try:
            state = await self.queue.fail(lease, reason)
        except SQLAlchemyError:
            # It cannot be written down now. The lease ends, and then the job is taken again.
            state = JobState.QUEUED
        self.died += state is JobState.DEAD
        self.tell(lease, "lost" if state is None else "dead" if state is JobState.DEAD else "failed", reason)

    async def _beat(self, lease: Lease, progress: Progress, doing: asyncio.Task[Done]) -> None:
        """Keep the lease and tell how far the job is; stop the work when the lease is lost."""
        told, kept = Progress(), time.monotonic()
        while True:
            await asyncio.sleep(self.pace.beat_s)
            if progress == told and time.monotonic() - kept < self.pace.keep_s:
                continue
            told, kept = Progress(progress.step, progress.done, progress.total), time.monotonic()
            try:
                mine = await self.queue.heartbeat(lease, told)
            except SQLAlchemyError:
                continue  # The database may be back before the lease is over; if not, its writes are refused anyway.
            self.heard_at = time.monotonic()
            if not mine:
                doing.cancel()
                return
