"""Gates from a file: thresholds by eval and dotted figure. A gate without its figure fails: nothing passes unseen.

    answers:
      right_ratio: {at_least: 0.85, margin: 0.02}
      laid_out_gpu_ratio: {at_least_figure: best_first_gpu_ratio}
    access:
      search.*.filtered_p50_ratio: {at_most: 1.3, when: [chunks, speed_gates]}
      hit_at_5_worst_ratio: {at_least: 1, if_at_least: {questions_of_a_kind: 200}}

`*` stands for one key. `when` names arguments of the run (all must be set), `if_at_least` figures that a run must reach
for the gate to be asked of it. `margin` is how much worse, as a share of the old value, a figure may come out than in a
baseline before it is marked; where a figure has no threshold, `better: lower` or `higher` says which way is worse.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from evals.runner.figures import as_number, figures_at
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from rag.errors import Misuse

GATES = Path(__file__).parents[1] / "gates.yaml"

_Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]


class Threshold(BaseModel):
    """What is asked of one figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_most: float | None = None
    at_least: float | None = None
    at_most_figure: str | None = None
    at_least_figure: str | None = None
    when: _Names = ()
    if_at_least: dict[str, float] = Field(default_factory=dict)
    margin: float | None = Field(None, ge=0)
    better: Literal["lower", "higher"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Threshold":
        bounds = (self.at_most, self.at_least, self.at_most_figure, self.at_least_figure)
        if all(bound is None for bound in bounds) and (self.margin is None or self.better is None):
            raise ValueError("needs at_most, at_least, at_most_figure or at_least_figure, or margin with better")
        return self

    @property
    def lower_is_better(self) -> bool:
        if self.better is not None:
            return self.better == "lower"
        return self.at_most is not None or self.at_most_figure is not None


Thresholds = Mapping[str, Threshold]
"""By dotted figure."""
_FILE = TypeAdapter(dict[str, dict[str, Threshold]])


def read_gates(path: Path = GATES) -> Mapping[str, Thresholds]:
    """The thresholds of a file, by report or eval.

    Raises:
        Misuse: the file cannot be read or says something else; the message names the place.
    """
    try:
        return _FILE.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, yaml.YAMLError) as cause:
        raise Misuse(f"The gate file {path} cannot be read: {cause}", code="bad_gates") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        where = " > ".join(str(part) for part in first["loc"])
        raise Misuse(
            f"The gate file {path} is wrong at {where or 'its top'}: {first['msg']}", code="bad_gates"
        ) from cause


def thresholds_for(name: str, of_eval: str, file: Mapping[str, Thresholds]) -> Thresholds:
    """Those under the report's own name (`leak-plant`), else those of its eval (`access` for `access-mutants`)."""
    return file.get(name) or file.get(of_eval) or {}


def judged(report: Report, thresholds: Thresholds) -> Report:
    """The report with the gates of the file behind those of its own."""
    return replace(report, gates=(*report.gates, *gates_of(report, thresholds)))


def gates_of(report: Report, thresholds: Thresholds) -> tuple[Gate, ...]:
    """A gate for each figure that the thresholds name and that is asked of this run."""
    return tuple(
        gate for path, threshold in thresholds.items() for gate in _gates(path, threshold, report) if gate is not None
    )


def _gates(path: str, threshold: Threshold, report: Report) -> Iterator[Gate]:
    bounds = list(_bounds(threshold, report.figures))
    if not bounds:
        return
    relation, bound, _ = bounds[0]
    asked, why = _is_asked(threshold, report)
    if why:
        yield Gate(path, relation, bound or 0.0, None, why)
    if not asked:
        return
    found = list(figures_at(report.figures, path))
    for relation, bound, of in bounds:
        if not found:
            yield Gate(path, relation, bound or 0.0, None, "The report has no such figure.")
        for name, value in found:
            number = as_number(value)
            if bound is None:
                yield Gate(name, relation, 0.0, None, f"The report has no figure {of} to hold it against.")
            else:
                yield Gate(name, relation, bound, number, "" if number is not None else "It is not a number.")


def _is_asked(threshold: Threshold, report: Report) -> tuple[bool, str]:
    """Whether the gate applies to the run; and what it names that the run does not have."""
    for argument in threshold.when:
        if argument not in report.arguments:
            return False, f"The run has no argument {argument}."
        if not report.arguments[argument]:
            return False, ""
    for path, least in threshold.if_at_least.items():
        value = _one(report.figures, path)
        if value is None:
            return False, f"The report has no figure {path}."
        if value < least:
            return False, ""
    return True, ""


def _bounds(threshold: Threshold, figures: Mapping[str, Json]) -> Iterator[tuple[str, float | None, str]]:
    if threshold.at_most is not None:
        yield "at most", threshold.at_most, ""
    if threshold.at_least is not None:
        yield "at least", threshold.at_least, ""
    if threshold.at_most_figure is not None:
        yield "at most", _one(figures, threshold.at_most_figure), threshold.at_most_figure
    if threshold.at_least_figure is not None:
        yield "at least", _one(figures, threshold.at_least_figure), threshold.at_least_figure


def _one(figures: Mapping[str, Json], path: str) -> float | None:
    found = [value for _, value in figures_at(figures, path)]
    return as_number(found[0]) if len(found) == 1 else None
