"""Figures and gates of a soak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evals.measured import percentile
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from evals.soak.ledger import EXAMPLES_MAX, Ledger, Recorded, doubled, lost
from evals.soak.process import Usage

WARM = 0.4
WARM_REQUESTS = 1000
"""After this part of a start, and so many requests, memory has to be flat: models, caches and pools are filled then."""
GROWTH_RATIO = 0.05
"""By how much memory may grow from there to the end of a start, by the straight line nearest to all samples."""
GROWTH_REQUESTS_MIN = 500
"""Below so many requests after warming up, the line says nothing."""
FILES_MORE = 16
THREADS_MORE = 4
CURVE_POINTS = 40
_TIMED = ("chat", "stream", "search", "passage", "refused", "mistake")


@dataclass(frozen=True, slots=True)
class Run:
    """`rest` is what the service held before the first request, `end` after the last connection was closed."""

    ledger: Ledger
    samples: tuple[Usage, ...]
    rest: Usage
    end: Usage
    seconds: float
    requests: int
    workers: int
    seed: int


def report_of(run: Run, recorded: Recorded, *, intact: bool, crashes: int) -> Report:
    """Everything that has to be nothing, and what the service held, by each of its starts."""
    ledger = run.ledger
    starts = [warmed([one for one in run.samples if one.start == start]) for start in range(run.end.start + 1)]
    slopes = [slope_mb(one) for one in starts]
    held = [_held(one) for one in starts]
    losses = lost(ledger, recorded)
    twice = doubled(ledger, recorded)
    figures: dict[str, Json] = {
        "requests": run.requests,
        "requests_per_s": round(run.requests / run.seconds, 1),
        "kills": run.end.start,
        "cut_by_kill": ledger.cut,
        "answers_received": len(ledger.answers),
        "answers_recorded": recorded.answers.total(),
        "refusals_received": ledger.refused.total(),
        "records_lost": losses,
        "records_doubled": twice,
        "log_intact": intact,
        "server_errors": ledger.server_errors,
        "crashes_logged": crashes,
        "unexpected": len(ledger.unexpected),
        "unexpected_examples": list(ledger.unexpected[:EXAMPLES_MAX]),
        "memory_mb_per_1000_requests": [round(slope, 3) for slope in slopes],
        "held": list(held),
        "memory_mb_by_requests": _thinned(run.samples),
        "sockets_at_rest": run.rest.sockets,
        "sockets_at_end": run.end.sockets,
        "outcomes": _nested(ledger),
    }
    for kind in _TIMED:
        figures[f"{kind}_ms_p50"] = percentile(ledger.times_ms[kind], 50)
        figures[f"{kind}_ms_p95"] = percentile(ledger.times_ms[kind], 95)
    gates = [
        Gate("calls that came to an end", "at least", run.requests, ledger.calls),
        Gate("answers_received", "at least", max(1, run.requests // 20), len(ledger.answers)),
        Gate("refusals_received", "at least", max(1, run.requests // 20), ledger.refused.total()),
        *_growth_gates(starts, slopes),
    ]
    return Report("soak", figures, tuple(gates), {"requests": run.requests, "workers": run.workers, "seed": run.seed})


def warmed(samples: Sequence[Usage]) -> Sequence[Usage]:
    """The samples of one start, without those of its first part."""
    return [one for one in samples[int(len(samples) * WARM) :] if one.requests - samples[0].requests >= WARM_REQUESTS]


def slope_mb(samples: Sequence[Usage]) -> float:
    """By how much memory grows, in MB per 1,000 requests, by the straight line nearest to all samples."""
    if len(samples) < 2:
        return 0.0
    line = np.polyfit([one.requests / 1000 for one in samples], [one.memory_mb for one in samples], 1)
    return float(line[0])


def _growth_gates(starts: Sequence[Sequence[Usage]], slopes: Sequence[float]) -> list[Gate]:
    gates: list[Gate] = []
    for number, (samples, slope) in enumerate(zip(starts, slopes, strict=True), start=1):
        middle = len(samples) // 2
        if not middle:
            continue
        before, after = samples[:middle], samples[middle:]
        for name, more in (("files", FILES_MORE), ("threads", THREADS_MORE)):
            most = max(getattr(one, name) for one in before) + more
            gates.append(Gate(f"{name}, start {number}", "at most", most, max(getattr(one, name) for one in after)))
        requests = samples[-1].requests - samples[0].requests
        if requests >= GROWTH_REQUESTS_MIN:
            growth = slope * requests / 1000 / float(np.median([one.memory_mb for one in samples]))
            gates.append(Gate(f"growth_ratio of memory, start {number}", "at most", GROWTH_RATIO, round(growth, 4)))
    return gates


def _held(samples: Sequence[Usage]) -> dict[str, Json]:
    if not samples:
        return {}
    return {
        "requests": [samples[0].requests, samples[-1].requests],
        "memory_mb": [round(samples[0].memory_mb, 1), round(samples[-1].memory_mb, 1)],
        "memory_mb_max": round(max(one.memory_mb for one in samples), 1),
        "files_max": max(one.files for one in samples),
        "threads_max": max(one.threads for one in samples),
    }


def _thinned(samples: Sequence[Usage]) -> list[Json]:
    kept = samples[:: max(1, len(samples) // CURVE_POINTS)]
    return [[one.requests, round(one.memory_mb, 1)] for one in kept]


def _nested(ledger: Ledger) -> dict[str, Json]:
    kinds = sorted({kind for kind, _ in ledger.outcomes})
    return {kind: {outcome: n for (k, outcome), n in sorted(ledger.outcomes.items()) if k == kind} for kind in kinds}
