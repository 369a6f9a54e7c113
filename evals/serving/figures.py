"""What was measured of answers at one number of streams, and the figures made of it."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from evals.measured import number, percentile
from evals.runner.report import Gate
from evals.runner.values import Json

GATED_STREAMS = 8
ADDED_MS_MAX, TOKENS_RATIO_MIN = 50.0, 0.95

_MARKER = re.compile(r"\[\d+\]")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one answer. Of the bare server only `first_ms`, `writing_ms` and `text` are told.

    `before_ms`: until the model was asked, without `embed_ms`. `first_ms`: from then to its first piece. `writing_ms`:
    from that to its last. `claim_ms`: from the question until the first claim left; None where none did.
    """

    first_ms: float
    writing_ms: float
    text: str = field(repr=False)
    before_ms: float = 0.0
    embed_ms: float = 0.0
    claim_ms: float | None = None
    claims: int = 0
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Phase:
    """Answers at so many streams: how long they took together, our processor time for them, and the tokens written."""

    timings: list[Timing]
    seconds: float
    cpu_s: float
    tokens: float

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds

    @property
    def writing_ms_per_char(self) -> float:
        """How slowly one answer is written once it has begun."""
        chars = sum(len(one.text) for one in self.timings)
        return sum(one.writing_ms for one in self.timings) / max(chars, 1)


async def at_once(count: int, calls: Sequence[Callable[[], Awaitable[T]]]) -> tuple[list[T], float, float]:
    """All results, `count` calls running at any time, the seconds that it took and the processor time of this process.

    Processor time is that of all threads, in seconds.
    """
    turn = asyncio.Semaphore(count)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with turn:
            return await call()

    began, began_cpu = time.perf_counter(), time.process_time()
    results = list(await asyncio.gather(*map(one, calls)))
    return results, time.perf_counter() - began, time.process_time() - began_cpu


def figures_of(alone: Phase, ours: Phase) -> dict[str, Json]:
    """`added_first_ms`: how much later than bare the first token comes, without embedding, percentile by percentile.

    `first_claim_ms`: from the question until the first verified sentence leaves, which is what a person waits for: it
    contains the writing of that sentence and the beginning of the next. `tokens_per_s_ratio` is of whole runs;
    `writing_ratio` of the time from an answer's first piece to its last, bare by ours.
    """
    bare = [one.first_ms for one in alone.timings]
    mine = [one.before_ms + one.first_ms for one in ours.timings]
    series = {
        "bare_first": bare,
        "model_first": [one.first_ms for one in ours.timings],
        "embed": [one.embed_ms for one in ours.timings],
        "before": [one.before_ms for one in ours.timings],
        "first_claim": [one.claim_ms for one in ours.timings if one.claim_ms is not None],
    }
    count = len(ours.timings)
    texts = zip(alone.timings, ours.timings, strict=True)
    return {
        "questions": count,
        "same_text_ratio": round(sum(_unnumbered(a.text) == _unnumbered(b.text) for a, b in texts) / count, 3),
        "claims_per_answer": round(sum(one.claims for one in ours.timings) / count, 2),
        **{f"{name}_ms_p{p}": percentile(values, p) for name, values in series.items() for p in (50, 95)},
        **{f"added_first_ms_p{p}": round(percentile(mine, p) - percentile(bare, p), 2) for p in (50, 95)},
        "bare_tokens_per_s": round(alone.tokens_per_s, 1),
        "tokens_per_s": round(ours.tokens_per_s, 1),
        "tokens_per_s_ratio": round(ours.tokens_per_s / alone.tokens_per_s, 3),
        "writing_ratio": round(alone.writing_ms_per_char / (ours.writing_ms_per_char or 1.0), 3),
        "bare_cpu_ms_per_answer": round(alone.cpu_s * 1000 / count, 1),
        "cpu_ms_per_answer": round(ours.cpu_s * 1000 / count, 1),
        **_stages(ours.timings),
    }


def _unnumbered(text: str) -> str:
    """Without the numbers of passages: the path turns those of the prompt into its own."""
    return _MARKER.sub("[]", text)


def _stages(timings: Sequence[Timing]) -> dict[str, Json]:
    """Wall time by stage of the path, of all its parts in one answer together; that of the model left out."""
    names = dict.fromkeys(name for one in timings for name in one.stages if name != "generate")
    return {f"stage_{name}_ms_p50": percentile([one.stages.get(name, 0.0) for one in timings], 50) for name in names}


def gates_of(figures: Mapping[str, Json]) -> tuple[Gate, ...]:
    gated = figures.get(f"streams_{GATED_STREAMS}")
    if not isinstance(gated, Mapping):
        return ()
    added, ratio = number(gated["added_first_ms_p95"]), number(gated["tokens_per_s_ratio"])
    return (
        Gate(f"added_first_ms_p95 at {GATED_STREAMS} streams", "at most", ADDED_MS_MAX, added),
        Gate(f"tokens_per_s_ratio at {GATED_STREAMS} streams", "at least", TOKENS_RATIO_MIN, ratio),
    )
