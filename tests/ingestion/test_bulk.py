"""A label file speaks for many documents: they change together, on both databases, and nobody sees a half of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from ingestion import bulk
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from policies.rules import Attributes, Level
from policies.store import PolicyStore
from rag.db.engine import Database
from rag.db.tables import DocumentRow, TombstoneRow, VersionRow
from rag.index.projection import Carried, Projection
from tests.ingestion.test_resync import Later, Sealed, parts_here
from tests.ingestion.worlds import TENANT, make_visible, write_folder

COUNT = 9
LOOSE, STRICT = "department: company\nlevel: internal\n", "department: company\nlevel: secret\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return write_folder(folder, {"ringfence.yaml": LOOSE} | {f"{n}.txt": f"Hall {n} opens." for n in range(COUNT)})


@pytest.fixture
async def parts(any_database: Database, root: Path, monkeypatch: pytest.MonkeyPatch) -> IngestionParts:
    """Nine visible documents, four of which change at once."""
    monkeypatch.setattr(bulk, "TOGETHER", 4)
    monkeypatch.setattr("ingestion.relabelling.TOGETHER", 4)
    parts = parts_here(any_database)
    await ingest(Later(root), TENANT, parts)
    await make_visible(any_database, TENANT)
    return parts


@pytest.fixture
def sent() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


async def again(root: Path, parts: IngestionParts, *, dry_run: bool = False) -> Report:
    return await ingest(Sealed(root), TENANT, parts, dry_run=dry_run)


async def epoch(parts: IngestionParts) -> int:
    async with parts.database.reading() as session:
        return await PolicyStore(session).epoch(TENANT)


async def rows(parts: IngestionParts) -> list[DocumentRow]:
    async with parts.database.reading() as session:
        return list(await session.scalars(select(DocumentRow).order_by(DocumentRow.id)))


async def test_documents_are_relabelled_together_and_keep_what_readers_see(
    root: Path, parts: IngestionParts, sent: list[str]
) -> None:
    before, version = {row.id: row for row in await rows(parts)}, await epoch(parts)
    (root / "ringfence.yaml").write_text(STRICT)
    looked = await again(root, parts, dry_run=True)
    assert (looked.counts[Change.RELABELLED], await epoch(parts)) == (COUNT, version)
    sent.clear()
    assert (await again(root, parts)).counts[Change.RELABELLED] == COUNT
    assert sum(one.startswith("UPDATE document SET") for one in sent) == 3, "one for each four documents"
    assert await epoch(parts) == version + 3
    for row in await rows(parts):
        assert (row.level, row.attribute_version) == (Level.SECRET, before[row.id].attribute_version + 1)
        assert row.current_version == before[row.id].current_version is not None
    assert (await again(root, parts)).counts[Change.UNCHANGED] == COUNT


async def test_the_index_is_told_of_them_together(root: Path, parts: IngestionParts) -> None:
    (root / "ringfence.yaml").write_text(STRICT)
    await again(root, parts)
    async with parts.database.unit_of_work() as session:
        projection = Projection(session, TENANT)
        versions = await projection.relabelled()
        carried, payloads = await projection.labels(versions)
        assert len(versions) == len(carried) == len(payloads) == COUNT
        assert {payload["level"] for payload in payloads.values()} == {int(Level.SECRET)}
        moved, *others = carried
        await projection.mark_indexed([replace(moved, attribute_version=1), *others])
        assert await projection.relabelled() == [moved.version], "newer labels stay to be written"
        await projection.mark_indexed([Carried(moved.document, "ver_other", moved.attribute_version)])
        assert await projection.relabelled() == [moved.version], "another version's points say nothing of it"


@pytest.mark.parametrize("how", ["removed", "unlabelled"])
async def test_documents_that_go_or_lose_their_labels_go_together(root: Path, parts: IngestionParts, how: str) -> None:
    version = await epoch(parts)
    for number in range(1, COUNT):
        (root / f"{number}.txt").unlink() if how == "removed" else None
    if how == "unlabelled":
        (root / "ringfence.yaml").write_text("levl: secret\n")
        (root / "kept").mkdir()
    report = await again(root, parts)
    gone = COUNT - 1 if how == "removed" else COUNT
    assert report.counts[Change.REMOVED if how == "removed" else Change.FAILED] == gone
    assert await epoch(parts) == version + -(-gone // 4)
    assert len(await rows(parts)) == COUNT - gone
    async with parts.database.reading() as session:
        assert len(list(await session.scalars(select(VersionRow.id)))) == COUNT - gone
        assert len(list(await session.scalars(select(TombstoneRow.chunk)))) == gone


async def test_labels_for_content_that_was_replaced_meanwhile_are_not_taken(root: Path, parts: IngestionParts) -> None:
    (row, *_), index = await rows(parts), parts.index.number
    async with parts.database.unit_of_work() as session:
        newest = await session.get(VersionRow, row.current_version)
        assert newest is not None
        changes = bulk.BulkChanges(session, TENANT, row.source, index)
        strict = bulk.NewLabels(row.id, _strict(row), newest.content_digest, newest.pipeline_digest)
        for other in (replace(strict, content="0" * 64), replace(strict, pipeline="0" * 64)):
            assert await changes.relabel([other]) == frozenset()
        assert await bulk.BulkChanges(session, TENANT, "other", index).relabel([strict]) == frozenset()
        assert await changes.relabel([strict]) == {row.id}


def _strict(row: DocumentRow) -> Attributes:
    return Attributes(tenant=TENANT, document=row.id, department=row.department, level=Level.SECRET)
