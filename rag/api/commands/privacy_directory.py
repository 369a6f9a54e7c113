"""`ringfence privacy directory`: the people and customers a tenant knows. It may run while the service runs."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from policies.rules import InvalidRule, plain_name
from policies.terminal import folding
from rag.api.commands.options import AsJson, DataDir, Tenant, checked_tenant, out, print_json, settings_for, talk
from rag.api.commands.privacy_configuring import DryRun, Reason, change_now, in_tenant, record, report
from rag.errors import Misuse
from rag.privacy.configuration import Configuration, configuration_digest
from rag.privacy.configured import Configurations, Standing
from rag.privacy.directory import Directory, parse_columns, read_directory
from rag.privacy.erased import Erased, is_erased
from rag.privacy.keys import TenantKeys
from rag.privacy.known_values import known_values_key

PARTLY_DONE = 3
FILE_BYTES_MAX = 500_000_000
BROKEN_SHOWN = 50
ListName = Annotated[str, typer.Option("--name", help="Name of the list: a tenant may have several.")]

directory = typer.Typer(
    no_args_is_help=True, help="Lists of employees or customers, kept as keyed digests, found in every text."
)


@directory.command(name="import")
def import_directory(
    file: Annotated[Path, typer.Argument(help="CSV file with a header.", exists=True, dir_okay=False)],
    tenant: Tenant,
    column: Annotated[
        list[str], typer.Option("--column", help="name=PERSON, first_name+last_name=PERSON, email=EMAIL_ADDRESS, ...")
    ],
    name: ListName = "people",
    reason: Reason = "import",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Read a CSV file into a list, replacing it. The file may be deleted afterwards.

    What was erased is not taken. Exit code 3: some rows were not taken; they are reported by line and reason.
    """
    settings, name_of_tenant, wanted = settings_for(data_dir), checked_tenant(tenant), parse_columns(column)
    _checked(name)
    if file.stat().st_size > FILE_BYTES_MAX:
        raise Misuse(f"{file} is larger than {FILE_BYTES_MAX} bytes. Split it into several lists with --name.")

    async def look(session: AsyncSession, keys: TenantKeys) -> tuple[TenantKeys, frozenset[str]]:
        newest = await Configurations(session, name_of_tenant).newest()
        newest.configuration.check_masked(wanted.values(), settings.privacy.leave)
        return keys, await Erased(session, name_of_tenant).all()

    # Before anything is locked: a large file takes a minute.
    keys, marks = in_tenant(settings, name_of_tenant, look, writing=not dry_run)
    erased = partial(is_erased, marks, keys.vault.marks)
    with file.open("rb") as opened, talk().status("Reading ...") as line:
        known = known_values_key(keys)
        read = read_directory(opened, wanted, known, lambda rows: line.update(f"Reading ... {rows} rows"), erased)

    async def work(session: AsyncSession, keys: TenantKeys) -> tuple[int, Standing]:
        store = Configurations(session, name_of_tenant)
        if dry_run:
            digest = await _digest_with(store, name, read)
            return await store.newest_number(), await store.standing(digest)
        before = await store.newest_number()
        version = await store.put_directory(name, read, change_now(reason))
        if version.number != before:
            await record(session, name_of_tenant, version, "directory")
        return version.number, await store.standing(version.digest)

    number, standing = in_tenant(settings, name_of_tenant, work, writing=not dry_run)
    _print(read, as_json=as_json)
    broken = [{"line": one.line, "reason": one.reason} for one in read.broken]
    figures = {"rows": read.rows, "values": dict(read.entities), "broken_rows": read.broken_rows, "broken": broken}
    report(number, standing, dry_run=dry_run, as_json=as_json, more=figures)
    if read.broken_rows:
        raise typer.Exit(PARTLY_DONE)


@directory.command(name="list")
def list_directories(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """The lists of a tenant, with the number of values of each entity. The values are not kept."""
    name = checked_tenant(tenant)
    found = in_tenant(
        settings_for(data_dir), name, lambda session, keys: Configurations(session, name).directories(), writing=False
    )
    if as_json:
        rows = [
            {"name": one.name, "values": one.entities, "by": one.imported_by, "at": one.imported_at.isoformat()}
            for one in found
        ]
        print_json({"tenant": name, "directories": rows})
        return
    table = folding("list", "values", "imported", "by")
    for one in found:
        values = ", ".join(f"{number} {entity}" for entity, number in sorted(one.entities.items()))
        table.add_row(escape(one.name), values, one.imported_at.isoformat(timespec="seconds"), escape(one.imported_by))
    out().print(table)


@directory.command()
def clear(
    tenant: Tenant, name: ListName = "people", reason: Reason = "", as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Remove a list. What only it knew is no longer found in texts that are masked from now on."""
    if not reason.strip():
        raise Misuse("Say why with --reason.")
    settings, name_of_tenant = settings_for(data_dir), checked_tenant(tenant)

    async def work(session: AsyncSession, keys: TenantKeys) -> tuple[int, Standing]:
        store = Configurations(session, name_of_tenant)
        version = await store.clear_directory(name, change_now(reason))
        await record(session, name_of_tenant, version, "directory")
        return version.number, await store.standing(version.digest)

    report(*in_tenant(settings, name_of_tenant, work, writing=True), dry_run=False, as_json=as_json)


async def _digest_with(store: Configurations, name: str, read: Directory) -> str:
    others = [bytes.fromhex(one.digest) for one in await store.directories() if one.name != name]
    configuration: Configuration = (await store.newest()).configuration
    return configuration_digest(configuration, [*others, bytes.fromhex(read.digest)])


def _checked(name: str) -> None:
    try:
        plain_name(name, "list")
    except InvalidRule as cause:
        raise Misuse(f"{cause}.") from cause


def _print(read: Directory, *, as_json: bool) -> None:
    if as_json:
        return
    if read.broken:
        table = folding("line", "not taken, because")
        for one in read.broken[:BROKEN_SHOWN]:
            table.add_row(str(one.line), escape(one.reason))
        talk().print(table)
    values = ", ".join(f"{number} {entity}" for entity, number in sorted(read.entities.items()))
    more = f"; {read.broken_rows} rows were not taken whole" if read.broken_rows else ""
    out().print(f"{read.rows} rows: {values}{more}.")
