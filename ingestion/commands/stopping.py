"""SIGTERM, as service managers and schedulers send it, means what Ctrl-C means."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Within, it does what Ctrl-C does at that moment. For the main thread."""
    before = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_ctrl_c(_number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        # A shell has commands in its background ignore Ctrl-C.
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)
