"""Progress while it works, and the closing table."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from ingestion.report import Change, Observer, Report, Step
from ingestion.sources.names import LEFT_OUT
from policies.terminal import folding, out, talk
from rag.hidden_content import HiddenAction

_NAMED_MAX = 50
"""Documents of one kind that are named; `--json` names all."""
_TOLD = (Change.REMOVED, Change.RELABELLED)
_TOLD_BEFORE = (*_TOLD, Change.CHANGED, Change.NEW)
"""What became of documents that are named, failed and held ones apart: after a run, and in a dry run."""
_DONE = {HiddenAction.DROP: "left out", HiddenAction.INDEX: "indexed", HiddenAction.QUARANTINE: "held"}


@contextmanager
def progress(terminal: Console) -> Iterator[Observer]:
    """A bar with rate and remaining time; where nobody watches, nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("loading models", total=None, rate="")

        def observe(step: Step, path: str, done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            rate = f"{speed:.1f}/s" if speed else ""
            bar.update(task, total=total, completed=done, rate=rate, description=plain(_short(path)))

        yield observe


def print_report(report: Report, console: Console) -> None:
    """The closing table, then what needs a person's eye."""
    title = f"{report.source} → {report.tenant}" + (" (dry run: nothing was changed)" if report.dry else "")
    table = folding(*(Column(change.value, justify="right") for change in report.counts), title=plain(title))
    table.add_row(*(str(count) for count in report.counts.values()))
    console.print(table)
    _print_documents(report, console)
    _print_failures(report, console)
    _print_quarantine(report, console)
    for outcome in report.outcomes:
        remarks = [*(f"flag {flag}" for flag in outcome.flags), *outcome.notes]
        remarks += (f"hidden content: {found.count} {found.kind}, {_DONE[found.action]}" for found in outcome.hidden)
        if outcome.erased:
            kinds = ", ".join(f"{number} {entity}" for entity, number in sorted(outcome.erased.items()))
            remarks.append(f"holds values that were erased and stay tokens for ever: {kinds}")
        if remarks:
            console.print(plain(f"note: {outcome.path}: {'; '.join(remarks)}"))
    for notice in report.notices:
        console.print(plain(f"note: {notice}"))
    others = [one for one in report.skipped if one.reason not in LEFT_OUT]
    if others:
        reasons = ", ".join(f"{one.path} ({one.reason})" for one in others[:10])
        more = f" and {len(others) - 10} more; --json names all" if len(others) > 10 else ""
        console.print(plain(f"note: not documents: {reasons}{more}"))
    if report.isolation and not (report.isolation.network_cut and report.isolation.filesystem_cut):
        console.print(
            "note: this system does not let parser processes be cut off from network and files; see the README"
        )
    console.print(f"{len(report.outcomes)} documents in {report.seconds:.1f} s")


def _print_documents(report: Report, console: Console) -> None:
    for change in _TOLD_BEFORE if report.dry else _TOLD:
        paths = [outcome.path for outcome in report.outcomes if outcome.change is change]
        for path in paths[:_NAMED_MAX]:
            console.print(plain(f"{change}: {path}"), soft_wrap=True, highlight=False)
        if len(paths) > _NAMED_MAX:
            console.print(f"{change}: {len(paths) - _NAMED_MAX} more; --json names all", highlight=False)


def _print_failures(report: Report, console: Console) -> None:
    if report.failures or report.left_out:
        failed = folding("failed", "reason", "why", "still readable")
        for outcome in report.failures:
            kept = "the previous version" if outcome.previous_stays else "no"
            failed.add_row(plain(outcome.path), str(outcome.reason), plain(outcome.sentence), kept)
        for one in report.left_out:
            failed.add_row(plain(one.path), one.reason, LEFT_OUT[one.reason], "no")
        console.print(failed)


def _print_quarantine(report: Report, console: Console) -> None:
    if report.quarantined:
        held = folding("in quarantine", "noticed", "still readable")
        for outcome in report.quarantined:
            kept = "the previous version" if outcome.previous_stays else "no"
            held.add_row(plain(outcome.path), ", ".join(outcome.flags), kept)
        console.print(held)
        console.print("note: `ringfence documents quarantine` shows where; `release` or `reject` decides")


def print_rows(table: Table, none: str) -> None:
    """The table, or where it has no row, a sentence to whoever looks: a name may be written wrong."""
    if table.rows:
        out().print(table)
    else:
        talk().print(plain(none))


def _short(path: str) -> str:
    return path if len(path) <= 40 else f"…{path[-39:]}"


def plain(text: str) -> str:
    """Text of others for a terminal: no markup, no control characters."""
    return escape("".join(char if char.isprintable() else "?" for char in text))
