"""`ringfence documents delete`, `kept-out` and `let-in`."""

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer
from rich.table import Column

from ingestion.commands.printing import print_rows
from ingestion.commands.shared import (
    PARTLY_DONE,
    DocumentArgument,
    DryRunOption,
    JsonOption,
    TenantOption,
    checked_name,
    opened,
    operator_name,
)
from ingestion.deleting import Deleted, delete_document, let_in, would_delete
from ingestion.publishing import publish_documents
from ingestion.remaining import Remaining
from policies.commands.options import DataDir
from policies.terminal import folding, out, talk
from rag.db.engine import Database
from rag.db.lineage import KeptOut
from rag.db.scrub import scrub
from rag.embedding.tuned import TunedModels
from rag.errors import Conflict, IndexUnavailable, Misuse
from rag.privacy.key_sources import open_keys
from rag.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class _Done:
    """`waiting` says why its points are still in the index; `scrubbed` whether the file of the database holds nothing
    of its originals any more. Both are None where nothing was to be done."""

    deleted: Deleted
    waiting: str | None = None
    scrubbed: bool | None = None


def delete(
    document: DocumentArgument,
    tenant: TenantOption,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it; nobody can undo it.")] = False,
    keep_out: Annotated[
        bool, typer.Option("--keep-out", help="Never ingest it again from this source, until `documents let-in`.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Delete a document: all its versions, its chunks and points, and the originals that only it refers to.

    Prints what remains of it, and where. Exit code 3: it is gone for every reader, but its points are still in the
    index, or a file still holds older pages of the database.
    """
    if not yes and not dry_run:
        raise Misuse("Nothing was deleted: say --yes to delete it, or --dry-run to see what would be.")
    settings, name = load_settings(data_dir=data_dir), checked_name(tenant, "tenant")
    done = asyncio.run(_delete(settings, name, document, keep_out=keep_out, dry_run=dry_run))
    if as_json:
        typer.echo(json.dumps(_record(done, dry_run=dry_run)))
    else:
        _print(done, dry_run=dry_run)
    if done.waiting or done.scrubbed is False:
        raise typer.Exit(PARTLY_DONE)


def kept_out(tenant: TenantOption, as_json: JsonOption = False, data_dir: DataDir = None) -> None:
    """Documents that were deleted and that their sources do not bring back."""
    rows = asyncio.run(_kept_out(load_settings(data_dir=data_dir), checked_name(tenant, "tenant")))
    if as_json:
        typer.echo(json.dumps({"kept_out": rows}))
        return
    table = folding(Column("document", no_wrap=True), "source", "by", "since")
    for row in rows:
        table.add_row(row["document"], row["source"], row["by"], row["since"])
    print_rows(table, f"Tenant {tenant!r} keeps no document out.")


def let_in_again(
    document: DocumentArgument, tenant: TenantOption, as_json: JsonOption = False, data_dir: DataDir = None
) -> None:
    """Let a document in again that was kept out: the next ingest of its source reads it."""
    source = asyncio.run(_let_in(load_settings(data_dir=data_dir), checked_name(tenant, "tenant"), document))
    if as_json:
        typer.echo(json.dumps({"document": document, "source": source}))
    else:
        typer.echo(f"{document} is let in again by the next ingest of {source}.")


async def _delete(settings: Settings, tenant: str, document: str, *, keep_out: bool, dry_run: bool) -> _Done:
    async with opened(settings) as database:
        keys = open_keys(settings)
        if dry_run:
            would = await would_delete(database, tenant, document, keys, keep_out=keep_out)
            return _Done(_with_weights(settings, tenant, would))
        deleted = await delete_document(database, tenant, document, keys, author=operator_name(), keep_out=keep_out)
        waiting = await _published(settings, database, tenant, deleted.dim)
    done = _with_weights(settings, tenant, deleted)
    return _Done(done, waiting, await scrub(settings.database_url, "vault_entry", deleted.sealed))


def _with_weights(settings: Settings, tenant: str, deleted: Deleted) -> Deleted:
    return replace(deleted, remains=(*_in_weights(settings, tenant, deleted.document), *deleted.remains))


def _in_weights(settings: Settings, tenant: str, document: str) -> list[Remaining]:
    """The models that were trained on it, if any: weights may hold what they were trained on."""
    count = TunedModels(settings.data_dir, tenant).trained_on(document)
    what = "tuned models that were trained on it, whose weights may hold it: tune anew, and remove them"
    return [Remaining("weights", count, what)] if count else []


async def _published(settings: Settings, database: Database, tenant: str, dim: int) -> str | None:
    """Take the points out of the index; why they are still there, where they are. Nobody is shown them meanwhile."""
    if not dim:
        return "the tenant has no chunk left that would tell the size of its vectors; the next ingest does it."
    try:
        await publish_documents(settings, database, dim, tenant)
    except (Conflict, IndexUnavailable) as cause:
        return cause.message
    return None


async def _kept_out(settings: Settings, tenant: str) -> list[dict[str, Any]]:
    async with opened(settings) as database, database.reading() as session:
        return [
            {
                "document": row.document,
                "source": row.source,
                "by": row.author,
                "since": row.since.isoformat(timespec="seconds"),
            }
            for row in await KeptOut(session, tenant).all()
        ]


async def _let_in(settings: Settings, tenant: str, document: str) -> str:
    async with opened(settings) as database, database.unit_of_work() as session:
        return await let_in(session, tenant, document, author=operator_name())


def _record(done: _Done, *, dry_run: bool) -> dict[str, Any]:
    deleted = done.deleted
    return {
        "document": deleted.document,
        "source": deleted.source,
        "dry_run": dry_run,
        "versions": deleted.versions,
        "chunks": deleted.chunks,
        "originals": deleted.originals,
        "kept_out": deleted.kept_out,
        "index": None if dry_run else "waiting" if done.waiting else "done",
        "scrubbed": done.scrubbed,
        "remains": [asdict(one) for one in deleted.remains],
    }


def _print(done: _Done, *, dry_run: bool) -> None:
    deleted = done.deleted
    typer.echo(
        f"{deleted.document} of source {deleted.source} {'would be' if dry_run else 'is'} deleted: {deleted.versions} "
        f"versions, {deleted.chunks} chunks, {deleted.originals} originals of the vault."
    )
    table = folding("what remains", "number", "of what")
    for one in deleted.remains:
        table.add_row(one.where, "" if one.number is None else str(one.number), one.what)
    out().print(table)
    if not deleted.kept_out:
        talk().print("note: while it stands in its source, the next ingest brings it back; --keep-out prevents that")
    if done.waiting:
        talk().print(
            f"note: nobody can read it any more, but its points are still in the index: {done.waiting}", markup=False
        )
    if done.scrubbed is False:
        talk().print(
            "note: the database was busy, so its files still hold older pages; they go as the service works on"
        )
