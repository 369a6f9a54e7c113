"""`ringfence documents`: what was ingested, with its labels and versions, never its text."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.table import Column

from ingestion.commands.comparing import diff
from ingestion.commands.deleting import delete, kept_out, let_in_again
from ingestion.commands.jobs import jobs
from ingestion.commands.printing import plain, print_rows
from ingestion.commands.quarantining import quarantine, reject, release
from ingestion.commands.shared import DocumentArgument, JsonOption, TenantOption, checked_name, opened
from ingestion.commands.tracing import NOT_RECORDED, answers, labels_in_words, lineage, version_in_words
from ingestion.places import require_source
from ingestion.quarantine import decisions_on
from ingestion.standing import waiting_states
from ingestion.store import DocumentStore
from policies.commands.options import DataDir
from policies.rules import Level
from policies.terminal import folding, out, pairs
from rag.db.documents import Documents, attributes_of, tightening_of
from rag.db.lineage import lineages
from rag.db.tables import ChunkRow, DocumentRow, QuarantineDecisionRow
from rag.errors import NotFound
from rag.settings import Settings, load_settings

documents = typer.Typer(help="List and look at what was ingested.", add_completion=False, no_args_is_help=True)
for command in (quarantine, release, reject, lineage, answers, diff, delete, kept_out):
    documents.command()(command)
documents.add_typer(jobs, name="jobs")
documents.command("let-in")(let_in_again)


@documents.command("list")
def list_documents(
    tenant: TenantOption,
    source: Annotated[str | None, typer.Option(help="Only documents of this source.")] = None,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """The tenant's documents with their labels and state. Paths are masked.

    visible; in quarantine and rejected: see `documents quarantine`; not published and to be read again: the next
    ingest of its source sees to it. What stands behind "newer" is so of a version that is newer than the visible one.
    """
    rows = asyncio.run(_list(load_settings(data_dir=data_dir), checked_name(tenant, "tenant"), source))
    if as_json:
        typer.echo(json.dumps({"documents": rows}, ensure_ascii=False))
        return
    # The id in one piece: it is what `show` wants. Title and flags are there, and in the JSON.
    table = folding(Column("document", no_wrap=True), "path", "labels", "state")
    several = len({row["source"] for row in rows}) > 1
    for row in rows:
        path = f"{row['path']} of {row['source']}" if several else row["path"]
        state = f"{row['state']}, newer: {row['newer']}" if row["newer"] else row["state"]
        table.add_row(row["document"], plain(path), plain(f"{row['department']}, {row['level']}"), state)
    print_rows(table, f"Tenant {tenant!r} has no documents{f' of source {source!r}' if source else ''}.")


@documents.command("show")
def show_document(
    document: DocumentArgument,
    tenant: TenantOption,
    chunks: Annotated[bool, typer.Option("--chunks", help="List the chunks of the visible version, too.")] = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """One document: all its labels, its versions, their state, and what made each. Never its text."""
    shown = asyncio.run(
        _show(load_settings(data_dir=data_dir), checked_name(tenant, "tenant"), document, chunks=chunks)
    )
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    labels = {name: value for name, value in shown.items() if name not in {"versions", "chunks", "decisions"}}
    decided = [
        ("decision", f"{one['decision']} by {one['by']} at {one['at']}: {one['reason']}") for one in shown["decisions"]
    ]
    words = [*((name, _words(value)) for name, value in labels.items()), *decided]
    out().print(pairs((name, plain(value)) for name, value in words))
    for version in shown["versions"]:
        _print_version(version)
    if chunks:
        listed = folding(Column("chunk", no_wrap=True), "place", "page", "heading", "stricter labels")
        for chunk in shown["chunks"]:
            place, page = "{}-{}".format(*chunk["span"]), str(chunk["page"] or "")
            listed.add_row(chunk["chunk"], place, page, plain(chunk["heading"]), ", ".join(chunk["stricter"]))
        out().print(listed)


def _print_version(version: dict[str, Any]) -> None:
    rest = {name: value for name, value in version.items() if name not in {"version", "makers"}}
    made_by = version["makers"] or {"makers": NOT_RECORDED}
    rows = [(name, plain(_words(value))) for name, value in (*rest.items(), *made_by.items())]
    out().print(pairs(rows, title=version["version"]))


def _words(value: Any) -> str:
    return "" if value is None else ", ".join(value) if isinstance(value, list) else str(value)


async def _list(settings: Settings, tenant: str, source: str | None) -> list[dict[str, Any]]:
    async with opened(settings) as database, database.reading() as session:
        rows = await Documents(session).of_tenant(tenant, source=source)
        if source is not None and not rows:
            await require_source(session, tenant, source)
        waiting = await waiting_states(session, tenant)
        return [_summary(row, waiting.get(row.id)) for row in rows]


async def _show(settings: Settings, tenant: str, document: str, *, chunks: bool) -> dict[str, Any]:
    async with opened(settings) as database, database.reading() as session:
        repository = Documents(session)
        row = await repository.find(tenant, document)
        if row is None:
            raise NotFound(f"Tenant {tenant!r} has no document {document!r}. `ringfence documents list` shows all.")
        found = await DocumentStore(session, tenant, row.source).versions(row.id)
        made_by = await lineages(session, tenant, [version.id for version, _ in found])
        listed = await repository.chunks_of(tenant, row.current_version) if chunks and row.current_version else []
        return {
            **_summary(row, (await waiting_states(session, tenant, document)).get(document)),
            **labels_in_words(attributes_of(row)),
            "attribute_version": row.attribute_version,
            "media_type": row.media_type,
            "decisions": [_decision(one) for one in await decisions_on(session, tenant, document)],
            "versions": [
                {
                    **version_in_words(version, made_by.get(version.id)),
                    "chunks": number,
                    "characters": len(version.text),
                }
                for version, number in found
            ],
            **({"chunks": [_chunk(chunk) for chunk in listed]} if chunks else {}),
        }


def _chunk(row: ChunkRow) -> dict[str, Any]:
    stricter = tightening_of(row)
    level = [stricter.level.name.lower()] if stricter.level else []
    return {
        "chunk": row.id,
        "span": [row.start, row.end],
        "page": row.page,
        "heading": row.heading,
        "stricter": [
            *level,
            *sorted(stricter.compartments),
            *(f"not {name}" for name in sorted(stricter.denied_shares)),
        ],
    }


def _decision(row: QuarantineDecisionRow) -> dict[str, Any]:
    return {
        "decision": row.decision,
        "by": row.author,
        "at": row.decided_at.isoformat(timespec="seconds"),
        "reason": row.reason,
        "content_digest": row.content_digest,
    }


_WAITING = {"quarantined": "in quarantine", "rejected": "rejected", "staged": "not published"}


def _summary(row: DocumentRow, waiting: str | None) -> dict[str, Any]:
    """`waiting` is the state of its version that is newer than the visible one, if there is one."""
    newer = _WAITING.get(waiting or "")
    return {
        "document": row.id,
        "title": row.title,
        "path": row.path,
        "source": row.source,
        "department": row.department,
        "level": Level(row.level).name.lower(),
        "state": "visible" if row.current_version else newer or "to be read again",
        "newer": newer if row.current_version else None,
        "flags": row.flags,
    }
