"""`ringfence privacy scan`: what would be masked in files. Loads the models; stores nothing."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingestion.commands.printing import plain
from ingestion.commands.shared import JsonOption, TenantOption, checked_name, opened
from ingestion.parse.ocr import open_parser
from ingestion.parts import Parser
from ingestion.scanning import Scanned
from ingestion.scanning import scan as scanned_files
from policies.commands.options import DataDir
from policies.terminal import folding, out, talk
from rag.errors import Misuse
from rag.privacy.operators import Operator
from rag.privacy.tenant import TenantPrivacy, open_privacy
from rag.settings import Settings, load_settings

PARTLY_DONE = 3
SHOWN_MAX = 200


def scan(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with all below it. Labels are not needed.")],
    tenant: TenantOption,
    show: Annotated[bool, typer.Option("--show", help="Print the values too, to a terminal only.")] = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Report what would be masked, per file and kind. Files are parsed as `ringfence ingest` does; nothing is stored.

    Exit code 3: some files could not be analysed; they would not be indexed.
    """
    if show and (as_json or not sys.stdout.isatty()):
        raise Misuse("--show prints personal data, so it wants a terminal: not a file, a pipe or --json.")
    settings, name = load_settings(data_dir=data_dir), checked_name(tenant, "tenant")
    with talk().status("Scanning ..."):
        files, privacy = asyncio.run(_scan(settings, path, name))
    if as_json:
        typer.echo(json.dumps(_as_json(name, files, privacy), ensure_ascii=False))
    else:
        _print(files, privacy, out(), show=show)
    if any(one.refusal for one in files):
        raise typer.Exit(PARTLY_DONE)


@asynccontextmanager
async def scanning(settings: Settings, tenant: str) -> AsyncIterator[tuple[Parser, TenantPrivacy]]:
    """A parser and the tenant's privacy, as ingestion has them, with a session that is never committed."""
    privacy = open_privacy(settings)
    async with opened(settings) as database, database.reading() as session:
        own = await privacy.for_tenant(session, tenant)
    with open_parser(settings.ingestion) as parser:
        yield parser, own


async def _scan(settings: Settings, path: Path, tenant: str) -> tuple[list[Scanned], TenantPrivacy]:
    async with scanning(settings, tenant) as (sandbox, privacy):
        limit = settings.ingestion.file_bytes_max
        return await asyncio.to_thread(lambda: list(scanned_files(path, sandbox, privacy, limit))), privacy


def _as_json(tenant: str, files: list[Scanned], privacy: TenantPrivacy) -> dict[str, object]:
    rows = [
        {"path": one.path, "media_type": one.media_type, "entities": dict(one.entities), "not_analysed": one.refusal}
        for one in files
    ]
    total = _total(files)
    operators = {entity: privacy.operator(entity).value for entity in total}
    kept = sorted(privacy.kept)
    return {"tenant": tenant, "files": rows, "entities": dict(total), "operators": operators, "kept": kept}


def _total(files: list[Scanned]) -> Counter[str]:
    return sum((one.entities for one in files), Counter[str]())


def _print(files: list[Scanned], privacy: TenantPrivacy, console: Console, *, show: bool) -> None:
    table = folding("file", "would be masked")
    for one in files:
        table.add_row(plain(one.path), plain(one.refusal) if one.refusal else _counts(one.entities, privacy))
    console.print(table)
    if show:
        for one in files:
            spans = folding("kind", "score", "value", title=plain(one.path))
            for hit in one.hits[:SHOWN_MAX]:
                spans.add_row(hit.entity, f"{hit.score:.2f}", plain(hit.value))
            if one.hits:
                console.print(spans)
            if len(one.hits) > SHOWN_MAX:
                console.print(f"... and {len(one.hits) - SHOWN_MAX} more")
    failed = sum(bool(one.refusal) for one in files)
    found = _counts(_total(files), privacy)
    console.print(f"{len(files)} files: {found}" + (f"; {failed} not analysed" if failed else ""))
    if privacy.kept:
        console.print(f"Not looked for: {', '.join(sorted(privacy.kept))}")


def _counts(entities: Counter[str], privacy: TenantPrivacy) -> str:
    """`2 PERSON, 1 US_SSN (redact)`: the operator where it is not a token."""
    how = {entity: privacy.operator(entity) for entity in entities}
    named = {entity: entity if one is Operator.TOKEN else f"{entity} ({one.value})" for entity, one in how.items()}
    return ", ".join(f"{number} {named[entity]}" for entity, number in sorted(entities.items())) or "nothing"
