"""One way of bringing a folder of documents into an index, as `ringfence eval ingest` sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from evals.ingest.corpus import Corpus

DEPTH = 5


@dataclass(frozen=True, slots=True)
class Round:
    """One run over all files into an empty index, models loaded before. `stage_s` is wall time, by stage."""

    wall_s: float
    cpu_s: float
    """Processor time of this process and of the parser processes that it started."""
    documents: int
    chunks: int
    stage_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the last round is worth: for each question the paths found, and the kept text of each document.

    `tokens` were read by the model, padding not counted.
    """

    found: Sequence[Sequence[str]] = field(repr=False)
    kept: Mapping[str, str] = field(repr=False)
    peak_mb: float
    tokens: int


class Way(Protocol):
    """Made in a process of its own, with its models loaded. Synchronous."""

    def run(self, folder: Path, scratch: Path) -> Round:
        """Bring all files below `folder` into a new index below `scratch`, which does not exist yet."""
        ...

    def judge(self, corpus: Corpus) -> Judged:
        """Ask the index of the last round; the best `DEPTH` documents of each question."""
        ...
