"""Runs that overlap: what a later listing wrote stands, and an older one neither loosens nor brings anything back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from ingestion.bulk import BulkChanges, NewLabels
from ingestion.cursors import Cursor, keep, kept, list_all_again, mark_of
from ingestion.index_building import Plan, begin
from ingestion.indexes import parts_for
from ingestion.parse.document import ParsedDocument, Reason
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.folder import FolderSource
from policies.rules import Attributes, Level
from rag.db.engine import Database, open_database
from rag.db.tables import DocumentRow, VersionRow
from rag.hidden_content import DROP_ALL, HiddenPolicy
from rag.index.projection import Projection
from tests.ingestion.kill_every_step import ParsedHere
from tests.ingestion.test_indexes import One, Shorter, shown
from tests.ingestion.worlds import TENANT, parts_on, write_folder

WAIT_S = 30.0
LOOSE, STRICT = "department: company\nlevel: internal\n", "department: company\nlevel: secret\n"
FILES = {f"{name}.md": f"# {name}\n\nPlans of {name}.\n" for name in ("a", "b", "c", "d")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "docs", {"ringfence.yaml": LOOSE, **FILES})


@pytest.fixture
def parts(any_database: Database, sandbox: Sandbox) -> IngestionParts:
    return replace(parts_on(any_database, sandbox), others=One(Shorter()))


async def run(root: Path, parts: IngestionParts) -> Report:
    return await ingest(FolderSource(root, "docs"), TENANT, parts)


async def documents(parts: IngestionParts) -> dict[str, DocumentRow]:
    async with parts.database.reading() as session:
        return {row.path: row for row in await session.scalars(select(DocumentRow))}


async def beside(parts: IngestionParts) -> IngestionParts:
    begun = await begin(parts, TENANT, Plan("a-folder", "sha"), Shorter(), {"model": "a-folder"}, author="operator:x")
    return await parts_for(begun, parts, TENANT)


class Meanwhile(ParsedHere):
    """A parser that reads b.md only once something else was done."""

    def __init__(self, done: Callable[[], object]) -> None:
        self._done = done

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        if path == "b.md":
            self._done()
        return super().parse(data, path, hidden)


async def test_a_build_that_listed_before_an_ordinary_run_changes_no_labels_and_brings_nothing_back(
    root: Path, parts: IngestionParts
) -> None:
    await run(root, parts)
    await shown(parts)
    other, loop = await beside(parts), asyncio.get_running_loop()

    def ordinary() -> None:
        """The folder is tightened, a document goes and one comes, and a run for the live index writes it all."""
        (root / "ringfence.yaml").write_text(STRICT)
        (root / "d.md").unlink()
        (root / "new.md").write_text("New.")
        asyncio.run_coroutine_threadsafe(run(root, parts), loop).result(WAIT_S)

    one = other.settings.model_copy(update={"in_flight": 1})
    built = await ingest(FolderSource(root, "docs"), TENANT, replace(other, settings=one, parser=Meanwhile(ordinary)))
    assert {one.path: one.reason for one in built.failures} == {
        "b.md": Reason.NOT_LIVE,
        "c.md": Reason.NOT_LIVE,
        "d.md": Reason.UNREADABLE,
    }
    found = await documents(parts)
    assert {path: row.level for path, row in found.items()} == dict.fromkeys(
        ("a.md", "b.md", "c.md", "new.md"), Level.SECRET
    )
    assert all(row.current_version for row in found.values() if row.path != "new.md")
    assert not (await ingest(FolderSource(root, "docs"), TENANT, other)).failures, "a catch-up reads what was left"


async def test_a_document_that_the_live_index_lacks_is_left_out_of_the_other_one_and_named(
    root: Path, parts: IngestionParts
) -> None:
    await run(root, parts)
    other = await beside(parts)
    write_folder(root, {"ringfence.yaml": LOOSE, **FILES, "new.md": "New."})
    report = await ingest(FolderSource(root, "docs"), TENANT, other)
    assert [(one.path, one.reason) for one in report.failures] == [("new.md", Reason.NOT_LIVE)]
    assert set(await documents(parts)) == set(FILES)
    await run(root, parts)
    again = await ingest(FolderSource(root, "docs"), TENANT, other)
    assert (again.counts[Change.NEW] + again.counts[Change.CHANGED], again.failures) == (1, [])


async def test_a_build_tells_of_what_the_live_index_refused_why_and_of_what_it_would_take_that_it_waits_for_it(
    root: Path, parts: IngestionParts
) -> None:
    refused = {"broken.pdf": "%PDF-1.4 broken", "away/ringfence.yaml": "levl: internal\n", "away/a.md": "Whose?"}
    write_folder(root, {"ringfence.yaml": LOOSE, **FILES, **refused})
    live = await run(root, parts)
    other = await beside(parts)
    (root / "new.md").write_text("New.")
    report = await ingest(FolderSource(root, "docs"), TENANT, other, alone=True)
    told = {one.path: (one.reason, one.sentence) for one in live.failures}
    assert set(told) == {"broken.pdf", "away/a.md"}
    found = {one.path: (one.reason, one.sentence) for one in report.failures}
    assert found.pop("new.md")[0] is Reason.NOT_LIVE
    assert found == told
    assert set(await documents(parts)) == set(FILES), "a build brings no document"


async def test_a_cursor_is_kept_only_where_none_was_kept_or_dropped_since_the_listing(parts: IngestionParts) -> None:
    async with parts.database.unit_of_work() as session:
        await keep(session, TENANT, "docs", Cursor("c1", "pipeline", ""))
        first = mark_of(await kept(session, TENANT, "docs"))
        await list_all_again(session, TENANT, "docs")
        dropped = mark_of(await kept(session, TENANT, "docs"))
        await keep(session, TENANT, "docs", Cursor("c2", "pipeline", first))
        assert mark_of(await kept(session, TENANT, "docs")) == dropped
        await keep(session, TENANT, "docs", Cursor("c3", "pipeline", dropped))
        row = await kept(session, TENANT, "docs")
        assert row is not None and row.cursor == "c3"


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url)
    yield opened
    await opened.close()


async def test_labels_wait_for_content_that_is_being_written_and_are_not_taken_for_it(
    root: Path, parts: IngestionParts, second: Database
) -> None:
    """Labels of old content, decided on while another transaction holds new content back."""
    await run(root, parts)
    await shown(parts)
    row = (await documents(parts))["a.md"]
    labels = Attributes(tenant=TENANT, document=row.id, department="company", level=Level.PUBLIC)
    async with parts.database.reading() as session:
        newest = await session.get(VersionRow, row.current_version)
        assert newest is not None
    given = NewLabels(row.id, labels, newest.content_digest, newest.pipeline_digest)
    held = asyncio.Event()

    async def writing() -> None:
        async with parts.database.unit_of_work() as session:
            locked = (
                await session.scalars(select(DocumentRow).where(DocumentRow.id == row.id).with_for_update())
            ).one()
            held.set()
            for _ in range(200):  # turns in which the other one begins, and waits
                await asyncio.sleep(0)
            locked.level = int(Level.SECRET)
            (await session.get_one(VersionRow, newest.id)).content_digest = "0" * 64

    async def relabelling() -> frozenset[str]:
        await held.wait()
        async with second.unit_of_work() as session:
            return await BulkChanges(session, TENANT, row.source).relabel([given])

    _, changed = await asyncio.gather(writing(), relabelling())
    assert changed == frozenset()
    assert (await documents(parts))["a.md"].level == Level.SECRET


async def test_relabelling_and_publishing_at_once_wait_for_each_other_and_neither_fails(
    root: Path, parts: IngestionParts, second: Database
) -> None:
    await run(root, parts)
    async with parts.database.reading() as session:
        staged = await Projection(session, TENANT).staged()
        newest = {row.document: row for row in await session.scalars(select(VersionRow))}

    def given(level: Level) -> list[NewLabels]:
        return [
            NewLabels(
                one,
                Attributes(tenant=TENANT, document=one, department="company", level=level),
                row.content_digest,
                row.pipeline_digest,
            )
            for one, row in newest.items()
        ]

    async def relabel(level: Level) -> None:
        async with second.unit_of_work() as session:
            await BulkChanges(session, TENANT, "docs").relabel(given(level))

    async def flip() -> None:
        async with parts.database.unit_of_work() as session:
            await Projection(session, TENANT).flip([(one, 1) for one in staged])

    for level in (Level.SECRET, Level.PUBLIC, Level.CONFIDENTIAL):
        async with parts.database.unit_of_work() as session:
            for version in newest.values():
                (await session.get_one(VersionRow, version.id)).state = "staged"
        await asyncio.gather(relabel(level), flip())
    assert {row.level for row in (await documents(parts)).values()} == {Level.CONFIDENTIAL}
