"""`ringfence index tune`: a model of the tenant's own, the index that it makes, and whether that is any better."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from policies.rules import InvalidRule, Level
from rag.api.commands.index_switching import switched
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    print_json,
    settings_for,
    talk,
)
from rag.api.commands.privacy_upkeep import operator
from rag.api.commands.tuned_index import Sources, build, compare, drop
from rag.api.commands.tuning_report import Tuned, print_tuned, tell_what_is_left
from rag.embedding.training import Recipe, require_trainer
from rag.embedding.tuned import TunedModels
from rag.errors import Misuse
from rag.privacy.tenant import open_privacy
from rag.query.tuning.making import Made, Order, make
from rag.query.tuning.preparing import Limits
from rag.settings import Settings

GATE_FAILED = 3
"""Exit code: something was made, and it is not good enough, or not complete."""
_LIMITS, _RECIPE = Limits(), Recipe()


def tune(
    tenant: Tenant,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Sources, as `index build` has them: all of the tenant's. None: the model alone is made."),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Name of the folder, as `ingest` has it.")] = None,
    sources: Annotated[Path | None, typer.Option("--sources", help="File of sources, as `ingest` has it.")] = None,
    level_max: Annotated[
        str, typer.Option("--level-max", help="Train on nothing above it: public, internal, ... secret.")
    ] = "secret",
    pairs: Annotated[int, typer.Option(min=16, max=1_000_000, help="Pairs to train on, at most.")] = _LIMITS.pairs,
    documents: Annotated[int, typer.Option(min=2, help="Documents to read, at most.")] = _LIMITS.documents,
    held_out: Annotated[
        float, typer.Option(min=0.05, max=0.5, help="Share of documents to measure on.")
    ] = _LIMITS.held_out,
    epochs: Annotated[int, typer.Option(min=1, max=100)] = _RECIPE.epochs,
    batch: Annotated[int, typer.Option(min=2, max=4096, help="Pairs in a step; more on a GPU.")] = _RECIPE.batch,
    rate: Annotated[float, typer.Option(min=1e-7, max=1e-2, help="Learning rate.")] = _RECIPE.rate,
    seed: Annotated[int, typer.Option(min=0)] = _RECIPE.seed,
    min_gain: Annotated[
        float, typer.Option(min=-1.0, max=1.0, help="How much nDCG@10 of held-out questions has to gain.")
    ] = 0.0,
    people: Annotated[
        list[str] | None, typer.Option("--as", help="For whom is asked, as `index compare` has it.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the live index if every gate holds.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Remove model and index if a gate does not hold.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Fine-tune the embedder on the tenant's visible documents and reviewed feedback, and build an index by it.

    Documents are split: what is measured is trained on by no part. The index is built beside the live one and
    compared with it; nothing changes for anybody without --promote. Exit code 3: a gate does not hold, or documents
    are missing in the index.
    """
    require_trainer()
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    limits = Limits(_level(level_max), documents, pairs, held_out=held_out, seed=seed)
    order = Order(limits, Recipe(epochs=epochs, batch=batch, rate=rate, seed=seed), min_gain, builds=bool(paths))
    if source is not None and len(paths or ()) > 1:
        raise Misuse("--source names one folder. Leave it out, or build the other sources by `ringfence index build`.")
    made = _made(settings, name, order)
    tuned = Tuned(name, made, made.gates)
    if tuned.holds and paths:
        _index(settings, tuned, Sources(tuple(paths), source, sources), _subjects(people), promote=promote)
    if not tuned.holds and discard:
        _discard(settings, tuned)
    tell_what_is_left(tuned, built=bool(paths))
    if as_json:
        print_json(tuned.as_json())
    else:
        print_tuned(tuned)
    if not tuned.holds or (tuned.built is not None and tuned.built.missing):
        raise typer.Exit(GATE_FAILED)


def _level(name: str) -> Level:
    try:
        return Level.parse(name)
    except InvalidRule as cause:
        raise Misuse(f"{cause}.") from None


def _made(settings: Settings, tenant: str, order: Order) -> Made:
    columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    console = talk()

    async def run() -> Made:
        async with opened_database(settings) as database:
            privacy = await asyncio.to_thread(open_privacy, settings)
            return await make(
                settings, database, privacy, tenant, order, author=operator(), say=console.print, tell=tell
            )

    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, visible=False)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        return asyncio.run(run())


def _index(settings: Settings, tuned: Tuned, sources: Sources, people: list[str], *, promote: bool) -> None:
    tuned.built = build(settings, tuned.tenant, tuned.made, sources)
    if tuned.built.missing:
        return
    tuned.gates += compare(settings, tuned.tenant, tuned.made, people, operator())
    if promote and tuned.holds:
        number = tuned.built.number
        asyncio.run(switched(settings, tuned.tenant, number, force=False, allowed=frozenset(), back=False))
        tuned.promoted = True


def _discard(settings: Settings, tuned: Tuned) -> None:
    if tuned.built is not None:
        drop(settings, tuned.tenant, tuned.built.number)
    TunedModels(settings.data_dir, tuned.tenant).discard(tuned.made.model.name)
    tuned.discarded = True


def _subjects(people: list[str] | None) -> list[str]:
    return [one if ":" in one else f"user:{one}" for one in people or ()]
