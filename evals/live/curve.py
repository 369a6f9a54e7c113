"""How well one number tells two kinds apart: the area under the curve, with what chance alone would give."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

PAIRS_MIN = 20
LEVEL = 0.95
"""Of the intervals."""


@dataclass(frozen=True, slots=True)
class Auc:
    """How often a call about what is there has the larger value; 0.5 is a coin. `low` and `high` are its interval.

    `error` is the standard error, by DeLong.
    """

    value: float
    error: float
    pairs: int

    @property
    def told(self) -> float:
        """Whichever way round an attacker would read it."""
        return max(self.value, 1 - self.value)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        reach = NormalDist().inv_cdf((1 + level) / 2) * self.error
        return self.value - reach, self.value + reach

    def beyond_doubt(self, level: float) -> bool:
        """Whether it is no coin at this level.

        Fewer than `PAIRS_MIN` prove nothing. With few DeLong's error comes out too small, 0 where all of one kind are
        larger; a coin's own is known.
        """
        if self.pairs < PAIRS_MIN:
            return False
        coin = math.sqrt((2 * self.pairs + 1) / 12) / self.pairs
        reach = NormalDist().inv_cdf((1 + level) / 2)
        return self.told - 0.5 > reach * max(self.error, coin)


def auc_of(there: NDArray[np.float64], nowhere: NDArray[np.float64]) -> Auc:
    """The area under the curve of one feature, ties counted half.

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988).
    """
    wins = (there[:, None] > nowhere[None, :]) + 0.5 * (there[:, None] == nowhere[None, :])
    rows, columns = wins.mean(axis=1), wins.mean(axis=0)
    variance = rows.var(ddof=1) / rows.size + columns.var(ddof=1) / columns.size
    return Auc(float(wins.mean()), float(np.sqrt(variance)), int(min(there.size, nowhere.size)))


def together(found: Sequence[Auc]) -> Auc:
    """One figure of several surfaces, each of which weighs the same."""
    error = float(np.sqrt(sum(one.error**2 for one in found))) / len(found)
    return Auc(sum(one.value for one in found) / len(found), error, sum(one.pairs for one in found))
