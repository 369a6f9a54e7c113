"""Evals of what is found and answered, and of what it costs beside a model server."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evals.runner.entry import DEFAULT_DATA, Company, Data, Limit, Measure, Sets, Usual, chosen_sets, entry
from rag.errors import Misuse


class QuestionSet(StrEnum):
    """Sets of questions besides the sample company's."""

    FEEDBACK = "feedback"


@entry("answers", prints="evals.runner.printing:print_answers", usual=(Usual((), 3),))
def answers(
    data_dir: Company = None,
    limit: Limit = None,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="Ask what `ringfence feedback export` wrote instead.", dir_okay=False)
    ] = None,
    question_set: Annotated[
        QuestionSet | None,
        typer.Option("--set", help="Ask the cases made of feedback that the data folder holds instead."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", envvar="RINGFENCE_TENANT", help="Whose cases. Needed for them.")
    ] = None,
) -> Measure:
    """The sample company's questions for three people: right, wrong, missed, made up, and the time by stage."""
    from evals import running

    if cases is None and question_set is None:
        return lambda talk: running.answers_report(data_dir, limit, talk)
    if cases is not None and question_set is not None:
        raise Misuse("--cases and --set name two sets of questions: give one of them.")
    if data_dir is None or tenant is None:
        raise Misuse("Cases are asked in a data folder of their tenant: --data-dir or --against live, and --tenant.")
    return lambda talk: running.cases_report(data_dir, tenant, cases, limit, talk)


RETRIEVAL_SETS = ("scifact", "cacm", "xquad_en", "tatqa_dev")


@entry(
    "retrieval",
    prints="evals.retrieval.printing:print_retrieval",
    sets=RETRIEVAL_SETS,
    usual=(Usual(("--set", "scifact"), 12),),
)
def retrieval(
    data: Data = DEFAULT_DATA,
    limit: Limit = None,
    sets: Sets = None,
    final: Annotated[
        bool, typer.Option("--final", help="Score the half of the questions on which nothing may be tuned.")
    ] = False,
) -> Measure:
    """nDCG@10, recall and MRR of each branch, fused and reranked, and behind filters that leave 50, 10 and 1 %."""
    from evals import running

    chosen = chosen_sets(sets, RETRIEVAL_SETS)
    return lambda talk: running.retrieval_report(data, limit, chosen, final, talk)


@entry("abstention", prints="evals.runner.printing:print_abstention", sets=("xquad_en",), usual=(Usual((), 2),))
def abstention(data: Data = DEFAULT_DATA, data_dir: Company = None, limit: Limit = 200, sets: Sets = None) -> Measure:
    """How the threshold of "not found" trades right answers against false ones. `--limit` counts xquad questions."""
    from evals import running

    chosen = chosen_sets(sets, ("company", "xquad"))
    return lambda talk: running.abstention_report(data, data_dir, limit, chosen, talk)


@entry("grounding", sets=("scifact", "xquad_en"), usual=(Usual((), 2.5),))
def grounding(
    data: Data = DEFAULT_DATA,
    limit: Annotated[
        int | None, typer.Option(min=50, help="Only so many claims of each set: a quick look, not a result.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed alters sentences otherwise.")] = 1,
) -> Measure:
    """Whether a claim passes just where its text supports it: SciFact, and altered sentences of xquad_en."""
    from evals import running

    return lambda talk: running.grounding_report(data, limit, seed, talk)


@entry("serve", prints="evals.serving.printing:print_serve", model_server=True, usual=(Usual((), 10),))
def serve(
    data_dir: Company = None,
    streams: Annotated[
        list[int] | None, typer.Option(min=1, help="Answers at once; may be given several times.")
    ] = None,
    questions: Annotated[int, typer.Option(min=8, help="Answers at each number of streams; of one stream 24.")] = 96,
) -> Measure:
    """What everything but the model costs, beside the bare model server that the settings name."""
    from evals import running

    return lambda talk: running.serve_report(data_dir, streams or [1, 8, 32], questions, talk)


@entry("drift", usual=(Usual((), 8),))
def drift(
    days: Annotated[int, typer.Option(min=1, help="Days in which nothing changes.")] = 1000,
    plants: Annotated[int, typer.Option(min=1, help="How often each change is planted.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed makes other series.")] = 1,
) -> Measure:
    """How often `eval watch` alarms for nothing, and how soon it sees a planted change: on made-up series."""
    from evals import running

    return lambda talk: running.drift_report(days, plants, seed, talk)


@entry(
    "tuning",
    packages=(("accelerate", "pip install '.[tune]'"), ("datasets", "pip install '.[tune]'")),
    usual=(Usual((), 7),),
)
def tuning(
    data_dir: Company = None,
    pairs: Annotated[int, typer.Option(min=16, help="Pairs to train on, at most.")] = 4000,
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    rate: Annotated[float, typer.Option(min=1e-7, help="Learning rate.")] = 2e-5,
    seed: Annotated[int, typer.Option(min=0, help="Another seed holds out other documents.")] = 7,
) -> Measure:
    """Whether a model trained on the sample company's documents finds more, and that its index is switched to and back.

    `--data-dir` takes a folder with no index beside the live one; it keeps the model and the index.
    """
    from evals import running
    from evals.tuning import Recipe

    return lambda talk: running.tuning_report(data_dir, Recipe(pairs, epochs, rate, seed), talk)


@entry("prefixes", sets=("xquad_en",), usual=(Usual((), 23),))
def prefixes(
    data: Data = DEFAULT_DATA,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many paragraphs: a quick look, not a result.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed asks in another order.")] = 1,
) -> Measure:
    """How much of the prompts a model server's prefix cache holds already, by the order of passages in them."""
    from evals import running

    return lambda talk: running.prefixes_report(data, limit, seed, talk)
