"""Which of the readable chunks come first. Deterministic: equal input, equal order.

The two branches have different units, so each hit counts by its share of its branch's best score. Ranks alone, as in
reciprocal rank fusion, forget how far apart two hits are: nDCG@10 .535 on CACM's half for tuning, where shares reach
.557 and the branches .475 and .455 (`ringfence eval retrieval --set cacm`).
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rag.domain import ReadableChunk
from rag.generation.words import content_of, coverage
from rag.index.store import Hit, Hits

WORDS_WEIGHT = 0.25
"""How much a chunk gains that holds all content words of the question, as a share of its fused score."""


def fuse(hits: Hits) -> dict[str, float]:
    """Fused scores by chunk, 0..1, best first: the mean of its shares of the best score of each branch."""
    scores: dict[str, float] = {}
    for branch in (hits.dense, hits.lexical):
        best = max((hit.score for hit in branch), default=0.0)
        for hit in _distinct(branch):
            # Opposite to the question, or nothing found in this branch: that is no reason to stand before others.
            share = max(hit.score, 0.0) / best if best > 0 else 0.0
            scores[hit.chunk] = scores.get(hit.chunk, 0.0) + share / 2
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def similarities(hits: Hits) -> Mapping[str, float]:
    """Cosine by chunk, for those the dense branch found."""
    return {hit.chunk: hit.score for hit in hits.dense}


def rerank(question: str, chunks: Sequence[ReadableChunk], limit: int | None = None) -> tuple[ReadableChunk, ...]:
    """The chunks best first, or the best `limit` of them; `question` is the reading face, as their text is.

    With a limit, those are not read whose fused score is too low for any words to lift them among the best.
    """
    wanted = content_of(question)
    scored: list[ReadableChunk] = []
    best: list[float] = []
    for found in sorted(chunks, key=lambda found: -found.score):
        if limit is not None and len(best) == limit and (not best or found.score * (1 + WORDS_WEIGHT) < best[0]):
            break
        score = found.score * (1 + WORDS_WEIGHT * coverage(wanted, content_of(_face(found))))
        scored.append(replace(found, score=score))
        if limit is not None:
            heapq.heappush(best, score)
            if len(best) > limit:
                heapq.heappop(best)
    return tuple(sorted(scored, key=lambda found: (-found.score, found.chunk.id)))[:limit]


def _face(found: ReadableChunk) -> str:
    return f"{found.title}\n{found.chunk.heading}\n{found.chunk.text}"


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    return list({hit.chunk: hit for hit in reversed(hits)}.values())[::-1]
