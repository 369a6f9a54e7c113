"""The report of `ringfence eval redteam` in the terminal."""

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report


def print_redteam(report: Report) -> None:
    out = Console(highlight=False)
    figures = report.figures
    verdicts = figures["verdicts"]
    table = Table("family", "attacks", "stopped", "twins succeeded", "noticed with a broken part")
    families: dict[str, list[dict[str, object]]] = {}
    for one in verdicts.values() if isinstance(verdicts, dict) else ():
        families.setdefault(str(one["family"]), []).append(one)
    for family, ones in families.items():
        noticed = [one["noticed_with_fault"] for one in ones if "noticed_with_fault" in one]
        counted = (sum(bool(one[name]) for one in ones) for name in ("stopped", "twin_succeeded"))
        table.add_row(family, str(len(ones)), *map(str, counted), f"{sum(map(bool, noticed))} of {len(noticed)}")
    out.print(table)
    for kind in ("succeeded", "twins"):
        found = figures[kind]
        for name, problems in found.items() if isinstance(found, dict) else ():
            out.print(f"{kind}: {name}: {'; '.join(problems)}", markup=False)
