"""`ringfence index promote` and `rollback`."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
    talk,
)
from rag.api.commands.privacy_upkeep import operator
from rag.api.index_switch import Wanted, beside_row, retired_number, switch
from rag.embedding.others import chosen
from rag.settings import Settings

Number = Annotated[int, typer.Argument(help="Number of the index, as `index list` shows it.", min=1)]


def promote(
    number: Number,
    tenant: Tenant,
    force: Annotated[bool, typer.Option("--force", help="Whatever the comparison says, or without one.")] = False,
    allow_missing: Annotated[
        list[str] | None, typer.Option(help="Id of a document that the index lacks and that may be seen no more.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make an index the live one, at once and for everybody; the one before stays beside it, to go back to."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    done = asyncio.run(
        switched(settings, name, number, force=force, allowed=frozenset(allow_missing or ()), back=False)
    )
    _print_switch(done, as_json=as_json)


def rollback(
    tenant: Tenant,
    force: Annotated[
        bool, typer.Option("--force", help="Although documents that people see now are missing there.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make the index that was live before the live one again, at once."""
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    done = asyncio.run(switched(settings, name, None, force=force, allowed=None if force else frozenset(), back=True))
    _print_switch(done, as_json=as_json)


async def switched(
    settings: Settings, tenant: str, number: int | None, *, force: bool, allowed: frozenset[str] | None, back: bool
) -> dict[str, Any]:
    """Make an index the live one; `number` is None where it is the one that was live before. Raises as `switch`."""
    async with opened_database(settings) as database:
        async with database.reading() as session:
            to = await retired_number(session, tenant) if number is None else number
            named = (await beside_row(session, tenant, to)).embedding or {}
        talk().print("Loading the embedder of the index ...")
        # To be sure that the index can be asked. Its libraries take seconds to load.
        from rag.embedding.minilm import load_embedder  # noqa: PLC0415 - see above

        embedder = await asyncio.to_thread(load_embedder, chosen(settings.embedding, named))
        wanted = Wanted(to, operator(), forced=force, allowed=allowed, back=back)
        return await switch(database, tenant, wanted, embedder)


def _print_switch(done: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    left = f" {done['missing']} documents are not in it." if done["missing"] else ""
    out().print(f"Index {done['live']} is the live one now; index {done['before']} stays beside it.{left}")
