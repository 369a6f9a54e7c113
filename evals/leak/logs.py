"""The log as one more way out: everything the process logs during an eval, kept in memory and looked at."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import structlog


class CapturedLog:
    """What was logged since the last `take`."""

    def __init__(self) -> None:
        self.stream = StringIO()

    def take(self) -> str:
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return text


@contextmanager
def captured_log() -> Iterator[CapturedLog]:
    """Send our events and all libraries' records, at every level the service writes, to memory instead of stderr."""
    captured = CapturedLog()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer(sort_keys=True)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(captured.stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(captured.stream)
    root = logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        yield captured
    finally:
        root.handlers = before
        structlog.reset_defaults()
