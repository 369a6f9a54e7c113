"""Deleting a document: it is gone everywhere that is ours, what others share stays, and what remains is said."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, update

from ingestion import deleting
from ingestion.deleting import Deleted, delete_document, let_in, would_delete
from ingestion.parse.document import ParsedDocument, Reason
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts, Parser
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.folder import FolderSource
from policies.tables import Base
from rag.audit.log import AuditLog
from rag.audit.search import AuditFilter, find_records
from rag.cli import main
from rag.db.engine import Database, open_database
from rag.db.feedback import FeedbackRow, FeedbackState
from rag.db.index_table import IndexVersionRow
from rag.db.index_versions import IndexVersions
from rag.db.tables import (
    AuditRow,
    ChunkRow,
    DocumentRow,
    KeptOutRow,
    LineageRow,
    TombstoneRow,
    VaultRow,
    VersionRow,
)
from rag.errors import NotFound
from rag.hidden_content import DROP_ALL, HiddenPolicy
from rag.privacy.faces import FaceMaker, offline_domains
from rag.privacy.keys import existing_tenant_keys
from rag.privacy.unused import UnusedValues
from rag.privacy.vault import Vault
from tests.ingestion.outcomes import changes, flip_staged
from tests.ingestion.worlds import MASTER, TENANT, parts_on, write_folder

FILES = {
    "ringfence.yaml": "department: company\nlevel: internal\n",
    "rent.md": "# Rent\n\nAnn Lee pays 4, says ann.lee@acme.example.\n",
    "people.md": "# People\n\nAnn Lee is one of us.\n",
}


@pytest.fixture
def any_parts(any_database: Database, sandbox: Sandbox) -> IngestionParts:
    return parts_on(any_database, sandbox)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", FILES)


async def run(folder: Path, parts: IngestionParts) -> Report:
    report = await ingest(FolderSource(folder, "docs"), TENANT, parts)
    await flip_staged(parts)
    return report


async def document(parts: IngestionParts, path: str) -> str:
    async with parts.database.reading() as session:
        return (await session.scalars(select(DocumentRow.id).where(DocumentRow.path == path))).one()


async def deleted(parts: IngestionParts, path: str, *, keep_out: bool = False) -> Deleted:
    name = await document(parts, path)
    return await delete_document(parts.database, TENANT, name, MASTER, author="operator:root", keep_out=keep_out)


async def rows(parts: IngestionParts, table: type[Base]) -> int:
    async with parts.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def vault(parts: IngestionParts) -> set[str]:
    """Everything that it gives back."""
    async with parts.database.reading() as session:
        keys = await existing_tenant_keys(session, TENANT, MASTER)
        tokens = list(await session.scalars(select(VaultRow.token)))
        return set((await Vault(TENANT, keys.vault).open(session, tokens)).values())


async def pruned(parts: IngestionParts, meanwhile: Callable[[], Awaitable[None]] | None = None) -> int:
    async with parts.database.reading() as session:
        keys = await existing_tenant_keys(session, TENANT, MASTER)
        values = UnusedValues(TENANT, keys, offline_domains())
        survey = await values.survey(session)
    if meanwhile:
        await meanwhile()
    async with parts.database.unit_of_work() as session:
        return len(await values.destroy_surveyed(session, survey))


async def test_it_leaves_no_row_and_only_what_others_refer_to_stays_in_the_vault(
    folder: Path, any_parts: IngestionParts
) -> None:
    parts = any_parts
    await run(folder, parts)
    async with parts.database.reading() as session:
        chunk = (
            await session.scalars(select(ChunkRow.id).join(DocumentRow).where(DocumentRow.path == "rent.md"))
        ).one()
    done = await deleted(parts, "rent.md")
    assert (done.versions, done.chunks, done.originals, done.dim) == (1, 1, 1, 8)
    for table in (DocumentRow, VersionRow, LineageRow, ChunkRow):
        assert await rows(parts, table) == 1, "the other document's"
    async with parts.database.reading() as session:
        assert list(await session.scalars(select(TombstoneRow.chunk))) == [chunk], "the next publish takes it away"
        assert set(await session.scalars(select(VaultRow.entity))) == {"PERSON"}, "the address was in no other document"
        kinds = [one.kind for one in await find_records(session, TENANT, AuditFilter(document=done.document), limit=9)]
    assert kinds == ["document_deleted"]
    remains = {one.where: one.number for one in done.remains}
    assert remains == {"audit log": 1, "vault": 1} | dict.fromkeys(("source", "backups", "exports", "callers"))
    with pytest.raises(NotFound):
        await delete_document(parts.database, TENANT, done.document, MASTER, author="operator:root")


async def test_the_last_document_with_a_name_takes_its_words_along_and_a_word_that_another_name_has_stays(
    folder: Path, any_parts: IngestionParts
) -> None:
    parts = any_parts
    write_folder(
        folder, FILES | {"staff.md": "# Staff\n\nBo Chan, at times just Chan.\n", "team.md": "# Team\n\nBo Chan.\n"}
    )
    await run(folder, parts)
    assert await vault(parts) == {"Ann Lee", "Ann", "Lee", "Bo Chan", "Bo", "Chan", "ann.lee@acme.example"}
    assert not (await deleted(parts, "staff.md")).originals, "Chan stands nowhere now, but Bo Chan does"
    assert (await deleted(parts, "team.md")).originals == 3
    await deleted(parts, "rent.md")
    assert await vault(parts) == {"Ann Lee", "Ann", "Lee"}
    await deleted(parts, "people.md")
    assert await vault(parts) == set()


async def test_what_a_lost_document_left_in_the_vault_is_pruned_and_nothing_else(
    folder: Path, any_parts: IngestionParts
) -> None:
    parts = any_parts
    write_folder(folder, FILES | {"staff.md": "# Staff\n\nBo Chan.\n"})
    await run(folder, parts)
    assert await pruned(parts) == 0
    (folder / "staff.md").write_text("# Staff\n\nNobody.\n")
    (folder / "rent.md").unlink()
    await run(folder, parts)
    before = await vault(parts)
    assert await pruned(parts) == 1, "the address; an older version, which is kept, has the name"
    assert await vault(parts) == before - {"ann.lee@acme.example"}
    (folder / "staff.md").unlink()
    await run(folder, parts)
    assert await pruned(parts) == 3
    assert await vault(parts) == {"Ann Lee", "Ann", "Lee"}
    assert await pruned(parts) == 0


@pytest.mark.parametrize(
    ("written", "stay"),
    [
        ("Nobody.", set()),
        ("Bo Chan.", {"Bo Chan", "Bo", "Chan"}),
        ("Chan.", {"Chan"}),
        ("Kim Chan.", {"Kim Chan", "Kim", "Chan"}),
    ],
)
async def test_what_is_written_while_a_pruning_looks_keeps_what_it_refers_to(
    folder: Path, any_parts: IngestionParts, written: str, stay: set[str]
) -> None:
    parts = any_parts
    write_folder(folder, FILES | {"staff.md": "# Staff\n\nBo Chan, at times just Chan.\n"})
    await run(folder, parts)
    (folder / "staff.md").unlink()
    await run(folder, parts)
    before = await vault(parts)

    async def write() -> None:
        (folder / "news.md").write_text(f"# News\n\n{written}\n")
        await run(folder, parts)

    assert await pruned(parts, meanwhile=write) == 3 - len(stay & {"Bo Chan", "Bo", "Chan"})
    assert await vault(parts) == before - {"Bo Chan", "Bo", "Chan"} | stay


async def test_a_title_that_changes_while_a_pruning_looks_keeps_what_it_refers_to(
    folder: Path, any_parts: IngestionParts
) -> None:
    parts = any_parts
    write_folder(folder, FILES | {"staff.md": "# Staff\n\nBo Chan.\n"})
    await run(folder, parts)
    (folder / "staff.md").unlink()
    await run(folder, parts)

    async def rename() -> None:
        async with parts.database.unit_of_work() as session:
            keys = await existing_tenant_keys(session, TENANT, MASTER)
            token = FaceMaker(keys.tokens, keys.words, offline_domains()).token("PERSON", "Bo Chan")
            await session.execute(update(DocumentRow).where(DocumentRow.path == "rent.md").values(title=token))

    assert await pruned(parts, meanwhile=rename) == 0
    assert {"Bo Chan", "Bo", "Chan"} <= await vault(parts)


Meanwhile = Callable[[], Awaitable[None]]


def after(name: str, happens: Meanwhile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else happens when that step of a deletion has ended, with its session still open."""
    step = getattr(deleting, name)

    async def run_both(*arguments: Any) -> Any:
        found = await step(*arguments)
        await happens()
        return found

    monkeypatch.setattr(deleting, name, run_both)


@pytest.mark.parametrize("step", ["survey", "remains"])
async def test_everybody_writes_while_a_deletion_looks_through_texts_and_the_log(
    folder: Path, any_parts: IngestionParts, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Each of the two takes seconds for a large tenant, and an answer waits for its audit record."""
    await run(folder, any_parts)
    written: list[str] = []

    async def record() -> None:
        async with asyncio.timeout(5), any_parts.database.unit_of_work() as session:
            await AuditLog().append(session, TENANT, "search", {"person": "user:ann"})
        written.append("search")

    after(step, record, monkeypatch)
    await deleted(any_parts, "rent.md")
    assert written == ["search"]


async def test_what_is_written_while_a_deletion_looks_keeps_what_it_refers_to(
    folder: Path, any_parts: IngestionParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = any_parts
    write_folder(folder, FILES | {"staff.md": "# Staff\n\nBo Chan, bo@acme.example.\n"})
    await run(folder, parts)

    async def write() -> None:
        (folder / "news.md").write_text("# News\n\nBo Chan.\n")
        await run(folder, parts)

    after("survey", write, monkeypatch)
    assert (await deleted(parts, "staff.md")).originals == 1, "the address"
    assert {"Bo Chan", "Bo", "Chan"} <= await vault(parts)


async def test_what_a_run_adds_to_a_document_while_a_deletion_looks_goes_with_it(
    folder: Path, any_parts: IngestionParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = any_parts
    await run(folder, parts)

    async def change() -> None:
        (folder / "rent.md").write_text("# Rent\n\nBo Chan pays 5.\n")
        await run(folder, parts)

    after("survey", change, monkeypatch)
    assert (await deleted(parts, "rent.md")).versions == 2
    assert await vault(parts) == {"Ann Lee", "Ann", "Lee"}


async def test_a_dry_run_tells_what_a_deletion_does_and_writes_nothing(folder: Path, any_parts: IngestionParts) -> None:
    parts = any_parts
    await run(folder, parts)
    name = await document(parts, "rent.md")
    would = await would_delete(parts.database, TENANT, name, MASTER, keep_out=True)
    assert await rows(parts, AuditRow) == await rows(parts, KeptOutRow) == 0
    assert "ann.lee@acme.example" in await vault(parts)
    done = await deleted(parts, "rent.md", keep_out=True)
    assert (would.versions, would.chunks, would.originals, would.dim) == (1, 1, 1, 8)
    assert {one.where: one.number for one in would.remains} | {"audit log": 1} == {
        one.where: one.number for one in done.remains
    }


async def test_who_keeps_it_out_and_what_people_said_about_its_answers_is_told_to_remain(
    folder: Path, any_parts: IngestionParts
) -> None:
    parts = any_parts
    await run(folder, parts)
    name = await document(parts, "rent.md")
    async with parts.database.unit_of_work() as session:
        (chunk,) = await session.scalars(select(ChunkRow.id).where(ChunkRow.document == name))
        shown = {"answer": "ans_1", "shown": [{"document": name, "chunk": chunk}]}
        await AuditLog().append(session, TENANT, "answer", shown)
        await AuditLog().append(session, TENANT, "answer", {"answer": "ans_2", "shown": []})
        session.add_all(
            [
                said("ans_1", question="What does <PERSON_1> pay?"),
                said("ans_2", question="Who else?"),
                said("ans_3", question="What is due?", expected={"positive_documents": [], "negative_chunks": [chunk]}),
                said("ans_4", question="Who is she?", expected={"positive_documents": ["doc_other"]}),
            ]
        )
    remains = {one.where: one.number for one in (await deleted(parts, "rent.md", keep_out=True)).remains}
    assert (remains["kept out"], remains["feedback"], remains["cases"]) == (1, 1, 1)


def said(answer: str, *, question: str, expected: dict[str, Any] | None = None) -> FeedbackRow:
    return FeedbackRow(
        tenant=TENANT, answer=answer, record=1, person="user:ann", verdict="up", reason="", comment="",
        question=question, state=FeedbackState.ACCEPTED if expected else FeedbackState.NEW, expected=expected,
        given_at=datetime(2026, 1, 1, tzinfo=UTC), reviewed_by=None, reviewed_at=None,
    )  # fmt: skip


async def test_the_size_of_vectors_is_found_without_looking_through_all_chunks(
    folder: Path, any_parts: IngestionParts
) -> None:
    """Also of an index of a release that did not record it."""
    await run(folder, any_parts)
    async with any_parts.database.unit_of_work() as session:
        await session.execute(update(IndexVersionRow).values(dim=0))
    async with any_parts.database.reading() as session:
        assert await IndexVersions(session, TENANT).dim() == 8
        assert await IndexVersions(session, "globex").dim() == 0
        if session.get_bind().dialect.name == "sqlite":
            asked: list[tuple[str, Any]] = []
            connection = await session.connection()
            event.listen(connection.sync_connection, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
            await IndexVersions(session, TENANT).dim()
            statement, parameters = asked[-1]
            found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert not [step for *_, step in found if step.startswith("SCAN")]


async def test_another_tenants_document_is_not_found_and_stays(folder: Path, parts: IngestionParts) -> None:
    await run(folder, parts)
    name = await document(parts, "rent.md")
    with pytest.raises(NotFound):
        await delete_document(parts.database, "globex", name, MASTER, author="operator:root")
    assert await rows(parts, DocumentRow) == 2


async def test_its_source_brings_it_back_unless_it_is_kept_out_and_then_until_it_is_let_in(
    folder: Path, parts: IngestionParts
) -> None:
    await run(folder, parts)
    first = await deleted(parts, "rent.md")
    assert changes(await run(folder, parts))["rent.md"] is Change.NEW, "its source has it still"
    again = await deleted(parts, "rent.md", keep_out=True)
    assert again.document == first.document
    kept = await run(folder, parts)
    assert changes(kept) == {"people.md": Change.UNCHANGED}
    assert [(one.path, one.reason) for one in kept.skipped if one.reason == "kept_out"] == [("rent.md", "kept_out")]
    (folder / "rent.md").write_text("# Rent\n\nAnother text.\n")
    assert "rent.md" not in changes(await run(folder, parts)), "whatever its content"
    async with parts.database.unit_of_work() as session:
        assert await let_in(session, TENANT, again.document, author="operator:root") == "docs"
    assert changes(await run(folder, parts))["rent.md"] is Change.NEW


class _Meanwhile:
    """The real parser, while which something else happens."""

    def __init__(self, parser: Parser, happens: Callable[[], None]) -> None:
        self._parser = parser
        self._happens = happens

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        self._happens()
        return self._parser.parse(data, path, hidden)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


async def test_a_run_that_listed_it_before_it_was_deleted_does_not_write_it_again(
    folder: Path, parts: IngestionParts
) -> None:
    await run(folder, parts)
    (folder / "rent.md").write_text("# Rent\n\nAnother text.\n")
    loop = asyncio.get_running_loop()

    def happens() -> None:
        asyncio.run_coroutine_threadsafe(deleted(parts, "rent.md", keep_out=True), loop).result(timeout=30)

    report = await run(folder, replace(parts, parser=_Meanwhile(parts.parser, happens)))
    assert [(one.path, one.reason) for one in report.failures] == [("rent.md", Reason.KEPT_OUT)]
    assert await rows(parts, DocumentRow) == 1


def test_the_command_publishes_says_what_remains_and_needs_a_yes(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RINGFENCE_PRIVACY__MASTER_KEY", base64.b64encode(b"m" * 32).decode())
    (tmp_path / "docs").mkdir()
    folder = write_folder(tmp_path / "docs", FILES)

    async def filled() -> str:
        database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'ringfence.db'}")
        parts = parts_on(database, sandbox)
        await run(folder, parts)
        name = await document(parts, "rent.md")
        await database.close()
        return name

    name = asyncio.run(filled())
    command = ("documents", "delete", name, "--tenant", TENANT)
    assert main(command) == 2
    assert "--yes" in capsys.readouterr().err
    assert main([*command, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["index"] is None
    assert main([*command, "--yes", "--keep-out", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["chunks"], done["originals"], done["index"], done["scrubbed"]) == (1, 1, "done", True)
    assert {one["where"]: one["number"] for one in done["remains"]}["kept out"] == 1
    assert main([*command, "--yes"]) == 1, "it is gone"
    assert main(["documents", "kept-out", "--tenant", TENANT, "--json"]) == 0
    assert [row["document"] for row in json.loads(capsys.readouterr().out)["kept_out"]] == [name]
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["documents", "kept-out", "--tenant", TENANT]) == 0
    assert name in capsys.readouterr().out, "whole, to be copied, on the narrowest terminal"
    assert main(["documents", "let-in", name, "--tenant", TENANT]) == 0
    assert main(["documents", "let-in", name, "--tenant", TENANT]) == 1, "it is in"


async def test_the_same_content_twice_is_two_documents_of_which_one_can_be_deleted(
    folder: Path, parts: IngestionParts
) -> None:
    (folder / "legal").mkdir()
    (folder / "legal" / "ringfence.yaml").write_text("department: legal\nlevel: secret\n")
    (folder / "legal" / "rent.md").write_text(FILES["rent.md"])
    await run(folder, parts)
    async with parts.database.reading() as session:
        found = list(await session.execute(select(DocumentRow.path, DocumentRow.level, ChunkRow.id).join(ChunkRow)))
    assert {path: level for path, level, _ in found} == {"people.md": 1, "rent.md": 1, "legal/rent.md": 4}
    assert len({chunk for *_, chunk in found}) == 3, "no chunk belongs to two documents"
    assert not (await deleted(parts, "rent.md")).originals, "the other refers to them as well"
    async with parts.database.reading() as session:
        left = set(await session.scalars(select(DocumentRow.path).join(ChunkRow)))
    assert left == {"people.md", "legal/rent.md"}
