"""The one place where an eval is run: measure, ask the gates, compare, write, print."""

import asyncio
import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evals.runner.baseline import Comparison, compare, refuse_other
from evals.runner.entry import Eval, Measure
from evals.runner.gates import GATES, Thresholds, judged, read_gates, thresholds_for
from evals.runner.kept import keep_run, read_record, write_latest
from evals.runner.provenance import noting, standing
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from rag.errors import Misuse
from rag.settings import load_settings

NAMED = 8
"""So many figures that stand in only one of two reports are named; `--json` has all."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Where a run goes and what it is held against; None for the gates that come with it, no baseline, no page."""

    reports: Path
    runs: Path
    gates: Path | None = None
    baseline: Path | None = None
    html: Path | None = None
    as_json: bool = False


def carry_out(one: Eval, measure: Measure, data: Path | None, options: Mapping[str, Json], keep: Keep) -> bool:
    """Run it and keep its report; True where every gate holds.

    Raises:
        Misuse: the gate file or the baseline is none, before anything is measured.
    """
    thresholds = _thresholds(one, keep.gates)
    baseline = None if keep.baseline is None else read_record(keep.baseline)
    if baseline is not None:
        refuse_other(baseline, one.name)
    render = None if keep.html is None else page_writer()

    report = measured(one, measure, data, options)
    if options.get("sets"):
        # A run of some sets never replaces the report of all.
        report = replace(report, name="-".join([report.name, *sorted(map(str, _listed(options["sets"])))]))
    asked = thresholds_for(report.name, one.name, thresholds)
    report = judged(report, asked)
    if keep.gates is not None and not asked:
        # The file was for another kind of run: what it says of that holds nothing here.
        nothing = Gate(report.name, "at least", 1, None, f"{keep.gates} has no gates for this report.")
        report = replace(report, gates=(*report.gates, nothing))
    compared = None if baseline is None else compare(report, baseline, asked)

    record = report.record() | ({} if compared is None else {"baseline": compared.record()})
    written, run = write_latest(record, keep.reports), keep_run(record, keep.runs)
    if keep.html is not None and render is not None:
        render([record], keep.runs, keep.html)
    if keep.as_json:
        typer.echo(json.dumps(record, indent=2))
    else:
        show(one, report, compared)
    talk(f"{report.duration_s:.0f} s; report in {written}, kept as {run}")
    return report.passed


def measured(one: Eval, measure: Measure, data: Path | None, options: Mapping[str, Json]) -> Report:
    """The report with its time, all options as arguments, and digests of what it stands on."""
    stands_on = standing(load_settings(), data, one.sets + one.also)
    started = time.perf_counter()

    async def run() -> Report:
        return await measure(talk)

    with noting() as noted:
        report = asyncio.run(run())
    return replace(
        report,
        arguments={**options, **report.arguments},
        duration_s=time.perf_counter() - started,
        provenance={**stands_on, **noted},
    )


def show(one: Eval, report: Report, compared: Comparison | None) -> None:
    """Print figures, gates and the comparison."""
    module, _, function = one.prints.partition(":")
    printer: Callable[[Report], None] = getattr(importlib.import_module(module), function)
    printer(report)
    out = Console(highlight=False)
    if not report.gates:
        out.print("FAILS  no gate is asked of this run: nothing was shown to hold")
    for gate in report.gates:
        value = "no value" if gate.value is None else f"{gate.value:g}"
        why = f": {gate.why}" if gate.why else ""
        mark = "holds" if gate.holds else "FAILS"
        out.print(f"{mark}  {escape(gate.figure)} {value} ({gate.relation} {gate.bound:g}){escape(why)}")
    if compared is not None:
        _show_comparison(out, compared)


def _show_comparison(out: Console, compared: Comparison) -> None:
    table = Table("figure", "old", "new", "difference", "", title=f"beside the run of {compared.at}")
    same = [one for one in compared.differences if one.new == one.old]
    for one in compared.differences:
        if one in same:
            continue
        change = "" if one.relative is None else f"{one.relative:+.1%}"
        mark = {None: "", True: "WORSE", False: "within the margin"}[one.worse]
        table.add_row(escape(one.figure), f"{one.old:g}", f"{one.new:g}", change, mark)
    out.print(table)
    out.print(f"{len(same)} figures are the same")
    for title, names in (("only in the baseline", compared.only_old), ("only in this run", compared.only_new)):
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            out.print(f"{title}: {', '.join(names[:NAMED])}{more}", markup=False)


def talk(message: str) -> None:
    """One line of progress, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(message))


def _thresholds(one: Eval, file: Path | None) -> Mapping[str, Thresholds]:
    """Those of the file, which must say something of this eval where somebody named it."""
    read = read_gates(file or GATES)
    if file is not None and not any(name == one.name or name.startswith(f"{one.name}-") for name in read):
        raise Misuse(f"The gate file {file} has no gates for {one.name}.", code="bad_gates")
    return read


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def page_writer() -> Callable[[Sequence[Mapping[str, Json]], Path, Path], None]:
    """What writes a page. Loaded before anything is measured, so that a missing library costs no run.

    Raises:
        Misuse: a library is missing.
    """
    try:
        from evals.runner.page import write_page  # noqa: PLC0415 - its libraries are only needed for pages
    except ModuleNotFoundError as cause:
        raise Misuse(f"{cause.name} is not installed: pip install '.[evals]'.", code="not_installed") from cause
    return write_page
