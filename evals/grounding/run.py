"""`ringfence eval grounding`: does a text support a claim? The verifier of the path of a question, and graded scores.

The verifier lets a claim pass or not, at the thresholds it has in an answer; nothing of it is fitted here. The graded
checkers are fitted on a training part of SciFact and compared on a held-out part that shares no claim and no text.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_recall_fscore_support
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evals.grounding.sets import Pair, altered_pairs, scifact_pairs
from evals.grounding.signals import SIGNALS, signals_of
from evals.runner.report import Report
from evals.runner.values import Json
from rag.embedding.protocol import Embedder
from rag.query.cite import Draft, verify

PUBLISHED_MACRO_F1 = 0.713
"""The best checker without a model of its own that was known before, on another set (AttributionBench, in domain)."""
HELD_OUT_TENTHS = 4
REGULARISATIONS = [0.01, 0.03, 0.1, 0.3, 1.0]
CHECKERS = {
    "coverage": ("coverage",),
    "cosine_coverage_numbers": ("cosine", "coverage", "numbers"),
    "signals": SIGNALS,
}
"""What each graded checker looks at. The second is the checker that reached `PUBLISHED_MACRO_F1`."""


def grounding(data: Path, embedder: Embedder, limit: int | None, seed: int, talk: Callable[[str], None]) -> Report:
    """Altered sentences shall hardly ever pass, and what the verifier compares add to cosine and coverage."""
    altered = list(islice(altered_pairs(data, seed), limit))
    passes = [_passes(pair) for pair in altered]
    talk(f"{len(altered)} altered sentences")
    pairs = scifact_pairs(data)[:limit]
    held_out = np.array([is_held_out(pair.group) for pair in pairs])
    labels = np.array([pair.supported for pair in pairs])
    verified = np.array([_passes(pair) for pair in pairs])
    talk(f"{len(pairs)} SciFact pairs")
    signals = signals_of(pairs, embedder, talk)
    groups = [pair.group for pair in pairs]
    checked: dict[str, Json] = {"verifier": scores(labels[held_out], verified[held_out])}
    for name, columns in CHECKERS.items():
        chosen = signals[:, [SIGNALS.index(column) for column in columns]]
        checked[name] = scores(labels[held_out], _fitted(chosen, labels, held_out, groups)[held_out])
    figures: dict[str, Json] = {
        "altered": _by_kind(altered, passes),
        "altered_scores": scores(np.array([pair.supported for pair in altered]), np.array(passes)),
        "altered_false_support_ratio": _rate(
            [p for p, pair in zip(passes, altered, strict=True) if not pair.supported]
        ),
        "scifact": {
            "pairs": len(pairs),
            "train": int((~held_out).sum()),
            "held_out": int(held_out.sum()),
            "verifier_passes": _by_kind(pairs, list(verified)),
        },
        "scifact_held_out": checked,
        "published_macro_f1": PUBLISHED_MACRO_F1,
        "embedder": embedder.name,
    }
    return Report("grounding", figures, (), {"limit": limit, "seed": seed})


def is_held_out(group: str) -> bool:
    """By the group's name alone: the same whatever the limit or the order."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") % 10 < HELD_OUT_TENTHS


def scores(labels: NDArray[np.bool_], said: NDArray[np.bool_]) -> dict[str, Json]:
    """Macro-F1, and precision and recall of both labels, each 0..1."""
    precision, recall, _, counts = precision_recall_fscore_support(
        labels, said, labels=[True, False], zero_division=0.0
    )
    figures: dict[str, Json] = {
        "macro_f1": round(float(f1_score(labels, said, labels=[True, False], average="macro", zero_division=0.0)), 3)
    }
    for at, name in enumerate(("supported", "not_supported")):
        figures[f"{name}_precision"] = round(float(precision[at]), 3)
        figures[f"{name}_recall"] = round(float(recall[at]), 3)
        figures[f"{name}_pairs"] = int(counts[at])
    return figures


def _passes(pair: Pair) -> bool:
    return bool(verify(Draft(pair.claim), [pair.evidence], verbatim=False))


def _fitted(
    signals: NDArray[np.float64], labels: NDArray[np.bool_], held_out: NDArray[np.bool_], groups: Sequence[str]
) -> NDArray[np.bool_]:
    """Logistic regression; its regularisation is chosen within the training part."""
    train = np.flatnonzero(~held_out)
    folds = list(GroupKFold(5).split(train, groups=np.array(groups)[train]))
    model = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")),
        {"logisticregression__C": REGULARISATIONS},
        scoring="f1_macro",
        cv=folds,
    ).fit(signals[train], labels[train])
    return np.asarray(model.predict(signals), dtype=np.bool_)


def _by_kind(pairs: Sequence[Pair], passes: Sequence[bool]) -> dict[str, Json]:
    counts = Counter(pair.kind for pair in pairs)
    passed = Counter(pair.kind for pair, one in zip(pairs, passes, strict=True) if one)
    return {kind: {"claims": counts[kind], "passed": passed[kind]} for kind in sorted(counts)}


def _rate(passes: Sequence[bool]) -> float:
    return round(sum(passes) / max(len(passes), 1), 4)
