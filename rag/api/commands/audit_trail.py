"""`ringfence audit`: look at a tenant's log, verify it here or from an exported file, and keep it."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from policies.commands.options import named, of_tenant
from policies.terminal import folding
from rag.api.commands.audit_keeping import checked_keys, checkpoint, export, prune
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
from rag.audit.chain import AuditRef, Break, VerifyResult
from rag.audit.export import LINE_BYTES_MAX, verify_export
from rag.audit.log import AuditLog
from rag.audit.ocsf import plain_line
from rag.audit.record import AuditRecord
from rag.audit.search import AuditFilter, find_records
from rag.errors import Misuse
from rag.privacy.receipts import find_signer
from rag.settings import Settings

audit = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Who was shown what, and the proof that the log is whole."
)
audit.command()(checkpoint)
audit.command()(export)
audit.command()(prune)

_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


@audit.command()
def show(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest records.")] = 20,
    since: Annotated[str | None, typer.Option(help="From this time on: 2026-05-31 or 2026-05-31T08:00, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    person: Annotated[str | None, typer.Option(help="Of this person, or whoever else acted, as recorded.")] = None,
    document: Annotated[str | None, typer.Option(help="About this document.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind: question, answer, unmask, denied ...")] = None,
    denied: Annotated[bool, typer.Option("--denied", help="Only where somebody was refused.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show the newest records, oldest first."""
    who = None if person is None else named("user", person)
    asked = AuditFilter(_moment(since), _moment(until), kind, who, document, denied)

    async def run(settings: Settings) -> list[AuditRecord]:
        async with opened_database(settings) as database, database.reading() as session:
            return await find_records(session, checked_tenant(tenant), asked, limit=limit)

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
    table = folding("#", "at", "kind", "who", "what", "digest")
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


def _moment(text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise Misuse("A time is a date, or a date and a time of day, in UTC: 2026-05-31 or 2026-05-31T08:00.") from None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@audit.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported log, in either form. Default: the log of this installation.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", envvar="RINGFENCE_TENANT", callback=of_tenant, help="Which tenant.")
    ] = None,
    public_keys: Annotated[
        list[str] | None,
        typer.Option(
            "--public-key",
            help="Who may have signed it; repeat for several. Default, and always for the log of this installation: "
            "this installation's key.",
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(help="SEQUENCE:DIGEST of a record noted earlier: finds records cut off at the end too."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Recompute the whole log. Exit code 1 if a record was edited, removed, inserted or moved.

    With FILE and --public-key it needs nothing but the file; `privacy receipts key` prints an installation's key.
    """
    expected = None if expect is None else _head(expect)
    if file is None:
        if tenant is None:
            raise Misuse("Say whose log to verify: --tenant NAME, or the FILE of an exported log.")
        result = asyncio.run(_verify_here(settings_for(data_dir), checked_tenant(tenant), public_keys, expected))
    else:
        result = verify_export(_lines(file), _keys_for_file(public_keys, data_dir), expected=expected)
    _print_result(result, as_json=as_json)
    if not result.intact:
        raise typer.Exit(1)


async def _verify_here(
    settings: Settings, tenant: str, public_keys: list[str] | None, expected: AuditRef | None
) -> VerifyResult:
    signer = find_signer(settings)
    keys = {*checked_keys(public_keys), *(() if signer is None else (signer.public_key,))}
    async with opened_database(settings) as database, database.reading() as session:
        return await AuditLog().verify(session, tenant, expected=expected, keys=keys)


def _keys_for_file(public_keys: list[str] | None, data_dir: Path | None) -> set[str]:
    if public_keys:
        return checked_keys(public_keys)
    signer = find_signer(settings_for(data_dir))
    if signer is None:
        raise Misuse("Say who must have signed the file: --public-key KEY, as `privacy receipts key` prints it there.")
    return {signer.public_key}


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of an exported log, in its own form. One that is too long comes in pieces, which are no lines."""
    try:
        with file.open("rb") as opened:
            while line := opened.readline(LINE_BYTES_MAX):
                yield plain_line(line)
    except OSError as cause:
        raise Misuse(f"{file} cannot be read ({type(cause).__name__}).") from None


def _print_result(result: VerifyResult, *, as_json: bool) -> None:
    head = None if result.head is None else f"{result.head.sequence}:{result.head.digest}"
    if as_json:
        print_json(
            {
                "tenant": result.tenant,
                "intact": result.intact,
                "checked": result.checked,
                "head": head,
                "checkpoints": result.checkpoints,
                "covered": result.covered,
                "removed": result.removed,
                "breaks": [
                    {"what": found.what, "sequence": found.sequence, "reason": found.reason} for found in result.breaks
                ],
            }
        )
    elif result.intact:
        typer.echo(
            f"Intact: {result.checked} records. Head: {head or 'none yet'}\n"
            f"Signed: records up to {result.covered} (checkpoint {result.checkpoints})."
            + (f" Removed by retention: up to {result.removed}." if result.removed else "")
        )
    else:
        for found in result.breaks:
            typer.echo(_said(found))
        name = f"The log of tenant {result.tenant}" if result.tenant else "The file"
        if {found.reason for found in result.breaks} == {"other_key"}:
            typer.echo(
                f"{name} is signed, but with another key than the ones given; name it with --public-key.", err=True
            )
        else:
            typer.echo(f"{name} was changed after it was written.", err=True)


def _said(found: Break) -> str:
    return f"{found.what.capitalize()} {found.sequence}: {found.reason.replace('_', ' ')}"


def _head(text: str) -> AuditRef:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise Misuse("--expect is SEQUENCE:DIGEST, as `ringfence audit verify` prints it after Head.")
    return AuditRef(int(match[1]), match[2])
