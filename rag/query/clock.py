"""Where the time of one question went, and its spans: whatever has a stage has a span.

A stage that is entered again, as those of each claim are, goes on with its span: the trace of a question has as many
spans as the path has stages, however long the answer is. `busy_ms` is the time inside, `entered` how often.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from rag.domain import Timings
from rag.telemetry.names import BUSY_MS, ENTERED, FIRST_MS, INPUT_TOKENS, OUTPUT_TOKENS, STAGE, Fact, workflow
from rag.telemetry.tracing import NO_TRACING, Span, Tracing

T = TypeVar("T")

_USAGE = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}


class _Stage:
    """One stage of the path, entered once or more."""

    def __init__(self, name: str, span: Span) -> None:
        self._span = span
        span.tell({STAGE: name})
        self.spent_ms = 0.0
        self._entered = 0
        self._left_ns = 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        self._entered += 1
        began = time.perf_counter()
        try:
            yield
        except BaseException as cause:
            self._span.failed(cause)
            raise
        finally:
            self.spent_ms += (time.perf_counter() - began) * 1000
            self._left_ns = time.time_ns()

    def end(self, facts: Mapping[str, Fact | None]) -> None:
        self._span.tell({BUSY_MS: round(self.spent_ms, 3), ENTERED: self._entered, **facts})
        self._span.end(self._left_ns)


class StageClock:
    """Adds up milliseconds by stage, in the order in which stages first began. Leaving the block ends the spans.

    `path` names what is timed, `answer` or `find`: no stage has such a name.
    """

    def __init__(self, tracing: Tracing = NO_TRACING, path: str = "find") -> None:
        self._tracing = tracing
        self._name = path
        self._began = time.perf_counter()
        self._path = tracing.span(path)
        self._path.tell(workflow(path))
        self._stages: dict[str, _Stage] = {}
        self._facts: defaultdict[str, dict[str, Fact | None]] = defaultdict(dict)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._first_ms: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, at: TracebackType | None) -> None:
        for name, stage in self._stages.items():
            stage.end(self._facts[name] | _named(self._counts[name]))
        self._path.tell({FIRST_MS: self._first_ms} | self._facts[self._name] | _named(self._all_counts()))
        if cause is not None:
            self._path.failed(cause)
        self._path.end()

    @property
    def traced(self) -> bool:
        """Whether anybody will see what is told: what costs time to count is counted only then."""
        return self._path.recorded

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if name not in self._stages:
            self._stages[name] = _Stage(name, self._tracing.span(name, within=self._path))
        with self._stages[name].entered():
            yield

    async def timed(self, name: str, work: Awaitable[T]) -> T:
        with self.stage(name):
            return await work

    def tell(self, name: str, facts: Mapping[str, Fact | None]) -> None:
        """Ids and numbers for the span of a stage, or for that of the whole path by its name."""
        self._facts[name].update(facts)

    def count(self, name: str, **numbers: int) -> None:
        """Add to what is counted in a stage: for both spans, and for whoever logs the timings."""
        self._counts[name].update(numbers)

    def first_claim(self) -> float:
        """The first claim is about to leave: after how many seconds."""
        seconds = time.perf_counter() - self._began
        self._first_ms = seconds * 1000
        return seconds

    def timings(self) -> Timings:
        spent = tuple((name, stage.spent_ms) for name, stage in self._stages.items())
        return Timings(spent, tuple(self._all_counts().items()), self._first_ms)

    def _all_counts(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for counts in self._counts.values():
            found.update(counts)
        return found


def _named(counts: Mapping[str, int]) -> dict[str, Fact | None]:
    return {_USAGE.get(name, f"ringfence.{name}"): number for name, number in counts.items()}
