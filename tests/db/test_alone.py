"""Work that only one process may do at a time, on a database that several use."""

import asyncio

from rag.db.engine import Database, open_database


async def test_on_postgres_one_process_does_what_a_name_names_and_others_wait(
    database: Database, database_url: str
) -> None:
    """Two that publish to one index at once could leave old labels there. On SQLite, the folder's owner is alone."""
    other = await open_database(database_url)
    told: list[str] = []

    async def second() -> None:
        async with other.alone("publish a"):
            told.append("second")

    try:
        async with database.alone("publish a"):
            waiting = asyncio.create_task(second())
            async with other.alone("publish b"):
                told.append("another name")
            await asyncio.wait({waiting}, timeout=0.1)
            told.append("first")
        async with asyncio.timeout(20):
            await waiting
    finally:
        await other.close()
    postgres = database_url.startswith("postgresql")
    assert told == (["another name", "first", "second"] if postgres else ["another name", "second", "first"])
