"""How often one key, person or assistant may ask: token buckets, in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rag.domain import Principal
from rag.errors import Limited
from rag.settings import Settings

KEYS_MAX = 10_000
"""Buckets kept; the longest unused goes first. Only verified keys and known people have one, so callers cannot fill
this."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """`per_minute` requests in the long run, and as many at once after a quiet minute.

    Several service processes count apart: the limit holds per process. `whose` stands in the message.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        whose: str = "key",
        code: str = Limited.code,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._whose = whose
        self._code = code
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str) -> None:
        """Count one request of `key`.

        Raises:
            Limited: too many; says how long to wait.
        """
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(float(self._per_minute), now)
            if len(self._buckets) > KEYS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        rate = self._per_minute / 60
        bucket.tokens = min(float(self._per_minute), bucket.tokens + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            wait = (1 - bucket.tokens) / rate
            raise Limited(
                f"This {self._whose} may ask {self._per_minute} times a minute. Wait {wait:.0f} seconds, then retry.",
                retry_after_s=wait,
                code=self._code,
            )
        bucket.tokens -= 1


class RequestRates:
    """The rates of keys, and of the people and assistants behind them, whatever number of keys they have."""

    def __init__(self, settings: Settings) -> None:
        limits, per_key = settings.limits, settings.service.requests_per_minute
        self._keys = RateLimiter(per_key)
        self._people = RateLimiter(
            limits.person_requests_per_minute or per_key, whose="person", code="person_requests_per_minute"
        )
        most = limits.assistant_requests_per_minute
        self._assistants = (
            None if most is None else RateLimiter(most, whose="assistant", code="assistant_requests_per_minute")
        )

    def take_key(self, counted_as: str) -> None:
        """Count one request of a verified credential. Raises `Limited`."""
        self._keys.take(counted_as)

    def take_principal(self, principal: Principal) -> None:
        """Count one request for a person, by the assistant if there is one. Raises `Limited`."""
        if self._assistants is not None and principal.assistant is not None:
            self._assistants.take(f"{principal.tenant} {principal.assistant}")
        self._people.take(f"{principal.tenant} {principal.person}")
