"""`ringfence audit checkpoint`, `export` and `prune`: sign what was recorded, hand it out, and let old records go."""

import asyncio
import base64
import binascii
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TextIO

import typer
from sqlalchemy.exc import IntegrityError

from rag.api.commands.options import AsJson, DataDir, Tenant, checked_tenant, opened_database, print_json, settings_for
from rag.api.commands.privacy_upkeep import operator
from rag.audit.checkpoint import Checkpoint
from rag.audit.export import export_log
from rag.audit.ocsf import event_of
from rag.audit.retention import Removal, plan_removal, remove
from rag.audit.sealing import seal
from rag.db.engine import Database
from rag.errors import Conflict, Misuse
from rag.privacy.receipts import Signer, open_signer

PUBLIC_KEY_BYTES = 32
OtherKeys = Annotated[
    list[str] | None,
    typer.Option("--public-key", help="A key that may have signed checkpoints, besides this installation's. Repeat."),
]


def checked_keys(public_keys: Iterable[str] | None) -> set[str]:
    """The keys, if each is one.

    Raises:
        Misuse: one is not 32 bytes as base64.
    """
    keys = set(public_keys or ())
    for key in keys:
        try:
            size = len(base64.b64decode(key, validate=True))
        except (binascii.Error, ValueError):
            size = 0
        if size != PUBLIC_KEY_BYTES:
            raise Misuse("A public key is 32 bytes as base64; `ringfence privacy receipts key` prints one.")
    return keys


def checkpoint(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Sign checkpoints for all records that have none. The service does so every 256 records and when it stops."""
    settings = settings_for(data_dir)
    signer, name = open_signer(settings), checked_tenant(tenant)

    async def run() -> list[Checkpoint]:
        async with opened_database(settings) as database:
            return await _sealed(database, name, signer)

    made = asyncio.run(run())
    if as_json:
        print_json([{"number": one.number, "first": one.first, "last": one.last, "root": one.root} for one in made])
        return
    for one in made:
        typer.echo(f"Checkpoint {one.number}: records {one.first} to {one.last}, root {one.root}")
    if not made:
        typer.echo("Every record is under a checkpoint.")


def export(
    tenant: Tenant,
    to: Annotated[Path | None, typer.Option("--output", help="A new file. Default: standard output.")] = None,
    ocsf: Annotated[bool, typer.Option("--ocsf", help="Events of OCSF 1.3 (API Activity) instead of records.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the whole log as JSON lines, with its checkpoints: `audit verify FILE` needs nothing else but the key."""
    settings = settings_for(data_dir)
    signer, name = open_signer(settings), checked_tenant(tenant)

    async def run() -> int:
        written = 0
        async with opened_database(settings) as database:
            await _sealed(database, name, signer)
            async with database.reading() as session:
                with output(to) as file:
                    async for line in export_log(session, name, signer):
                        file.write(f"{event_of(line) if ocsf else line}\n")
                        written += 1
        return written

    lines = asyncio.run(run())
    where = "FILE" if to is None else to
    typer.echo(f"{lines} lines. Verify: ringfence audit verify {where} --public-key {signer.public_key}", err=True)


def prune(
    tenant: Tenant,
    older_than: Annotated[int, typer.Option("--older-than", min=1, max=36_500, help="Days.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed; change nothing.")] = False,
    public_keys: OtherKeys = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove records older than some days, in whole batches. Their checkpoints stay; export the log first."""
    settings = settings_for(data_dir)
    signer, name = open_signer(settings), checked_tenant(tenant)
    before = datetime.now(UTC) - timedelta(days=older_than)
    keys = {signer.public_key, *checked_keys(public_keys)}

    async def run() -> Removal | None:
        async with opened_database(settings) as database, database.unit_of_work() as session:
            removal = await plan_removal(session, name, before, keys)
            if removal is not None and not dry_run:
                await remove(session, name, removal, signer, operator())
            return removal

    removal = asyncio.run(run())
    records, through = (0, 0) if removal is None else (removal.records, removal.through)
    if as_json:
        print_json({"tenant": name, "records": records, "through": through, "dry_run": dry_run})
    elif removal is None:
        typer.echo(f"No whole batch is older than {older_than} days; nothing to remove.")
    else:
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {records} records, up to number {through}.")


async def _sealed(database: Database, tenant: str, signer: Signer) -> list[Checkpoint]:
    try:
        async with database.unit_of_work() as session:
            return await seal(session, tenant, signer)
    except IntegrityError:
        raise Conflict("The service has just signed the same records. Run the command again.") from None


@contextmanager
def output(to: Path | None) -> Iterator[TextIO]:
    """Where data goes: standard output, or a new file. Raises `Misuse` where it cannot be made."""
    if to is None:
        yield sys.stdout
        return
    try:
        # For its owner only, and never over a file: an older export may be the only witness of what was cut off.
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as cause:
        raise Misuse(
            f"{to} cannot be written ({type(cause).__name__}). Name a new file in a folder that exists."
        ) from None
    with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
        yield file
