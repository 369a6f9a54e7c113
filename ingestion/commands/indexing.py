"""`ringfence index build`, `catch-up` and `drop`: what fills the index beside the live one, and what removes it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ingestion.commands.ingesting import open_parts
from ingestion.commands.printing import print_report, progress
from ingestion.commands.shared import PARTLY_DONE, JsonOption, TenantOption, checked_name, opened, operator_name
from ingestion.index_building import Plan, begin, complete, drop
from ingestion.indexes import parts_for
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.publishing import publish_documents
from ingestion.report import Observer, Report
from ingestion.sources.configuration import open_source
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Source
from ingestion.spans import DocumentSpans
from rag.db.index_versions import IndexVersions
from rag.embedding.minilm import load_embedder
from rag.embedding.others import chosen, named_in
from rag.errors import Conflict, IndexUnavailable, Misuse, NotFound
from rag.settings import Settings, load_settings
from rag.telemetry.tracing import NO_TRACING

SourceArgument = Annotated[
    Path, typer.Argument(help="Folder of a source whose documents are ingested; with --sources, a source's name.")
]
NameOption = Annotated[str | None, typer.Option("--source", help="Name of the folder as a source, as `ingest` has it.")]
SourcesOption = Annotated[Path | None, typer.Option("--sources", help="File of sources, as `ingest` has it.")]


class Precision(StrEnum):
    """In what the model computes."""

    FLOAT32 = "float32"
    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class _Done:
    """What a run did: of which index, and of how many documents that people see nothing is in it yet."""

    number: int
    report: Report
    published: Mapping[str, int]
    missing: int

    def as_json(self) -> dict[str, Any]:
        return {
            "index": self.number,
            "missing": self.missing,
            **self.report.as_json(),
            "published": dict(self.published),
        }


def build_index(
    path: SourceArgument,
    tenant: TenantOption,
    source: NameOption = None,
    sources: SourcesOption = None,
    model: Annotated[
        str | None, typer.Option(help="Embedding model, as RINGFENCE_EMBEDDING__MODEL. Default: that of the settings.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Digest of the model folder's manifest.")] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="As RINGFENCE_EMBEDDING__PRECISION. Default: that of the settings.")
    ] = None,
    chunk_tokens: Annotated[
        int | None, typer.Option(min=32, max=256, help="Longest chunk. Default: that of the settings.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build an index beside the live one from a source, which goes on answering meanwhile.

    Run it for each source of the tenant, and again after an interruption: what is done is not done again. Until it is
    promoted or dropped, whatever is ingested reaches both. Exit code 3: documents failed, or some are not in it yet.
    """
    plan = Plan(model, sha256, None if precision is None else precision.value, chunk_tokens)
    _run(_place(path, source, sources), checked_name(tenant, "tenant"), plan, as_json=as_json)


def catch_up_index(
    path: SourceArgument,
    tenant: TenantOption,
    source: NameOption = None,
    sources: SourcesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a source again into the index beside the live one: what failed there, or what only the live one has."""
    _run(_place(path, source, sources), checked_name(tenant, "tenant"), None, as_json=as_json)


def drop_index(
    number: Annotated[int, typer.Argument(help="Number of the index, as `index list` shows it.", min=1)],
    tenant: TenantOption,
    as_json: JsonOption = False,
) -> None:
    """Remove the index beside the live one, with its chunks and points. There is no going back to it.

    Exit code 3: it is gone for everybody, but its points are still on disk; the next ingest removes them.
    """
    settings, name = load_settings(), checked_name(tenant, "tenant")
    waiting = asyncio.run(_drop(settings, name, number))
    if as_json:
        typer.echo(json.dumps({"dropped": number, "points": "waiting" if waiting else "removed"}))
    else:
        typer.echo(f"Index {number} is dropped.")
    if waiting:
        Console(stderr=True, highlight=False).print(f"note: its points are not removed yet: {waiting}", markup=False)
        raise typer.Exit(PARTLY_DONE)


def _place(path: Path, source: str | None, sources: Path | None) -> Source:
    if sources and source:
        raise Misuse("--source names a folder; with --sources, the first argument is the name.")
    if sources:
        return open_source(sources, str(path))
    return FolderSource(path, checked_name(source, "source") if source else None)


def _run(source: Source, tenant: str, plan: Plan | None, *, as_json: bool) -> None:
    talk = Console(stderr=True)
    with progress(talk) as observe:
        done = asyncio.run(_filled(load_settings(), source, tenant, plan, observe))
    if as_json:
        typer.echo(json.dumps(done.as_json(), ensure_ascii=False))
    else:
        print_report(done.report, Console())
        left = f"; {done.missing} documents that people see are not in it yet" if done.missing else " and ready"
        Console().print(f"Index {done.number} stands beside the live one{left}.", highlight=False)
    if done.report.failures or done.missing:
        raise typer.Exit(PARTLY_DONE)


async def _filled(settings: Settings, source: Source, tenant: str, plan: Plan | None, observe: Observer) -> _Done:
    async with open_parts(settings) as parts:
        filling = await _beside(settings, parts, tenant, plan)
        number = filling.index.number
        spans = DocumentSpans(NO_TRACING, observe)
        report = await ingest(source, tenant, filling, made_by="index", observe=spans, tell=spans.tell)
        published = await publish_documents(settings, parts.database, parts.embedder.dim, tenant)
        missing = await complete(parts.database, tenant, number)
        return _Done(number, report, published, missing)


async def _beside(settings: Settings, parts: IngestionParts, tenant: str, plan: Plan | None) -> IngestionParts:
    """The parts that write the index beside the live one, which a plan begins where there is none."""
    if plan is None:
        async with parts.database.reading() as session:
            index = await IndexVersions(session, tenant).beside()
        if index is None:
            raise NotFound(
                f"No index of tenant {tenant!r} stands beside the live one. `ringfence index build` makes it."
            )
        return await parts_for(index, parts, tenant)
    named = chosen(settings.embedding, plan.named)
    same = named_in(named) == named_in(settings.embedding)
    embedder = parts.embedder if same else await asyncio.to_thread(load_embedder, named)
    own = named_in(settings.embedding)
    begun = await begin(parts, tenant, plan, embedder, named_in(named), author=operator_name(), own=own)
    return await parts_for(begun, parts, tenant)


async def _drop(settings: Settings, tenant: str, number: int) -> str | None:
    """Why the points are still there, where they are."""
    async with opened(settings) as database:
        await drop(database, tenant, number, author=operator_name())
        try:
            await publish_documents(settings, database, 1, tenant)
        except (Conflict, IndexUnavailable) as cause:
            return cause.message
    return None
