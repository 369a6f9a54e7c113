"""Evals of reading documents."""

from pathlib import Path
from typing import Annotated

import typer

from evals.runner.entry import DATA_VARIABLE, Measure, Usual, entry


@entry(
    "ingest",
    also=("scifact", "presidio_research", "wikigold"),
    usual=(
        Usual(("--no-compare", "--hostile", "112"), 3.5),
        Usual(("--no-compare", "--resync", "20000"), 5.5),
        Usual(("--documents", "20"), 23),
    ),
)
def ingest(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            envvar=DATA_VARIABLE,
            help="Folder with the public data sets. Without: the sample company and generated notes only.",
        ),
    ] = None,
    compare: Annotated[bool, typer.Option(help="Beside the straightforward way, on the same files.")] = True,
    documents: Annotated[int, typer.Option(min=1, help="Files of each kind in the comparison.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way goes through them.")] = 3,
    resync: Annotated[int, typer.Option(min=0, help="Also a folder of so many files, unchanged and 1 % changed.")] = 0,
    hostile: Annotated[int, typer.Option(min=0, help="Also so many hostile and broken files in one run.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed makes other notes and other hostile files.")] = 1,
    chunks: Annotated[
        int, typer.Option(min=0, help="Also so many generated chunks, written, published and searched.")
    ] = 0,
    embed: Annotated[bool, typer.Option(help="Vectors of hostile files by the model, not made up.")] = True,
) -> Measure:
    """How fast documents are read beside LlamaIndex with Presidio, and how well they are found and masked."""
    from evals.ingest import command

    wanted = command.Wanted(compare, documents, rounds, resync, hostile, seed, chunks, embed)
    return lambda talk: command.ingest_report(data, wanted, talk)
