"""`ringfence ingest`. Data on standard output, talk and progress on standard error."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingestion.commands.printing import print_report, progress
from ingestion.commands.shared import JsonOption, TenantOption, checked_name, opened
from ingestion.parse.confine import Limits
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest as bring_up_to_date
from ingestion.publishing import publish_documents
from ingestion.report import Observer, Report
from ingestion.sources.folder import FolderSource
from rag.embedding.minilm import load_embedder
from rag.index.lexical import LexicalEncoder
from rag.privacy.tenant import open_privacy
from rag.settings import Settings, load_settings

PARTLY_DONE = 3


def ingest(
    path: Annotated[Path, typer.Argument(help="Folder whose ringfence.yaml files label what lies below them.")],
    tenant: TenantOption,
    source: Annotated[
        str | None, typer.Option(help="Name of the folder as a source. Default: made from its place.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Remove all documents of a source that is empty now.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a folder of documents into a tenant: parse, mask, cut, embed, write, publish.

    Unchanged files cost nothing, changed ones replace, removed ones disappear. Run it again after an interruption.
    Exit code 3: some documents failed; the table says which and why.
    """
    settings = load_settings()
    folder = FolderSource(path, checked_name(source, "source") if source else None)
    talk = Console(stderr=True)
    with progress(talk) as observe:
        report, published = asyncio.run(
            _ingest(settings, folder, checked_name(tenant, "tenant"), observe, dry_run=dry_run, allow_empty=allow_empty)
        )
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "published": dict(published)}, ensure_ascii=False))
    else:
        print_report(report, Console())
    if report.failures:
        raise typer.Exit(PARTLY_DONE)


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[IngestionParts]:
    """Everything the path of a document needs, closed at the end."""
    limits = Limits(
        wall_s=settings.ingestion.parse_wall_s,
        cpu_s=settings.ingestion.parse_cpu_s,
        memory_bytes=settings.ingestion.parse_memory_bytes,
        text_chars_max=settings.ingestion.text_chars_max,
    )
    async with opened(settings) as database:
        privacy = open_privacy(settings)
        with Sandbox(limits) as sandbox:
            yield IngestionParts(
                database=database,
                privacy=privacy,
                masking_digest=privacy.recognizer.digest
                + settings.privacy.model_dump_json(exclude={"master_key", "master_key_file"}),
                parser=sandbox,
                embedder=load_embedder(settings.embedding),
                lexical=LexicalEncoder(),
                settings=settings.ingestion,
            )


async def _ingest(
    settings: Settings, source: FolderSource, tenant: str, observe: Observer, *, dry_run: bool, allow_empty: bool
) -> tuple[Report, Mapping[str, int]]:
    async with open_parts(settings) as parts:
        report = await bring_up_to_date(
            source, tenant, parts, dry_run=dry_run, allow_empty=allow_empty, observe=observe
        )
        if dry_run:
            return report, {}
        return report, await publish_documents(settings, parts.database, parts.embedder.dim, tenant)
