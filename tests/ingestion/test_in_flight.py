"""Several documents on their way at once: what a run leaves, and in which order, does not tell how many."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from ingestion.parse.document import ParsedDocument
from ingestion.parse.members import Members
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Step
from ingestion.sources.folder import FolderSource
from rag.db.engine import Database, open_database
from rag.hidden_content import DROP_ALL, HiddenPolicy
from tests.ingestion.kill_every_step import ParsedHere
from tests.ingestion.worlds import AFTER, BEFORE, TENANT, make_visible, parts_on, state, write_folder

WAIT_S = 30.0


class LastFirst:
    """Holds the first document until the third has been read."""

    isolation = None

    def __init__(self, first: str, third: str) -> None:
        self._first, self._third = first, third
        self._read = threading.Event()
        self.held = False

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        if path == self._first:
            self.held = self._read.wait(WAIT_S)
        parsed = ParsedHere().parse(data, path, hidden)
        if path == self._third:
            self._read.set()
        return parsed

    def members(self, archive: BinaryIO) -> Members:
        raise NotImplementedError

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes:
        raise NotImplementedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    return write_folder(root, BEFORE)


@pytest.fixture
def here(database: Database) -> IngestionParts:
    return replace(parts_on(database, None), parser=ParsedHere())  # type: ignore[arg-type] # replaced at once


def in_flight(parts: IngestionParts, number: int) -> IngestionParts:
    return replace(parts, settings=parts.settings.model_copy(update={"in_flight": number}))


async def test_the_tables_and_the_report_are_the_same_however_many_are_in_flight(
    folder: Path, here: IngestionParts, tmp_path: Path
) -> None:
    """New, changed, relabelled, removed, failed and unlabelled documents, the first of them ready last."""
    source, copy = FolderSource(folder, "docs"), tmp_path / "other.db"
    await ingest(source, TENANT, here)
    await make_visible(here.database, TENANT)
    with closing(sqlite3.connect(tmp_path / "ringfence.db")) as one, closing(sqlite3.connect(copy)) as two:
        one.backup(two)
    write_folder(folder, AFTER)
    alone = await ingest(source, TENANT, in_flight(here, 1))
    held = LastFirst("broken.pdf", "new-bo_chan.txt")
    other = await open_database(f"sqlite+aiosqlite:///{copy}")
    seen: list[str] = []
    try:
        several = replace(in_flight(here, 8), database=other, parser=held)
        report = await ingest(source, TENANT, several, tell=lambda outcome: seen.append(outcome.path))
        assert held.held, "the third was read while the first was"
        assert await state(other) == await state(here.database)
    finally:
        await other.close()
    assert report.outcomes == alone.outcomes
    assert seen == [outcome.path for outcome in alone.outcomes if outcome.change is not Change.REMOVED]


async def test_no_more_documents_are_on_their_way_than_may_be(folder: Path, here: IngestionParts) -> None:
    write_folder(folder, {"ringfence.yaml": BEFORE["ringfence.yaml"]} | {f"{n}.txt": f"Text {n}." for n in range(9)})
    on_their_way: set[str] = set()
    most = 0

    def observe(step: Step, path: str, done: int, total: int) -> None:
        nonlocal most
        assert total == 9
        on_their_way.add(path)
        most = max(most, len(on_their_way))
        if step is Step.FINISHED:
            on_their_way.remove(path)

    await ingest(FolderSource(folder, "docs"), TENANT, in_flight(here, 3), observe=observe)
    assert (most, on_their_way) == (3, set())


async def test_a_run_that_cannot_go_on_writes_nothing_of_what_came_after(folder: Path, here: IngestionParts) -> None:
    class Failing(ParsedHere):
        def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
            if path == "gone.txt":
                raise RuntimeError("no")
            return super().parse(data, path, hidden)

    seen: list[str] = []
    with pytest.raises(RuntimeError, match="no"):
        several = replace(in_flight(here, 8), parser=Failing())
        await ingest(FolderSource(folder, "docs"), TENANT, several, tell=lambda outcome: seen.append(outcome.path))
    assert seen == ["changed.md"]
    assert len((await state(here.database))["document"]) == 1
    assert len((await ingest(FolderSource(folder, "docs"), TENANT, in_flight(here, 8))).outcomes) == 5
