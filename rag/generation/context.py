"""Fit a prompt into the model's context, counted by the server's own tokenizer."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from rag.generation.faults import Refused
from rag.generation.marks import marked_chars
from rag.generation.messages import Message
from rag.generation.protocol import GenerationRequest

TEMPLATE_TOKENS_MAX = 256
"""What a chat template adds to the bytes of the messages, where a prompt is judged without counting."""
COUNTS_MAX = 4
"""Passages are cut by estimate and counted again, at most so many times for one question."""
SLACK = 1.05
"""Cut a little more than the estimate: characters per token differ between passages."""


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of a prompt with its chat template, and of the model's whole context."""

    prompt: int
    context: int


async def fit(
    request: GenerationRequest,
    build: Callable[[GenerationRequest], list[Message]],
    count: Callable[[list[Message]], Awaitable[Count | None]],
    *,
    context: int | None,
    max_tokens: int,
) -> GenerationRequest:
    """`request` with as many of its passages as leave room for `max_tokens`; the last ones go first.

    Passages keep their numbers. The best one is cut rather than left out. `context` is the model's context where it
    is known: a prompt of fewer bytes than that has fewer tokens, too, and is not counted. Where `count` is None the
    server has no tokenizer to ask, and all passages stay.

    Raises:
        Refused: instructions and question alone leave no room for passages and answer.
    """
    for cuts_left in reversed(range(COUNTS_MAX)):
        messages = build(request)
        if context is not None and _bytes_of(messages) + TEMPLATE_TOKENS_MAX + max_tokens <= context:
            break
        counted = await count(messages)
        if counted is None or counted.prompt + max_tokens <= counted.context:
            break
        if not cuts_left:
            raise _too_long(counted, max_tokens)
        excess = counted.prompt + max_tokens - counted.context
        chars = math.ceil(SLACK * excess * _chars_of(messages) / max(counted.prompt, 1))
        request = _without(request, chars, counted, max_tokens)
    return request


def _without(request: GenerationRequest, chars: int, counted: Count, max_tokens: int) -> GenerationRequest:
    """The request with at least `chars` fewer characters of passages."""
    kept = list(request.passages)
    while chars > 0 and len(kept) > 1:
        gone = kept.pop()
        chars -= marked_chars(gone.title) + marked_chars(gone.text)
    if chars > 0:
        best = kept.pop() if kept else None
        if best is None or len(best.text) <= chars:
            raise _too_long(counted, max_tokens)
        kept.append(replace(best, text=best.text[: len(best.text) - chars]))
    return replace(request, passages=tuple(kept))


def _too_long(counted: Count, max_tokens: int) -> Refused:
    return Refused(
        f"has a context of {counted.context} tokens, which instructions, question and an answer of {max_tokens} fill",
        "Lower RINGFENCE_GENERATOR__MAX_TOKENS or raise the server's --max-model-len.",
        elsewhere=False,
    )


def _bytes_of(messages: list[Message]) -> int:
    return sum(len(message["content"].encode()) for message in messages)


def _chars_of(messages: list[Message]) -> int:
    return sum(len(message["content"]) for message in messages)
