"""`ringfence ingest`. Data on standard output, talk and progress on standard error."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingestion.cluster.engine import on_ray
from ingestion.cluster.fleet import import_ray
from ingestion.commands.jobs import queue_up
from ingestion.commands.printing import print_report, progress
from ingestion.commands.shared import PARTLY_DONE, JsonOption, TenantOption, checked_name, opened
from ingestion.engine import this_process
from ingestion.indexes import in_each
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest as bring_up_to_date
from ingestion.publishing import publish_documents
from ingestion.queue import overtake
from ingestion.report import Observer, Report
from ingestion.sources.configuration import open_source
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Source
from ingestion.spans import DocumentSpans
from ingestion.tools import open_tools
from rag.db.job_table import SYNC
from rag.db.jobs import NewJob
from rag.embedding.minilm import load_embedder
from rag.embedding.others import OtherEmbedders
from rag.errors import Misuse
from rag.privacy.key_sources import open_keys
from rag.privacy.tenant import open_privacy
from rag.settings import Settings, load_settings
from rag.telemetry.export import open_tracing


class EngineName(StrEnum):
    """Where `ringfence ingest` can have documents prepared."""

    LOCAL = "local"
    RAY = "ray"


def ingest(
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder whose ringfence.yaml files label what lies below them; with --sources, the name of a source."
        ),
    ],
    tenant: TenantOption,
    source: Annotated[
        str | None, typer.Option(help="Name of the folder as a source. Default: made from its place.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="File of sources: folders with permissions, Git, S3, HTTP, mail.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Remove all documents of a source that is empty now.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every document, whatever the source says is unchanged.")
    ] = False,
    engine: Annotated[
        EngineName, typer.Option(help="Where documents are parsed, masked and embedded: here, or on a Ray cluster.")
    ] = EngineName.LOCAL,
    enqueue: Annotated[
        bool, typer.Option("--enqueue", help="Let `ringfence worker` do it; print the job's id.")
    ] = False,
    priority: Annotated[int, typer.Option(min=-9, max=9, help="With --enqueue: before all jobs of lower ones.")] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="With --enqueue: until all of it has ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a folder or another source of documents into a tenant: parse, mask, cut, embed, write, publish.

    Unchanged documents cost nothing, changed ones replace, removed ones disappear. Run it again after an interruption.
    Exit code 3: some documents failed or are in quarantine; the table says which and why.
    """
    settings = load_settings()
    if sources and source:
        raise Misuse("--source names a folder; with --sources, the first argument is the name.")
    place: Source
    if sources:
        place = open_source(sources, str(path))
    else:
        place = FolderSource(path, checked_name(source, "source") if source else None)
    talk = Console(stderr=True)
    if enqueue or wait:
        if dry_run or not enqueue or engine is not EngineName.LOCAL:
            raise Misuse("--wait goes with --enqueue, and --enqueue goes with neither --dry-run nor --engine.")
        where = {"file": str(sources.resolve())} if sources else {"folder": str(path.resolve())}
        payload = {**where, "allow_empty": allow_empty, "verify": verify}
        new = NewJob(checked_name(tenant, "tenant"), SYNC, place.name, payload, priority)
        raise typer.Exit(queue_up(settings, new, talk, wait=wait, as_json=as_json))
    if engine is EngineName.RAY:
        import_ray()  # Before any model is loaded.
    options = {"dry_run": dry_run, "allow_empty": allow_empty, "verify": verify}
    with progress(talk) as observe:
        ingesting = _ingest(settings, place, checked_name(tenant, "tenant"), observe, engine, **options)
        report, published = asyncio.run(ingesting)
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "published": dict(published)}, ensure_ascii=False))
    else:
        print_report(report, Console())
    if report.failures or report.quarantined:
        raise typer.Exit(PARTLY_DONE)


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[IngestionParts]:
    """Everything the path of a document needs, closed at the end."""
    async with opened(settings) as database:
        privacy = open_privacy(settings)
        with open_tools(settings, privacy.recognizer) as tools:
            yield IngestionParts(
                database=database,
                privacy=privacy,
                masking_digest=tools.masking_digest,
                parser=tools.parser,
                embedder=tools.embedder,
                lexical=tools.lexical,
                settings=tools.settings,
                others=OtherEmbedders(settings.embedding, load_embedder),
            )


async def _ingest(
    settings: Settings,
    source: Source,
    tenant: str,
    observe: Observer,
    engine: EngineName,
    *,
    dry_run: bool,
    allow_empty: bool,
    verify: bool,
) -> tuple[Report, Mapping[str, int]]:
    async with open_parts(settings) as parts:
        with open_tracing(settings.telemetry) as tracing:
            spans = DocumentSpans(tracing, observe)
            if not dry_run:
                await overtake(parts.database, tenant, source.name)
            run = partial(
                bring_up_to_date,
                source,
                tenant,
                dry_run=dry_run,
                allow_empty=allow_empty,
                verify=verify,
                observe=spans,
                tell=spans.tell,
                engine=on_ray(open_keys(settings), parts) if engine is EngineName.RAY else this_process,
            )
            report = await in_each(parts, tenant, run, dry_run=dry_run)
        if dry_run:
            return report, {}
        return report, await publish_documents(settings, parts.database, parts.embedder.dim, tenant)
