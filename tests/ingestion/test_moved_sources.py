"""A source that is another place than before takes nothing away unasked; the same documents elsewhere are welcome."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.queue import JobQueue
from ingestion.report import Change, Report, Step
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import SourcePlace
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.job_table import SYNC, JobRow, JobState
from rag.db.jobs import Jobs, NewJob
from rag.db.tables import SourcePlaceRow
from rag.errors import Misuse
from tests.ingestion.outcomes import changes
from tests.ingestion.test_indexes import One, Shorter, bring, build
from tests.ingestion.test_resync import parts_here
from tests.ingestion.test_worker import Crew, seen
from tests.ingestion.worlds import TENANT, state, write_folder

LABELS = {"ringfence.yaml": "department: company\nlevel: internal\n"}
FILES = {**LABELS, "a.txt": "Alpha is here.", "b.txt": "Beta is here."}
OTHER = {**LABELS, "a.txt": "Another alpha.", "c.txt": "Gamma is here."}


@pytest.fixture
def parts(any_database: Database) -> IngestionParts:
    return parts_here(any_database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return write_folder(tmp_path / "docs", FILES)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return write_folder(tmp_path / "other", OTHER)


async def run(folder: Path, parts: IngestionParts, tenant: str = TENANT, **options: Any) -> Report:
    return await ingest(FolderSource(folder, "docs"), tenant, parts, **options)


async def places(parts: IngestionParts) -> list[str]:
    async with parts.database.reading() as session:
        return list(await session.scalars(select(SourcePlaceRow.place)))


async def test_what_came_from_another_folder_is_not_removed(folder: Path, other: Path, parts: IngestionParts) -> None:
    """One wrong path in a table of commands would empty the source."""
    await run(folder, parts)
    before = await state(parts.database)
    for dry_run in (True, False):
        with pytest.raises(Misuse) as caught:
            await run(other, parts, dry_run=dry_run)
        assert (caught.value.code, caught.value.exit_code) == ("source_moved", 2)
        told = f"came from {folder}. It is {other} now, where 1 of its 2 documents are not"
        assert told in caught.value.message
        assert "--moved" in caught.value.message
        assert (await state(parts.database), await places(parts)) == (before, [str(folder)])


async def test_it_is_where_that_was_said_and_then_the_other_folder_is_the_one_that_counts(
    folder: Path, other: Path, parts: IngestionParts
) -> None:
    await run(folder, parts)
    expected = {"a.txt": Change.CHANGED, "b.txt": Change.REMOVED, "c.txt": Change.NEW}
    assert changes(await run(other, parts, dry_run=True, moved=True)) == expected
    assert await places(parts) == [str(folder)], "a dry run keeps nothing"
    assert changes(await run(other, parts, moved=True)) == expected
    (other / "c.txt").unlink()
    assert (await run(other, parts)).counts[Change.REMOVED] == 1
    write_folder(folder, LABELS)
    (folder / "b.txt").write_text("Beta is here.")
    with pytest.raises(Misuse, match=f"came from {other}"):
        await run(folder, parts)


async def test_a_folder_that_was_moved_with_its_documents_needs_no_word(folder: Path, parts: IngestionParts) -> None:
    await run(folder, parts)
    moved = Path(shutil.move(folder, folder.parent / "archive"))
    assert (await run(moved, parts)).counts[Change.UNCHANGED] == 2
    assert await places(parts) == [str(moved)]
    (moved / "b.txt").unlink()
    assert (await run(moved, parts)).counts[Change.REMOVED] == 1


async def test_a_link_that_is_turned_to_the_next_release_is_one_place(folder: Path, parts: IngestionParts) -> None:
    current, following = folder.parent / "current", folder.parent / "following"
    current.symlink_to(folder)
    await run(current, parts)
    shutil.copytree(folder, following)
    (following / "b.txt").unlink()
    current.unlink()
    current.symlink_to(following)
    assert (await run(current, parts)).counts[Change.REMOVED] == 1


async def test_an_empty_folder_elsewhere_needs_both_words(folder: Path, tmp_path: Path, parts: IngestionParts) -> None:
    await run(folder, parts)
    (tmp_path / "empty").mkdir()
    for said, code in (({"allow_empty": True}, "source_moved"), ({"moved": True}, "source_empty")):
        with pytest.raises(Misuse) as caught:
            await run(tmp_path / "empty", parts, **said)
        assert caught.value.code == code
    assert (await run(tmp_path / "empty", parts, allow_empty=True, moved=True)).counts[Change.REMOVED] == 2


async def test_a_source_of_which_no_place_is_kept_is_taken_from_where_it_is(
    folder: Path, other: Path, parts: IngestionParts
) -> None:
    """As the releases left it that did not keep any."""
    await run(folder, parts)
    async with parts.database.unit_of_work() as session:
        await session.execute(delete(SourcePlaceRow))
    assert (await run(other, parts)).counts[Change.REMOVED] == 1
    assert await places(parts) == [str(other)]


async def test_what_a_run_left_that_was_cut_off_came_from_its_place(
    folder: Path, other: Path, parts: IngestionParts
) -> None:
    def stop(step: Step, path: str, done: int, total: int) -> None:
        if (step, path) == (Step.FINISHED, "b.txt"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await run(folder, parts, observe=stop)
    with pytest.raises(Misuse, match="came from"):
        await run(other, parts)
    assert (await run(folder, parts)).counts[Change.UNCHANGED] == 2


async def test_tenants_have_places_of_their_own(folder: Path, other: Path, parts: IngestionParts) -> None:
    await run(folder, parts)
    assert (await run(other, parts, "globex")).counts[Change.NEW] == 2
    for root, tenant in ((folder, TENANT), (other, "globex")):
        (root / "a.txt").unlink()
        assert (await run(root, parts, tenant)).counts[Change.REMOVED] == 1


async def test_a_folder_of_any_name_is_kept_and_told_from_another(tmp_path: Path, parts: IngestionParts) -> None:
    names = (b"line\nbreak", b"no text \xff", b"no text \xfe")
    roots = [tmp_path / os.fsdecode(name) for name in names]
    for root, text in zip(roots, "xyz", strict=True):
        root.mkdir()
        write_folder(root, {**LABELS, f"{text}.txt": text})
    await run(roots[0], parts)
    for root in roots[1:]:
        with pytest.raises(Misuse, match="came from"):
            await run(root, parts)
        await run(root, parts, moved=True)
    assert [one.rpartition("/")[2] for one in await places(parts)] == ["no text ?"]


class Mailbox(FolderSource):
    """A folder that stands for what one account is shown."""

    def __init__(self, root: Path, account: str) -> None:
        super().__init__(root, "docs")
        self.place = SourcePlace("imap://mail.acme.example", account)


async def test_another_account_is_another_place_and_neither_is_told(
    folder: Path, other: Path, parts: IngestionParts
) -> None:
    await ingest(Mailbox(folder, "ann.lee"), TENANT, parts)
    with pytest.raises(Misuse) as caught:
        await ingest(Mailbox(other, "bo.chan"), TENANT, parts)
    assert "imap://mail.acme.example. It is the same place under another account now" in caught.value.message
    assert not [name for name in ("ann.lee", "bo.chan") if name in caught.value.message]
    assert await places(parts) == ["imap://mail.acme.example"]
    (folder / "b.txt").unlink()
    assert (await ingest(Mailbox(folder, "ann.lee"), TENANT, parts)).counts[Change.REMOVED] == 1


async def test_an_index_that_is_built_from_another_folder_removes_nothing_and_keeps_no_place(
    folder: Path, other: Path, parts: IngestionParts
) -> None:
    both = replace(parts, others=One(Shorter()))
    await bring(folder, FILES, both)
    before = await state(parts.database)
    _, report = await build(other, both)
    assert {outcome.path for outcome in report.outcomes} == {"a.txt", "c.txt"}
    assert (await places(parts), (await state(parts.database))["document"]) == ([str(folder)], before["document"])


async def worked_on(crew: Crew, database: Database, **payload: bool) -> JobRow:
    """A sync that is tried once."""
    async with database.unit_of_work() as session:
        job = (await Jobs(session).enqueue(NewJob(TENANT, SYNC, "docs", payload, attempts_max=1)))[0].id
    await crew.worker(database).run(once=True)
    return (await seen(database, job)).row


async def test_a_job_of_another_folder_removes_nothing_unless_it_says_so(
    folder: Path, other: Path, any_database: Database
) -> None:
    crew = Crew(folder)
    await worked_on(crew, any_database)
    crew.folder = other
    for payload, job_state, reason, left in (
        ({}, JobState.DEAD, "source_moved", {"a.txt", "b.txt"}),
        ({"moved": True}, JobState.DONE, None, {"a.txt", "c.txt"}),
    ):
        ended = await worked_on(crew, any_database, **payload)
        assert (ended.state, ended.reason) == (job_state, reason)
        async with any_database.reading() as session:
            assert {row.path for row in await Documents(session).of_tenant(TENANT)} == left


async def test_a_job_that_a_command_overtakes_keeps_its_word(any_database: Database) -> None:
    """A worker does it after all, if the command is cut off."""
    async with any_database.unit_of_work() as session:
        await Jobs(session).enqueue(NewJob(TENANT, SYNC, "docs", {"folder": "/srv/docs", "moved": True}))
    assert await JobQueue(any_database, "worker").claim()
    lease = await JobQueue(any_database, "command").begin(TENANT, "docs", {"folder": "/srv/other", "moved": False})
    assert lease.payload == {"folder": "/srv/docs", "moved": True}


async def test_a_folder_that_is_ingested_under_another_name_as_well_is_told(
    folder: Path, other: Path, parts: IngestionParts, tmp_path: Path
) -> None:
    assert (await run(folder, parts)).notices == (await run(folder, parts)).notices == ()
    for dry_run in (True, False, False):
        (told,) = (await ingest(FolderSource(folder, "contracts"), TENANT, parts, dry_run=dry_run)).notices
        assert f"{folder} is known as the source 'docs' already" in told
    # As told, what came under the other name can be removed.
    (tmp_path / "empty").mkdir()
    await run(tmp_path / "empty", parts, moved=True, allow_empty=True)
    assert (await ingest(FolderSource(folder, "contracts"), TENANT, parts)).notices == ()


async def test_another_folder_and_another_tenant_are_not_taken_for_the_same_source(
    folder: Path, other: Path, parts: IngestionParts
) -> None:
    await run(folder, parts)
    assert (await ingest(FolderSource(other, "contracts"), TENANT, parts)).notices == ()
    assert (await ingest(FolderSource(folder, "contracts"), "globex", parts)).notices == ()
