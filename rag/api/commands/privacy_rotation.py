"""`ringfence privacy rotate-key`. It may run while services run, and again after it was interrupted."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncSession

from policies.commands.options import of_tenant
from policies.tenancy import every_tenant
from rag.api.commands.options import (
    AsJson,
    DataDir,
    checked_tenant,
    opened_database,
    print_json,
    settings_for,
    talk,
)
from rag.api.commands.privacy_upkeep import PARTLY_DONE, operator
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.scrub import scrub
from rag.db.tables import VaultRow
from rag.errors import Misuse
from rag.privacy.key_files import keep_first, put_first
from rag.privacy.key_sources import KeyFile, KeyRing, open_keys
from rag.privacy.rewrap import Observe, require_unused, rewrap, wrapped_by
from rag.privacy.rotation import VaultRotation, rotate_vault, vault_standing
from rag.settings import Settings

_NEXT = (
    "Every data key is wrapped by master key {key} already, and {origin} holds no other. Put a new key before it "
    "(`openssl rand -base64 32` makes one), keep the present one after it, see that every service knows both, and run "
    "this again."
)


def rotate_key(
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", envvar="RINGFENCE_TENANT", callback=of_tenant, help="Whose vault gets a new key."),
    ] = None,
    master: Annotated[
        bool, typer.Option("--master", help="Replace the master key instead: wrap every data key again.")
    ] = False,
    forget_previous: Annotated[
        bool, typer.Option("--forget-previous", help="With --master: then remove the previous key from its file.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Give a tenant's vault a new key, or the installation a new master key.

    Services keep running: old and new keys both open meanwhile. Tokens and search do not change. Interrupted, run it
    again. Exit code 3: some entries or keys do not open; their old key is kept.
    """
    if forget_previous and not master:
        raise Misuse("--forget-previous goes with --master.")
    settings = settings_for(data_dir)
    if master:
        with every_tenant():
            result = asyncio.run(_master(settings, dry_run=dry_run))
        if forget_previous and not dry_run:
            if not yes:
                typer.confirm(
                    "Remove the previous master key? Older backups cannot be opened then", abort=True, err=True
                )
            with every_tenant():
                asyncio.run(_forget(settings))
            result["known"] = [result["master_key"]]
    elif tenant is not None:
        result = asyncio.run(_vault(settings, checked_tenant(tenant), dry_run=dry_run))
    else:
        raise Misuse("Say whose vault with --tenant, or --master for the master key.")
    print_json(result) if as_json else _say(result)
    if result["failed"]:
        raise typer.Exit(PARTLY_DONE)


async def _vault(settings: Settings, tenant: str, *, dry_run: bool) -> dict[str, Any]:
    async def record(session: AsyncSession, done: VaultRotation) -> None:
        body: AuditBody = {"subject": operator(), "generation": done.generation, "resealed": done.resealed}
        await AuditLog().append(session, tenant, "vault_key_rotated", body)

    async with opened_database(settings) as database:
        if dry_run:
            async with database.reading() as session:
                return {"dry_run": True, **asdict(await vault_standing(session, tenant)), "failed": []}
        with _bar("Sealing again") as observe:
            done = await rotate_vault(database, tenant, open_keys(settings), record, observe)
    scrubbed = await scrub(settings.database_url, VaultRow.__tablename__)
    result = {name: value for name, value in asdict(done).items() if name != "unreadable"}
    return {"dry_run": False, **result, "scrubbed": scrubbed, "failed": list(done.unreadable)}


async def _master(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    source = open_keys(settings)
    async with opened_database(settings) as database:
        async with database.reading() as session:
            wraps = await wrapped_by(session)
        new = len(source.ids) == 1 and set(wraps) <= {source.id}
        if new and not _may_write(settings, source):
            raise Misuse(_NEXT.format(key=source.id, origin=source.origin))
        if dry_run:
            waiting = sum(number for key, number in wraps.items() if new or key != source.id)
            return {"dry_run": True, "new_key": new, "known": list(source.ids), "waiting": waiting, "failed": []}
        if new and isinstance(source, KeyFile):
            talk().print(f"Made master key {put_first(source.path)}, now the first of {source.path}.")

        async def record(session: AsyncSession, tenant: str, master_key: str, number: int) -> None:
            body: AuditBody = {"subject": operator(), "key": master_key, "wrapped": number}
            await AuditLog().append(session, tenant, "master_key_rotated", body)

        with _bar("Wrapping again") as observe:
            done = await rewrap(database, source, record, observe)
    return {
        "dry_run": False,
        "master_key": done.master_key,
        "known": list(source.ids),
        "rewrapped": done.rewrapped,
        "failed": [{"owner": owner, "why": why} for owner, why in done.failed],
    }


async def _forget(settings: Settings) -> None:
    source = open_keys(settings)
    if not isinstance(source, KeyFile) or not _may_write(settings, source):
        raise Misuse(f"{source.origin} is yours to change: take every key but the first, {source.id}, out of it.")
    async with opened_database(settings) as database, database.unit_of_work() as session:
        await require_unused(session, source.id)
        await asyncio.to_thread(keep_first, source.path, source.id)


def _may_write(settings: Settings, source: KeyRing | KeyFile) -> bool:
    """Whether the keys are in the file that Ringfence made itself."""
    privacy = settings.privacy
    return isinstance(source, KeyFile) and privacy.master_key is None and privacy.master_key_file is None


@contextmanager
def _bar(what: str) -> Iterator[Observe]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = talk()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(result: dict[str, Any]) -> None:
    """The result in words: what was done is data, what is left to do is talk."""
    for name, value in result.items():
        if name not in ("failed", "dry_run"):
            shown = ", ".join(value) if isinstance(value, list) else value
            typer.echo(f"{name.replace('_', ' ')}: {shown}")
    for one in result["failed"]:
        talk().print(one["why"] if isinstance(one, dict) else f"{one} does not open; its old key is kept.")
    if len(result.get("known", [])) > 1 and not result["dry_run"] and not result["failed"]:
        talk().print(
            "The previous key wraps nothing any more. Take it away with --forget-previous, or out of your own file or "
            "setting, once no backup needs it."
        )
