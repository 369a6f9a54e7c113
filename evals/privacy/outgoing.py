"""`ringfence eval privacy-outgoing`: what scanning generated text on its way out finds, and how long it holds it.

Texts with marked values are streamed in small pieces through the parts of the path: cut into sentences, each scanned
behind the ones before it. Beside it, in the same run, the whole text scanned at once. A value counts as leaked where
it stands in what came out.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from evals.measured import percentile
from evals.privacy.datasets import DIRECT, Sample
from evals.runner.report import Report
from evals.runner.values import Json
from rag.privacy.outgoing import Outgoing
from rag.privacy.tenant import TenantPrivacy
from rag.query.cite import Draft, DraftReader

PIECE_CHARS = 4
"""About one token of a model."""
TEXTS_JOINED = 4
"""Texts are short: so many make one answer."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Streamed:
    """What came out of one stream. `held` are characters that had come in since, for each character that left."""

    text: str = field(repr=False)
    held: tuple[int, ...]
    scans_ms: tuple[float, ...]


async def privacy_outgoing(
    privacy: TenantPrivacy, samples: Sequence[Sample], *, texts: int, seed: int, talk: Progress
) -> Report:
    """`texts` of the samples, drawn by the seed."""
    drawn = Random(seed).sample(list(samples), min(texts, len(samples)))
    answers = [_answer(drawn[start : start + TEXTS_JOINED]) for start in range(0, len(drawn), TEXTS_JOINED)]
    return await asyncio.to_thread(_measure, privacy, answers, {"texts": len(drawn), "seed": seed}, talk)


def _measure(
    privacy: TenantPrivacy, answers: Sequence[tuple[str, list[str]]], arguments: dict[str, Json], talk: Progress
) -> Report:
    leaked = {"stream": 0, "whole": 0}
    values, held, scans_ms = 0, list[int](), list[float]()
    for number, (text, marked) in enumerate(answers, start=1):
        streamed = stream(text, privacy)
        held += streamed.held
        scans_ms += streamed.scans_ms
        values += len(marked)
        leaked["stream"] += _leaks(streamed.text, marked)
        leaked["whole"] += _leaks(privacy.scan_output(text), marked)
        if number % 10 == 0:
            talk(f"{number}/{len(answers)}")
    recall = {name: round(1 - leaked[name] / max(values, 1), 4) for name in ("stream", "whole")}
    mean_hold = round(sum(held) / max(len(held), 1), 1)
    figures: dict[str, Json] = {
        "texts": arguments["texts"],
        "values": values,
        "recall_stream": recall["stream"],
        "recall_whole": recall["whole"],
        "hold_chars_mean": mean_hold,
        "hold_chars_p95": percentile(held, 95),
        "scan_ms_p50": percentile(scans_ms, 50),
        "scan_ms_p95": percentile(scans_ms, 95),
    }
    return Report("privacy-outgoing", figures, (), arguments)


def stream(text: str, privacy: TenantPrivacy) -> Streamed:
    """The text in pieces through the reader and the scan, as a generator's would go."""
    reader, outgoing = DraftReader(verbatim=False), Outgoing(privacy, ())
    out: list[str] = []
    held: list[int] = []
    scans_ms: list[float] = []
    left = 0

    def give(drafts: Sequence[Draft], arrived: int) -> None:
        nonlocal left
        for draft in drafts:
            started = time.perf_counter()
            out.append(outgoing.scan(draft.text))
            scans_ms.append((time.perf_counter() - started) * 1000)
            end = min(left + len(draft.text) + 1, arrived)
            held.extend(arrived - position for position in range(left, end))
            left = end

    for start in range(0, len(text), PIECE_CHARS):
        piece = text[start : start + PIECE_CHARS]
        give(reader.feed(piece), start + len(piece))
    give(reader.finish(), len(text))
    return Streamed(" ".join(out), tuple(held), tuple(scans_ms))


def _answer(samples: Sequence[Sample]) -> tuple[str, list[str]]:
    """One text of several, and the values that are marked in it."""
    marked = [s.text[g.start : g.end] for s in samples for g in s.gold if g.kind in DIRECT]
    return "\n".join(sample.text for sample in samples), [value for value in marked if value.strip()]


def _leaks(text: str, values: Sequence[str]) -> int:
    plain = " ".join(text.split())
    return sum(" ".join(value.split()) in plain for value in values)
