"""Who may have an answer worked on: so many at once in this process, and a queue that is fair between tenants."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rag.domain import Principal
from rag.errors import Limited
from rag.limit_settings import LimitSettings


class Slot:
    """A place among the answers that are worked on."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Give it to the next; a second call does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    principal: Principal
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class AnswerQueue:
    """At most so many answers at once: in all, for one person, and for one assistant.

    A free place goes to the tenant that holds the fewest, of these to the one that waits longest: a tenant that
    floods the service waits behind itself. Several service processes count apart.
    """

    def __init__(self, limits: LimitSettings, waited: Callable[[float], None] = lambda seconds: None) -> None:
        """`waited` is told how long each who got a place has waited for it."""
        self._limits = limits
        self._waited = waited
        self._held: Counter[tuple[str, ...]] = Counter()
        self._waiting: dict[_Waiter, None] = {}

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def working(self) -> int:
        """Places that are taken."""
        return self._held["all",]

    async def enter(self, principal: Principal) -> Slot:
        """A place, at once or as soon as there is one.

        Raises:
            Limited: none within `queue_wait_s`, or too many of the tenant wait; the code names the limit.
        """
        # Whoever waits, waits because of a limit that is reached: nobody who could go is overtaken here.
        if self._reached(principal) is None:
            self._waited(0)
            return self._admit(principal)
        if sum(one.principal.tenant == principal.tenant for one in self._waiting) >= self._limits.queue_length:
            raise self._refusal("queue_length", self._limits.queue_length)
        waiter, came = _Waiter(principal), time.monotonic()
        self._waiting[waiter] = None
        try:
            async with asyncio.timeout(self._limits.queue_wait_s):
                await waiter.admitted
        except BaseException as cause:
            refusal = self._leave(waiter)
            if isinstance(cause, TimeoutError):
                raise refusal from None
            raise
        self._waited(time.monotonic() - came)
        return Slot(lambda: self._free(principal))

    def _leave(self, waiter: _Waiter) -> Limited:
        code, most = self._reached(waiter.principal) or ("answers_at_once", self._limits.answers_at_once)
        if waiter in self._waiting:
            del self._waiting[waiter]
        else:
            # It was admitted in the moment in which it gave up.
            self._free(waiter.principal)
        return self._refusal(code, most)

    def _admit(self, principal: Principal) -> Slot:
        self._held.update(key for _, key, _ in self._places(principal))
        self._held["tenant", principal.tenant] += 1
        return Slot(lambda: self._free(principal))

    def _free(self, principal: Principal) -> None:
        self._held.subtract(key for _, key, _ in self._places(principal))
        self._held["tenant", principal.tenant] -= 1
        self._held = +self._held  # so that nothing is kept of who left
        self._admit_next()

    def _admit_next(self) -> None:
        # One who leaves may free two: a place of her own, and one of the assistant that she asked through.
        while able := [waiter for waiter in self._waiting if self._can_go(waiter)]:
            first = min(able, key=lambda waiter: self._held["tenant", waiter.principal.tenant])
            del self._waiting[first]
            self._admit(first.principal)
            first.admitted.set_result(None)

    def _can_go(self, waiter: _Waiter) -> bool:
        # One that was cancelled a moment ago still stands in the queue.
        return not waiter.admitted.done() and self._reached(waiter.principal) is None

    def _reached(self, principal: Principal) -> tuple[str, int] | None:
        """The limit that keeps the principal out now, and its value."""
        for code, key, most in self._places(principal):
            if self._held[key] >= most:
                return code, most
        return None

    def _places(self, principal: Principal) -> Iterator[tuple[str, tuple[str, ...], int]]:
        limits = self._limits
        yield "person_answers_at_once", ("person", principal.tenant, principal.person), limits.person_answers_at_once
        if principal.assistant is not None and limits.assistant_answers_at_once is not None:
            key = ("assistant", principal.tenant, principal.assistant)
            yield "assistant_answers_at_once", key, limits.assistant_answers_at_once
        yield "answers_at_once", ("all",), limits.answers_at_once

    def _refusal(self, code: str, most: int) -> Limited:
        wait = max(1.0, self._limits.queue_wait_s)
        return Limited(
            f"No place became free: limits.{code} is {most}, and so many are taken. Retry in {wait:.0f} seconds.",
            retry_after_s=wait,
            code=code,
        )
