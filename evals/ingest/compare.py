"""Three ways side by side: the straightforward one, and ours with either profile of masking.

Each has a process of its own, with its models loaded before anything is measured. They take turns, one round each, so
that a busy machine is busy for all of them; ratios are of processor time in the same round, and their median counts.
One thread each: with more, PyTorch's threads wait for each other by running, and on a busy machine that is most of what
would be measured.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from evals.ingest.corpus import Corpus
from evals.ingest.ours import OurWay
from evals.ingest.plain import PlainWay
from evals.ingest.way import DEPTH, Judged, Round, Way
from evals.runner.report import Gate
from evals.runner.values import Json

THREADS = 1
PLAIN, ACCURATE, FAST = "plain", "accurate", "fast"
NAMES = (PLAIN, ACCURATE, FAST)
GOAL_RATIOS = {FAST: 3.0, ACCURATE: 1.0}

Talk = Callable[[str], None]
_way: list[Way] = []
"""In a process of a way: that one."""


def _load(name: str) -> None:
    _way.append(PlainWay(THREADS) if name == PLAIN else OurWay(name, THREADS))


def _run(folder: Path, scratch: Path) -> Round:
    return _way[0].run(folder, scratch)


def _judge(corpus: Corpus) -> Judged:
    return _way[0].judge(corpus)


@dataclass(frozen=True, slots=True)
class Compared:
    """All rounds, and what the last index of each way is worth, by the name of the way."""

    rounds: Mapping[str, Sequence[Round]]
    judged: Mapping[str, Judged]


def compare(corpus: Corpus, scratch: Path, *, rounds: int, talk: Talk) -> Compared:
    """Run every way so often on the corpus, in turn."""
    folder = scratch / "files"
    corpus.write(folder)
    taken: dict[str, list[Round]] = {name: [] for name in NAMES}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(_worker(name)) for name in NAMES}
        for number in range(rounds):
            for name, worker in workers.items():
                taken[name].append(worker.submit(_run, folder, scratch / f"{name}-{number}").result())
                talk(f"round {number + 1}/{rounds}, {name}: {taken[name][-1].cpu_s:.1f} s of processor time")
        judged = {name: worker.submit(_judge, corpus).result() for name, worker in workers.items()}
    return Compared(taken, judged)


def _worker(name: str) -> ProcessPoolExecutor:
    # A fork would share what this process has loaded, and its memory would be counted for the way.
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_load, initargs=(name,))


def figures_of(corpus: Corpus, compared: Compared) -> dict[str, Json]:
    """By way: throughput, stages, memory, retrieval and recall; and our ratios to the straightforward one."""
    figures: dict[str, Json] = {
        "documents": len(corpus.documents),
        "chars": corpus.chars,
        "questions": len(corpus.questions),
        "personal_values": sum(len(document.values) for document in corpus.documents),
        "threads": THREADS,
    }
    for name in NAMES:
        figures[name] = _of_way(corpus, compared.rounds[name], compared.judged[name])
    for name in (ACCURATE, FAST):
        paired = zip(compared.rounds[PLAIN], compared.rounds[name], strict=True)
        ratios = sorted(plain.cpu_s / ours.cpu_s for plain, ours in paired)
        figures[f"{name}_throughput_ratio"] = round(statistics.median(ratios), 3)
        figures[f"{name}_throughput_ratio_lowest"] = round(ratios[0], 3)
        figures[f"{name}_throughput_ratio_highest"] = round(ratios[-1], 3)
    return figures


def gates_of(figures: Mapping[str, Json]) -> tuple[Gate, ...]:
    """No worse at finding documents or personal data; and the goals of speed."""
    gates = [
        Gate(f"{name}_throughput_ratio", "at least", goal, _number(figures, f"{name}_throughput_ratio"))
        for name, goal in GOAL_RATIOS.items()
    ]
    for name in (ACCURATE, FAST):
        for figure in (f"hit_at_{DEPTH}", "personal_data_recall"):
            bound = _number(figures, PLAIN, figure)
            gates.append(Gate(f"{name} {figure}", "at least", bound, _number(figures, name, figure)))
    return tuple(gates)


def _of_way(corpus: Corpus, rounds: Sequence[Round], judged: Judged) -> dict[str, Json]:
    cpu_s = statistics.median(one.cpu_s for one in rounds)
    last = rounds[-1]
    stages: dict[str, Json] = {
        stage: {
            "wall_s": round(seconds, 3),
            "documents_per_s": round(last.documents / seconds, 1),
            "chunks_per_s": round(last.chunks / seconds, 1),
            "chars_per_s": round(corpus.chars / seconds),
        }
        for stage, seconds in last.stage_s.items()
    }
    return {
        "documents": last.documents,
        "chunks": last.chunks,
        "cpu_s": round(cpu_s, 2),
        "wall_s": round(statistics.median(one.wall_s for one in rounds), 2),
        "documents_per_cpu_s": round(last.documents / cpu_s, 2),
        "chunks_per_cpu_s": round(last.chunks / cpu_s, 2),
        "chars_per_cpu_s": round(corpus.chars / cpu_s),
        "stages": stages,
        "tokens_embedded": judged.tokens,
        "peak_mb": round(judged.peak_mb),
        **_retrieval(corpus, judged),
        "personal_data_recall": _recall(corpus, judged),
    }


def _retrieval(corpus: Corpus, judged: Judged) -> dict[str, Json]:
    """The share of questions with a right document among the first `DEPTH`; of all, and of those that name somebody."""
    hits = [bool(asked.right & set(found)) for asked, found in zip(corpus.questions, judged.found, strict=True)]
    named = [hit for asked, hit in zip(corpus.questions, hits, strict=True) if asked.named]
    return {
        f"hit_at_{DEPTH}": round(statistics.mean(hits), 4),
        f"hit_at_{DEPTH}_named": round(statistics.mean(named), 4),
    }


def _recall(corpus: Corpus, judged: Judged) -> float:
    """The share of known values that do not stand, whole, in what is kept of their document."""
    # A document of which nothing is kept has given nothing away, but has not been ingested: it counts as leaked.
    kept = [
        (value, judged.kept.get(document.path, document.text))
        for document in corpus.documents
        for value in document.values
    ]
    return round(statistics.mean(value not in text for value, text in kept), 4)


def _number(figures: Mapping[str, Json], *names: str) -> float:
    value: Json = figures
    for name in names:
        value = value[name] if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else 0.0
