"""Counters for Prometheus. Labels are routes, methods, statuses and error codes: nobody's name, no tenant."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One application's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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

    def request(self, *, route: str, method: str, status: int, code: str, seconds: float) -> None:
        self._requests.labels(route, method, str(status), code).inc()
        self._seconds.labels(route, method).observe(seconds)

    def answer(self, *, found: bool, stages: tuple[tuple[str, float], ...]) -> None:
        """Count an answer; `stages` are names with milliseconds."""
        self._answers.labels(str(found).lower()).inc()
        for stage, milliseconds in stages:
            self._stages.labels(stage).observe(milliseconds / 1000)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
