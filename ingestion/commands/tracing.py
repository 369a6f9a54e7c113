"""`ringfence documents lineage` and `answers`: where a chunk comes from, and which answers rest on what. No text."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from ingestion.commands.printing import plain, print_rows
from ingestion.commands.shared import DocumentArgument, JsonOption, TenantOption, checked_name, opened
from policies.commands.options import DataDir
from policies.rules import Attributes
from policies.terminal import folding, out, pairs
from rag.audit.uses import Use, uses_of
from rag.db.documents import Documents
from rag.db.lineage import lineages
from rag.db.tables import LineageRow, VersionRow
from rag.errors import NotFound
from rag.settings import Settings, load_settings

NOT_RECORDED = "not recorded"
_USES_MAX = 10_000

LimitOption = Annotated[int, typer.Option(min=1, max=_USES_MAX, help="How many of the newest uses.")]
SinceOption = Annotated[datetime | None, typer.Option(help="From this time on, UTC.")]
UntilOption = Annotated[datetime | None, typer.Option(help="Before this time, UTC.")]


def lineage(
    chunk: Annotated[str, typer.Argument(help="Id of the chunk: chk_..., as citations and `show --chunks` name it.")],
    tenant: TenantOption,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Where a chunk comes from: document, version, place, all that made it, labels in force, and who was shown it."""
    found = asyncio.run(_lineage(load_settings(data_dir=data_dir), checked_name(tenant, "tenant"), chunk, limit))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    uses = found.pop("uses")
    out().print(pairs((name, plain(value)) for name, value in _flat(found)))
    print_rows(_uses_table(uses), f"No use of {chunk} is in the audit log.")


def answers(
    document: DocumentArgument,
    tenant: TenantOption,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Which answers and searches used a document, and who opened it, by the audit log. It may be deleted since.

    considered: a generator was given it. shown: the answer rests on it. unknown: the answer was stopped unfinished.
    """
    name = checked_name(tenant, "tenant")
    known, uses = asyncio.run(
        _answers(load_settings(data_dir=data_dir), name, document, _utc(since), _utc(until), limit)
    )
    if as_json:
        typer.echo(json.dumps({"document": document, "uses": uses}, ensure_ascii=False))
    else:
        unknown = "" if known else f", and tenant {tenant!r} has no such document now"
        print_rows(_uses_table(uses), f"No use of {document} is in the audit log{unknown}.")


async def _lineage(settings: Settings, tenant: str, chunk: str, limit: int) -> dict[str, Any]:
    async with opened(settings) as database, database.reading() as session:
        documents = Documents(session)
        loaded = (await documents.load_chunks(tenant, [chunk])).get(chunk)
        if loaded is None:
            raise NotFound(
                f"Tenant {tenant!r} has no chunk {chunk!r}: it never had, or its document was deleted or got new "
                "labels. `ringfence documents show DOCUMENT --chunks` lists those of a document."
            )
        document, version = loaded.chunk.document, loaded.chunk.version
        row = await documents.find(tenant, document)
        made = await documents.load_version(tenant, document, version)
        if row is None or made is None:
            raise NotFound(f"The document of chunk {chunk!r} was deleted meanwhile.")
        by = await lineages(session, tenant, [version])
        uses = await uses_of(session, tenant, chunk, limit=limit)
        return {
            "chunk": chunk,
            "document": document,
            "title": row.title,
            "source": row.source,
            "ordinal": loaded.chunk.ordinal,
            "span": [loaded.chunk.span.start, loaded.chunk.span.end],
            "page": loaded.chunk.page,
            "heading": loaded.chunk.heading,
            "labels": labels_in_words(loaded.attributes),
            "attribute_version": loaded.attribute_version,
            "version": version_in_words(made, by.get(version)),
            "uses": [_record(use) for use in uses],
        }


async def _answers(
    settings: Settings, tenant: str, document: str, since: datetime | None, until: datetime | None, limit: int
) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the tenant has the document now, and its uses."""
    async with opened(settings) as database, database.reading() as session:
        known = await Documents(session).find(tenant, document) is not None
        uses = await uses_of(session, tenant, document, since=since, until=until, limit=limit)
        return known, [_record(use) for use in uses]


def version_in_words(version: VersionRow, lineage: LineageRow | None) -> dict[str, Any]:
    """A version: its state, its times and digests, and the parts that made it; None where they were not recorded."""
    return {
        "version": version.id,
        "state": version.state,
        "written": _moment(version.created_at),
        "published": _moment(version.published_at),
        "ended": _moment(version.ended_at),
        "content_digest": version.content_digest,
        "source_revision": version.source_revision,
        "pipeline_digest": version.pipeline_digest,
        "masking_digest": version.masking_digest,
        "makers": None
        if lineage is None
        else {
            "made_by": lineage.made_by,
            "parser": lineage.parser,
            "hidden_content": lineage.hidden_content,
            "injection_rules": lineage.injection_rules,
            "recognizers": lineage.recognizers,
            "chunker": lineage.chunker,
            "chunk_tokens": lineage.chunk_tokens,
            "embedder": lineage.embedder,
            "embedder_digest": lineage.embedder_digest,
            "lexical_digest": lineage.lexical_digest,
        },
    }


def labels_in_words(attributes: Attributes) -> dict[str, Any]:
    return {
        "department": attributes.department,
        "level": attributes.level.name.lower(),
        "tags": sorted(attributes.tags),
        "owner": attributes.owner,
        "shares": sorted(attributes.shares),
        "denied_shares": sorted(attributes.denied_shares),
        "compartments": sorted(attributes.compartments),
    }


def _record(use: Use) -> dict[str, Any]:
    return {
        "how": use.how,
        "at": _moment(use.at),
        "record": use.sequence,
        "answer": use.answer or None,
        "person": use.person,
        "assistant": use.assistant,
        "considered": use.how == "answer",
        "shown": use.shown,
    }


def _uses_table(uses: list[dict[str, Any]]) -> Table:
    table = folding(Column("#", justify="right"), "at (UTC)", "use", Column("answer", no_wrap=True))
    for use in uses:
        who = f"{use['person']} through {use['assistant']}" if use["assistant"] else use["person"]
        shown = {True: "shown", False: "considered", None: "unknown"}[use["shown"]]
        at = datetime.fromisoformat(use["at"]).astimezone(UTC)
        told = plain(f"{use['how']}, {shown}: {who}")
        table.add_row(str(use["record"]), f"{at:%Y-%m-%d %H:%M:%S}", told, use["answer"] or "")
    return table


def _flat(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and values for a table: what stands in parts of its own comes below them."""
    rows: list[tuple[str, str]] = []
    for name, value in found.items():
        if isinstance(value, dict):
            rows += _flat(value)
        elif name == "makers":
            rows.append((name, NOT_RECORDED))
        elif isinstance(value, list):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, "" if value is None else str(value)))
    return rows


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at
