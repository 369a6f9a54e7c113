"""The report on finding, as tables."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report
from evals.runner.values import Json

_COLUMNS = ("leak_recall", "precision", "f2", "official_f2")


def print_privacy(report: Report) -> None:
    """Each finder on each set, and the recall of each kind."""
    out = Console(highlight=False)
    for part in ("finding", "with_directory"):
        finders = report.figures.get(part)
        if isinstance(finders, Mapping):
            table = Table("finder", "set", *_COLUMNS, title=part)
            for finder, sets in finders.items():
                for name, scores in sets.items() if isinstance(sets, Mapping) else ():
                    if isinstance(scores, Mapping):
                        table.add_row(finder, name, *(_shown(scores[column]) for column in _COLUMNS))
            out.print(table)
    _print_kinds(report, out)
    for name, value in report.figures.items():
        if not isinstance(value, Mapping):
            out.print(f"{name} {value}")


def _print_kinds(report: Report, out: Console) -> None:
    finders = report.figures["finding"]
    if not isinstance(finders, Mapping):
        return
    recalls: dict[str, Mapping[str, Json]] = {}
    for finder, sets in finders.items():
        scores = sets.get("generated_large") if isinstance(sets, Mapping) else None
        kinds = scores.get("recall_by_kind") if isinstance(scores, Mapping) else None
        if isinstance(kinds, Mapping):
            recalls[finder] = kinds
    table = Table("kind (leak recall, generated_large)", *recalls)
    for kind in next(iter(recalls.values()), {}):
        table.add_row(kind, *(_shown(kinds[kind]) for kinds in recalls.values()))
    out.print(table)


def _shown(value: Json) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
