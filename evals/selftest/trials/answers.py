"""Answers, thresholds, verification and prompts: what finds, orders, chooses and verifies, each broken in turn."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache, partial
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from evals import abstention, prefixes
from evals.grounding import run as grounding
from evals.grounding.sets import Pair, scifact_pairs
from evals.grounding.signals import signals_of
from evals.selftest.trial import Fault, Trial
from rag.domain import ReadableChunk
from rag.embedding.protocol import Embedder
from rag.generation.extractive import Candidate, ExtractiveGenerator, score_candidates
from rag.generation.protocol import GenerationRequest, Passage, SentenceSimilarity
from rag.query import retrieve
from rag.query.rerank import rerank

TIMES = ("total_ms_p50",)
PARAGRAPHS = 48
"""Of xquad: some of ten articles."""


@contextmanager
def _reversed() -> Iterator[None]:
    """Whoever orders the chunks puts the worst first."""

    def worst_first(
        question: str, chunks: Sequence[ReadableChunk], limit: int | None = None
    ) -> tuple[ReadableChunk, ...]:
        return rerank(question, chunks)[::-1][:limit]

    with patch.object(retrieve, "rerank", worst_first):
        yield


@contextmanager
def _threshold(value: float) -> Iterator[None]:
    """The generator answers from this much support on: 0 always."""
    inner = ExtractiveGenerator.__init__

    def made(self: ExtractiveGenerator, similarity: SentenceSimilarity, threshold: float) -> None:
        inner(self, similarity, value)

    with patch.object(ExtractiveGenerator, "__init__", made):
        yield


@contextmanager
def _blind() -> Iterator[None]:
    """Every sentence has the same support, whatever is asked."""

    def scored(request: GenerationRequest, similarity: SentenceSimilarity) -> list[Candidate]:
        return [replace(one, support=0.5) for one in score_candidates(request, similarity)]

    with patch.object(abstention, "score_candidates", scored):
        yield


def _believed() -> AbstractContextManager[object]:
    """Every claim counts as supported."""
    return patch.object(grounding, "verify", lambda draft, evidence, verbatim: (evidence[0],))


@contextmanager
def _noise() -> Iterator[None]:
    """What the checkers look at has nothing to do with the claims, but for cosine, coverage and numbers."""

    def signals(pairs: Sequence[Pair], embedder: Embedder, talk: Callable[[str], None]) -> NDArray[np.float64]:
        found = signals_of(pairs, embedder, talk)
        found[:, 3:] = np.random.default_rng(1).standard_normal(found[:, 3:].shape) * 10
        return found

    with patch.object(grounding, "signals_of", signals):
        yield


@contextmanager
def _shuffled() -> Iterator[None]:
    """Passages stand in prompts in an order that is different each time."""
    random = np.random.default_rng(1)

    def laid_out(passages: Sequence[Passage]) -> list[Passage]:
        return [replace(passages[at], number=n) for n, at in enumerate(random.permutation(len(passages)), start=1)]

    with patch.object(prefixes, "laid_out", laid_out):
        yield


_read_once = cache(scifact_pairs)
"""Reading all pairs takes longer than what is measured of some."""

ANSWERS = Trial(
    "answers",
    options={"limit": 20},
    company=True,
    beyond=TIMES,
    faults=(
        Fault("the worst passages come first", _reversed, ("right_ratio",)),
        Fault("the generator always answers", partial(_threshold, 0.0), ("false_answer_ratio",)),
    ),
)
ABSTENTION = Trial(
    "abstention",
    options={"limit": 20, "sets": ["xquad"]},
    sets=("xquad_en",),
    narrowed=lambda: patch("evals.running.read_xquad", lambda data: abstention.read_xquad(data)[:PARAGRAPHS]),
    beyond=("company.auc",),
    faults=(Fault("support is the same whatever is asked", _blind, worse={"xquad.auc": 0.1}),),
)
GROUNDING = Trial(
    "grounding",
    options={"limit": 300},
    sets=("scifact", "xquad_en"),
    narrowed=lambda: patch.object(grounding, "scifact_pairs", _read_once),
    # The first texts are harder than the rest.
    beyond=("altered_false_support_ratio",),
    faults=(
        Fault("every claim counts as supported", _believed, worse={"altered_false_support_ratio": 0.5}),
        Fault("the signals are noise", _noise, ("scifact_held_out.signals.macro_f1",)),
    ),
)
PREFIXES = Trial(
    "prefixes",
    options={"limit": 20},
    sets=("xquad_en",),
    faults=(Fault("passages stand in random order", _shuffled, ("laid_out_*_ratio",)),),
)
