"""A search of public sets that fuses badly, admits everything or loses hits; a watch that sees nothing or ghosts."""

from contextlib import AbstractContextManager
from functools import partial
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from evals.retrieval import run as retrieval
from evals.selftest.trial import Fault, Trial
from evals.selftest.trials.access import everything_admitted, half_lost
from evals.watching import drift
from rag.index.store import Hits
from rag.query.rerank import fuse


def _badly_fused() -> AbstractContextManager[object]:
    """The hits of both branches are put together in reverse."""

    def reverse(hits: Hits) -> dict[str, float]:
        return {chunk: 1 - score for chunk, score in reversed(fuse(hits).items())}

    return patch.object(retrieval, "fuse", reverse)


def _p_values(value: float) -> AbstractContextManager[object]:
    """Every test says the same: 1 never sees a difference, 0 always."""

    def same(before: drift.Counts, now: drift.Counts, dispersion: NDArray[np.float64], test: drift.Test) -> object:
        return np.full(len(before), value)

    return patch.object(drift, "_p_values", same)


RETRIEVAL = Trial(
    "retrieval",
    options={"limit": 40, "sets": ["cacm"]},
    sets=("cacm",),
    faults=(
        Fault("the branches are fused in reverse", _badly_fused, worse={"sets.*.branches.hybrid.ndcg_at_10": 0.2}),
        Fault("the index admits every point", everything_admitted, ("sets.*.filtered.*.leaks",)),
        Fault("half of the hits are lost", half_lost, ("sets.*.filtered.*.recall_at_10",)),
    ),
)
DRIFT = Trial(
    "drift",
    options={"days": 6, "plants": 2, "seed": 3},
    faults=(
        Fault("no test sees a difference", partial(_p_values, 1.0), ("planted.*.seen_within_a_day_ratio",)),
        Fault("every test sees a difference", partial(_p_values, 0.0), ("quiet.*.ratio",)),
    ),
)
