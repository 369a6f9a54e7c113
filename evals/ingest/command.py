"""`ringfence eval ingest`: what is run, and the one report of it."""

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from evals.ingest import compare, hostile, million, resync
from evals.ingest.corpus import make_corpus
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from rag.errors import Misuse
from rag.settings import load_settings

T = TypeVar("T")
Talk = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`documents` of each kind and `rounds` are of the comparison; `resync` and `hostile` are files, 0 for none.

    `chunks` are generated, 0 for none. Without `embed`, hostile files get made-up vectors.
    """

    compare: bool = True
    documents: int = 40
    rounds: int = 3
    resync: int = 0
    hostile: int = 0
    seed: int = 1
    chunks: int = 0
    embed: bool = True


async def ingest_report(data: Path | None, wanted: Wanted, talk: Talk) -> Report:
    """The report on ingestion. Without `data`, on the sample company and generated notes only.

    Raises:
        Misuse: nothing is to be measured, or a public data set is not below `data`.
    """
    if not (wanted.compare or wanted.resync or wanted.hostile or wanted.chunks):
        raise Misuse("Nothing is to be measured: with --no-compare, name --resync, --hostile or --chunks.")
    return await asyncio.to_thread(_measured, data, wanted, talk)


def _measured(data: Path | None, wanted: Wanted, talk: Talk) -> Report:
    figures: dict[str, Json] = {}
    gates: list[Gate] = []
    with tempfile.TemporaryDirectory(prefix="ringfence-eval-") as folder:
        scratch = Path(folder)
        if wanted.compare:
            corpus = make_corpus(data, wanted.documents, wanted.seed)
            talk(f"{len(corpus.documents)} documents of {corpus.chars} characters, three ways; loading models ...")
            compared = compare.compare(corpus, scratch, rounds=wanted.rounds, talk=talk)
            figures |= compare.figures_of(corpus, compared)
            figures["precision"] = load_settings().embedding.precision
            gates += compare.gates_of(figures)
        if wanted.resync:
            talk(f"a folder of {wanted.resync} files, unchanged and changed ...")
            resynced = _alone(resync.resync, wanted.resync, scratch)
            figures |= resync.figures_of(resynced)
            gates += resync.gates_of(resynced)
        if wanted.hostile:
            talk(f"{wanted.hostile} hostile files ...")
            survived = _alone(partial(hostile.survive, embed=wanted.embed), wanted.hostile, scratch, wanted.seed)
            figures |= hostile.figures_of(survived)
            gates += hostile.gates_of(survived)
        if wanted.chunks:
            talk(f"{wanted.chunks} generated chunks, written, published and searched ...")
            filled = _alone(million.fill, wanted.chunks, scratch, wanted.seed)
            figures |= million.figures_of(filled)
            gates += million.gates_of(filled)
    return Report(_name(wanted), figures, tuple(gates), {**asdict(wanted), "data": data is not None})


def _name(wanted: Wanted) -> str:
    """A run without the comparison leaves the report of the comparison as it is."""
    parts = ("resync", wanted.resync), ("hostile", wanted.hostile), ("chunks", wanted.chunks)
    asked = [] if wanted.compare else [name for name, files in parts if files]
    return "-".join(["ingest", *asked])


def _alone(measure: Callable[..., T], *arguments: object) -> T:
    """In a process of its own, whose memory holds nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, *arguments).result()
