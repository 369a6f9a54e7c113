"""What the stand-in for a model server writes, remembers and counts, as far as clients can tell it from vLLM."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from rag.generation.words import content_of, coverage

PASSAGE = re.compile(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)
QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)
BLOCK_TOKENS = 128
"""Prefixes are remembered in whole blocks; this is the size of vLLM's on a CPU."""
TEMPLATE = ("<|im_start|>",)


def words_of(text: str) -> tuple[str, ...]:
    """One word counts as one token."""
    return tuple(re.findall(r"\s*\S+", text))


def tokens_of(messages: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(
        itertools.chain.from_iterable(
            (*TEMPLATE, message["role"], *words_of(message["content"])) for message in messages
        )
    )


def answer_to(body: dict[str, Any]) -> str:
    """What an obedient model would say: the passage's first sentence with its number, if it is about the question."""
    user = body["messages"][-1]["content"]
    found = QUESTION.search(user)
    wanted = content_of(found.group(1) if found else "")
    scored = [(coverage(wanted, content_of(text)), number, text) for number, text in PASSAGE.findall(user)]
    best = max(scored, default=(0.0, "0", ""))
    if best[0] < 0.5:
        return "NOT_FOUND"
    return f"{best[2].split('. ')[0].rstrip('.')} [{best[1]}]."


def babble_to(body: dict[str, Any]) -> str:
    """What a model of random weights says: words without end, or what fits the form it is held to."""
    form = body.get("structured_outputs", {}).get("regex")
    if form is None:
        return " ".join(["babble"] * body["max_tokens"] * 2)
    numbers = re.search(r"\(([0-9|]+)\)", form)
    held = f"babble [{numbers.group(1).split('|')[-1] if numbers else ''}]."
    return held if re.fullmatch(form, held) else "NOT_FOUND"


@dataclass
class Engine:
    """The queue, the prefix cache and the counters of `/metrics`."""

    running_max: int = 16
    unfinished_max: int = 1000
    """Running and waiting together, as vLLM counts its queue."""
    running: int = field(default=0, init=False)
    waiting: int = field(default=0, init=False)
    rejected: int = 0
    generated: int = 0
    asked_of_cache: int = 0
    found_in_cache: int = 0
    _blocks: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    _inside: int = 0

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.running_max)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one of the `running_max` places, and hold it."""
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release()

    @contextmanager
    def admission(self) -> Iterator[bool]:
        """Around a request: whether it may run or wait."""
        admitted = self._inside < self.unfinished_max
        self.rejected += not admitted
        self._inside += admitted
        try:
            yield admitted
        finally:
            self._inside -= admitted

    def prefill(self, body: dict[str, Any]) -> None:
        """Look the prompt up in what was prompted before with the same salt, and remember it."""
        tokens, salt = tokens_of(body["messages"]), body.get("cache_salt", "")
        self.asked_of_cache += len(tokens)
        whole = range(BLOCK_TOKENS, len(tokens) + 1, BLOCK_TOKENS)
        known = itertools.takewhile(lambda end: (salt, tokens[:end]) in self._blocks, whole)
        self.found_in_cache += BLOCK_TOKENS * sum(1 for _ in known)
        self._blocks.update((salt, tokens[:end]) for end in whole)

    def metrics(self) -> str:
        label = '{engine="0",model_name="m"}'
        return "".join(
            f"{name} {value}\n"
            for name, value in (
                (f"vllm:num_requests_running{label}", float(self.running)),
                (f"vllm:num_requests_waiting{label}", float(self.waiting)),
                (f"vllm:generation_tokens_total{label}", float(self.generated)),
                (f"vllm:prefix_cache_queries_total{label}", float(self.asked_of_cache)),
                (f"vllm:prefix_cache_hits_total{label}", float(self.found_in_cache)),
                ('vllm:admission_rejections_total{engine="0",reason="max_num_queued_reqs"}', float(self.rejected)),
            )
        )
