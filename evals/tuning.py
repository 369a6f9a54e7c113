"""`ringfence eval tuning`: a model of a tenant's own by the real commands, what it finds, and the way back.

index tune (trains, builds, asks held-out sentences) -> the tenant's own questions -> promote -> rollback
"""

import json
import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.company import run_command
from evals.questions import DOCUMENTS, TENANT, load_questions
from evals.runner.program import PROGRAM
from evals.runner.report import Report
from evals.runner.values import Json

GATE_FAILED = 3
"""Exit code of `index tune`: it is not good enough, which the figures say as well."""
_TUNE_S = 7200


@dataclass(frozen=True, slots=True)
class Recipe:
    """What `index tune` is told, by the names of its options."""

    pairs: int = 4000
    epochs: int = 1
    rate: float = 2e-5
    seed: int = 7


def tuning(folder: Path, recipe: Recipe, talk: Callable[[str], None], program: Sequence[str] = PROGRAM) -> Report:
    """Tune on the sample company in the data folder `folder`. What was not reached has no figures, and fails."""

    def command(*words: str) -> dict[str, Any]:
        talk(f"ringfence {' '.join(words[:2])} ...")
        arguments = (*words, "--tenant", TENANT, "--json")
        printed = run_command(folder, arguments, program=program, expect=(0, GATE_FAILED), timeout_s=_TUNE_S)
        found: dict[str, Any] = json.loads(printed)
        return found

    before_s = _processor_s()
    options = (word for name, value in asdict(recipe).items() for word in (f"--{name}", str(value)))
    made = command("index", "tune", str(DOCUMENTS), *options)
    figures: dict[str, Json] = {
        **{name: made[name] for name in ("documents", "held_out", "pairs", "questions", "missing")},
        "processor_s": round(_processor_s() - before_s, 1),
        "vectors": made["figures"]["held_out"],
        "gates_failed": [gate["name"] for gate in made["gates"] if not gate["holds"]],
    }
    if made["index"] is not None:
        figures["index"] = _sides(made["gates"])
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.writelines(_questions())
            file.flush()
            figures["company"] = _compared(command("index", "compare", "--questions", file.name))
        figures |= _there_and_back(command, int(made["index"]), force=not made["holds"])
    return Report("tuning", figures, (), asdict(recipe))


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _questions() -> Iterator[str]:
    """The company's own questions that have an answer, as `index compare` reads them."""
    for question in load_questions():
        if question.answers:
            documents = sorted({answer.document for answer in question.answers})
            yield json.dumps({"question": question.text, "documents": documents}) + "\n"


def _sides(gates: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Of held-out sentences, asked through the whole search of the live index and of the new one."""
    named = {gate["name"].removeprefix("index held_out "): gate for gate in gates if gate["name"].startswith("index ")}
    return {side: {name: gate[side] for name, gate in named.items()} for side in ("before", "after")}


def _compared(found: Mapping[str, Any]) -> dict[str, Json]:
    names = ("hit5_ratio", "mrr_ratio")
    return {
        "questions": found["questions"],
        "people": found["people"],
        "before": {name: found[f"live_{name}"] for name in names},
        "after": {name: found[name] for name in names},
        "hit5_lost_ratio": round(max(0.0, found["live_hit5_ratio"] - found["hit5_ratio"]), 4),
    }


def _there_and_back(command: Callable[..., dict[str, Any]], number: int, *, force: bool) -> dict[str, Json]:
    """Whether the new index was the live one, and whether the old one is again."""
    first = _live(command)
    command("index", "promote", str(number), *(["--force"] if force else []))
    promoted = _live(command)
    command("index", "rollback")
    return {"promoted": promoted == number, "rolled_back": first != number and _live(command) == first}


def _live(command: Callable[..., dict[str, Any]]) -> int:
    return next(int(one["number"]) for one in command("index", "list")["indexes"] if one["state"] == "live")
