"""Can absence be told from refusal? By time, by size, by the form of what comes back.

Pairs of questions: one names a word, or an id, of a document that is there and may not be read, or an answer that
somebody else was given; the other one that was drawn the same way and is nowhere. Whatever differs between the two
kinds is a way to learn what exists. The two of a pair are asked one after the other, in an order that is drawn, among
pairs of all surfaces: load falls on both.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from evals.live.curve import LEVEL, Auc, auc_of, together
from evals.live.paired_calls import CALLS, Target
from evals.live.transport import seconds_of
from evals.runner.values import Json

SURFACES = ("search", "chat", "passage", "rights", "feedback")
AUC_MAX = 0.55


@dataclass(slots=True)
class Samples:
    """By surface: for each call whether what it named is there, and its features by name. Times are in milliseconds."""

    by_surface: dict[str, list[tuple[bool, Mapping[str, float]]]] = field(default_factory=lambda: defaultdict(list))


async def ask_pairs(
    targets: Sequence[Target], pairs: int, chance: Random, samples: Samples, surfaces: Sequence[str] = SURFACES
) -> None:
    """So many pairs at each surface."""
    able = [target for target in targets if target.hidden]
    todo = [surface for surface in surfaces for _ in range(pairs)] if able else []
    chance.shuffle(todo)
    for surface in todo:
        target = chance.choice(able)
        section = chance.choice(target.hidden)
        order = [True, False]
        chance.shuffle(order)
        for there in order:
            response = await CALLS[surface](target, section, there, chance)
            samples.by_surface[surface].append((there, features_of(response)))


def features_of(response: httpx.Response) -> Mapping[str, float]:
    """Time, status, sizes, and the number and total size of every header and every field of the body."""
    found: defaultdict[str, float] = defaultdict(float)
    found |= {"ms": seconds_of(response) * 1000, "status": response.status_code, "bytes": len(response.content)}
    for name, value in response.headers.multi_items():
        found[f"header {name.lower()} number"] += 1
        found[f"header {name.lower()} length"] += len(value)
    try:
        body = response.json()
    except ValueError:
        body = None
    for name, size in _fields(body, "$"):
        found[f"{name} number"] += 1
        found[f"{name} size"] += size
    return found


def figures_of(samples: Samples) -> dict[str, Json]:
    """What was told apart, and how surely.

    `time_auc` and `size_auc` are over all surfaces. `features_told_apart` counts features of a surface that are past
    `AUC_MAX` and differ beyond doubt: at a level that allows for how many there are.
    """
    surfaces = {name: _by_feature(calls) for name, calls in samples.by_surface.items() if len(calls) >= 4}
    number = max(1, sum(map(len, surfaces.values())))
    level = 1 - (1 - LEVEL) / number
    told: list[Json] = [
        {"surface": surface, "feature": name, **_record(auc)}
        for surface, features in surfaces.items()
        for name, auc in features.items()
        if auc.told > AUC_MAX and auc.beyond_doubt(level)
    ]
    times = together([features["ms"] for features in surfaces.values()]) if surfaces else None
    sizes = together([features["bytes"] for features in surfaces.values()]) if surfaces else None
    return {
        "pairs": sum(auc["ms"].pairs for auc in surfaces.values()),
        "features": number,
        "features_told_apart": len(told),
        "time_auc": None if times is None else round(times.told, 4),
        "time": None if times is None else _record(times),
        "size_auc": None if sizes is None else round(sizes.told, 4),
        "size": None if sizes is None else _record(sizes),
        "told_apart": told[:25],
        "by_surface": {
            surface: {
                "time": _record(features["ms"]),
                "size": _record(features["bytes"]),
                "widest": _widest(features),
            }
            for surface, features in surfaces.items()
        },
    }


def _by_feature(calls: Sequence[tuple[bool, Mapping[str, float]]]) -> dict[str, Auc]:
    names = sorted({name for _, features in calls for name in features})

    def column(name: str, there: bool) -> NDArray[np.float64]:
        # What a response lacks is smaller than anything it could have.
        return np.array([features.get(name, -1.0) for was, features in calls if was is there])

    return {name: auc_of(column(name, True), column(name, False)) for name in names}


def _widest(features: Mapping[str, Auc]) -> dict[str, Json]:
    name = max((name for name in features if name != "ms"), key=lambda name: features[name].told)
    return {"feature": name, **_record(features[name])}


def _record(auc: Auc) -> dict[str, Json]:
    low, high = auc.interval()
    return {"auc": round(auc.value, 4), "low": round(low, 4), "high": round(high, 4), "pairs": auc.pairs}


def _fields(value: Any, place: str) -> list[tuple[str, float]]:
    """Every field of a JSON value, places in lists left out, with its number or its length."""
    if isinstance(value, dict):
        return [(place, len(value)), *(f for name, inner in value.items() for f in _fields(inner, f"{place}.{name}"))]
    if isinstance(value, list):
        return [(place, len(value)), *(f for inner in value for f in _fields(inner, f"{place}[]"))]
    if isinstance(value, str):
        return [(place, len(value))]
    return [(place, float(value or 0))]
