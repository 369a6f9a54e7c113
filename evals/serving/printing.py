"""What `ringfence eval serve` prints."""

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report


def print_serve(report: Report) -> None:
    """One column for each number of streams."""
    table = Table("", *(name.removeprefix("streams_") for name in report.figures), title="by streams")
    columns = [column for column in report.figures.values() if isinstance(column, dict)]
    for name in columns[0] if columns else ():
        table.add_row(name, *(str(column.get(name, "")) for column in columns))
    Console(highlight=False).print(table)
