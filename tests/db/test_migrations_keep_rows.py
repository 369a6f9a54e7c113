"""No step of the schema, up or down, takes a row along that is of none of the tables that it drops."""

from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from policies.tables import Base
from policies.tenancy import every_tenant
from rag.db import postgres, sqlite
from rag.db.migrate import alembic_config, upgrade
from tests.db.two_tenants import TABLES, TENANTS, row_of

Rows = dict[str, list[dict[str, object]]]
REVISIONS = [one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
"""The newest first."""


@pytest.fixture
async def engine(blank_database_url: str) -> AsyncIterator[AsyncEngine]:
    """As the house opens it: on SQLite, a row goes with the one that it refers to."""
    created = create_async_engine(blank_database_url)
    if created.dialect.name == "sqlite":
        sqlite.prepare(created)
    else:
        postgres.prepare(created, statement_timeout_s=0)
    with every_tenant():
        yield created
    await created.dispose()


def fill(connection: Connection) -> None:
    shown = {"document_version": {"state": "published"}}
    for tenant in TENANTS:
        for table in TABLES:
            connection.execute(insert(table), row_of(table, tenant) | shown.get(table.name, {}))


def rows(connection: Connection) -> Rows:
    tables = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    # Names of our own tables. Rows of one table have different keys, so their words put them in an order.
    found = {name: connection.execute(text(f'SELECT * FROM "{name}"')).mappings() for name in tables}  # noqa: S608
    return {name: sorted((dict(row) for row in some), key=repr) for name, some in found.items()}


def lost(before: Rows, after: Rows) -> dict[str, object]:
    """What was in tables that are still there, and is not there now; columns that one of both lacks do not count."""
    found: dict[str, object] = {}
    for name in before.keys() & after.keys():
        kept = [{column: row[column] for column in row.keys() & _columns(after[name])} for row in before[name]]
        now = [{column: row[column] for column in row.keys() & _columns(before[name])} for row in after[name]]
        if gone := [row for row in kept if row not in now]:
            found[name] = gone
    return found


def _columns(some: list[dict[str, object]]) -> set[str]:
    return set(some[0]) if some else set()


def step(connection: Connection, to: str, *, down: bool) -> dict[str, object]:
    config = alembic_config()
    config.attributes["connection"] = connection
    before = rows(connection)
    (command.downgrade if down else command.upgrade)(config, to)
    return lost(before, rows(connection))


def test_every_table_gets_a_row() -> None:
    assert set(Base.metadata.tables) == {table.name for table in TABLES}


async def test_no_step_down_or_up_loses_a_row_of_a_table_that_it_keeps(engine: AsyncEngine) -> None:
    """A table that is made anew would take along the rows that refer to it, as 0004 once did with all chunks."""
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.run_sync(fill)
    found: dict[str, dict[str, object]] = {}
    steps = [(to, True) for to in REVISIONS[1:]] + [(to, False) for to in REVISIONS[-2::-1]]
    for to, down in steps:
        async with engine.begin() as connection:
            gone = await connection.run_sync(lambda sync, to=to, down=down: step(sync, to, down=down))
        if gone:
            found[f"{'down' if down else 'up'} to {to}"] = gone
    assert found == {}
    async with engine.connect() as connection:
        held = await connection.run_sync(rows)
    assert [len(held[name]) for name in ("document", "document_version", "chunk", "vault_entry")] == [2, 2, 2, 2]
