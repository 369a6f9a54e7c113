"""What the unit of work promises, on both databases."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import StatementError

from policies.tables import ChangeRow, EpochRow
from policies.tenancy import bind
from rag.db.engine import Database, open_database
from rag.errors import Unavailable

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def epochs(database: Database) -> dict[str, int]:
    async with database.reading() as session:
        return {row.tenant: row.epoch for row in await session.scalars(select(EpochRow))}


async def test_writes_inside_a_unit_of_work_commit_together(database: Database) -> None:
    async with database.unit_of_work() as session:
        session.add_all([EpochRow(tenant="a", epoch=1), EpochRow(tenant="b", epoch=2)])
    assert await epochs(database) == {"a": 1, "b": 2}


async def test_an_error_inside_a_unit_of_work_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(RuntimeError, match="midway"):
        async with database.unit_of_work() as session:
            session.add(EpochRow(tenant="a", epoch=1))
            await session.flush()
            raise RuntimeError("midway")
    assert await epochs(database) == {}


async def test_concurrent_read_then_write_units_wait_for_each_other(database: Database) -> None:
    """Two deferred transactions that read first would fail with a stale snapshot; ours take turns."""
    async with database.unit_of_work() as session:
        session.add(EpochRow(tenant="a", epoch=0))

    async def raise_epoch() -> None:
        async with database.unit_of_work() as session:
            row = (await session.scalars(select(EpochRow).where(EpochRow.tenant == "a").with_for_update())).one()
            row.epoch += 1

    await asyncio.gather(*(raise_epoch() for _ in range(20)))
    assert await epochs(database) == {"a": 20}


async def test_a_reading_session_sees_one_moment(any_database: Database) -> None:
    """Rules read before an edit and labels read after it might together allow what neither moment did."""
    async with any_database.unit_of_work() as session:
        session.add_all([EpochRow(tenant="a", epoch=1), EpochRow(tenant="b", epoch=1)])
    async with any_database.reading() as reading:
        first = await reading.scalar(select(EpochRow.epoch).where(EpochRow.tenant == "a"))
        async with any_database.unit_of_work() as session:
            await session.execute(update(EpochRow).values(epoch=2))
        second = await reading.scalar(select(EpochRow.epoch).where(EpochRow.tenant == "b"))
    assert (first, second) == (1, 1)
    assert await epochs(any_database) == {"a": 2, "b": 2}


async def test_a_reading_session_does_not_wait_for_a_writer(database: Database) -> None:
    async with database.unit_of_work() as session:
        session.add(EpochRow(tenant="a", epoch=1))
        await session.flush()
        async with asyncio.timeout(5):
            assert await epochs(database) == {}


async def test_two_processes_worth_of_engines_see_each_others_commits(database_url: str) -> None:
    bind("a")
    first, second = await open_database(database_url), await open_database(database_url)
    try:
        async with first.unit_of_work() as session:
            session.add(EpochRow(tenant="a", epoch=7))
        assert await epochs(second) == {"a": 7}
    finally:
        await first.close()
        await second.close()


async def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5)))
    async with database.unit_of_work() as session:
        session.add(ChangeRow(tenant="a", epoch=1, at=moment, author="user:x", reason="", edit={}))
    async with database.reading() as session:
        stored = (await session.scalars(select(ChangeRow))).one().at
    assert stored == moment
    assert stored.tzinfo is UTC


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with database.unit_of_work() as session:
            naive = NOON.replace(tzinfo=None)
            session.add(ChangeRow(tenant="a", epoch=1, at=naive, author="x", reason="", edit={}))


async def test_an_unusable_database_is_a_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder.db"
    folder.mkdir()
    with pytest.raises(Unavailable, match=r"migrated \(unable to open database file\). Check RINGFENCE_DATA_DIR"):
        await open_database(f"sqlite+aiosqlite:///{folder}")
    # The driver's thread reports its end to this loop: let it, before the loop closes.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)
