"""Migrations lead to exactly the tables that the code uses, and back to nothing."""

from collections.abc import AsyncIterator, Callable

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from policies.tables import Base
from rag.db.migrate import alembic_config, upgrade


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    created = create_async_engine(database_url)
    yield created
    await created.dispose()


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata))


def downgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


async def test_the_newest_schema_is_the_one_the_code_declares(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_upgrading_twice_changes_nothing(engine: AsyncEngine) -> None:
    await upgrade(engine)
    await upgrade(engine)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []


def upgrade_to(revision: str) -> Callable[[Connection], None]:
    def run(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    return run


async def test_stricter_chunks_of_the_first_release_are_marked(engine: AsyncEngine) -> None:
    """Else simulations of a policy would not know of them."""
    labels = {"plain": (0, "[]", "[]"), "level": (2, "[]", "[]"), "wall": (0, '["compartment:x"]', "[]")}
    async with engine.begin() as connection:
        await connection.run_sync(upgrade_to("0001"))
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SET session_replication_role = replica"))  # no document rows needed
        for name, (level, compartments, denied) in labels.items():
            columns = {"id": name, "level": level, "compartments": compartments, "denied": denied}
            await connection.execute(
                text(
                    'INSERT INTO chunk (id, version, document, tenant, ordinal, start, "end", heading, level_at_least, '
                    "more_compartments, more_denied_shares, dense, lexical_indices, lexical_values) VALUES "
                    "(:id, 'v', 'd', 't', 0, 0, 0, '', :level, :compartments, :denied, '', '', '')"
                ),
                columns,
            )
        await connection.run_sync(upgrade_to("head"))
        marked = set(await connection.scalars(text("SELECT id FROM chunk WHERE stricter")))
    assert marked == {"level", "wall"}


async def test_downgrading_removes_every_table(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.run_sync(downgrade)
        left = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert left <= {"alembic_version"}
