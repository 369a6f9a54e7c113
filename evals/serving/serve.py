"""`ringfence eval serve`: what everything but the model costs, beside the bare model server in the same run.

The sample company's questions are asked through the path of a question, and the very same prompts are posted to the
model server by itself, at several numbers of streams. The model is the one that the settings name: one that
`--write-model` wrote recites sentences that are verified. One of random weights writes a line for every other token,
each of which is verified as a sentence: its speed means nothing.

Every prompt is sent once before it counts, and has the same cache salt both ways: the server has it in its cache, and
the time to the first token is as short as it gets.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from evals.leak.world import DEMO
from evals.questions import TENANT, load_questions
from evals.runner.report import Report
from evals.runner.values import Json
from evals.serving.bare import ANSWER_TOKENS, Bare
from evals.serving.figures import GATED_STREAMS, Phase, Timing, at_once, figures_of, gates_of
from rag.domain import Principal, PrincipalSource
from rag.errors import Misuse
from rag.generation.openai_compatible import OpenAIGenerator
from rag.generation.protocol import GenerationRequest, Generator
from rag.query.answer import ClaimReady, Finished, ask
from rag.query.parts import Options, QueryParts

ROUNDS = 24
"""The most answers of one stream."""
OPTIONS = Options(max_tokens=ANSWER_TOKENS)

Talk = Callable[[str], None]


class Timed:
    """A generator that remembers one request, when it was asked, began and ended, and what it wrote."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.name, self.verbatim = generator.name, generator.verbatim
        self.request: GenerationRequest | None = None
        self.asked = self.first = self.last = 0.0
        self.pieces: list[str] = []

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.request, self.asked = request, time.perf_counter()
        async with aclosing(self._generator.generate(request)) as pieces:
            async for piece in pieces:
                self.last = time.perf_counter()
                self.first = self.first or self.last
                self.pieces.append(piece)
                yield piece

    async def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of somebody, with the request that the path makes of it."""

    question: str
    principal: Principal
    request: GenerationRequest


async def serve(parts: QueryParts, streams: Sequence[int], questions: int, talk: Talk) -> Report:
    """Measure at each number of streams, with at most so many questions.

    Raises:
        Misuse: the settings name no model server.
        GeneratorUnavailable: it does not answer.
    """
    settings = parts.settings.generator
    if settings.kind != "openai":
        raise Misuse("Name a model server: RINGFENCE_GENERATOR__KIND=openai, ..._BASE_URL and ..._MODEL.")
    generator, bare = OpenAIGenerator(settings), Bare(settings)
    try:
        asked = await _requests(parts, generator, questions)
        talk(f"{len(asked)} questions with passages")
        figures: dict[str, Json] = {}
        for count in streams:
            these = asked[: ROUNDS * count]
            alone = await _phase(count, [partial(bare.ask, one.request) for one in these], bare)
            ours = await _phase(count, [partial(_through, one, parts, generator) for one in these], bare)
            figures[f"streams_{count}"] = figures_of(alone, ours)
            talk(f"{count} streams")
    finally:
        await generator.close()
        await bare.close()
    return Report("serve", figures, gates_of(figures), {"streams": list(streams), "questions": len(asked)})


async def _phase(count: int, calls: Sequence[Callable[[], Awaitable[Timing]]], bare: Bare) -> Phase:
    before = await bare.tokens_written()
    timings, seconds, cpu_s = await at_once(count, calls)
    return Phase(timings, seconds, cpu_s, await bare.tokens_written() - before)


async def _requests(parts: QueryParts, generator: Generator, questions: int) -> list[Asked]:
    """The first that the model answers, some at once: asking them also warms the server's cache.

    Raises:
        Misuse: there are none.
    """
    found: list[Asked] = []
    pairs = _pairs()
    for start in range(0, len(pairs), GATED_STREAMS):
        some = pairs[start : start + GATED_STREAMS]
        asked, _, _ = await at_once(GATED_STREAMS, [partial(_asked, *pair, parts, generator) for pair in some])
        found += [one for one in asked if one is not None]
        if len(found) >= questions:
            break
    if not found:
        raise Misuse("The model writes nothing. One that recites is written for one data folder: --data-dir names it.")
    return found[:questions]


def _pairs() -> list[tuple[str, Principal]]:
    people = [Principal(TENANT, person, frozenset(), None, PrincipalSource.OPERATOR) for person in DEMO]
    return [(question.text, person) for question in load_questions() for person in people]


async def _asked(question: str, principal: Principal, parts: QueryParts, generator: Generator) -> Asked | None:
    timed = Timed(generator)
    async with aclosing(ask(question, principal, replace(parts, generator=timed), OPTIONS)) as events:
        async for _ in events:
            pass
    return Asked(question, principal, timed.request) if timed.request is not None and timed.pieces else None


async def _through(asked: Asked, parts: QueryParts, generator: Generator) -> Timing:
    timed, claimed, finished = Timed(generator), None, None
    began = time.perf_counter()
    async with aclosing(ask(asked.question, asked.principal, replace(parts, generator=timed), OPTIONS)) as events:
        async for event in events:
            if isinstance(event, ClaimReady):
                claimed = claimed or time.perf_counter()
            elif isinstance(event, Finished):
                finished = event.answer
    assert finished is not None
    stages = dict(finished.timings.stages)
    embed_ms = stages.get("embed", 0.0)
    return Timing(
        first_ms=(timed.first - timed.asked) * 1000,
        writing_ms=(timed.last - timed.first) * 1000,
        text="".join(timed.pieces),
        before_ms=(timed.asked - began) * 1000 - embed_ms,
        embed_ms=embed_ms,
        claim_ms=None if claimed is None else (claimed - began) * 1000,
        claims=len(finished.claims),
        stages=stages,
    )
