"""`ringfence documents`: what was ingested, with its labels and versions, never its text."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ingestion.commands.printing import plain
from ingestion.commands.shared import JsonOption, TenantOption, checked_name, opened
from ingestion.store import DocumentStore
from policies.rules import Level
from rag.db.documents import Documents, attributes_of
from rag.db.tables import DocumentRow
from rag.errors import NotFound
from rag.settings import Settings, load_settings

documents = typer.Typer(help="List and look at what was ingested.", add_completion=False, no_args_is_help=True)


@documents.command("list")
def list_documents(
    tenant: TenantOption,
    source: Annotated[str | None, typer.Option(help="Only documents of this source.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The tenant's documents with their labels. Titles and paths are masked."""
    rows = asyncio.run(_list(load_settings(), checked_name(tenant, "tenant"), source))
    if as_json:
        typer.echo(json.dumps({"documents": rows}, ensure_ascii=False))
        return
    # The id in full: it is what `show` wants. Path and flags are there, and in the JSON.
    table = Table(Column("document", no_wrap=True), "title", "department", "level", "state")
    for row in rows:
        table.add_row(row["document"], plain(row["title"]), row["department"], row["level"], row["state"])
    Console().print(table)


@documents.command("show")
def show_document(
    document: Annotated[str, typer.Argument(help="Id of the document: doc_...")],
    tenant: TenantOption,
    as_json: JsonOption = False,
) -> None:
    """One document: all its labels, its versions and their state. Never its text."""
    shown = asyncio.run(_show(load_settings(), checked_name(tenant, "tenant"), document))
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in shown.items():
        if name != "versions":
            table.add_row(name, plain(", ".join(value) if isinstance(value, list) else str(value)))
    Console().print(table)
    versions = Table("version", "state", "chunks", "characters", "written")
    for version in shown["versions"]:
        versions.add_row(*(str(version[name]) for name in ("version", "state", "chunks", "characters", "written")))
    Console().print(versions)


async def _list(settings: Settings, tenant: str, source: str | None) -> list[dict[str, Any]]:
    async with opened(settings) as database, database.reading() as session:
        return [_summary(row) for row in await Documents(session).of_tenant(tenant, source=source)]


async def _show(settings: Settings, tenant: str, document: str) -> dict[str, Any]:
    async with opened(settings) as database, database.reading() as session:
        repository = Documents(session)
        row = await repository.find(tenant, document)
        if row is None:
            raise NotFound(f"Tenant {tenant!r} has no document {document!r}. `ringfence documents list` shows all.")
        attributes = attributes_of(row)
        return {
            **_summary(row),
            "tags": sorted(attributes.tags),
            "owner": attributes.owner,
            "shares": sorted(attributes.shares),
            "denied_shares": sorted(attributes.denied_shares),
            "compartments": sorted(attributes.compartments),
            "attribute_version": row.attribute_version,
            "media_type": row.media_type,
            "versions": [
                {
                    "version": version.id,
                    "state": version.state,
                    "chunks": chunks,
                    "characters": len(version.text),
                    "written": version.created_at.isoformat(timespec="seconds"),
                }
                for version, chunks in await DocumentStore(session, tenant, row.source).versions(row.id)
            ],
        }


def _summary(row: DocumentRow) -> dict[str, Any]:
    return {
        "document": row.id,
        "title": row.title,
        "path": row.path,
        "source": row.source,
        "department": row.department,
        "level": Level(row.level).name.lower(),
        "state": "visible" if row.current_version else "not published",
        "flags": row.flags,
    }
