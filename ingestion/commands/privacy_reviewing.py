"""`ringfence privacy review`: what the recognizers are not sure of, for a person to decide."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingestion.commands.printing import plain
from ingestion.commands.privacy_scanning import scanning
from ingestion.commands.shared import TenantOption, checked_name, opened, operator_name
from ingestion.scanning import Hit
from ingestion.scanning import scan as scanned_files
from policies.commands.options import DataDir
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.errors import Misuse
from rag.privacy.cases import Case, as_yaml
from rag.privacy.configured import Change, Configurations, Standing
from rag.privacy.faces import normalise
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import tenant_keys
from rag.privacy.known_values import known_values_key
from rag.privacy.review import Decision, decided
from rag.settings import Settings, load_settings

ASKED_MAX = 200
NOT_ASKED = frozenset({"LITERAL"})


def review(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with all below it.")],
    tenant: TenantOption,
    cases: Annotated[Path, typer.Option("--cases", help="YAML file to which test cases are added; values in clear.")],
    below: Annotated[float, typer.Option(min=0, max=1.01, help="Ask about findings with a score below this.")] = 0.8,
    limit: Annotated[int, typer.Option(min=1, help="Ask at most so many questions.")] = ASKED_MAX,
    data_dir: DataDir = None,
) -> None:
    """Show low-confidence findings one by one and ask whether each is personal.

    A yes masks the value always, a no never; either becomes a new version of the configuration, as a digest, and a
    test case for `privacy configure test`. Nothing is changed before the last answer.
    """
    settings, name = load_settings(data_dir=data_dir), checked_name(tenant, "tenant")
    if not cases.parent.is_dir():
        raise Misuse(f"There is no folder {cases.parent} for the cases. Nothing was changed.")
    talk = Console(stderr=True)
    with talk.status("Scanning ..."):
        unsure = asyncio.run(_unsure(settings, path, name, below))
    answers = list(_asked(unsure[:limit], Console()))
    if len(unsure) > limit:
        talk.print(f"{len(unsure) - limit} more were not asked; raise --limit, or run it again.")
    if not answers:
        talk.print(f"{len(unsure)} findings are below {below}; nothing was decided, nothing was changed.")
        return
    # The file first: a decision without its case could not be checked later.
    _append(cases, [case for _, case in answers])
    version, refused, standing = asyncio.run(_decide(settings, name, [decision for decision, _ in answers]))
    if refused:
        talk.print(f"{refused} values are too short or too long to be known by themselves; they stay as they were.")
    typer.echo(
        f"Version {version}: {len(answers) - refused} decisions. {standing.outdated} documents must be masked again."
    )
    talk.print(f"Test cases are in {cases}: `ringfence privacy configure test {cases}`.")


async def _unsure(settings: Settings, path: Path, tenant: str, below: float) -> list[Hit]:
    """Each value once, the least sure first."""
    async with scanning(settings, tenant) as (sandbox, privacy):
        limit = settings.ingestion.file_bytes_max
        files = await asyncio.to_thread(lambda: list(scanned_files(path, sandbox, privacy, limit, everywhere=False)))
    found: dict[tuple[str, str], Hit] = {}
    for hit in (hit for one in files for hit in one.hits):
        if hit.score < below and hit.entity not in NOT_ASKED:
            found.setdefault((hit.entity, normalise(hit.entity, hit.value)), hit)
    return sorted(found.values(), key=lambda hit: (hit.score, hit.entity, hit.value))


def _asked(unsure: list[Hit], console: Console) -> Iterator[tuple[Decision, Case]]:
    for number, hit in enumerate(unsure, 1):
        before, after = (plain(part.replace("\n", " ")) for part in (hit.before, hit.after))
        console.print(f"[{number}/{len(unsure)}] {hit.entity} {hit.score:.2f}:", markup=False)
        console.print(f"  {before}[bold reverse]{plain(hit.value)}[/]{after}")
        answer = typer.prompt("personal? yes, no, skip, quit", default="skip", err=True).strip().casefold()
        if answer.startswith("q"):
            return
        if answer[:1] not in ("y", "n"):
            continue
        personal = answer.startswith("y")
        sentence = typer.prompt("a sentence with it, for the test case", default=hit.value, err=True)
        text = sentence if hit.value in sentence else hit.value
        entity = hit.entity if personal else None
        yield Decision(hit.value, hit.entity, personal), Case(text, hit.value, personal, entity)


def _append(path: Path, cases: list[Case]) -> None:
    """Add to the file, readable by its owner only where it is new."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(as_yaml(cases))
    except OSError as cause:
        raise Misuse(f"The cases cannot be written to {path}: {cause.strerror}. Nothing was changed.") from None


async def _decide(settings: Settings, tenant: str, decisions: list[Decision]) -> tuple[int, int, Standing]:
    async with opened(settings) as database, database.unit_of_work() as session:
        key = known_values_key(await tenant_keys(session, tenant, open_keys(settings)))
        store = Configurations(session, tenant)
        before = await store.newest()
        configuration, refused = decided(before.configuration, decisions, key)
        change = Change(operator_name(), f"{len(decisions)} decisions of a review", datetime.now(UTC))
        version = await store.set(configuration, change, what="decision")
        if version.number != before.number:
            body: AuditBody = {
                "subject": version.author,
                "version": version.number,
                "changed": "decision",
                "digest": version.digest,
            }
            await AuditLog().append(session, tenant, "masking", body)
        return version.number, refused, await store.standing(version.digest)
