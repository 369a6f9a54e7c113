"""Counters for Prometheus. Labels are routes, methods, statuses and error codes: nobody's name, no tenant."""

import platform
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from rag.settings import Settings

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One application's counters, in a registry of their own. `before_reading` brings states up to date."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.before_reading: Callable[[], Awaitable[None]] | None = None
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "ringfence_requests",
            "Requests by route, method, status and error code.",
            ("route", "method", "status", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ringfence_request_seconds",
            "Time until the whole response was sent.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "ringfence_answer_stage_seconds",
            "Time of each stage of a question's path.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._answers = Counter(
            "ringfence_answers", "Answers given, by whether one was found.", ("found",), registry=self.registry
        )

        self.queue_wait = Histogram(
            "ringfence_queue_wait_seconds",
            "Time that a question waited for a place; 0 where there was one at once.",
            buckets=(0, *_SECONDS),
            registry=self.registry,
        )
        self._waiting = Gauge(
            "ringfence_queue_waiting", "Questions that wait for a place in this process.", registry=self.registry
        )
        self._working = Gauge(
            "ringfence_answers_in_flight", "Answers and searches that this process works on.", registry=self.registry
        )
        self._build = Gauge(
            "ringfence_build_info",
            "Always 1; what runs here.",
            ("version", "python", "index", "generator"),
            registry=self.registry,
        )

    def built(self, settings: Settings) -> None:
        """Say which build runs, with which kinds of parts."""
        kinds = (settings.index.kind, settings.generator.kind)
        self._build.labels(version("ringfence"), platform.python_version(), *kinds).set(1)

    def watch_queue(self, *, waiting: Callable[[], int], working: Callable[[], int]) -> None:
        """Read these whenever the gauges are read."""
        self._waiting.set_function(waiting)
        self._working.set_function(working)

    def request(self, *, route: str, method: str, status: int, code: str, seconds: float) -> None:
        self._requests.labels(route, method, str(status), code).inc()
        self._seconds.labels(route, method).observe(seconds)

    def answer(self, *, found: bool, stages: tuple[tuple[str, float], ...]) -> None:
        """Count an answer; `stages` are names with milliseconds."""
        self._answers.labels(str(found).lower()).inc()
        for stage, milliseconds in stages:
            self._stages.labels(stage).observe(milliseconds / 1000)

    async def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        if self.before_reading is not None:
            await self.before_reading()
        return generate_latest(self.registry)
