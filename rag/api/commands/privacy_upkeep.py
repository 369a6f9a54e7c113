"""`ringfence privacy erase`. It may run while the service runs."""

import asyncio
import getpass
import json
import os
import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

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
from rag.db.engine import Database
from rag.db.scrub import scrub
from rag.db.tables import DirectoryRow, VaultRow
from rag.errors import Misuse, NotFound
from rag.privacy import erasure
from rag.privacy.erasure import Erasure
from rag.privacy.erasure_plan import ErasurePlan, Planner, Wanted
from rag.privacy.faces import offline_domains
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import existing_tenant_keys
from rag.privacy.receipts import open_signer
from rag.privacy.vault import Vault
from rag.settings import Settings

PARTLY_DONE = 3
WANTED_MAX = 10_000
ROWS_MAX = 50
_UNFIT = re.compile(r"[^A-Za-z0-9_.:@/+-]")


def erase(
    tenant: Tenant,
    value: Annotated[
        list[str] | None, typer.Option("--value", help="A name, e-mail address, number, ... Repeat it for several.")
    ] = None,
    token: Annotated[list[str] | None, typer.Option("--token", help="A token, PERSON_... Repeat it.")] = None,
    listed: Annotated[
        typer.FileText | None,
        typer.Option("--list", help="File with a value or token on each line; - reads standard input."),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Why, for the receipt: the number of the request, and no name. Needed to erase.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become unreadable; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Erase a person: make the tokens of her values unreadable for ever, and print a signed receipt.

    Other spellings of a name go with it, parts of it that no other name has, and what directories have of them; texts
    masked with these are masked again by the next `ringfence ingest`. Values of hers that are not named stay: name
    her e-mail address too. What a command line names may be kept in your shell's history: --list reads
    a file instead. Backups keep what they hold. Exit code 3: some values were not found, or the files still have to
    be scrubbed: run it again.
    """
    wanted = _wanted(value or [], token or [], _lines(listed) if listed else [])
    if not dry_run and not reason.strip():
        raise Misuse("Say why with --reason; --dry-run needs none.")
    settings, name = settings_for(data_dir), checked_tenant(tenant)
    plan = asyncio.run(_plan(settings, name, wanted))
    if not plan.erases and not plan.before:
        raise NotFound(
            f"Neither the vault nor a directory of tenant {name!r} holds anything of this: "
            f"{', '.join(plan.missing[:10])}."
        )
    done: Erasure | None = None
    scrubbed: bool | None = None
    if not dry_run:
        if plan.erases:
            _show(plan, talk())
            if not yes:
                typer.confirm("Erase these? Nobody can undo it", abort=True, err=True)
        done, scrubbed = asyncio.run(_carry_out(settings, name, wanted, reason, again=not plan.erases))
    _print(plan, done, scrubbed, dry_run=dry_run, as_json=as_json)
    if plan.missing or scrubbed is False:
        raise typer.Exit(PARTLY_DONE)


def operator() -> str:
    """Who runs the command, in the alphabet of the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container's user id often has no name.
        name = f"uid-{os.getuid()}"
    return f"operator:{_UNFIT.sub('_', name)}"


def _lines(listed: typer.FileText) -> list[str]:
    try:
        return listed.read().splitlines()
    except UnicodeDecodeError:
        raise Misuse("The list is not UTF-8. Nothing was changed.", code="bad_list") from None


def _wanted(values: list[str], tokens: list[str], lines: list[str]) -> list[Wanted]:
    wanted = [Wanted(text.strip(), f"--value {number}") for number, text in enumerate(values, 1)]
    wanted += [Wanted(text.strip(), f"--token {number}") for number, text in enumerate(tokens, 1)]
    wanted += [Wanted(line.strip(), f"line {number}") for number, line in enumerate(lines, 1)]
    wanted = [one for one in wanted if one.text]
    if not wanted:
        raise Misuse("Name what to erase with --value, --token or --list.")
    if len(wanted) > WANTED_MAX:
        raise Misuse(f"At most {WANTED_MAX} values are erased at once; there are {len(wanted)}.")
    return wanted


async def _plan(settings: Settings, tenant: str, wanted: list[Wanted]) -> ErasurePlan:
    with talk().status("Looking through the vault ..."):
        async with opened_database(settings) as database:
            return (await _planned(database, settings, tenant, wanted))[0]


async def _planned(
    database: Database, settings: Settings, tenant: str, wanted: list[Wanted]
) -> tuple[ErasurePlan, Vault]:
    async with database.reading() as session:
        keys = await existing_tenant_keys(session, tenant, open_keys(settings))
        return await Planner(tenant, keys, offline_domains()).plan(session, wanted), Vault(tenant, keys.vault)


async def _carry_out(
    settings: Settings, tenant: str, wanted: list[Wanted], reason: str, *, again: bool
) -> tuple[Erasure | None, bool]:
    """Erase and scrub; `again` scrubs only, as after a run that was killed between the two."""
    done: Erasure | None = None
    if not again:
        signer = open_signer(settings)
        async with opened_database(settings) as database:
            # Anew: while the operator was asked, documents may have come in.
            plan, vault = await _planned(database, settings, tenant, wanted)
            async with database.unit_of_work() as session:
                by, now = operator(), datetime.now(UTC)
                done = await erasure.erase(session, plan, vault, signer, by=by, reason=reason, now=now)
                body: AuditBody = {
                    "subject": by,
                    "receipt": done.receipt,
                    "erased": len(done.tokens),
                    "documents": len(plan.documents),
                    "chunks": len(plan.chunks),
                    "unlisted": sum(done.unlisted.digests.values()),
                }
                await AuditLog().append(session, tenant, "erasure", body)
    with talk().status("Scrubbing the files ..."):
        scrubbed = await scrub(settings.database_url, VaultRow.__tablename__, () if done is None else done.deleted)
        if done is None or done.unlisted.digests:
            deleted = () if done is None else done.unlisted.deleted
            scrubbed = await scrub(settings.database_url, DirectoryRow.__tablename__, deleted) and scrubbed
        return done, scrubbed


def _print(plan: ErasurePlan, done: Erasure | None, scrubbed: bool | None, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(_record(plan, done, scrubbed, dry_run=dry_run))
        return
    if dry_run:
        _show(plan, out())
    elif done is not None:
        typer.echo(done.text)
    for place in plan.missing:
        talk().print(f"{place}: neither the vault nor a directory holds such a value.")
    for place, receipt in plan.before.items():
        talk().print(f"{place}: erased before, see receipt {receipt}.")
    if done is not None:
        talk().print(f"Erased {len(done.tokens)} values, receipt {done.receipt}. Backups keep what they hold.")
        for listed, number in done.unlisted.digests.items():
            talk().print(f"The directory {listed!r} lost {number} digests; import it again to have those of namesakes.")
        if done.unlisted.outdated:
            talk().print(
                f"{done.unlisted.outdated} documents were masked with an older configuration or directory: the next "
                "`ringfence ingest` masks them again."
            )
    if scrubbed is False:
        talk().print("The files could not be scrubbed yet: somebody was reading or writing. Run the command again.")


def _record(plan: ErasurePlan, done: Erasure | None, scrubbed: bool | None, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "tenant": plan.tenant,
        "erased": [asdict(one) for one in plan.erased],
        "kept": [asdict(one) for one in plan.kept],
        "documents": sorted(plan.documents),
        "chunks": sorted(plan.chunks),
        "missing": list(plan.missing),
        "erased_before": dict(plan.before),
        "unreadable": plan.unreadable,
        "listed": plan.digests if done is None else dict(done.unlisted.digests),
        "to_be_masked_again": None if done is None else done.unlisted.outdated,
        "receipt": None if done is None else json.loads(done.text),
        "scrubbed": scrubbed,
    }


def _show(plan: ErasurePlan, console: Any) -> None:
    table = folding("becomes unreadable", "why", "documents", "chunks")
    for one in plan.erased[:ROWS_MAX]:
        table.add_row(one.token, one.why.replace("_", " "), str(one.documents), str(one.chunks))
    console.print(table)
    if plan.kept:
        table = folding("stays readable", "why", "other values with it")
        for kept in plan.kept[:ROWS_MAX]:
            table.add_row(kept.token, kept.why.replace("_", " "), str(kept.used_by or ""))
        console.print(table)
    more = max(len(plan.erased), len(plan.kept)) > ROWS_MAX
    console.print(
        f"{len(plan.erased)} values in {len(plan.documents)} documents and {len(plan.chunks)} chunks"
        + (f"; the first {ROWS_MAX} of each table are shown, --json has all." if more else ".")
    )
    for listed, number in plan.digests.items():
        console.print(f"Up to {number} digests of the directory {listed!r}: texts are no longer recognised by them.")
    if plan.unreadable:
        console.print(f"{plan.unreadable} entries of people do not open, so it cannot be told whether they are hers.")
