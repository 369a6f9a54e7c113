"""A circuit breaker: a server that keeps failing is left alone for a while, then tried with a single request.

Own code because the kept libraries count calls of a function; here a success or failure is known only at the end of
a stream, and a caller who leaves in the middle of it is neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rag.generation.faults import Fault


class Breaker:
    """Opens after `failures_max` failures in a row, for `open_s` seconds of `clock`."""

    def __init__(self, failures_max: int, open_s: float, clock: Callable[[], float]) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._on_trial = False
        self._last: Fault | None = None

    @property
    def admits(self) -> bool:
        """Whether a request may be sent now: closed, or due for the one request that tries it."""
        if self._open_until is None:
            return True
        return not self._on_trial and self._clock() >= self._open_until

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        """`half_open` is due for, or in the middle of, the request that tries it."""
        if self._open_until is None:
            return "closed"
        return "half_open" if self._on_trial or self.admits else "open"

    @property
    def why(self) -> str:
        return f"it failed {self._failures} times in a row, the last time it {self._last}"

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around one request from before it is sent until its stream is closed.

        The end is a success; a `Fault` that counts is a failure; anything else, as a caller who leaves, is neither.
        """
        trial = self._open_until is not None
        self._on_trial = self._on_trial or trial
        try:
            yield
        except Fault as fault:
            if fault.counts:
                self._failed(fault)
            raise
        else:
            self._failures, self._open_until = 0, None
        finally:
            if trial:
                self._on_trial = False

    def _failed(self, fault: Fault) -> None:
        self._failures += 1
        self._last = fault
        if self._failures >= self._failures_max:
            self._open_until = self._clock() + self._open_s
