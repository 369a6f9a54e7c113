"""Logs: one JSON object per line on stderr, with ids and numbers only.

There is no call that logs a question, an answer, a header or an exception's message. An exception is logged as
its type and the places it passed through, which is what finds a bug, without the values it happened to hold.
"""

import logging
import sys
import traceback
from pathlib import PurePath
from typing import Any

import structlog

from rag.domain import Answer, Timings

log: Any = structlog.get_logger("ringfence")


def configure_logs() -> None:
    """Send our own events and the libraries' warnings to stderr as JSON. Called once by `serve`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Foreign())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def log_crash(error: BaseException) -> None:
    """An exception nobody expected: its type and its path through the code, never its message."""
    log.error("crashed", error=type(error).__name__, path=path_of(error))


def path_of(error: BaseException) -> list[str]:
    """The last places of the traceback as `file:line function`."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{'/'.join(PurePath(f.filename).parts[-2:])}:{f.lineno} {f.name}" for f in frames]


def answer_facts(answer: Answer) -> dict[str, Any]:
    """What the line of a request says of its answer."""
    about = {"answer": answer.id, "found": answer.found, "epoch": answer.epoch, "model": answer.model}
    return about | timing_facts(answer.timings)


def timing_facts(timings: Timings) -> dict[str, Any]:
    """Counts, and milliseconds: of each stage, of all, and until the first claim was ready."""
    stages = {stage: round(ms, 1) for stage, ms in timings.stages}
    facts = {**dict(timings.counts), "stages_ms": stages, "total_ms": round(timings.total_ms, 1)}
    return facts if timings.first_ms is None else facts | {"first_ms": round(timings.first_ms, 1)}


_OURS = ("rag.", "policies.", "ingestion.", "evals.")


class _Foreign(logging.Formatter):
    """A record of the standard library's logging as JSON: who and where.

    Our own rooms log ids and numbers, so their text is kept. A library's may quote what it was given: left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "event": "library_log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "place": f"{record.filename}:{record.lineno}",
        }
        # Which request, and which trace: ids that `Envelope` bound.
        event |= structlog.contextvars.get_contextvars()
        if record.name.startswith(_OURS):
            event |= {"event": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            event |= {"error": type(record.exc_info[1]).__name__, "path": path_of(record.exc_info[1])}
        return str(structlog.processors.JSONRenderer(sort_keys=True)(None, "", event))
