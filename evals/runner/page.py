"""Kept reports as one HTML page: tables, gates and plots. It holds no script and loads nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from evals.runner.charts import svg_of
from evals.runner.figures import numbers
from evals.runner.kept import at_of, kept_runs
from evals.runner.plots import Plot, history_of, plots_of
from evals.runner.registry import EVALS, named
from evals.runner.report import figures_of
from evals.runner.values import Json

_FOLDED = 30
"""Tables of more rows are folded."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One report, as the template takes it."""

    name: str
    about: str
    passed: bool
    manifest: Mapping[str, Json]
    gates: Sequence[Mapping[str, Json]]
    figures: Sequence[tuple[str, str]]
    plots: Sequence[tuple[str, Markup]]
    history: Sequence[tuple[str, Markup]]
    baseline: Mapping[str, Json] | None

    @property
    def failing(self) -> list[str]:
        return [str(gate["figure"]) for gate in self.gates if not gate["holds"]]

    @property
    def folded(self) -> bool:
        return len(self.figures) > _FOLDED


def write_page(records: Sequence[Mapping[str, Json]], runs: Path, out: Path) -> None:
    """Write a page about `records`, in the order of the registry, each beside earlier `runs` of the same report."""
    kept = kept_runs(runs)
    numbered = count(1)

    def drawn(plots: Sequence[Plot]) -> list[tuple[str, Markup]]:
        return [(plot.title, svg_of(plot, next(numbered))) for plot in plots]

    shown = []
    for record in sorted(records, key=_place):
        earlier = [one for one in kept if one["eval"] == record["eval"] and at_of(one) < at_of(record)]
        shown.append(_shown(record, drawn(plots_of(figures_of(record))), drawn(history_of([*earlier, record]))))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_template().render(reports=shown), encoding="utf-8")


def _shown(
    record: Mapping[str, Json], plots: Sequence[tuple[str, Markup]], history: Sequence[tuple[str, Markup]]
) -> Shown:
    name = str(record["eval"])
    of = named(name)
    facts, gates, baseline = record["manifest"], record.get("gates"), record.get("baseline")
    assert isinstance(facts, Mapping)
    return Shown(
        name=name,
        about=of.help if of is not None else "",
        passed=bool(record.get("passed")),
        manifest=facts,
        gates=[gate for gate in gates if isinstance(gate, Mapping)] if isinstance(gates, list) else [],
        figures=[(figure, f"{value:g}") for figure, value in numbers(figures_of(record))],
        plots=plots,
        history=history,
        baseline=baseline if isinstance(baseline, Mapping) else None,
    )


def _place(record: Mapping[str, Json]) -> tuple[int, str]:
    of = named(str(record["eval"]))
    return (len(EVALS) if of is None else EVALS.index(of), str(record["eval"]))


def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["as_json"] = lambda value: json.dumps(value, indent=1)
    return environment.get_template("reports.html")
