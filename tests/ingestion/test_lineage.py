"""Every chunk knows what made it, and `documents` tells it; versions of older releases say that it is not recorded."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from ingestion.digests import makers_of
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.sources.folder import FolderSource
from rag.audit.log import AuditLog
from rag.cli import main
from rag.db.lineage import lineages
from rag.db.tables import ChunkRow, DocumentRow, LineageRow, VersionRow
from tests.ingestion.outcomes import flip_staged
from tests.ingestion.worlds import TENANT, write_folder

LABELS = "department: company\nlevel: internal\n"
RENT = "# Rent\n\nThe rent of Ann Lee is 4.\n\n[ringfence level=secret]\n\nIt was 3.\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", {"ringfence.yaml": LABELS, "rent.md": RENT})


async def run(folder: Path, parts: IngestionParts, made_by: str = "ingest") -> None:
    await ingest(FolderSource(folder, "docs"), TENANT, parts, made_by=made_by)
    await flip_staged(parts)


async def chunks(parts: IngestionParts) -> list[ChunkRow]:
    async with parts.database.reading() as session:
        visible = select(ChunkRow).join(DocumentRow, DocumentRow.current_version == ChunkRow.version)
        return list(await session.scalars(visible.order_by(ChunkRow.ordinal)))


async def versions(parts: IngestionParts) -> list[VersionRow]:
    async with parts.database.reading() as session:
        return list(await session.scalars(select(VersionRow).order_by(VersionRow.created_at)))


async def test_a_version_keeps_each_part_that_made_it_and_when_it_was_visible(
    folder: Path, parts: IngestionParts
) -> None:
    await run(folder, parts)
    (folder / "rent.md").write_text(RENT.replace("4", "5"))
    await run(folder, replace(parts, settings=parts.settings.model_copy(update={"chunk_tokens": 50})), "job:job_1")
    old, new = await versions(parts)
    assert (old.state, new.state) == ("superseded", "published")
    assert old.published_at is not None
    assert (old.ended_at, new.ended_at) == (new.published_at, None)
    async with parts.database.reading() as session:
        found = await lineages(session, TENANT, [old.id, new.id])
        assert await lineages(session, "globex", [old.id]) == {}
    assert (found[old.id].made_by, found[old.id].chunk_tokens) == ("ingest", 40)
    assert (found[new.id].made_by, found[new.id].chunk_tokens) == ("job:job_1", 50)
    expected = makers_of(parts, "", "ingest").row(TENANT, old.id)
    columns = LineageRow.__table__.columns.keys()
    assert [getattr(found[old.id], name) for name in columns] == [getattr(expected, name) for name in columns]
    assert "stand-in" not in found[old.id].recognizers, "settings of masking are not spelled out"


async def test_the_commands_tell_where_a_chunk_comes_from_and_who_was_shown_it(
    folder: Path, parts: IngestionParts, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(folder, parts)
    open_one, secret = await chunks(parts)
    named = [{"document": open_one.document, "version": open_one.version, "chunk": open_one.id}]
    async with parts.database.unit_of_work() as session:
        for kind, listed in (("question", "considered"), ("answer", "shown")):
            body = {"person": "user:ann", "assistant": None, "answer": "ans_1", listed: named}
            await AuditLog().append(session, TENANT, kind, body)
    found = await answer(capsys, "lineage", secret.id)
    assert (found["document"], found["ordinal"], found["uses"]) == (secret.document, 1, [])
    assert found["labels"]["level"] == "secret", "with the paragraph's own"
    assert found["version"]["makers"]["parser"]
    shown = await answer(capsys, "lineage", open_one.id)
    assert shown["labels"]["level"] == "internal"
    assert [(use["answer"], use["person"], use["shown"]) for use in shown["uses"]] == [("ans_1", "user:ann", True)]
    used = await answer(capsys, "answers", open_one.document)
    assert used["uses"] == shown["uses"]
    assert (await answer(capsys, "answers", open_one.document, "--until", "2020-01-01"))["uses"] == []
    shown = await answer(capsys, "show", open_one.document, "--chunks")
    assert [(one["chunk"], one["stricter"]) for one in shown["chunks"]] == [(open_one.id, []), (secret.id, ["secret"])]


async def test_a_version_of_an_older_release_says_that_it_was_not_recorded(
    folder: Path, parts: IngestionParts, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(folder, parts)
    chunk = (await chunks(parts))[0]
    async with parts.database.unit_of_work() as session:
        await session.execute(delete(LineageRow))
    assert (await answer(capsys, "lineage", chunk.id))["version"]["makers"] is None
    for command in (("lineage", chunk.id), ("show", chunk.document)):
        assert await ringfence("documents", *command, "--tenant", TENANT) == 0
        assert "not recorded" in capsys.readouterr().out


async def test_another_tenants_chunk_is_not_found(
    folder: Path, parts: IngestionParts, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(folder, parts)
    chunk = (await chunks(parts))[0]
    assert await ringfence("documents", "lineage", chunk.id, "--tenant", TENANT) == 0
    assert await ringfence("documents", "lineage", chunk.id, "--tenant", "globex") == 1
    assert "no chunk" in capsys.readouterr().err


async def ringfence(*arguments: str) -> int:
    """The command in a thread of its own: it has an event loop of its own."""
    return await asyncio.to_thread(main, arguments)


async def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:  # type: ignore[type-arg] # JSON
    assert await ringfence("documents", *arguments, "--tenant", TENANT, "--json") == 0
    return json.loads(capsys.readouterr().out)
