"""The report of `ringfence eval access` as tables."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from evals.runner.report import Report
from evals.runner.values import Json

_SUMMARY = (
    "seed", "policies", "decisions", "over_grants", "under_grants", "allowed_ratio", "mutants", "mutants_killed",
    "mutants_living", "disagreements",
)  # fmt: skip
_AUTHORIZATION = (
    "start_ms_p50", "cold_ms_p50", "cold_ms_p95", "warm_ms_p50", "warm_ms_p95", "cold_plan_ms_p50",
    "check_per_document_ms_p50", "casbin_per_document_ms_p50", "casbin_to_check_ratio",
)  # fmt: skip
_SEARCH = (
    "unfiltered_ms_p50", "filtered_p50_ratio", "filtered_p95_ratio", "to_everything_p50_ratio",
    "worst_reader_p50_ratio", "recall_at_10_worst", "leaks",
)  # fmt: skip
READER_COLUMNS = {
    "share": "share",
    "conditions": "conditions",
    "search_ms_p50": "p50 ms",
    "search_ms_p95": "p95 ms",
    "p50_ratio": "p50 ratio",
    "p95_ratio": "p95 ratio",
    "recall_at_10": "recall",
    "leaks": "leaks",
}
_PEER = ("search_ms_p50", "search_ms_p95", "to_ours_p50_ratio", "recall_at_10_mean", "recall_at_10_worst", "leaks")


def print_access(report: Report) -> None:
    out, figures = Console(highlight=False), report.figures
    for name in _SUMMARY:
        if name in figures:
            out.print(f"{name} {figures[name]}", markup=False)
    _by_figure(out, figures.get("authorization"), "rules", _AUTHORIZATION)
    search = figures.get("search")
    _by_figure(out, search, "chunks", _SEARCH)
    for size, found in search.items() if isinstance(search, Mapping) else ():
        _print_readers(out, size, found)
    peer = figures.get("peer")
    if isinstance(peer, Mapping):
        ways = {name: peer[name] for name in ("ours", "prefilter", "postfilter")}
        _by_figure(out, ways, str(peer["peer"]), _PEER)
    for name in ("peer", "revocation"):
        _print_line(out, name, figures.get(name))


def _by_figure(out: Console, columns: Json, title: str, names: Sequence[str]) -> None:
    """A row for each figure, a column for each size or way."""
    if not isinstance(columns, Mapping) or not columns:
        return
    table = Table(title, *columns)
    for name in names:
        table.add_row(
            name, *(str(found.get(name, "")) if isinstance(found, Mapping) else "" for found in columns.values())
        )
    out.print(table)


def _print_readers(out: Console, size: str, found: Json) -> None:
    readers = found.get("readers") if isinstance(found, Mapping) else None
    if not isinstance(readers, list):
        return
    table = Table("reader", *READER_COLUMNS.values(), title=f"{size} chunks")
    for row in readers:
        if isinstance(row, Mapping):
            table.add_row(str(row["reader"]).removeprefix("user:"), *(str(row[name]) for name in READER_COLUMNS))
    out.print(table)


def _print_line(out: Console, name: str, found: Json) -> None:
    if isinstance(found, Mapping):
        plain = (f"{key} {value}" for key, value in found.items() if isinstance(value, str | int | float))
        out.print(f"{name}: {', '.join(plain)}", markup=False)
