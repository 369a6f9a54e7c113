"""How fast a finder is beside another one: the same texts in turn, several rounds, in this one process.

Processor time is what is compared: all finders use one thread, and a busy machine falsifies everything else.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.privacy.finders import Finder

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster than the reference: the median of the rounds, and the slowest and fastest of them."""

    median: float
    lowest: float
    highest: float


def speed_ratios(
    reference: Finder, finders: Mapping[str, Finder], texts: Sequence[str], rounds: int = ROUNDS
) -> tuple[dict[str, Ratio], float]:
    """The ratio of each finder, and the milliseconds that the reference takes for one text."""
    ratios: dict[str, list[float]] = {name: [] for name in finders}
    taken: list[float] = []
    for finder in (reference, *finders.values()):
        finder(texts[:8])
    for _ in range(rounds):
        base = _seconds(reference, texts)
        taken.append(base / len(texts) * 1000)
        for name, finder in finders.items():
            ratios[name].append(base / _seconds(finder, texts))
    measured = {name: Ratio(statistics.median(of), min(of), max(of)) for name, of in ratios.items()}
    return measured, statistics.median(taken)


def _seconds(finder: Finder, texts: Sequence[str]) -> float:
    started = time.process_time()
    finder(texts)
    return time.process_time() - started
