"""Short reads and whole pieces of writing, on both databases: what `reading` and `unit_of_work` promise, they keep."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.tables import EpochRow
from rag.db.engine import Database, open_database


@pytest.fixture
async def sqlite(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite+aiosqlite:///{shutil.copyfile(migrated_file, tmp_path / 'ringfence.db')}")
    yield opened
    await opened.close()


_COUNT = select(func.count()).select_from(EpochRow).where(EpochRow.epoch >= bindparam("least"))


async def count(database: Database) -> int:
    return int((await database.rows(_COUNT, {"least": 0}))[0][0])


async def raised(session: AsyncSession) -> int:
    """Reads first and writes later: two of these at once must wait for each other."""
    row = await session.get(EpochRow, "a", with_for_update=True)
    if row is None:
        session.add(EpochRow(tenant="a", epoch=1))
        return 1
    row.epoch += 1
    return row.epoch


async def test_what_was_written_is_seen_by_the_next_glance(any_database: Database) -> None:
    assert await any_database.write(raised) == 1
    async with any_database.glance() as session:
        assert await session.scalar(select(EpochRow.epoch)) == 1
    assert await count(any_database) == 1


async def test_an_error_in_a_piece_of_writing_leaves_nothing_behind(any_database: Database) -> None:
    async def fail(session: AsyncSession) -> None:
        await raised(session)
        await session.flush()
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        await any_database.write(fail)
    assert await count(any_database) == 0
    assert await any_database.write(raised) == 1


async def test_pieces_of_writing_and_units_of_work_take_turns(any_database: Database) -> None:
    await any_database.write(raised)

    async def in_unit() -> int:
        async with any_database.unit_of_work() as session:
            return await raised(session)

    results = await asyncio.gather(*(any_database.write(raised) if n % 2 else in_unit() for n in range(12)))
    assert sorted(results) == list(range(2, 14))


async def test_a_glance_sees_one_moment(any_database: Database) -> None:
    await any_database.write(raised)
    async with any_database.glance() as session:
        first = await session.scalar(select(EpochRow.epoch))
        await any_database.write(raised)
        session.expire_all()
        assert await session.scalar(select(EpochRow.epoch)) == first == 1
    async with any_database.glance() as session:
        assert await session.scalar(select(EpochRow.epoch)) == 2


async def test_nothing_is_written_in_a_glance(sqlite: Database) -> None:
    """It would wait for another's transaction in the thread of everybody."""
    async with sqlite.glance() as session:
        session.add(EpochRow(tenant="a", epoch=1))
        with pytest.raises(OperationalError, match="readonly"):
            await session.flush()
    assert await count(sqlite) == 0


async def test_after_the_end_nothing_is_written(sqlite: Database) -> None:
    assert await sqlite.write(raised) == 1
    await sqlite.close()
    with pytest.raises(RuntimeError):
        await sqlite.write(raised)
