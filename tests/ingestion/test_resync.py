"""A second run over what has not changed: nothing is read, little is asked, and what has changed is still noticed."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ingestion.parse.confine import Limits
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Report
from ingestion.sources.folder import SETTLED_NS, FileItem, FolderSource
from ingestion.sources.protocol import Labels, Listing, SourcePlace
from policies.rules import Level
from rag.db.engine import Database
from rag.hidden_content import HiddenAction, HiddenKind
from tests.ingestion.kill_every_step import ParsedHere
from tests.ingestion.worlds import TENANT, parts_on, write_folder


class Later(FolderSource):
    """The folder as it is listed when all of its files have been left alone for long enough."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "docs", now_ns=lambda: time.time_ns() + 2 * SETTLED_NS)


@dataclass(frozen=True)
class Unreadable(FileItem):
    def open(self) -> BinaryIO:
        raise AssertionError(f"{self.path} was opened")


class Sealed(Later):
    """The same, none of whose files may be opened."""

    def listing(self, since: str = "") -> Listing:
        listed = super().listing(since)
        names = FileItem.__dataclass_fields__
        items = (Unreadable(**{name: getattr(item, name) for name in names}) for item in listed.items)
        return replace(listed, items=tuple(items))


def files(count: int) -> dict[str, str]:
    return {
        "ringfence.yaml": "department: company\nlevel: internal\n",
        **{f"{number}.txt": f"The canteen of hall {number} opens at {number}." for number in range(count)},
    }


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every SQL statement that is sent meanwhile."""
    sent: list[str] = []

    def note(*arguments: object) -> None:
        sent.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def parts_here(database: Database) -> IngestionParts:
    with Sandbox(Limits(20, 10, 1_500_000_000, 100_000)) as unused:
        return replace(parts_on(database, unused), parser=ParsedHere())


async def run(source: FolderSource, database: Database) -> Report:
    return await ingest(source, TENANT, parts_here(database))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return write_folder(folder, files(3))


async def test_unchanged_files_are_not_opened_and_cost_no_statement_of_their_own(
    root: Path, database: Database
) -> None:
    counted = []
    for count, new in ((3, 3), (12, 9)):
        for number in range(count - new, count):
            (root / f"{number}.txt").write_text(files(count)[f"{number}.txt"])
        assert (await run(Later(root), database)).counts[Change.NEW] == new
        with statements() as sent:
            report = await run(Sealed(root), database)
        assert report.counts[Change.UNCHANGED] == count
        counted.append(len(sent))
    assert counted[0] == counted[1]


async def test_known_files_are_looked_up_by_their_keys_and_not_among_all_that_the_tenant_has(
    root: Path, database: Database
) -> None:
    """Else the time of a run grows with the square of the number of files."""
    asked: list[tuple[str, Any]] = []
    for number in range(3, 30):
        (root / f"{number}.txt").write_text(f"Hall {number}.")
    await run(Later(root), database)

    def note(*arguments: Any) -> None:
        asked.append(arguments[2:4])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert (await run(Sealed(root), database)).counts[Change.UNCHANGED] == 30
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    selects = [(sql, values) for sql, values in asked if sql.startswith("SELECT")]
    assert len(selects) > 5
    async with database.reading() as session:
        connection = await session.connection()
        plans = [
            [step.detail for step in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
            for sql, values in selects
        ]
    through = [
        step
        for steps in plans
        for step in steps
        if step.split()[1].startswith(("document", "chunk"))
        and not re.search(r"\((id|document|version)=\?|digest=", step)
    ]
    # The one list of what came from this source before, to see what is gone; what waits in quarantine, by its state.
    assert len(through) == 2, through
    assert "COVERING INDEX" in through[0]
    assert "ix_document_version_state" in through[1]


async def test_an_edit_that_keeps_size_and_time_of_writing_is_noticed(root: Path, database: Database) -> None:
    """Only the time of change tells, which nobody can set back."""
    await run(Later(root), database)
    edited, before = root / "1.txt", (root / "1.txt").stat()
    edited.write_text(edited.read_text().replace("canteen", "archive"))
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (edited.stat().st_size, edited.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    report = await run(Later(root), database)
    assert [one.path for one in report.outcomes if one.change is Change.CHANGED] == ["1.txt"]
    assert report.counts[Change.UNCHANGED] == 2


async def test_new_labels_of_an_unread_document_are_taken(root: Path, database: Database) -> None:
    await run(Later(root), database)
    (root / "ringfence.yaml").write_text("department: company\nlevel: secret\n")
    assert (await run(Sealed(root), database)).counts[Change.RELABELLED] == 3
    (root / "ringfence.yaml").write_text("levl: secret\n")
    assert (await run(Sealed(root), database)).counts[Change.FAILED] == 3


LABELS = Labels("company", Level.INTERNAL)


@dataclass(frozen=True)
class Told:
    """An item whose source says the same revision whatever it holds."""

    data: bytes
    path: str = "told.txt"
    identity: str = "told.txt"
    revision: str = "r1"
    modified_ns: int = 0
    labels: Labels = LABELS
    hidden: dict[HiddenKind, HiddenAction] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        return BytesIO(self.data)


NOWHERE = SourcePlace("nowhere")


@dataclass(frozen=True)
class Mistaken:
    """A source that is wrong about its revisions, and about what is new in it."""

    data: bytes
    name: str = "mistaken"
    place: SourcePlace = NOWHERE

    def listing(self, since: str = "") -> Listing:
        items = () if since else (Told(self.data),)
        return Listing(items, complete=not since, cursor="c1")


async def test_verifying_reads_what_the_source_calls_unchanged(database: Database) -> None:
    parts = parts_here(database)
    assert (await ingest(Mistaken(b"The lease ends in May."), TENANT, parts)).counts[Change.NEW] == 1
    edited = Mistaken(b"The lease ends in June.")
    assert (await ingest(edited, TENANT, parts)).counts[Change.CHANGED] == 0
    assert (await ingest(edited, TENANT, parts, verify=True)).counts[Change.CHANGED] == 1
    assert (await ingest(edited, TENANT, parts, verify=True)).counts[Change.UNCHANGED] == 1
