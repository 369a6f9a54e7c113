"""Evals of masking: what is found, whether people are still found by it, and who is given values back."""

from typing import Annotated

import typer

from evals.runner.entry import DEFAULT_DATA, Company, Data, Measure, Usual, entry
from rag.errors import Misuse


@entry(
    "privacy",
    prints="evals.privacy.printing:print_privacy",
    sets=("presidio_research", "wikigold"),
    usual=(Usual(("--directory",), 5),),
)
def privacy(
    data: Data = DEFAULT_DATA,
    directory: Annotated[
        bool, typer.Option("--directory", help="Also with a directory that holds nine of ten of the names.")
    ] = False,
    speed: Annotated[bool, typer.Option(help="Also how fast, beside plain Presidio.")] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many texts of each set: a quick look, not a result.")
    ] = None,
) -> Measure:
    """How much personal data is found, by kind, beside plain Presidio on the same model; and how fast."""
    from evals.privacy import command

    return lambda talk: command.privacy_report(data, directory=directory, speed=speed, limit=limit, talk=talk)


@entry("privacy-search", prints="evals.runner.printing:print_privacy_search", usual=(Usual((), 8),))
def privacy_search(
    notes: Annotated[int, typer.Option(min=10, help="Case notes that are made.")] = 300,
    questions: Annotated[int, typer.Option(min=1, help="So many are asked about in each set, in eight ways.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed makes other notes.")] = 1,
) -> Measure:
    """Whether people are found by name, surname, initials and address in masked text as well as in unmasked text."""
    from evals import running

    if questions > notes:
        raise Misuse("--questions is at most --notes: each question is about a note of its own.")
    return lambda talk: running.privacy_search_report(notes, questions, seed, talk)


@entry("privacy-unmask", usual=(Usual((), 3),))
def privacy_unmask(
    data_dir: Company = None,
    cases: Annotated[int, typer.Option(min=0, help="Random decisions held against Casbin.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Another seed makes other policies.")] = 1,
) -> Measure:
    """Whether a value is given to anybody without the right to it: the sample company, and random policies."""
    from evals import running

    return lambda talk: running.privacy_unmask_report(data_dir, cases, seed, talk)


@entry("privacy-outgoing", sets=("presidio_research",), usual=(Usual((), 2),))
def privacy_outgoing(
    data: Data = DEFAULT_DATA,
    texts: Annotated[int, typer.Option(min=4, help="Texts of generated_large that are streamed.")] = 400,
    seed: Annotated[int, typer.Option(help="Another seed draws other texts.")] = 1,
) -> Measure:
    """What scanning a stream finds beside scanning the whole text, and how long it holds it back."""
    from evals import running

    return lambda talk: running.privacy_outgoing_report(data, texts, seed, talk)
