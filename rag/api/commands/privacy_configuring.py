"""`ringfence privacy configure`: how a tenant's texts are masked. It may run while the service runs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import typer
import yaml
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession
from typer.core import TyperGroup

from policies.terminal import folding
from rag.api.commands.later import Later, load_function
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
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.errors import Misuse
from rag.privacy.configuration import FILE_CHARS_MAX, Configuration, parse
from rag.privacy.configured import Change, Configurations, Standing, Version
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import TenantKeys, tenant_keys
from rag.privacy.known_values import known_values_key
from rag.settings import Settings

T = TypeVar("T")
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history. No names.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would have to be masked again; change nothing.")]


class _WithTest(TyperGroup):
    """`test` loads the models: it is imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), "test"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name != "test":
            return super().get_command(ctx, cmd_name)
        load = partial(load_function, "rag.api.commands.privacy_explaining:run_cases")
        return Later("test", "Try the configuration on the test cases of a file.", load)


configure = typer.Typer(
    cls=_WithTest,
    no_args_is_help=True,
    help="""Entities with their operators and thresholds, numbers of the company, values always or never masked.

    An entity's operator says what is done with its values. token, the default: a stable token stands for it, and the
    policy decides who is given the original back. redact: only its kind is shown, nothing is kept, nobody finds it or
    is given it back. keep: it is not looked for and stays as it is; refused for secrets.
    """,
)


@configure.command()
def show(
    tenant: Tenant,
    version: Annotated[int | None, typer.Option(help="Which version. Default: the newest.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Print the configuration as a file that `set` takes. Values are shown as their digests."""

    async def work(session: AsyncSession, keys: TenantKeys) -> Version:
        store = Configurations(session, tenant)
        return await (store.newest() if version is None else store.get(version))

    found = in_tenant(settings_for(data_dir), checked_tenant(tenant), work, writing=False)
    data = {"version": found.number, **found.configuration.as_data()}
    if as_json:
        print_json(data)
    else:
        typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


@configure.command(name="set")
def set_configuration(
    file: Annotated[typer.FileText, typer.Argument(help="YAML file; - reads standard input.")],
    tenant: Tenant,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a file the configuration. The next `ringfence ingest` masks again what was made by another one.

    The file is YAML: `entities: {US_SSN: {operator: redact}, PERSON: {threshold: 0.5}}`, and `patterns`, `never` and
    `always` as `show` prints them. A new value stands as `{value: Acme Support}`, and is kept as a digest only.
    """
    if not dry_run and not reason.strip():
        raise Misuse("Say why with --reason; --dry-run needs none.")
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    text = _read(file)

    async def work(session: AsyncSession, keys: TenantKeys) -> tuple[int, Standing]:
        configuration, made_from = parse(text, known_values_key(keys))
        named = {*(one.entity for one in configuration.always), *configuration.patterns}
        configuration.check_masked(named, settings.privacy.leave)
        store = Configurations(session, name)
        if dry_run:
            return await store.newest_number(), await store.standing(await store.digest_with(configuration))
        before = await store.newest_number()
        version = await store.set(configuration, change_now(reason), made_from=made_from)
        if version.number != before:
            await record(session, name, version, "configuration")
        return version.number, await store.standing(version.digest)

    number, standing = in_tenant(settings, name, work, writing=not dry_run)
    report(number, standing, dry_run=dry_run, as_json=as_json)


@configure.command()
def history(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Every version: what was changed, by whom, when and why."""
    name = checked_tenant(tenant)
    found = in_tenant(
        settings_for(data_dir), name, lambda session, keys: Configurations(session, name).history(), writing=False
    )
    if as_json:
        print_json({"tenant": name, "versions": [_as_json(version) for version in found]})
        return
    table = folding("version", "when", "who", "changed", "why")
    for version in found:
        at = version.at.isoformat(timespec="seconds") if version.at else ""
        table.add_row(str(version.number), at, *map(escape, (version.author, version.change, version.reason)))
    out().print(table)


@configure.command()
def status(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """How many documents were made by the newest configuration, and how many must be masked again."""
    name = checked_tenant(tenant)

    async def work(session: AsyncSession, keys: TenantKeys) -> tuple[int, Standing]:
        newest = await Configurations(session, name).newest()
        return newest.number, await Configurations(session, name).standing(newest.digest)

    report(*in_tenant(settings_for(data_dir), name, work, writing=False), dry_run=False, as_json=as_json)


def in_tenant(
    settings: Settings, tenant: str, work: Callable[[AsyncSession, TenantKeys], Awaitable[T]], *, writing: bool
) -> T:
    """Run `work` with the tenant's keys, in a unit of work or in a session that is never committed."""

    async def run() -> T:
        async with (
            opened_database(settings) as database,
            database.unit_of_work() if writing else database.reading() as session,
        ):
            return await work(session, await tenant_keys(session, tenant, open_keys(settings)))

    return asyncio.run(run())


def change_now(reason: str) -> Change:
    return Change(operator(), reason.strip(), datetime.now(UTC))


async def record(session: AsyncSession, tenant: str, version: Version, what: str) -> None:
    """The audit record of a changed configuration."""
    body: AuditBody = {"subject": version.author, "version": version.number, "changed": what, "digest": version.digest}
    await AuditLog().append(session, tenant, "masking", body)


def report(
    number: int, standing: Standing, *, dry_run: bool, as_json: bool, more: dict[str, Any] | None = None
) -> None:
    """What a command has to say about documents that must be masked again."""
    if as_json:
        figures = {"version": number, "current": standing.current, "to_be_masked_again": standing.outdated}
        print_json({"dry_run": dry_run, **figures, **(more or {})})
        return
    console = out()
    console.print(f"Version {number}" + (" stays: nothing was changed." if dry_run else "."))
    would = "would have to" if dry_run else "must"
    console.print(f"{standing.outdated} documents {would} be masked again, {standing.current} need not.")
    if standing.outdated and not dry_run:
        talk().print("The next `ringfence ingest` of their sources does it.")


def _read(file: typer.FileText) -> str:
    try:
        return file.read(FILE_CHARS_MAX + 1)
    except UnicodeDecodeError:
        raise Misuse("The file is not UTF-8. Nothing was changed.", code="bad_configuration") from None


def _as_json(version: Version) -> dict[str, Any]:
    configuration: Configuration = version.configuration
    return {
        "version": version.number,
        "at": version.at.isoformat() if version.at else None,
        "author": version.author,
        "changed": version.change,
        "reason": version.reason,
        "digest": version.digest,
        "configuration": configuration.as_data(),
    }
