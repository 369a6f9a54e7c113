"""`ringfence keys`: create, list, rotate, revoke."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Column

from policies.tenancy import every_tenant
from policies.terminal import folding
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
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.identity.keys import USUAL, ApiKey, NewKey, Scope
from rag.identity.store import ApiKeys
from rag.settings import Settings

keys = typer.Typer(
    no_args_is_help=True, add_completion=False, help="API keys: for a person or an assistant of one tenant."
)


@keys.command()
def create(
    tenant: Tenant,
    subject: Annotated[str, typer.Option("--subject", help="user:ann for a person, assistant:helpdesk for a program.")],
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    may_name_people: Annotated[
        bool, typer.Option("--may-name-people", help="The assistant's word for whom it acts counts, without a token.")
    ] = False,
    administrator: Annotated[bool, typer.Option("--administrator", help="May publish and see metrics.")] = False,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may be used for; can be repeated. Default: everything but scim."),
    ] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Default: no expiry.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it, this once."""
    now = datetime.now(UTC)
    expires_at = None if expires_in_days is None else now + timedelta(days=expires_in_days)

    async def run(settings: Settings) -> NewKey:
        async with opened_database(settings) as database, database.unit_of_work() as session:
            new = await ApiKeys(session).create(
                tenant=checked_tenant(tenant),
                subject=subject,
                now=now,
                label=label,
                may_name_people=may_name_people,
                administrator=administrator,
                scopes=scope or None,
                expires_at=expires_at,
            )
            await AuditLog().append(session, tenant, "key_created", _created(new.key))
            return new

    new = asyncio.run(run(settings_for(data_dir)))
    if as_json:
        print_json({**_record(new.key), "key": new.bearer})
        return
    talk().print(f"Key {new.key.id} for {subject} in tenant {tenant}. It is shown this once:")
    typer.echo(new.bearer)


@keys.command(name="list")
def list_keys(
    tenant: Annotated[str | None, typer.Option("--tenant", envvar="RINGFENCE_TENANT", help="Default: all.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show the keys there are, and when each was last used."""

    async def run(settings: Settings) -> list[ApiKey]:
        async with opened_database(settings) as database, database.reading() as session:
            return await ApiKeys(session).list(tenant)

    with every_tenant():
        found = asyncio.run(run(settings_for(data_dir)))
    if as_json:
        print_json([_record(key) for key in found])
        return
    now = datetime.now(UTC)
    told = "tenant", "subject", "label", "rights", "created", "last used"
    table = folding(Column("id", no_wrap=True), *told, Column("state", no_wrap=True))
    for key in found:
        rights = [name for name, held in _rights(key).items() if held]
        if key.scopes != USUAL:
            rights.append(f"only {' '.join(sorted(key.scopes))}")
        used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
        table.add_row(
            key.id,
            key.tenant,
            key.subject,
            key.label,
            ", ".join(rights),
            f"{key.created_at:%Y-%m-%d}",
            used,
            _state(key, now),
        )
    out().print(table)


@keys.command()
def rotate(
    key: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=24 * 90, help="How long the old key can still be used; 0 ends it at once.")
    ] = 24,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key that follows another one, with the same rights and lifetime. Both can be used for a while."""
    now = datetime.now(UTC)

    async def run(settings: Settings) -> NewKey:
        async with opened_database(settings) as database, database.unit_of_work() as session:
            new = await ApiKeys(session).rotate(key, now=now, overlap=timedelta(hours=overlap_hours))
            body = {**_created(new.key), "replaces": key, "overlap_hours": overlap_hours}
            await AuditLog().append(session, new.key.tenant, "key_rotated", body)
            return new

    with every_tenant():
        new = asyncio.run(run(settings_for(data_dir)))
    if as_json:
        print_json({**_record(new.key), "key": new.bearer})
        return
    talk().print(
        f"Key {new.key.id} follows {key}, which can be used for {overlap_hours} more hours at most. "
        "It is shown this once:"
    )
    typer.echo(new.bearer)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """End a key. The next call with it is refused."""

    async def run(settings: Settings) -> ApiKey:
        async with opened_database(settings) as database, database.unit_of_work() as session:
            ended = await ApiKeys(session).revoke(key, now=datetime.now(UTC))
            await AuditLog().append(session, ended.tenant, "key_revoked", {"key": ended.id, "subject": ended.subject})
            return ended

    with every_tenant():
        ended = asyncio.run(run(settings_for(data_dir)))
    if as_json:
        print_json(_record(ended))
        return
    talk().print(f"Key {ended.id} of {ended.subject} is revoked.")


def _record(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "subject": key.subject,
        "label": key.label,
        **_rights(key),
        "scopes": sorted(key.scopes),
        "replaces": key.replaces,
        "created_at": key.created_at.isoformat(),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "last_used_at": None if key.last_used_at is None else key.last_used_at.isoformat(),
    }


def _created(key: ApiKey) -> AuditBody:
    return {
        "key": key.id,
        "subject": key.subject,
        "names": key.may_name_people,
        "administrator": key.administrator,
        "scopes": sorted(key.scopes),
    }


def _rights(key: ApiKey) -> dict[str, bool]:
    return {"may_name_people": key.may_name_people, "administrator": key.administrator}


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "usable" if key.usable_at(now) else "expired"
