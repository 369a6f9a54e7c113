"""`ringfence eval`: a command for each eval of the registry, and those that work on all of them or on kept reports."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evals.runner.batch import Outcome, Place, chosen, run_all
from evals.runner.entry import DATA_VARIABLE, DEFAULT_DATA, Against, AgainstOption, Eval
from evals.runner.kept import RUNS, kept_runs
from evals.runner.registry import EVALS
from evals.runner.report import REPORTS
from evals.runner.run import Keep, carry_out, page_writer, talk
from evals.runner.values import Json
from evals.serving.command import reciting_model_command
from evals.watching.command import watch
from rag.errors import Misuse
from rag.settings import load_settings

evaluate = typer.Typer(
    name="eval",
    add_completion=False,
    help="Measure leaks, access, answers, retrieval, masking and more. `list` tells what each needs.",
    no_args_is_help=True,
)


Reports = Annotated[Path, typer.Option("--reports", help="Where the latest report of each eval stands.")]
Runs = Annotated[Path, typer.Option("--runs", help="Where every run is kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]

_SHARED: tuple[tuple[str, Any, object], ...] = (
    ("reports", Reports, REPORTS),
    ("runs", Runs, RUNS),
    ("gates", Annotated[Path | None, typer.Option("--gates", help="Gate file instead of evals/gates.yaml.")], None),
    ("baseline", Annotated[Path | None, typer.Option("--baseline", help="Earlier report to compare with.")], None),
    ("html", Annotated[Path | None, typer.Option("--html", help="Also write this run as a page.")], None),
    ("as_json", AsJson, False),
)


def command_of(one: Eval) -> Callable[..., None]:
    """The function behind `ringfence eval NAME`: the options of the eval, then those that all have."""
    own = list(inspect.signature(one.prepare, eval_str=True).parameters.values())
    shared = list(_SHARED)
    asks_against = _has(own, "data_dir") and not _has(own, "against")
    if asks_against:
        shared.insert(0, ("against", AgainstOption, None))
    given_by_all = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, annotation, default in shared
    ]

    def command(**given: Any) -> None:
        against = given.pop("against") if asks_against else None
        keep = Keep(**{name: given.pop(name) for name, _, _ in _SHARED})
        if against is not None:
            given["data_dir"] = _folder(against, given["data_dir"])
        one.check_packages()
        passed = carry_out(one, one.prepare(**given), given.get("data"), _arguments(given, against), keep)
        raise typer.Exit(0 if passed else 1)

    parameters = [*own, *given_by_all]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what Typer reads options from
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _has(parameters: list[inspect.Parameter], name: str) -> bool:
    return any(one.name == name for one in parameters)


def _folder(against: Against, data_dir: Path | None) -> Path | None:
    if data_dir is not None:
        raise Misuse("--against and --data-dir say the same in two ways: give one of them.")
    return load_settings().data_dir if against is Against.LIVE else None


def _arguments(given: dict[str, Any], against: Against | None) -> dict[str, Json]:
    """Options as they stand in the manifest. Folders are told by the digests of what is in them, not by name."""
    told = {name: value for name, value in given.items() if name not in ("data", "data_dir", "cases")}
    if "data_dir" in given:
        told["against"] = against or ("fresh" if given["data_dir"] is None else "folder")
    return told


for _one in EVALS:
    evaluate.command(_one.name, help=_one.help)(command_of(_one))
evaluate.command("reciting-model")(reciting_model_command)
evaluate.command("watch")(watch)


@evaluate.command("list")
def list_command() -> None:
    """The evals, what each needs, and how long `eval all` gives it on two cores."""
    table = Table("eval", "needs", "minutes", "what it measures")
    for one in EVALS:
        minutes = " + ".join(f"{usual.minutes:g}" for usual in one.usual)
        table.add_row(one.name, ", ".join(one.needs) or "nothing", minutes, one.help)
    Console(highlight=False).print(table)


@evaluate.command("all")
def all_command(
    minutes: Annotated[float, typer.Option(min=0, help="Time for all of them together.")] = 60,
    only: Annotated[list[str] | None, typer.Option(help="Only this eval; may be given several times.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Not this eval; may be given several times.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", envvar=DATA_VARIABLE, help="Folder with the public data sets.")
    ] = None,
    reports: Reports = REPORTS,
    runs: Runs = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run what matters most first, each at its usual size; what does not fit or has nothing to measure is skipped."""
    if data is None and DEFAULT_DATA.is_dir():
        data = DEFAULT_DATA
    done = []
    for one in run_all(chosen(only or (), skip or (), EVALS), Place(data, reports, runs), minutes, talk):
        done.append(one)
        talk(f"{one.outcome}: {one.command}{f' ({one.told})' if one.told else ''}")
    # Nothing that was measured is nothing that holds.
    passed = all(one.passed for one in done) and any(one.outcome is Outcome.HOLDS for one in done)
    if as_json:
        typer.echo(json.dumps({"passed": passed, "runs": [one.record() for one in done]}))
    else:
        table = Table("command", "outcome", "seconds", "")
        for one in done:
            table.add_row(escape(one.command), one.outcome, f"{one.seconds:.0f}", escape(one.told))
        Console(highlight=False).print(table)
    raise typer.Exit(0 if passed else 1)


@evaluate.command("page")
def page_command(
    out: Annotated[Path, typer.Option("--out", help="The page to write.")],
    reports: Reports = REPORTS,
    runs: Runs = RUNS,
) -> None:
    """Write all reports as one page with tables and plots; it holds no script and loads nothing."""
    records = kept_runs(reports)
    if not records:
        raise Misuse(f"There is no report in {reports}.", code="no_report")
    page_writer()(records, runs, out)
    talk(f"{len(records)} reports in {out}")


@evaluate.command("export")
def export_command(
    files: Annotated[list[Path], typer.Argument(help="Reports or kept runs, as JSON files.")],
    mlflow: Annotated[str, typer.Option("--mlflow", help="Tracking store, for example sqlite:///mlflow.db")],
) -> None:
    """Write kept runs to an MLflow tracking store; one that is there already is left as it is."""
    from evals.runner.mlflow_export import export  # noqa: PLC0415 - an extra that most installations do not have

    written = export(files, mlflow)
    talk(f"{written} of {len(files)} runs written; the others were there")
