"""What is read when somebody looks: readiness, the index, the audit log, the queue and the model servers.

Counters count while things happen; these are states, and asking for them costs a query or a call. They are read anew
at most every `FRESH_S` seconds, each within `READ_S`; what cannot be read says so by being not a number.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rag.generation.model_server import State
from rag.generation.openai_compatible import OpenAIGenerator

FRESH_S = 10.0
READ_S = 3.0

Reading = Callable[[], Awaitable[float]]
SERVER_STATES: tuple[State, ...] = get_args(State)


class Readings:
    """`readings` are numbers by the name of their metric; `checks` are those of readiness, by part.

    `more` are gauges that read themselves, and say themselves what they could not read.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        readings: Mapping[str, tuple[str, Reading]],
        checks: Mapping[str, Callable[[], Awaitable[None]]],
        more: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._gauges = {name: Gauge(name, words, registry=registry) for name, (words, _) in readings.items()}
        self._readings = {name: reading for name, (_, reading) in readings.items()}
        self._checks = checks
        self._more = more
        self._ready = Gauge(
            "ringfence_part_ready",
            "1 where a part of the service answers, as /readyz says.",
            ("part",),
            registry=registry,
        )
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Read what is not fresh. Never raises."""
        async with self._reading:
            if time.monotonic() - self._read_at < FRESH_S:
                return
            numbers = await asyncio.gather(*map(_number, self._readings.values()))
            for gauge, number in zip(self._gauges.values(), numbers, strict=True):
                gauge.set(number)
            answered = await asyncio.gather(*(_number(_as_reading(check)) for check in self._checks.values()))
            for part, number in zip(self._checks, answered, strict=True):
                self._ready.labels(part).set(not math.isnan(number))
            await asyncio.gather(*(_number(_as_reading(one)) for one in self._more))
            self._read_at = time.monotonic()


class ModelServersCollector(Collector):
    """States and faults of the configured model servers; labelled with host and port from the settings."""

    def __init__(self, generator: OpenAIGenerator | None) -> None:
        self._generator = generator

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "ringfence_model_server_state", "1 for the state that a model server is in.", labels=("server", "state")
        )
        running = GaugeMetricFamily(
            "ringfence_model_server_requests_in_flight", "Requests sent and not finished.", labels=("server",)
        )
        faults = CounterMetricFamily(
            "ringfence_model_server_faults", "What model servers did wrong, by kind.", labels=("fault",)
        )
        retries = CounterMetricFamily(
            "ringfence_generator_retries", "Rounds over the model servers after a question's first."
        )
        if self._generator is not None:
            for server in self._generator.servers:
                running.add_metric((server.name,), server.in_flight)
                for one in SERVER_STATES:
                    state.add_metric((server.name, one), float(server.state == one))
            for fault, number in self._generator.faults.items():
                faults.add_metric((fault,), number)
            retries.add_metric((), self._generator.retries)
        yield from (state, running, faults, retries)


def _as_reading(check: Callable[[], Awaitable[None]]) -> Reading:
    async def read() -> float:
        await check()
        return 1.0

    return read


async def _number(reading: Reading) -> float:
    try:
        async with asyncio.timeout(READ_S):
            return await reading()
    except Exception:  # noqa: BLE001 - whatever is wrong with a part, the others are still told
        return math.nan
