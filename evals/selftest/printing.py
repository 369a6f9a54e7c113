"""The report of the self-test as a table: each eval, each fault, and what noticed it."""

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report


def print_selftest(report: Report) -> None:
    out = Console(highlight=False)
    table = Table("eval", "fault", "noticed by")
    trials = report.figures["trials"]
    assert isinstance(trials, list)
    for trial in trials:
        assert isinstance(trial, dict)
        twin = f"FAILS {', '.join(trial['twin_failed'])}" if trial["twin_failed"] else "holds, as it must"
        table.add_row(trial["eval"], "(nothing broken)", trial.get("missing") or twin)
        for name, fault in trial["faults"].items():
            by = ", ".join(fault["by"][:4]) + (f" and {len(fault['by']) - 4} more" if len(fault["by"]) > 4 else "")
            table.add_row(trial["eval"], name, by if fault["noticed"] else f"NOT NOTICED {fault.get('broke', '')}")
    out.print(table)
    for name, value in report.figures.items():
        if isinstance(value, int):
            out.print(f"{name} {value}")
    for name in report.figures["passing"] if isinstance(report.figures["passing"], list) else []:
        out.print(f"passes with nothing measured: {name}", markup=False)
