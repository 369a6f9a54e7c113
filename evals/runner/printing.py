"""Reports in the terminal: one function for each form of figures."""

import json

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report


def print_leak(report: Report) -> None:
    _out().print_json(json.dumps({name: value for name, value in report.figures.items() if name != "surfaces"}))
    surfaces = report.figures.get("surfaces")
    if isinstance(surfaces, dict):
        table = Table("surface", "calls", "with results")
        for name, counts in surfaces.items():
            table.add_row(name, str(counts["calls"]), str(counts["found"]))
        _out().print(table)


def print_figures(report: Report) -> None:
    for name, value in report.figures.items():
        _out().print(f"{name} {value}", markup=False)


def print_privacy_search(report: Report) -> None:
    titles = {"kinds": "People drawn at random", "families_kinds": "Families: people who share their surname"}
    for figure, title in titles.items():
        kinds = report.figures[figure]
        table = Table("question names", "unmasked @1", "@5", "masked @1", "@5", title=title)
        for name, rates in kinds.items() if isinstance(kinds, dict) else ():
            table.add_row(
                name, *(f"{rates[f'{side}_hit_at_{k}']:.3f}" for side in ("unmasked", "masked") for k in (1, 5))
            )
        _out().print(table)


def print_answers(report: Report) -> None:
    stages = Table("stage", "p50 ms", "p95 ms")
    for name, value in report.figures.items():
        if name.endswith("_ms_p50"):
            stages.add_row(name.removesuffix("_ms_p50"), str(value), str(report.figures[name.replace("_p50", "_p95")]))
        elif not name.endswith("_ms_p95"):
            _out().print(f"{name} {value}")
    _out().print(stages)


def print_abstention(report: Report) -> None:
    _out().print(f"configured threshold {report.figures['configured_threshold']}")
    for name, values in report.figures.items():
        if not isinstance(values, dict):
            continue
        table = Table("threshold", "answered", "right", "false answers", title=f"{name}: AUC {values['auc']}")
        rows = values["curve"]
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict):
                table.add_row(*(f"{value:.2f}" for value in row.values()))
        _out().print(table)
        _out().print(f"most right answers less false ones at {values['balanced_threshold']}")


def _out() -> Console:
    return Console(highlight=False)
