"""Whether recent windows differ from those before, by more than chance: tests of shares, corrected for their number.

Everything that is watched is a share: answers that were not found, claims that nothing supports, questions whose
embedding lies on one side of a plane. Of each window only `of how many` and `how many` are known.

- Two looks at each window: at it alone, for what breaks at once, and at the last day together, for what creeps.
- Traffic comes in clumps: shares of windows vary by more than a coin's would. How much more, the reference tells (the
  dispersion of a quasi-binomial model, never below 1). A day is tested with Fisher's exact test against the reference,
  after counts are divided by the dispersion, which leaves fewer, as if independent, observations. That is too hopeful
  for one window of a rare share, most of whose windows have none: it is held against a beta-binomial distribution
  that is at least as wide as if one person in fifty asked all of its questions.
- All shares of a look are corrected together by Benjamini and Hochberg. If nothing has changed, any alarm is a false
  one, and that procedure keeps the probability of any at its level; levels of all looks of a day add up to `per_day`.

The reference slides. What changes more slowly than within its length is not seen, and what has changed becomes the
reference in time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, false_discovery_control, hypergeom

HOURS = 24
REFERENCE_DAYS = 7
REFERENCE_MIN = 24
"""Windows with observations of a share, without which nothing is said of it: too few to know how much they vary."""
PER_DAY = 0.01
"""Probability of a false alarm in a day."""
CORRELATION_MIN = 0.02
"""Of two questions of one window, at least: the width of the beta-binomial distribution."""
_NEAR = 6.0
"""Squared normal deviate below which an exact test cannot reach the level of any look, and is not made."""

Test = Callable[[NDArray[np.int64], NDArray[np.int64], float], float]
Counts = NDArray[np.int64]
"""Windows, oldest first, by share, by (how many, of how many)."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A share that differs: what it was and is, over how many windows it was looked at, and the uncorrected p."""

    share: str
    windows: int
    was: float
    now: float
    p: float


def drifts(names: Sequence[str], counts: Counts, *, windows_per_day: int, per_day: float = PER_DAY) -> list[Drift]:
    """Which shares of the newest window, or of the newest day, differ from the windows before that day.

    `counts` has the shape (windows, len(names), 2). A share of which there are too few windows before is left out.
    """
    reference = counts[:-windows_per_day][-REFERENCE_DAYS * windows_per_day :]
    enough = (reference[..., 1] > 0).sum(axis=0) >= min(REFERENCE_MIN, REFERENCE_DAYS * windows_per_day)
    if not enough.any():
        return []
    dispersion = _dispersion(reference)
    before = reference.sum(axis=0)
    looks = (1, windows_per_day) if windows_per_day > 1 else (1,)
    level = per_day / windows_per_day / len(looks)
    found: dict[str, Drift] = {}
    for windows in looks:
        now = counts[-windows:].sum(axis=0)
        p = _p_values(before, now, dispersion, _window_p if windows == 1 < windows_per_day else _day_p)
        p[~enough] = 1.0
        for at in map(int, np.flatnonzero(false_discovery_control(p) <= level)):
            (was_k, was_n), (k, n) = before[at], now[at]
            found.setdefault(names[at], Drift(names[at], windows, float(was_k / was_n), float(k / n), float(p[at])))
    return list(found.values())


def _dispersion(reference: Counts) -> NDArray[np.float64]:
    """By share, how much more its windows vary than independent draws would; at least 1."""
    k, n = reference[..., 0].astype(float), reference[..., 1].astype(float)
    total = n.sum(axis=0)
    share = np.divide(k.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    expected = n * share * (1 - share)
    squares = np.divide((k - n * share) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    freedom = np.maximum((expected > 0).sum(axis=0) - 1, 1)
    dispersion: NDArray[np.float64] = np.maximum(squares.sum(axis=0) / freedom, 1.0)
    return dispersion


def _p_values(before: Counts, now: Counts, dispersion: NDArray[np.float64], test: Test) -> NDArray[np.float64]:
    """Two-sided, by share; 1 where one side has no observation."""
    (k0, n0), (k1, n1) = before.T.astype(float), now.T.astype(float)
    p = np.ones(len(before))
    both = (n0 > 0) & (n1 > 0)
    pooled = np.divide(k0 + k1, n0 + n1, out=np.zeros_like(k0), where=both)
    variance = dispersion * pooled * (1 - pooled) * (1 / np.maximum(n0, 1) + 1 / np.maximum(n1, 1))
    difference = k1 / np.maximum(n1, 1) - k0 / np.maximum(n0, 1)
    deviate = np.divide(difference**2, variance, out=np.zeros_like(k0), where=variance > 0)
    for at in np.flatnonzero(both & (deviate > _NEAR)):
        p[at] = min(1.0, 2 * test(before[at], now[at], float(dispersion[at])))
    return p


def _window_p(before: Counts, now: Counts, dispersion: float) -> float:
    """One-sided, towards the nearer end."""
    (k0, n0), (k1, n1) = before, now
    share = (k0 + k1) / (n0 + n1)
    correlation = max((dispersion - 1) / max(n1 - 1, 1), CORRELATION_MIN)
    size = 1 / min(correlation, 0.99) - 1
    drawn = betabinom(n1, share * size, (1 - share) * size)
    return float(min(drawn.cdf(k1), drawn.sf(k1 - 1)))


def _day_p(before: Counts, now: Counts, dispersion: float) -> float:
    """One-sided, towards the nearer end."""
    (k0, n0), (k1, n1) = (np.rint(side / dispersion).astype(int) for side in (before, now))
    drawn = hypergeom(n0 + n1, k0 + k1, n1)
    return float(min(drawn.cdf(k1), drawn.sf(k1 - 1)))
