"""`ringfence eval prefixes`: how much of the prompts a server's prefix cache holds already, by the order of passages.

All questions of xquad_en in random order, six passages each by similarity, every article a document. Counted is what
vLLM would find: the longest beginning in whole blocks that an earlier prompt had. Four characters are a token.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from evals.abstention import PASSAGES, Paragraph, beginning, read_xquad
from evals.runner.report import Report
from evals.runner.values import Json
from rag.embedding.protocol import Embedder
from rag.generation.layout import laid_out
from rag.generation.messages import build_messages, load_prompts
from rag.generation.protocol import GenerationRequest, Passage

CHARS_PER_TOKEN = 4
BLOCKS = {"gpu": 16, "cpu": 128}
"""Tokens of a block of vLLM's cache, by where it runs."""

Order = Callable[[Sequence[Passage]], Sequence[Passage]]


def prefixes(data: Path, embedder: Embedder, limit: int | None, seed: int, talk: Callable[[str], None]) -> Report:
    """The gate: our order finds more than best first. `limit` takes only the first paragraphs, with their questions."""
    asked = _asked(read_xquad(data)[:limit], embedder)
    random.Random(seed).shuffle(asked)
    talk(f"{len(asked)} questions")
    orders: dict[str, Order] = {"best_first": list, "laid_out": laid_out}
    figures: dict[str, Json] = {"questions": len(asked)}
    found: dict[str, float] = {}
    for name, order in orders.items():
        prompts = [_prompt(question, order(passages)) for question, passages in asked]
        for place, block in BLOCKS.items():
            found[f"{name}_{place}_ratio"] = round(cached_share(prompts, block * CHARS_PER_TOKEN), 4)
    return Report("prefixes", {**figures, **found}, (), {"limit": limit, "seed": seed})


def cached_share(prompts: Sequence[str], block: int) -> float:
    """Share of all characters that stand in beginnings, in whole blocks of `block`, of prompts before."""
    seen: set[str] = set()
    held = 0
    for prompt in prompts:
        beginnings = [prompt[:end] for end in range(block, len(prompt) + 1, block)]
        known = next((n for n, one in enumerate(beginnings) if one not in seen), len(beginnings))
        held += known * block
        seen.update(beginnings[known:])
    return held / max(sum(map(len, prompts)), 1)


def _asked(paragraphs: Sequence[Paragraph], embedder: Embedder) -> list[tuple[str, tuple[Passage, ...]]]:
    texts = [beginning(paragraph.text, embedder) for paragraph in paragraphs]
    passages = [Passage(0, f"Article {p.article}", text) for p, text in zip(paragraphs, texts, strict=True)]
    vectors = embedder.embed_passages(texts)
    questions = [question for paragraph in paragraphs for question, _ in paragraph.questions]
    best = [np.argsort(-(vectors @ embedder.embed_query(question)), kind="stable")[:PASSAGES] for question in questions]
    return [
        (question, tuple(Passage(n, passages[at].title, passages[at].text) for n, at in enumerate(ranked, start=1)))
        for question, ranked in zip(questions, best, strict=True)
    ]


def _prompt(question: str, passages: Sequence[Passage]) -> str:
    request = GenerationRequest(question, tuple(passages), max_tokens=1, temperature=0.0, cache_salt="")
    return "\n".join(message["content"] for message in build_messages(load_prompts(), request))
