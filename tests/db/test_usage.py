"""What people used of their day: added up across processes, and never more than a budget by two at once."""

import asyncio
from datetime import date

from sqlalchemy import text

from rag.db.engine import Database, open_database
from rag.db.usage import Usage, Used

DAY = date(2030, 3, 1)


async def add(database: Database, subject: str, tokens: int, *chunks: str, day: date = DAY, tenant: str = "a") -> Used:
    async with database.unit_of_work() as session:
        return await Usage(session, tenant, subject, day).add(tokens, chunks)


async def test_tokens_add_up_and_a_chunk_counts_once(database: Database) -> None:
    assert await add(database, "user:ann", 5, "chk_1", "chk_2") == Used(5, 2)
    assert await add(database, "user:ann", 7, "chk_2", "chk_3", "chk_3") == Used(12, 3)
    assert await add(database, "user:ann", -4) == Used(8, 3)


async def test_each_tenant_subject_and_day_has_its_own(database: Database) -> None:
    await add(database, "user:ann", 5, "chk_1")
    assert await add(database, "user:bob", 1) == Used(1, 0)
    assert await add(database, "user:ann", 1, tenant="b") == Used(1, 0)
    assert await add(database, "user:ann", 1, day=date(2030, 3, 2)) == Used(1, 0)
    assert await add(database, "user:ann", 0) == Used(5, 1)


async def test_usage_is_shared_by_processes_and_survives_a_restart(database: Database, database_url: str) -> None:
    await add(database, "user:ann", 5, "chk_1")
    other = await open_database(database_url)
    try:
        assert await add(other, "user:ann", 5, "chk_1") == Used(10, 1)
    finally:
        await other.close()
    assert await add(database, "user:ann", 0) == Used(10, 1)


async def test_of_many_at_once_each_sees_what_those_before_it_added(database: Database) -> None:
    """Else two processes could each believe to be the one that is still within the budget."""
    totals = await asyncio.gather(*(add(database, "user:ann", 1, f"chk_{n}") for n in range(8)))
    assert sorted(totals, key=lambda used: used.tokens) == [Used(n, n) for n in range(1, 9)]


async def test_what_was_used_before_yesterday_is_forgotten(database: Database) -> None:
    for day in (1, 2, 3):
        await add(database, "user:ann", 1, "chk_1", day=date(2030, 3, day))
        await add(database, "user:bob", 1, "chk_1", day=date(2030, 3, day))
    async with database.unit_of_work() as session:
        await Usage(session, "a", "user:ann", date(2030, 3, 3)).forget_older()
    async with database.reading() as session:
        for table in ("daily_usage", "daily_usage_chunk"):
            rows = await session.execute(text(f"SELECT subject, COUNT(*) FROM {table} GROUP BY subject"))  # noqa: S608
            assert {subject: days for subject, days in rows} == {"user:ann": 2, "user:bob": 3}
