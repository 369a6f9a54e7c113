"""`ringfence documents quarantine`, `release` and `reject`: documents that speak to a model, for a person to decide."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column

from ingestion.commands.printing import plain, print_rows
from ingestion.commands.shared import (
    DocumentArgument,
    DryRunOption,
    JsonOption,
    TenantOption,
    checked_name,
    opened,
    operator_name,
)
from ingestion.publishing import publish_documents
from ingestion.quarantine import Decision, Quarantine, Waiting
from policies.commands.options import DataDir
from policies.terminal import folding
from rag.errors import Misuse
from rag.settings import Settings, load_settings

ReasonOption = Annotated[str, typer.Option("--reason", help="Why: kept with the decision.")]


def quarantine(tenant: TenantOption, as_json: JsonOption = False, data_dir: DataDir = None) -> None:
    """What waits for a decision: masked path, what was noticed, and where. Never its text."""
    waiting = asyncio.run(_waiting(load_settings(data_dir=data_dir), checked_name(tenant, "tenant")))
    if as_json:
        typer.echo(json.dumps({"quarantine": [_record(one) for one in waiting]}, ensure_ascii=False))
        return
    table = folding(Column("document", no_wrap=True), "path", "noticed", "where", "older version")
    for one in waiting:
        where = "; ".join(_place(place) for place in one.places)
        older = "visible" if one.previous_visible else "none"
        table.add_row(one.document, plain(one.path), ", ".join(one.codes), plain(where), older)
    print_rows(table, f"Nothing of tenant {tenant!r} waits for a decision.")


def release(
    document: DocumentArgument,
    tenant: TenantOption,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Make a document visible that was held back. It is not held again while its content is the same.

    One that was rejected is read again by the next ingest of its source, as nothing of it was kept.
    """
    _decide(document, tenant, Decision.RELEASED, reason, data_dir, dry_run=dry_run, as_json=as_json)


def reject(
    document: DocumentArgument,
    tenant: TenantOption,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Do not make this content of a document visible, until `release`. Another content is looked at anew."""
    _decide(document, tenant, Decision.REJECTED, reason, data_dir, dry_run=dry_run, as_json=as_json)


def _decide(
    document: str, tenant: str, decision: Decision, reason: str, data_dir: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    if not reason.strip():
        raise Misuse("--reason is empty: say why, for those who look at the decision later.")
    settings, name = load_settings(data_dir=data_dir), checked_name(tenant, "tenant")
    dim, published = asyncio.run(_decided(settings, name, document, decision, reason.strip(), dry_run=dry_run))
    if as_json:
        done = {"document": document, "decision": decision.value, "dry_run": dry_run, "published": dict(published)}
        typer.echo(json.dumps(done))
    else:
        later = decision is Decision.RELEASED and not dim
        then = " It was rejected before: the next ingest of its source reads it and makes it visible." if later else ""
        typer.echo(f"{document} {'would be ' if dry_run else ''}{decision.value}.{then}")


async def _decided(
    settings: Settings, tenant: str, document: str, decision: Decision, reason: str, *, dry_run: bool
) -> tuple[int, Mapping[str, int]]:
    """The size of its vectors, as `Quarantine.decide` has it, and what was published."""
    async with opened(settings) as database:
        # A dry run does the same in a session that is never committed.
        async with database.reading() if dry_run else database.unit_of_work() as session:
            dim = await Quarantine(session, tenant).decide(document, decision, operator_name(), reason)
        if dry_run or not dim:
            return dim, {}
        return dim, await publish_documents(settings, database, dim, tenant)


async def _waiting(settings: Settings, tenant: str) -> list[Waiting]:
    async with opened(settings) as database, database.reading() as session:
        return await Quarantine(session, tenant).waiting()


def _record(one: Waiting) -> dict[str, Any]:
    return {
        "document": one.document,
        "version": one.version,
        "path": one.path,
        "source": one.source,
        "codes": list(one.codes),
        "places": [dict(place) for place in one.places],
        "since": one.since.isoformat(timespec="seconds"),
        "previous_visible": one.previous_visible,
    }


def _place(place: Mapping[str, Any]) -> str:
    page = f"page {place['page']}" if place["page"] else ""
    return " ".join(part for part in (page, place["heading"]) if part) or "text"
