"""What can be seen of a claim beside a text without a model that judges: similarity, words, and disagreement."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evals.abstention import beginning
from evals.grounding.sets import Pair
from rag.embedding.protocol import Embedder
from rag.query.agreement import DISAGREEMENTS
from rag.query.evidence import Evidence
from rag.query.statement import Statement

SIGNALS = ("cosine", "coverage", "numbers", "mean_cosine", "nearest_coverage", "names", "negation", *DISAGREEMENTS)
"""Columns of `signals_of`; the last are 1 where claim and nearest sentences disagree, by how."""
BATCH = 64


def signals_of(pairs: Sequence[Pair], embedder: Embedder, talk: Callable[[str], None]) -> NDArray[np.float64]:
    """Shape (pairs, signals)."""
    texts = {pair.evidence.given.source.chunk.id: pair.evidence for pair in pairs}
    vectors: dict[str, NDArray[np.float32]] = {}
    for done, (name, evidence) in enumerate(texts.items(), start=1):
        vectors[name] = _embedded([one.sentence.of(evidence.given.passage.text) for one in evidence.read], embedder)
        if done % 100 == 0:
            talk(f"{done} of {len(texts)} texts")
    claims = list(dict.fromkeys(pair.claim for pair in pairs))
    claimed = dict(zip(claims, _embedded(claims, embedder), strict=True))
    rows = [
        _signals(
            Statement.of(pair.claim), pair.evidence, vectors[pair.evidence.given.source.chunk.id] @ claimed[pair.claim]
        )
        for pair in pairs
    ]
    return np.array(rows, dtype=np.float64)


def _embedded(texts: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    whole = [beginning(text, embedder) for text in texts]
    return np.concatenate([embedder.embed_passages(whole[at : at + BATCH]) for at in range(0, len(whole), BATCH)])


def _signals(claim: Statement, evidence: Evidence, cosines: NDArray[np.float32]) -> list[float]:
    ranked = np.argsort(-cosines, kind="stable")[:2]
    nearest = [evidence.read[at] for at in ranked]
    wanted = claim.content.words
    words = evidence.words | evidence.around.words
    size = max(len(wanted), 1)
    return [
        float(cosines[ranked[0]]),
        len(wanted & words) / size,
        float(claim.content.numbers <= evidence.numbers),
        float(cosines.mean()),
        len(wanted & nearest[0].content.words) / size,
        float(claim.content.names <= words),
        float(claim.content.negated != nearest[0].content.negated),
        *(float(differ(claim.particulars, [one.particulars for one in nearest])) for differ in DISAGREEMENTS.values()),
    ]
