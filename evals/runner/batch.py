"""`ringfence eval all`: the usual runs of the registry one after another, each in a process of its own.

A run that crashes, fails or takes too long ends by itself; the next one starts. What is not there to measure with, or
would not fit into the time, is skipped and said.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evals.runner.entry import DATA_VARIABLE, Eval, Talk, Usual
from evals.runner.program import PROGRAM
from evals.runner.values import Json
from rag.errors import Misuse
from rag.settings import load_settings


class Outcome(StrEnum):
    HOLDS = "holds"
    GATE_FAILS = "a gate fails"
    BROKE = "broke off"
    TOO_LONG = "took too long"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Done:
    """One run, or why there was none. `told` names failing gates, the last line of an error, or what is missing."""

    command: str
    outcome: Outcome
    seconds: float = 0.0
    told: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome in (Outcome.HOLDS, Outcome.SKIPPED)

    def record(self) -> dict[str, Json]:
        return {
            "command": self.command,
            "outcome": str(self.outcome),
            "seconds": round(self.seconds, 1),
            "told": self.told,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where the runs read and write, and the `program` that runs one: it takes what follows `ringfence`.

    `data` None: only what needs no public data set.
    """

    data: Path | None
    reports: Path
    runs: Path
    program: tuple[str, ...] = PROGRAM

    @property
    def options(self) -> tuple[str, ...]:
        return ("--reports", str(self.reports), "--runs", str(self.runs))


def chosen(only: Sequence[str], skip: Sequence[str], evals: Sequence[Eval]) -> tuple[Eval, ...]:
    """Those of `evals` that are meant, in their order.

    Raises:
        Misuse: there is no eval of a name.
    """
    names = {one.name for one in evals}
    for name in (*only, *skip):
        if name not in names:
            raise Misuse(f"There is no eval {name!r}; `ringfence eval list` names them.", code="no_eval")
    return tuple(one for one in evals if (not only or one.name in only) and one.name not in skip)


def run_all(evals: Sequence[Eval], place: Place, minutes: float, talk: Talk) -> Iterator[Done]:
    """Yield each run as it ends. `minutes` bounds all of them together."""
    deadline = time.monotonic() + minutes * 60
    for one in evals:
        missing = missing_for(one, place.data)
        for usual in one.usual:
            command = " ".join(("ringfence eval", one.name, *usual.arguments))
            left = deadline - time.monotonic()
            if missing:
                yield Done(command, Outcome.SKIPPED, told=missing)
            elif usual.minutes * 60 > left:
                yield Done(
                    command, Outcome.SKIPPED, told=f"needs {usual.minutes:g} minutes, {max(left, 0) / 60:.0f} left"
                )
            else:
                talk(f"{command} (about {usual.minutes:g} minutes) ...")
                yield _run(one, usual, command, place, left)


def missing_for(one: Eval, data: Path | None) -> str:
    """What is not there of what the eval needs; nothing where it can run."""
    sets = [name for name in one.sets if data is None or not (data / name).is_dir()]
    if sets:
        where = f"below {data}" if data is not None else f"(name the folder with --data or {DATA_VARIABLE})"
        return f"no data set {', '.join(sets)} {where}"
    try:
        one.check_packages()
    except Misuse as missing:
        return missing.message
    if one.model_server and load_settings().generator.kind != "openai":
        return "the settings name no model server (RINGFENCE_GENERATOR__KIND=openai)"
    return ""


def _run(one: Eval, usual: Usual, command: str, place: Place, left: float) -> Done:
    started = time.monotonic()
    with _process(one, usual, place) as process:
        try:
            printed, _ = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            return Done(command, Outcome.TOO_LONG, time.monotonic() - started, "killed when the time was up")
        finally:
            _end(process)
    seconds = time.monotonic() - started
    try:
        # Libraries print as well; the report comes last.
        record = json.loads(printed[printed.index("{") :])
        failing = [gate["figure"] for gate in record["gates"] if not gate["holds"]]
    except (ValueError, KeyError, TypeError):
        return Done(command, Outcome.BROKE, seconds, f"exit code {process.returncode}, no report")
    if process.returncode == 0 and not failing:
        return Done(command, Outcome.HOLDS, seconds)
    told = ", ".join(failing) or (
        "no gate is asked of it" if not record["gates"] else f"exit code {process.returncode}"
    )
    return Done(command, Outcome.GATE_FAILS, seconds, told)


def _process(one: Eval, usual: Usual, place: Place) -> "subprocess.Popen[str]":
    """Progress goes where ours goes. In a session of its own, so that what it started can be ended with it."""
    environment = dict(os.environ)
    environment.pop(DATA_VARIABLE, None)
    if place.data is not None:
        environment[DATA_VARIABLE] = str(place.data)
    arguments = [*place.program, "eval", one.name, *usual.arguments, *place.options, "--json"]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill what is left of its process group: also on an interrupt, also children of one that has ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
