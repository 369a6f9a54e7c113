"""`ringfence eval`: measure, print, keep a report, and fail where a gate does not hold."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evals.report import REPORTS, Report
from rag.errors import Misuse

evaluate = typer.Typer(
    name="eval",
    add_completion=False,
    help="Measure leaks, access, answers, retrieval and abstention.",
    no_args_is_help=True,
)

DEFAULT_DATA = Path(__file__).parent / "data"

AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Data = Annotated[Path, typer.Option("--data", envvar="RINGFENCE_EVAL_DATA", help="Folder with the public data sets.")]
Company = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Data folder with the sample company in it. Default: a new one, filled here and thrown away.",
    ),
]
Reports = Annotated[Path, typer.Option("--reports", help="Where the report file goes.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many questions: a quick look, not a result.")]


@evaluate.command("leak")
def leak_command(
    data_dir: Company = None,
    limit: Limit = None,
    plant: Annotated[
        bool, typer.Option("--plant", help="Self-test: break the path in four ways; each must be noticed.")
    ] = False,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """Every person, every question, every surface: nothing of an unreadable document, everything of a readable one."""
    # Each eval loads the libraries of the parts it measures: seconds that `--help` and the others do not need.
    from evals import running  # noqa: PLC0415 - see above

    finish(lambda: running.leak_report(data_dir, limit, plant, _talk), reports, as_json, print_leak)


@evaluate.command("retrieval")
def retrieval_command(
    data: Data = DEFAULT_DATA, limit: Limit = None, reports: Reports = REPORTS, as_json: AsJson = False
) -> None:
    """nDCG@10 and recall@10 on SciFact: dense, lexical, and both fused."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.retrieval_report(data, limit, _talk), reports, as_json, print_retrieval)


@evaluate.command("answers")
def answers_command(
    data_dir: Company = None, limit: Limit = None, reports: Reports = REPORTS, as_json: AsJson = False
) -> None:
    """The sample company's questions for three people: right, wrong, missed, made up, and the time by stage."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.answers_report(data_dir, limit, _talk), reports, as_json, print_answers)


@evaluate.command("abstention")
def abstention_command(
    data: Data = DEFAULT_DATA,
    data_dir: Company = None,
    limit: Limit = 200,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """How the threshold of "not found" trades right answers against false ones. `--limit` counts xquad questions."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.abstention_report(data, data_dir, limit, _talk), reports, as_json, print_abstention)


@evaluate.command("access")
def access_command(
    decisions: Annotated[
        int, typer.Option(min=0, help="Hold engine and check against Casbin for so many random decisions.")
    ] = 0,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Break plan, check and filter; each must be noticed.")
    ] = False,
    bench: Annotated[
        bool, typer.Option("--bench", help="Everything below that takes time, at the usual sizes.")
    ] = False,
    rules: Annotated[list[int] | None, typer.Option(min=10, help="What authorisation costs at so many rules.")] = None,
    chunks: Annotated[list[int] | None, typer.Option(min=1000, help="What the filter costs at so many chunks.")] = None,
    revocations: Annotated[int, typer.Option(min=0, help="How soon so many revocations are obeyed.")] = 0,
    peer: Annotated[bool, typer.Option("--peer", help="Beside wardowl, where it is installed.")] = False,
    speed_gates: Annotated[bool, typer.Option(help="Fail where a time is over its goal.")] = True,
    seed: Annotated[int | None, typer.Option(help="Repeat a run.")] = None,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """Filter and check equal Casbin, broken ones are noticed, and what it costs. Naming parts runs only those."""
    from evals.access import command  # noqa: PLC0415 - as above
    from evals.access.printing import print_access  # noqa: PLC0415 - as above

    asked = command.Asked(decisions, mutants, bench, tuple(rules or ()), tuple(chunks or ()), revocations, peer)
    wanted = command.wanted_of(asked, seed=seed, speed_gates=speed_gates)
    finish(lambda: command.access_report(wanted, _talk), reports, as_json, print_access)


@evaluate.command("serve")
def serve_command(
    data_dir: Company = None,
    streams: Annotated[
        list[int] | None, typer.Option(min=1, help="Answers at once; may be given several times.")
    ] = None,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """What everything but the model costs, beside the bare model server that the settings name."""
    from evals import running  # noqa: PLC0415 - as above
    from evals.serve_printing import print_serve  # noqa: PLC0415 - as above

    finish(lambda: running.serve_report(data_dir, streams or [1, 8, 32], _talk), reports, as_json, print_serve)


@evaluate.command("prefixes")
def prefixes_command(
    data: Data = DEFAULT_DATA,
    seed: Annotated[int, typer.Option(help="Another seed asks in another order.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """How much of the prompts a model server's prefix cache holds already, by the order of passages in them."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.prefixes_report(data, seed, _talk), reports, as_json, print_figures)


@evaluate.command("grounding")
def grounding_command(
    data: Data = DEFAULT_DATA,
    limit: Annotated[
        int | None, typer.Option(min=50, help="Only so many claims of each set: a quick look, not a result.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed alters sentences otherwise.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """Whether a claim passes just where its text supports it: SciFact, and altered sentences of xquad_en."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.grounding_report(data, limit, seed, _talk), reports, as_json, print_figures)


@evaluate.command("privacy")
def privacy_command(
    data: Data = DEFAULT_DATA,
    directory: Annotated[
        bool, typer.Option("--directory", help="Also with a directory that holds nine of ten of the names.")
    ] = False,
    speed: Annotated[bool, typer.Option(help="Also how fast, beside plain Presidio.")] = True,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """How much personal data is found, by kind, beside plain Presidio on the same model; and how fast."""
    from evals.privacy import command  # noqa: PLC0415 - as above
    from evals.privacy.printing import print_privacy  # noqa: PLC0415 - as above

    measure = command.privacy_report
    finish(lambda: measure(data, directory=directory, speed=speed, talk=_talk), reports, as_json, print_privacy)


@evaluate.command("privacy-search")
def privacy_search_command(
    notes: Annotated[int, typer.Option(min=10, help="Case notes that are made.")] = 300,
    questions: Annotated[int, typer.Option(min=1, help="So many are asked about in each set, in eight ways.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed makes other notes.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """Whether people are found by name, surname, initials and address in masked text as well as in unmasked text."""
    from evals import running  # noqa: PLC0415 - as above

    if questions > notes:
        raise Misuse("--questions is at most --notes: each question is about a note of its own.")
    finish(lambda: running.privacy_search_report(notes, questions, seed, _talk), reports, as_json, print_privacy_search)


@evaluate.command("privacy-unmask")
def privacy_unmask_command(
    data_dir: Company = None,
    cases: Annotated[int, typer.Option(min=0, help="Random decisions held against Casbin.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Another seed makes other policies.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """Whether a value is given to anybody without the right to it: the sample company, and random policies."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.privacy_unmask_report(data_dir, cases, seed, _talk), reports, as_json, print_figures)


@evaluate.command("privacy-outgoing")
def privacy_outgoing_command(
    data: Data = DEFAULT_DATA,
    texts: Annotated[int, typer.Option(min=4, help="Texts of generated_large that are streamed.")] = 400,
    seed: Annotated[int, typer.Option(help="Another seed draws other texts.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """What scanning a stream finds beside scanning the whole text, and how long it holds it back."""
    from evals import running  # noqa: PLC0415 - as above

    finish(lambda: running.privacy_outgoing_report(data, texts, seed, _talk), reports, as_json, print_figures)


@evaluate.command("ingest")
def ingest_command(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            envvar="RINGFENCE_EVAL_DATA",
            help="Folder with the public data sets. Without: the sample company and generated notes only.",
        ),
    ] = None,
    compare: Annotated[bool, typer.Option(help="Beside the straightforward way, on the same files.")] = True,
    documents: Annotated[int, typer.Option(min=1, help="Files of each kind in the comparison.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way goes through them.")] = 3,
    resync: Annotated[int, typer.Option(min=0, help="Also a folder of so many files, unchanged and 1 % changed.")] = 0,
    hostile: Annotated[int, typer.Option(min=0, help="Also so many hostile and broken files in one run.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed makes other notes and other hostile files.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """How fast documents are read beside LlamaIndex with Presidio, and how well they are found and masked."""
    from evals.ingest import command  # noqa: PLC0415 - as above

    wanted = command.Wanted(compare, documents, rounds, resync, hostile, seed)
    finish(lambda: command.ingest_report(data, wanted, _talk), reports, as_json, print_figures)


@evaluate.command("fuzz")
def fuzz_command(
    examples: Annotated[int, typer.Option(min=1, help="Valid requests of each operation, and as many invalid.")] = 50,
    data_dir: Company = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other requests.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """Whatever the API's description allows, with two people's keys: no server error, nothing of the other's."""
    if find_spec("schemathesis") is None:
        raise Misuse("schemathesis is not installed: pip install '.[dev]'.")
    from evals import fuzz_company  # noqa: PLC0415 - as above

    finish(lambda: fuzz_company.fuzz_report(data_dir, examples, seed, _talk), reports, as_json, print_figures)


@evaluate.command("soak")
def soak_command(
    requests: Annotated[int, typer.Option(min=100, help="Calls of all kinds together.")] = 5000,
    workers: Annotated[int, typer.Option(min=1, max=200, help="Callers at once.")] = 8,
    data_dir: Company = None,
    seed: Annotated[int, typer.Option(help="Another seed makes other calls.")] = 1,
    reports: Reports = REPORTS,
    as_json: AsJson = False,
) -> None:
    """A real service under mixed and hostile traffic, killed in the middle: memory flat, no record lost."""
    from evals.soak import command  # noqa: PLC0415 - as above

    wanted = command.Wanted(requests, workers, seed)
    finish(lambda: command.soak_report(data_dir, wanted, _talk), reports, as_json, print_figures)


@evaluate.command("injection")
def injection_command(data: Data = DEFAULT_DATA, reports: Reports = REPORTS, as_json: AsJson = False) -> None:
    """Planted instructions: what the detector finds, how often it alarms for nothing, and that none has an effect."""
    from evals.injection import command  # noqa: PLC0415 - as above

    finish(lambda: command.injection_report(data, _talk), reports, as_json, print_figures)


def finish(
    measure: Callable[[], Awaitable[Report]], reports: Path, as_json: bool, show: Callable[[Report], None]
) -> None:
    """Run, write the report file, print, and exit with 1 where a gate does not hold."""
    started = time.perf_counter()

    async def measured() -> Report:
        return await measure()

    report = replace(asyncio.run(measured()), duration_s=time.perf_counter() - started)
    written = report.write(reports)
    if as_json:
        typer.echo(json.dumps(report.record(), indent=2))
    else:
        show(report)
        for gate in report.gates:
            mark = "holds" if gate.holds else "FAILS"
            _out().print(f"{mark}  {escape(gate.figure)} {gate.value:g} ({gate.relation} {gate.bound:g})")
    _talk(f"{report.duration_s:.0f} s; report in {written}")
    raise typer.Exit(0 if report.passed else 1)


def print_leak(report: Report) -> None:
    _out().print_json(json.dumps({name: value for name, value in report.figures.items() if name != "surfaces"}))
    surfaces = report.figures.get("surfaces")
    if isinstance(surfaces, dict):
        table = Table("surface", "calls", "with results")
        for name, counts in surfaces.items():
            table.add_row(name, str(counts["calls"]), str(counts["found"]))
        _out().print(table)


def print_retrieval(report: Report) -> None:
    branches = report.figures["branches"]
    table = Table("branch", "nDCG@10", "recall@10")
    if isinstance(branches, dict):
        for name, values in branches.items():
            table.add_row(name, f"{values['ndcg_at_10']:.3f}", f"{values['recall_at_10']:.3f}")
    _out().print(table)
    named = ("documents", "questions", "search_ms_p50", "search_ms_p95")
    _out().print(", ".join(f"{name} {report.figures[name]}" for name in named))


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


def _talk(message: str) -> None:
    Console(stderr=True, highlight=False).print(escape(message))


def _out() -> Console:
    return Console(highlight=False)
