"""`ringfence index build`, `catch-up` and `drop`: what fills the index beside the live one, and what removes it."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ingestion.commands.ingesting import open_parts
from ingestion.commands.printing import print_report, progress
from ingestion.commands.shared import PARTLY_DONE, JsonOption, TenantOption, checked_name, opened, operator_name
from ingestion.commands.stopping import stopped_by_sigterm
from ingestion.index_building import Dropped, Plan, begin, complete, drop, require_source
from ingestion.indexes import parts_for
from ingestion.parse.document import Reason
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.publishing import publish_documents
from ingestion.report import Observer, Report
from ingestion.sources.configuration import open_source
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Source
from ingestion.spans import DocumentSpans
from policies.commands.options import DataDir
from policies.terminal import out, talk
from rag.db.index_versions import IndexVersions
from rag.db.scrub import scrub
from rag.embedding.minilm import load_embedder
from rag.embedding.others import chosen, named_in
from rag.errors import Conflict, IndexUnavailable, Interrupted, Misuse, NotFound
from rag.privacy.key_sources import open_keys
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

    @property
    def not_live(self) -> int:
        """How many documents failed that the live index does not have either: for reasons that `ingest` tells too."""
        return sum(one.reason is not Reason.NOT_LIVE and not one.previous_stays for one in self.report.failures)

    @property
    def failing_now(self) -> int:
        """How many fail that the live index read before."""
        return sum(one.reason is not Reason.NOT_LIVE and one.previous_stays for one in self.report.failures)

    @property
    def partly(self) -> bool:
        return bool(self.missing) or len(self.report.failures) > self.not_live

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
    data_dir: DataDir = None,
) -> None:
    """Build an index beside the live one from a source, which goes on answering meanwhile.

    Run it for each source of the tenant, and again after an interruption: what is done is not done again. A source that
    was never ingested is refused. Until it is promoted or dropped, whatever is ingested reaches both. Exit code 3:
    documents failed that the live index has or would take, or some are not in it yet.
    """
    plan = Plan(model, sha256, None if precision is None else precision.value, chunk_tokens)
    _run(_place(path, source, sources), checked_name(tenant, "tenant"), plan, data_dir, as_json=as_json)


def catch_up_index(
    path: SourceArgument,
    tenant: TenantOption,
    source: NameOption = None,
    sources: SourcesOption = None,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Read a source again into the index beside the live one: what failed there, or what only the live one has."""
    _run(_place(path, source, sources), checked_name(tenant, "tenant"), None, data_dir, as_json=as_json)


def drop_index(
    number: Annotated[int, typer.Argument(help="Number of the index, as `index list` shows it.", min=1)],
    tenant: TenantOption,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Remove the index beside the live one, with its chunks and points. There is no going back to it.

    Documents that it alone knows go with it. Exit code 3: it is gone for everybody, but its points are still on disk,
    which the next ingest removes, or a file still holds older pages of the database.
    """
    settings, name = load_settings(data_dir=data_dir), checked_name(tenant, "tenant")
    done, waiting, scrubbed = asyncio.run(_drop(settings, name, number))
    if as_json:
        points = "waiting" if waiting else "removed"
        record = {"dropped": number, "points": points, "documents": done.documents, "originals": len(done.sealed)}
        typer.echo(json.dumps(record | {"scrubbed": scrubbed}))
    else:
        typer.echo(f"Index {number} is dropped.")
        if done.documents:
            typer.echo(
                f"{done.documents} documents went with it that no other index knows, and {len(done.sealed)} originals "
                "of the vault."
            )
    if waiting:
        talk().print(f"note: its points are not removed yet: {waiting}", markup=False)
    if scrubbed is False:
        talk().print(
            "note: the database was busy, so its files still hold older pages; they go as the service works on"
        )
    if waiting or scrubbed is False:
        raise typer.Exit(PARTLY_DONE)


def _place(path: Path, source: str | None, sources: Path | None) -> Source:
    if sources and source:
        raise Misuse("--source names a folder; with --sources, the first argument is the name.")
    if sources:
        return open_source(sources, str(path))
    return FolderSource(path, checked_name(source, "source") if source else None)


def _run(source: Source, tenant: str, plan: Plan | None, data_dir: Path | None, *, as_json: bool) -> None:
    begun: list[int] = []
    try:
        with stopped_by_sigterm(), progress(talk()) as observe:
            done = asyncio.run(_filled(load_settings(data_dir=data_dir), source, tenant, plan, observe, begun.append))
    except KeyboardInterrupt:
        raise _interrupted(begun) from None
    if as_json:
        typer.echo(json.dumps(done.as_json(), ensure_ascii=False))
    else:
        print_report(done.report, out())
        left = f"; {done.missing} documents that people see are not in it yet" if done.missing else " and ready"
        out().print(f"Index {done.number} stands beside the live one{left}.")
        if done.not_live:
            out().print(f"note: the live index does not have {done.not_live} of those that failed either")
        if done.missing and done.failing_now:
            out().print(
                f"note: {done.failing_now} files fail now that the live index read before, which no catch-up mends. "
                "Mend the files; or `ringfence index compare` and `promote` name their documents, for --allow-missing "
                "or `ringfence documents delete`"
            )
    if done.partly:
        raise typer.Exit(PARTLY_DONE)


def _interrupted(begun: Sequence[int]) -> Interrupted:
    if not begun:
        return Interrupted("Interrupted before anything was written.")
    return Interrupted(
        f"Interrupted. What was written of index {begun[-1]} is kept, and people see none of it: run the same command "
        f"again to go on where it ended, or `ringfence index drop {begun[-1]}` to remove it."
    )


async def _filled(
    settings: Settings,
    source: Source,
    tenant: str,
    plan: Plan | None,
    observe: Observer,
    tell_begun: Callable[[int], None],
) -> _Done:
    # Before the models are loaded, and before anything is begun.
    async with opened(settings) as database:
        await require_source(database, tenant, source.name)
    async with open_parts(settings) as parts:
        filling = await _beside(settings, parts, tenant, plan)
        number = filling.index.number
        tell_begun(number)
        spans = DocumentSpans(NO_TRACING, observe)
        report = await ingest(source, tenant, filling, made_by="index", alone=True, observe=spans, tell=spans.tell)
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


async def _drop(settings: Settings, tenant: str, number: int) -> tuple[Dropped, str | None, bool | None]:
    """What went with it; why its points are still there, where they are; and whether the files of the database hold
    nothing of what the vault held, None where that was nothing."""
    waiting = None
    async with opened(settings) as database:
        done = await drop(database, tenant, number, open_keys(settings), author=operator_name())
        try:
            await publish_documents(settings, database, 1, tenant)
        except (Conflict, IndexUnavailable) as cause:
            waiting = cause.message
    return done, waiting, await scrub(settings.database_url, "vault_entry", done.sealed) if done.sealed else None
