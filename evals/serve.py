"""`ringfence eval serve`: what everything but the model costs, beside the bare model server in the same run.

The sample company's questions are asked through the path of a question, and the very same prompts are posted to the
model server by itself, at several numbers of streams. The model is the one that the settings name. A model of random
weights shows the time before it is asked, but not the speed: it writes a line for every other token, and each line is
verified as a sentence. Every prompt is sent once before it counts, and has the same cache salt both ways: the server
has it in its cache, and the time to the first token is as short as it gets.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import httpx

from evals.leak import DEMO
from evals.measured import percentile
from evals.questions import TENANT, load_questions
from evals.report import Gate, Json, Report
from rag.domain import Principal, PrincipalSource
from rag.errors import Misuse
from rag.generation.event_stream import read_pieces
from rag.generation.layout import laid_out
from rag.generation.messages import build_messages, load_prompts
from rag.generation.openai_compatible import OpenAIGenerator
from rag.generation.protocol import GenerationRequest, Generator
from rag.query.answer import answer
from rag.query.parts import Options, QueryParts
from rag.settings import GeneratorSettings

ROUNDS = 3
"""Questions for each stream, and 24 at the least."""
ANSWER_TOKENS = 64
GATED_STREAMS = 8
ADDED_MS_MAX, TOKENS_RATIO_MIN = 50.0, 0.95

T = TypeVar("T")
Talk = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one answer. `before_ms`: until the model was asked, without `embed_ms`; 0 of the bare server."""

    first_ms: float
    pieces: int
    before_ms: float = 0.0
    embed_ms: float = 0.0


class Timed:
    """A generator that remembers one request, and when it was asked, began and how many pieces came."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.name, self.verbatim = generator.name, generator.verbatim
        self.request: GenerationRequest | None = None
        self.asked = self.first = 0.0
        self.pieces = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.request, self.asked = request, time.perf_counter()
        async with aclosing(self._generator.generate(request)) as pieces:
            async for piece in pieces:
                self.first = self.first or time.perf_counter()
                self.pieces += 1
                yield piece

    async def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of somebody, with the request that the path makes of it."""

    question: str
    principal: Principal
    request: GenerationRequest


class Bare:
    """The first server of the settings, asked without anything of ours but its prompts."""

    def __init__(self, settings: GeneratorSettings) -> None:
        key = settings.api_key
        self._model = settings.model or ""
        self._prompts = load_prompts()
        self._client = httpx.AsyncClient(
            base_url=settings.base_urls[0] + "/",
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=settings.first_token_timeout_s,
            trust_env=False,
        )

    async def ask(self, asked: Asked) -> Timing:
        request = replace(asked.request, passages=tuple(laid_out(asked.request.passages)))
        body = {
            "model": self._model,
            "messages": build_messages(self._prompts, request),
            "max_tokens": ANSWER_TOKENS,
            "temperature": 0.0,
            "stream": True,
            "cache_salt": request.cache_salt,
        }
        began, first, pieces = time.perf_counter(), 0.0, 0
        async with self._client.stream("POST", "chat/completions", json=body) as response:
            response.raise_for_status()
            async for _ in read_pieces(response.aiter_bytes()):
                first = first or time.perf_counter()
                pieces += 1
        return Timing((first - began) * 1000, pieces)

    async def close(self) -> None:
        await self._client.aclose()


async def serve(parts: QueryParts, streams: Sequence[int], talk: Talk) -> Report:
    """Measure at each number of streams.

    Raises:
        Misuse: the settings name no model server.
        GeneratorUnavailable: it does not answer.
    """
    settings = parts.settings.generator
    if settings.kind != "openai":
        raise Misuse("Name a model server: RINGFENCE_GENERATOR__KIND=openai, ..._BASE_URL and ..._MODEL.")
    generator, bare = OpenAIGenerator(settings), Bare(settings)
    try:
        asked = await _requests(parts, generator, ROUNDS * max(*streams, GATED_STREAMS))
        talk(f"{len(asked)} questions with passages")
        figures: dict[str, Json] = {}
        for count in streams:
            these = asked[: ROUNDS * max(count, GATED_STREAMS)]
            alone, alone_s = await at_once(count, [partial(bare.ask, one) for one in these])
            ours, ours_s = await at_once(count, [partial(_through, one, parts, generator) for one in these])
            figures[f"streams_{count}"] = figures_of(alone, alone_s, ours, ours_s)
            talk(f"{count} streams")
    finally:
        await generator.close()
        await bare.close()
    return Report("serve", figures, gates_of(figures), {"streams": list(streams), "model": settings.model})


async def _requests(parts: QueryParts, generator: Generator, count: int) -> list[Asked]:
    """The first `count` questions that the model is asked; asking them also warms the server's cache."""
    found: list[Asked] = []
    pairs = [(question, person) for question in load_questions() for person in DEMO]
    for question, person in pairs:
        principal = Principal(TENANT, person, frozenset(), None, PrincipalSource.OPERATOR)
        timed = Timed(generator)
        await answer(question.text, principal, replace(parts, generator=timed), Options(max_tokens=ANSWER_TOKENS))
        if timed.request is not None:
            found.append(Asked(question.text, principal, timed.request))
        if len(found) == count:
            break
    return found


async def _through(asked: Asked, parts: QueryParts, generator: Generator) -> Timing:
    timed = Timed(generator)
    began = time.perf_counter()
    options = Options(max_tokens=ANSWER_TOKENS)
    given = await answer(asked.question, asked.principal, replace(parts, generator=timed), options)
    embed_ms = dict(given.timings.stages).get("embed", 0.0)
    before_ms = (timed.asked - began) * 1000 - embed_ms
    return Timing((timed.first - timed.asked) * 1000, timed.pieces, before_ms, embed_ms)


async def at_once(count: int, calls: Sequence[Callable[[], Awaitable[T]]]) -> tuple[list[T], float]:
    """All results, `count` calls running at any time, and the seconds that it took."""
    turn = asyncio.Semaphore(count)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with turn:
            return await call()

    began = time.perf_counter()
    return list(await asyncio.gather(*map(one, calls))), time.perf_counter() - began


def figures_of(alone: list[Timing], alone_s: float, ours: list[Timing], ours_s: float) -> dict[str, Json]:
    """`added_first_ms`: what we need before the model is asked, and how much later than bare it then begins."""
    bare = [one.first_ms for one in alone]
    later = percentile([one.first_ms for one in ours], 50) - percentile(bare, 50)
    series = {
        "bare_first": bare,
        "model_first": [one.first_ms for one in ours],
        "embed": [one.embed_ms for one in ours],
        "before": [one.before_ms for one in ours],
        "added_first": [one.before_ms + later for one in ours],
    }
    speeds = [sum(one.pieces for one in timings) / s for timings, s in ((alone, alone_s), (ours, ours_s))]
    return {
        "questions": len(ours),
        **{f"{name}_ms_p{p}": percentile(values, p) for name, values in series.items() for p in (50, 95)},
        "bare_pieces_per_s": round(speeds[0], 1),
        "pieces_per_s": round(speeds[1], 1),
        "pieces_per_s_ratio": round(speeds[1] / speeds[0], 3),
    }


def gates_of(figures: dict[str, Json]) -> tuple[Gate, ...]:
    gated = figures.get(f"streams_{GATED_STREAMS}")
    if not isinstance(gated, dict):
        return ()
    added, ratio = float(gated["added_first_ms_p95"]), float(gated["pieces_per_s_ratio"])
    return (
        Gate(f"added_first_ms_p95 at {GATED_STREAMS} streams", "at most", ADDED_MS_MAX, added),
        Gate(f"pieces_per_s_ratio at {GATED_STREAMS} streams", "at least", TOKENS_RATIO_MIN, ratio),
    )
