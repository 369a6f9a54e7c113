"""How often the watch alarms for nothing, and how soon it sees a planted change: on made-up series, in quantity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta as beta_distribution

from evals.runner.report import Gate, Report
from evals.runner.values import Json
from evals.watching.drift import HOURS, PER_DAY, REFERENCE_DAYS, Counts, drifts

SHARES: Mapping[str, float] = {
    "not_permitted": 0.01, "refused_hits": 0.0005, "denied": 0.02, "guarded": 0.005, "not_found": 0.12,
    "unsupported": 0.03, "over_1s": 0.10, "over_4s": 0.01,
    **{f"question_bit_{bit}": share for bit, share in enumerate((0.2, 0.3, 0.4, 0.5, 0.5, 0.6, 0.7, 0.8))},
}  # fmt: skip
"""What a quiet service's shares are like."""
PLANTED: Mapping[str, Mapping[str, float]] = {
    "not_found doubles": {"not_found": 0.24},
    "denials rise from 2 to 6 %": {"denied": 0.06},
    "unsupported claims rise from 3 to 8 %": {"unsupported": 0.08},
    "the check refuses hits of 2 % of the questions": {"refused_hits": 0.02},
    "questions of another subject: half of the bits move by 8 points": {
        f"question_bit_{bit}": SHARES[f"question_bit_{bit}"] + 0.08 for bit in range(0, 8, 2)
    },
}
QUESTIONS = 60
"""An hour's."""
CLUMP = 60.0
"""Clumped series: the shares of hours are drawn from a beta distribution of that size, which doubles their variance."""
_NAMES = tuple(SHARES)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Days of quiet series, and how often each change is planted."""

    days: int
    plants: int


def simulate(sizes: Sizes, seed: int, talk: Callable[[str], None]) -> Report:
    """False alarms on series in which nothing changes, independent and clumped; power on planted changes."""
    random = np.random.default_rng(seed)
    quiet: dict[str, Json] = {}
    gates: list[Gate] = []
    for kind in ("independent", "clumped"):
        alarmed = _days_with_alarm(random, sizes.days, clumped=kind == "clumped")
        ratio = alarmed / sizes.days
        upper = float(beta_distribution.ppf(0.95, alarmed + 1, sizes.days - alarmed))
        quiet[kind] = {"days": sizes.days, "alarmed": alarmed, "ratio": ratio, "ratio_upper_95": round(upper, 5)}
        gates.append(Gate(f"quiet.{kind}.ratio", "at most", PER_DAY, ratio))
        talk(f"{kind}: {alarmed} of {sizes.days} quiet days with an alarm")
    planted: dict[str, Json] = {}
    for name, change in PLANTED.items():
        delays = [_delay(random, change) for _ in range(sizes.plants)]
        seen = [delay for delay in delays if delay is not None]
        ratio = len(seen) / sizes.plants
        hours = float(np.median(seen)) if seen else None
        planted[name] = {"planted": sizes.plants, "seen_within_a_day_ratio": ratio, "hours_p50": hours}
        gates.append(Gate(f"planted.{name}.seen_within_a_day_ratio", "at least", 0.9, ratio))
        talk(f"{name}: {ratio:.0%} seen within a day, median {hours} hours")
    figures: dict[str, Json] = {"quiet": quiet, "planted": planted, "questions_an_hour": QUESTIONS}
    return Report("drift", figures, tuple(gates), {"seed": seed, "days": sizes.days, "plants": sizes.plants})


def _hours(random: np.random.Generator, hours: int, shares: Mapping[str, float], *, clumped: bool) -> Counts:
    """`hours` windows of made-up traffic."""
    of = random.poisson(QUESTIONS, (hours, 1)) * np.ones((1, len(_NAMES)), dtype=np.int64)
    share = np.array([shares[name] for name in _NAMES]) * np.ones((hours, 1))
    drawn = random.beta(share * CLUMP, (1 - share) * CLUMP) if clumped else share
    counts: Counts = np.stack([random.binomial(of, drawn), of], axis=-1).astype(np.int64)
    return counts


def _days_with_alarm(random: np.random.Generator, days: int, *, clumped: bool) -> int:
    """Of so many days in a row, each watched hour by hour."""
    before = (REFERENCE_DAYS + 1) * HOURS
    series = _hours(random, before + days * HOURS, SHARES, clumped=clumped)
    alarmed = set()
    for end in range(before + 1, len(series) + 1):
        day = (end - before - 1) // HOURS
        if day not in alarmed and drifts(_NAMES, series[end - before : end], windows_per_day=HOURS):
            alarmed.add(day)
    return len(alarmed)


def _delay(random: np.random.Generator, change: Mapping[str, float]) -> int | None:
    """Hours until a change that begins at once is seen in one of its shares; None: not within a day."""
    before = (REFERENCE_DAYS + 1) * HOURS
    quiet = _hours(random, before, SHARES, clumped=False)
    series = np.concatenate([quiet, _hours(random, HOURS, {**SHARES, **change}, clumped=False)])
    for hour in range(1, HOURS + 1):
        found = drifts(_NAMES, series[hour : before + hour], windows_per_day=HOURS)
        if any(one.share in change for one in found):
            return hour
    return None
