"""`ringfence audit`: look at a tenant's log and verify its chain."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
)
from rag.audit.log import AuditLog, AuditRef, VerifyResult
from rag.audit.record import AuditRecord
from rag.errors import Misuse
from rag.settings import Settings

audit = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Who was shown what, and the proof that the log is whole."
)

_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


@audit.command()
def show(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest records.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show the newest records, oldest first."""

    async def run(settings: Settings) -> list[AuditRecord]:
        async with opened_database(settings) as database, database.reading() as session:
            return await AuditLog().recent(session, checked_tenant(tenant), limit=limit)

    records = asyncio.run(run(settings_for(data_dir)))
    if as_json:
        print_json(
            [
                {
                    "sequence": record.sequence,
                    "at": record.at.isoformat(),
                    "kind": record.kind,
                    "body": json.loads(record.body),
                    "digest": record.digest,
                }
                for record in records
            ]
        )
        return
    table = Table("#", "at", "kind", "who", "what", "digest")
    for record in records:
        at, body = f"{record.at:%Y-%m-%d %H:%M:%S}", json.loads(record.body)
        table.add_row(str(record.sequence), at, record.kind, _who(body), _what(body), record.digest[:12])
    out().print(table)


def _who(body: Mapping[str, Any]) -> str:
    person = body.get("person") or body.get("subject") or body.get("author") or ""
    assistant = body.get("assistant")
    return f"{person} through {assistant}" if assistant else str(person)


def _what(body: Mapping[str, Any]) -> str:
    """The few facts of a record that fit a line; `--json` has all of them."""
    facts = [f"policy {body['epoch']}"] if "epoch" in body else []
    facts += [
        f"{len(body[name])} {name}" for name in ("considered", "shown", "tokens") if isinstance(body.get(name), list)
    ]
    facts += [f"{name} {body[name]}" for name in ("code", "document", "key") if body.get(name)]
    facts += ["nothing found"] if body.get("found") is False else []
    return ", ".join(facts)


@audit.command()
def verify(
    tenant: Tenant,
    expect: Annotated[
        str | None,
        typer.Option(help="SEQUENCE:DIGEST of a record noted earlier: finds records cut off at the end too."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Recompute the whole chain. Exit code 1 if a record was edited, removed, inserted or moved."""
    expected = None if expect is None else _head(expect)

    async def run(settings: Settings) -> VerifyResult:
        async with opened_database(settings) as database, database.reading() as session:
            return await AuditLog().verify(session, checked_tenant(tenant), expected=expected)

    result = asyncio.run(run(settings_for(data_dir)))
    head = None if result.head is None else f"{result.head.sequence}:{result.head.digest}"
    if as_json:
        breaks = [{"sequence": found.sequence, "reason": found.reason} for found in result.breaks]
        print_json(
            {"tenant": tenant, "intact": result.intact, "checked": result.checked, "head": head, "breaks": breaks}
        )
    elif result.intact:
        typer.echo(f"Intact: {result.checked} records. Head: {head or 'none yet'}")
    else:
        for found in result.breaks:
            typer.echo(f"Record {found.sequence}: {found.reason.replace('_', ' ')}")
        typer.echo(f"The log of tenant {tenant} was changed after it was written.", err=True)
    if not result.intact:
        raise typer.Exit(1)


def _head(text: str) -> AuditRef:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise Misuse("--expect is SEQUENCE:DIGEST, as `ringfence audit verify` prints it after Head.")
    return AuditRef(int(match[1]), match[2])
