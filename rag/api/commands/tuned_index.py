"""The index of a tuned model: built by the commands that build any, compared as any, and switched to as any."""

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from rag.api.commands.index_comparing import compared
from rag.api.commands.index_group import index
from rag.api.index_requests import PEOPLE_MAX, QUESTIONS_MAX
from rag.api.index_switch import MARGIN
from rag.query.tuning.gate import Gate, gates_of_comparison
from rag.query.tuning.making import Made
from rag.query.tuning.pairs import Question
from rag.settings import Settings


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the documents are read from again, as `index build` has it."""

    paths: tuple[Path, ...]
    name: str | None = None
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """An index beside the live one, and how many documents that readers see are not in it."""

    number: int
    missing: int


def build(settings: Settings, tenant: str, made: Made, sources: Sources) -> Built:
    """Build it from each source.

    Raises:
        Conflict: another index stands beside the live one already.
        Misuse, Unavailable, Damaged: as `index build`.
    """
    named = ["--model", str(made.model.folder), "--sha256", made.model.sha256, "--precision", made.precision]
    if sources.name is not None:
        named += ["--source", sources.name]
    if sources.file is not None:
        named += ["--sources", str(sources.file)]
    built = Built(0, 0)
    for path in sources.paths:
        done = _answer(settings, "build", str(path), "--tenant", tenant, *named)
        built = Built(done["index"], done["missing"])
    return built


def drop(settings: Settings, tenant: str, number: int) -> None:
    """Remove it with its points. Raises as `index drop`."""
    _answer(settings, "drop", str(number), "--tenant", tenant)


def compare(settings: Settings, tenant: str, made: Made, people: Sequence[str], author: str) -> tuple[Gate, ...]:
    """Ask both indexes the questions of held-out cases, each for those who asked them, then the held-out sentences.

    The last comparison is the one that is kept with the index, and that a switch looks at.

    Raises as `index compare`.
    """
    gates: tuple[Gate, ...] = ()
    if made.cases:
        askers = sorted({case.person for case in made.cases if case.person})[:PEOPLE_MAX]
        figures = compared(settings, tenant, _body(made.cases, askers, author))
        gates += gates_of_comparison("feedback", figures, 0.0)
    figures = compared(settings, tenant, _body(made.questions, people, author))
    return (*gates, *gates_of_comparison("held_out", figures, MARGIN))


def _body(questions: Sequence[Question], people: Sequence[str], author: str) -> dict[str, Any]:
    asked = [{"question": one.spoken, "documents": sorted(one.wanted)} for one in questions[:QUESTIONS_MAX]]
    return {"questions": asked, "people": list(people), "sample": 1, "author": author}


def _answer(settings: Settings, *words: str) -> dict[str, Any]:
    """What `ringfence index WORDS` prints as JSON. That it was only partly done is told by what it prints."""
    printed = io.StringIO()
    here = [*words, "--data-dir", str(settings.data_dir), "--json"]
    with redirect_stdout(printed):
        typer.main.get_command(index).main(here, prog_name="ringfence index", standalone_mode=False)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer
