"""How well an embedder finds held-out documents by its vectors alone, before any index is made of them."""

from collections.abc import Sequence

import numpy as np
from ir_measures import RR, Measure, Qrel, ScoredDoc, calc_aggregate, nDCG

from rag.embedding.protocol import Embedder
from rag.query.similarity import fitting
from rag.query.tuning.pairs import Entry, Question

RANKS = 10
MEASURES: dict[str, Measure] = {"ndcg10_ratio": nDCG @ RANKS, "mrr_ratio": RR @ RANKS}
_BATCH = 256


def measure(embedder: Embedder, entries: Sequence[Entry], *asked: Sequence[Question]) -> list[dict[str, float]]:
    """nDCG and mean reciprocal rank among the first ten documents, for each list of questions; none for an empty one.

    A document is as near as its nearest passage. Passages are embedded once for all lists.
    """
    names = sorted({entry.document for entry in entries})
    row = {name: number for number, name in enumerate(names)}
    owner = np.array([row[entry.document] for entry in entries])
    texts = [fitting(embedder, entry.text) for entry in entries]
    vectors = [embedder.embed_passages(texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH)]
    passages = np.concatenate(vectors)
    return [_figures(embedder, questions, passages, owner, names) if questions else {} for questions in asked]


def _figures(
    embedder: Embedder,
    questions: Sequence[Question],
    passages: np.ndarray,
    owner: np.ndarray,
    names: Sequence[str],
) -> dict[str, float]:
    wanted, found = [], []
    for number, question in enumerate(questions):
        nearest = np.full(len(names), -np.inf, dtype=np.float32)
        np.maximum.at(nearest, owner, passages @ embedder.embed_query(question.face))
        wanted += [Qrel(str(number), document, 1) for document in sorted(question.wanted)]
        best = np.argsort(-nearest, kind="stable")[:RANKS]
        found += [ScoredDoc(str(number), names[at], float(nearest[at])) for at in best]
    values = calc_aggregate(MEASURES.values(), wanted, found)
    return {name: round(float(values[one]), 4) for name, one in MEASURES.items()}
