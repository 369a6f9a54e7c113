"""`ringfence ingest`. Data on standard output, talk and progress on standard error."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
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
from ingestion.commands.shared import PARTLY_DONE, JsonOption, TenantOption, checked_name, opened, owner
from ingestion.commands.stopping import stopped_by_sigterm
from ingestion.direct import direct_run
from ingestion.engine import this_process
from ingestion.indexes import in_each
from ingestion.jobs import counts_of
from ingestion.leases import Progress
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest as bring_up_to_date
from ingestion.publishing import publish_documents
from ingestion.queue import JobQueue
from ingestion.report import Observer, Report, both
from ingestion.sources.configuration import open_source
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Source
from ingestion.spans import DocumentSpans
from ingestion.tools import open_tools
from policies.commands.options import DataDir
from policies.terminal import out
from rag.db.job_table import SYNC
from rag.db.jobs import NewJob
from rag.embedding.minilm import load_embedder
from rag.embedding.others import OtherEmbedders
from rag.errors import Interrupted, Misuse
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
    moved: Annotated[
        bool,
        typer.Option(
            "--moved", help="The source is another place now: remove the documents that only the earlier one had."
        ),
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
    priority: Annotated[
        int | None, typer.Option(min=-9, max=9, help="With --enqueue: before all jobs of lower ones. Default: 0.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="With --enqueue: until all of it has ended.")] = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Read a folder or another source of documents into a tenant: parse, mask, cut, embed, write, publish.

    Unchanged documents cost nothing, changed ones replace, removed ones disappear. Run it again after an interruption.
    Exit code 3: some documents failed, are in quarantine, or are not read for their names; the table says which, and
    why.
    """
    settings = load_settings(data_dir=data_dir)
    if sources and source:
        raise Misuse("--source names a folder; with --sources, the first argument is the name.")
    place: Source
    if sources:
        place = open_source(sources, str(path))
    else:
        place = FolderSource(path, checked_name(source, "source") if source else None)
    talk = Console(stderr=True)
    where = {"file": str(sources.resolve())} if sources else {"folder": str(path.absolute())}
    new = NewJob(
        checked_name(tenant, "tenant"),
        SYNC,
        place.name,
        {**where, "allow_empty": allow_empty, "moved": moved, "verify": verify},
        priority or 0,
    )
    if enqueue or wait or priority is not None:
        if dry_run or not enqueue or engine is not EngineName.LOCAL:
            raise Misuse(
                "--wait and --priority go with --enqueue, and --enqueue goes with neither --dry-run nor --engine."
            )
        raise typer.Exit(queue_up(settings, new, talk, wait=wait, as_json=as_json))
    if engine is EngineName.RAY:
        if data_dir is not None:
            raise Misuse(
                "--engine ray wants the data folder as RINGFENCE_DATA_DIR: its workers read the settings, too."
            )
        import_ray()  # Before any model is loaded.
    reached = Progress()
    try:
        with stopped_by_sigterm(), progress(talk) as observe:
            report, published = asyncio.run(_ingest(settings, place, new, observe, reached, engine, dry_run=dry_run))
    except KeyboardInterrupt:
        raise _interrupted(reached, dry_run=dry_run) from None
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "published": dict(published)}, ensure_ascii=False))
    else:
        print_report(report, out())
    if report.partly:
        raise typer.Exit(PARTLY_DONE)


def _interrupted(reached: Progress, *, dry_run: bool) -> Interrupted:
    again = "Run the same command again: it goes on from there."
    if dry_run:
        return Interrupted("Interrupted. Nothing was changed.")
    if not reached.total:
        return Interrupted(f"Interrupted before any document was gone through. {again}")
    return Interrupted(
        f"Interrupted. {reached.done} of {reached.total} documents were gone through; what was written of them is "
        f"kept, and readers see it after the next run. {again}"
    )


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
    asked: NewJob,
    observe: Observer,
    reached: Progress,
    engine: EngineName,
    *,
    dry_run: bool,
) -> tuple[Report, Mapping[str, int]]:
    observed = both(observe, reached.observe)
    async with open_parts(settings) as parts:
        run = partial(
            bring_up_to_date,
            source,
            asked.tenant,
            dry_run=dry_run,
            allow_empty=bool(asked.payload["allow_empty"]),
            moved=bool(asked.payload["moved"]),
            verify=bool(asked.payload["verify"]),
            engine=on_ray(open_keys(settings), parts) if engine is EngineName.RAY else this_process,
        )
        with open_tracing(settings.telemetry) as tracing:
            if dry_run:
                return await _reported(run, parts, asked.tenant, DocumentSpans(tracing, observed), dry_run=True), {}
            queue = JobQueue(parts.database, owner())
            async with direct_run(queue, asked.tenant, source.name, asked.payload, reached) as direct:
                spans = DocumentSpans(tracing, observed)
                fenced = replace(parts, database=direct.database)
                report = await _reported(run, fenced, asked.tenant, spans)
                direct.result = counts_of(report)
                published = await publish_documents(settings, direct.database, parts.embedder.dim, asked.tenant)
        await queue.forget()
        return report, published


async def _reported(
    run: Callable[..., Awaitable[Report]],
    parts: IngestionParts,
    tenant: str,
    spans: DocumentSpans,
    *,
    dry_run: bool = False,
) -> Report:
    return await in_each(parts, tenant, partial(run, observe=spans, tell=spans.tell), dry_run=dry_run)
