"""The eval of the evals."""

from pathlib import Path
from typing import Annotated

import typer

from evals.runner.entry import DATA_VARIABLE, Company, Measure, Usual, entry


@entry("selftest", prints="evals.selftest.printing:print_selftest", usual=(Usual((), 16),))
def selftest(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only the faults of these evals.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", envvar=DATA_VARIABLE, help="Folder with the public data sets. Without: what needs none of them."
        ),
    ] = None,
    data_dir: Company = None,
) -> Measure:
    """Whether every eval fails where it must: with each of its planted faults, and where nothing was measured."""
    from evals.selftest import run

    return lambda talk: run.selftest(tuple(names or ()), data, data_dir, talk)
