"""Figures of measured series."""

from collections.abc import Sequence

import numpy as np

from evals.runner.values import Json


def percentile(values: Sequence[float], percent: float) -> float:
    """Rounded to a hundredth; 0 of nothing."""
    return round(float(np.percentile(values, percent)), 2) if values else 0.0


def number(value: Json) -> float:
    """A figure of a report as a number.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
