"""`ringfence privacy prune`. It may run while services and workers run."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

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
from rag.api.commands.privacy_upkeep import PARTLY_DONE, operator
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.scrub import scrub
from rag.db.tables import VaultRow
from rag.errors import Misuse
from rag.privacy.faces import TOKEN, offline_domains
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import existing_tenant_keys
from rag.privacy.unused import UnusedValues
from rag.settings import Settings


def prune(
    tenant: Tenant,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy them; nobody can undo it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how many would go; change nothing.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Destroy the originals in the vault that no document refers to any more.

    `documents delete` takes its own. Documents that their source has lost leave theirs until this runs: it reads every
    text of the tenant, so run it each night rather than after each ingest. Questions and ingests go on meanwhile: what
    they write is looked at before anything is destroyed. Exit code 3: they are gone, but a file still holds older pages
    of the database.
    """
    if not yes and not dry_run:
        raise Misuse("Nothing was destroyed: say --yes to destroy them, or --dry-run to see how many there are.")
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    with talk().status("Looking through the texts and the vault ..."):
        done, scrubbed = asyncio.run(_prune(settings, name, dry_run=dry_run))
    _print(done, scrubbed, dry_run=dry_run, as_json=as_json)
    if scrubbed is False:
        raise typer.Exit(PARTLY_DONE)


async def _prune(settings: Settings, tenant: str, *, dry_run: bool) -> tuple[Collection[str], bool | None]:
    """The tokens of what was destroyed, and whether the files hold nothing of it; None where nothing was."""
    async with opened_database(settings) as database:
        async with database.reading() as session:
            survey = await (await _values(session, settings, tenant)).survey(session)
        if dry_run or not survey.unused:
            return survey.unused, None
        async with database.unit_of_work() as session:
            # With the keys of this moment: names that do not open could not keep their words.
            done = await (await _values(session, settings, tenant)).destroy_surveyed(session, survey)
            if done:
                body: AuditBody = {"subject": operator(), "originals": len(done)}
                await AuditLog().append(session, tenant, "vault_pruned", body)
    return done, await scrub(settings.database_url, VaultRow.__tablename__, tuple(done.values())) if done else None


async def _values(session: AsyncSession, settings: Settings, tenant: str) -> UnusedValues:
    return UnusedValues(tenant, await existing_tenant_keys(session, tenant, open_keys(settings)), offline_domains())


def _print(done: Collection[str], scrubbed: bool | None, *, dry_run: bool, as_json: bool) -> None:
    kinds = Counter(match[1] for match in map(TOKEN.fullmatch, done) if match)
    if as_json:
        record: dict[str, Any] = {"dry_run": dry_run, "originals": len(done), "scrubbed": scrubbed}
        print_json({**record, "kinds": dict(sorted(kinds.items()))})
        return
    if kinds:
        table = folding("kind", "originals")
        for kind, number in sorted(kinds.items()):
            table.add_row(kind, str(number))
        out().print(table)
    typer.echo(f"{len(done)} originals that no document refers to {'would be' if dry_run else 'were'} destroyed.")
    if scrubbed is False:
        talk().print("The files could not be scrubbed yet: somebody was reading or writing. Run the command again.")
