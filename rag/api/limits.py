"""How often one key may ask: a token bucket per key, in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rag.errors import Limited

KEYS_MAX = 10_000
"""Buckets kept; the longest unused goes first. Only verified keys have one, so callers cannot fill this."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """`per_minute` requests in the long run, and as many at once after a quiet minute.

    Several service processes count apart: the limit holds per process.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
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
                f"This key may ask {self._per_minute} times a minute. Wait {wait:.0f} seconds, then retry.",
                retry_after_s=wait,
            )
        bucket.tokens -= 1
