"""What goes with a dropped index: what it alone knows of, and nothing that readers see or saw."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from ingestion import index_building
from ingestion.commands import indexing
from ingestion.index_building import Dropped, Plan, begin, complete, drop, require_source
from ingestion.indexes import parts_for
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.sources.folder import FolderSource
from policies.tables import Base
from rag.cli import main
from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_versions import IndexVersion
from rag.db.tables import AuditRow, ChunkRow, DocumentRow, TombstoneRow, VaultRow, VersionRow
from rag.errors import Misuse
from tests.ingestion.test_indexes import One, Shorter, shown
from tests.ingestion.worlds import MASTER, TENANT, parts_on, write_folder

LABELS = {"ringfence.yaml": "department: company\nlevel: internal\n"}
SAMPLE = {**LABELS, "canteen.md": "# Canteen\n\nThe canteen is run by Ann Lee.\n"}
OTHER = {**LABELS, "staff.md": "# Staff\n\nBo Chan, bo@acme.example.\n", "menu.md": "# Menu\n\nAnn Lee cooks.\n"}
Meanwhile = Callable[[], Awaitable[None]]


@pytest.fixture
def both(any_database: Database, sandbox: Sandbox) -> IngestionParts:
    return replace(parts_on(any_database, sandbox), others=One(Shorter()))


async def bring(root: Path, source: str, files: dict[str, str], parts: IngestionParts) -> None:
    """Into the live index alone."""
    await ingest(FolderSource(write_folder(root / source, files), source), TENANT, parts)
    await shown(parts)


async def fill(root: Path, source: str, files: dict[str, str], parts: IngestionParts) -> int:
    """Into the index beside the live one alone, as `index build` once did with any source."""
    plan = Plan("a-folder", "sha")
    begun = await begin(parts, TENANT, plan, Shorter(), {"model": "a-folder"}, author="operator:test")
    beside = await parts_for(begun, parts, TENANT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IndexVersion, "live", True)
        await ingest(FolderSource(write_folder(root / source, files), source), TENANT, beside, made_by="index")
    await shown(parts)
    await complete(parts.database, TENANT, begun.number)
    return begun.number


async def dropped(parts: IngestionParts, number: int) -> Dropped:
    return await drop(parts.database, TENANT, number, MASTER, author="operator:test")


async def paths(parts: IngestionParts) -> dict[str, bool]:
    """The documents that there are, and whether people see them."""
    async with parts.database.reading() as session:
        rows = await session.execute(select(DocumentRow.path, DocumentRow.current_version))
        return {path: current is not None for path, current in rows}


async def entities(parts: IngestionParts) -> list[str]:
    async with parts.database.reading() as session:
        return sorted(await session.scalars(select(VaultRow.entity)))


async def rows(parts: IngestionParts, table: type[Base]) -> int:
    async with parts.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_documents_that_only_a_dropped_index_knows_go_with_it_and_their_originals(
    both: IngestionParts, tmp_path: Path
) -> None:
    """As a source of which nothing was ever ingested left them; what the live index refers to as well stays."""
    await bring(tmp_path, "sample", SAMPLE, both)
    before = await entities(both)
    number = await fill(tmp_path, "sample", SAMPLE, both)
    await fill(tmp_path, "other", OTHER, both)
    assert await paths(both) == {"canteen.md": True, "staff.md": False, "menu.md": False}
    done = await dropped(both, number)
    assert (done.documents, len(done.sealed)) == (2, 4), "Bo Chan, her two words, and her address"
    assert await paths(both) == {"canteen.md": True}
    assert await entities(both) == before
    assert [await rows(both, table) for table in (VersionRow, ChunkRow, TombstoneRow)] == [1, 1, 0]
    async with both.database.reading() as session:
        bodies = await session.scalars(select(AuditRow.body).where(AuditRow.kind == "index_dropped"))
        assert '"documents":2' in bodies.one()


async def test_a_document_that_people_saw_stays_as_text_that_citations_lead_to(
    both: IngestionParts, tmp_path: Path
) -> None:
    await bring(tmp_path, "sample", SAMPLE, both)
    number = await fill(tmp_path, "other", OTHER, both)
    async with both.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).switch(number)
        await IndexChanges(session, TENANT).switch(1)
    assert (await dropped(both, number)).documents == 0
    assert await paths(both) == {"canteen.md": True, "staff.md": False, "menu.md": False}


async def test_a_document_that_waits_in_the_live_index_stays(both: IngestionParts, tmp_path: Path) -> None:
    """Written and not yet published, it has never been seen either."""
    await bring(tmp_path, "sample", SAMPLE, both)
    number = await fill(tmp_path, "sample", SAMPLE, both)
    await ingest(FolderSource(write_folder(tmp_path / "other", OTHER), "other"), TENANT, both)
    assert (await dropped(both, number)).documents == 0
    await shown(both)
    assert await paths(both) == dict.fromkeys(("canteen.md", "staff.md", "menu.md"), True)


async def test_a_source_that_is_ingested_while_a_drop_looks_keeps_what_is_its(
    both: IngestionParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(tmp_path, "sample", SAMPLE, both)
    number = await fill(tmp_path, "other", OTHER, both)
    held = await entities(both)
    looking = index_building.survey

    async def and_ingested(*arguments: Any) -> Any:
        found = await looking(*arguments)
        await bring(tmp_path, "other", OTHER, both)
        return found

    monkeypatch.setattr(index_building, "survey", and_ingested)
    assert (await dropped(both, number)) == Dropped(0, ())
    assert (await entities(both), (await paths(both))["staff.md"]) == (held, True)


async def test_a_source_that_no_live_document_comes_from_is_refused_and_those_that_do_are_named(
    both: IngestionParts, tmp_path: Path
) -> None:
    with pytest.raises(Misuse, match="no document"):
        await require_source(both.database, TENANT, "sample")
    await bring(tmp_path, "sample", SAMPLE, both)
    await fill(tmp_path, "other", OTHER, both)
    with pytest.raises(Misuse, match="come from: sample") as refusal:
        await require_source(both.database, TENANT, "other")
    assert refusal.value.code == "unknown_source"
    await require_source(both.database, TENANT, "sample")


def test_a_mistyped_source_begins_nothing_and_an_interrupted_build_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    docs = str(write_folder(tmp_path / "docs", {**SAMPLE, "broken.pdf": "%PDF-1.4 broken"}))
    tenant = ("--tenant", TENANT)
    assert main(["ingest", docs, "--source", "sample", *tenant]) == 3
    capsys.readouterr()
    assert main(["index", "build", docs, "--source", "other", *tenant, "--chunk-tokens", "64"]) == 2
    assert "come from: sample" in capsys.readouterr().err
    assert main(["index", "drop", "2", *tenant]) == 1, "none was begun"
    build = ["index", "build", docs, "--source", "sample", *tenant, "--chunk-tokens", "64"]

    async def stopped(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "ingest", stopped)
        capsys.readouterr()
        assert main(build) == 130
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert "index 2 is kept" in line and "run the same command again" in line and "index drop 2" in line
    assert main(["index", "catch-up", docs, "--source", "other", *tenant]) == 2
    assert main(build) == 0, "the live index refused the same file"
    told = capsys.readouterr().out
    assert "broken" in told and "not_live" not in told and "does not have 1 of those" in told
    write_folder(tmp_path / "docs", {**SAMPLE, "new.txt": "New."})
    assert main(build) == 3, "what the live index would take is to be ingested first"
    assert "not_live" in capsys.readouterr().out
    assert main(["index", "drop", "2", *tenant, "--json"]) == 0
    assert '"documents": 0' in capsys.readouterr().out


def test_a_build_says_that_a_live_document_whose_file_fails_now_is_not_mended_by_a_catch_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    docs = str(write_folder(tmp_path / "docs", SAMPLE | {"later-broken.txt": "Once this could be read."}))
    named = ("--source", "sample", "--tenant", TENANT)
    assert main(["ingest", docs, *named]) == 0
    (tmp_path / "docs" / "later-broken.txt").write_bytes(b"\0\1\2" * 100)
    capsys.readouterr()
    assert main(["index", "build", docs, *named, "--chunk-tokens", "64"]) == 3
    told = " ".join(capsys.readouterr().out.split())
    assert "1 documents that people see are not in it yet" in told
    assert "1 files fail now that the live index read before, which no catch-up mends" in told
    (tmp_path / "docs" / "later-broken.txt").write_text("Once this could be read.")
    assert main(["index", "catch-up", docs, *named]) == 0
    assert "fail now" not in capsys.readouterr().out
