"""Migrations lead to exactly the tables that the code uses, and back to nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from policies.tables import Base, EpochRow
from policies.tenancy import every_tenant
from rag.db.engine import open_database
from rag.db.job_table import JobRow, JobState
from rag.db.migrate import alembic_config, upgrade


@pytest.fixture
async def engine(blank_database_url: str) -> AsyncIterator[AsyncEngine]:
    created = create_async_engine(blank_database_url)
    yield created
    await created.dispose()


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata))


def downgrade(connection: Connection, revision: str = "base") -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


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


async def test_a_job_that_was_superseded_is_kept_for_a_release_that_calls_it_done(engine: AsyncEngine) -> None:
    """The earlier release cannot read a state that it does not know."""
    values = {"tenant": "t", "kind": "sync", "source": "s", "payload": {}, "priority": 0, "attempts": 1, "result": {}}
    values |= {"attempts_max": 5, "fencing_token": 1, "turn": 1, "step": "", "done": 0, "total": 0}
    now = datetime(2030, 1, 1, tzinfo=UTC)
    states = {"one": JobState.SUPERSEDED, "two": JobState.QUEUED, "three": JobState.DEAD}
    with every_tenant():
        await upgrade(engine)
        async with engine.begin() as connection:
            for job, state in states.items():
                row = {**values, "id": job, "state": state, "run_after": now, "created_at": now}
                await connection.execute(insert(JobRow), row)
            await connection.run_sync(downgrade, "0016")
            kept = dict((await connection.execute(text("SELECT id, state FROM job"))).all())
            await connection.run_sync(upgrade_to("head"))
            assert await connection.run_sync(differences) == []
            again = dict((await connection.execute(text("SELECT id, state FROM job"))).all())
    assert kept == again == {"one": "done", "two": "queued", "three": "dead"}


def test_there_is_one_newest_revision() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


async def test_processes_that_start_at_once_migrate_one_after_the_other(blank_database_url: str) -> None:
    """Each connection is another process's as far as the database can tell."""
    opened = await asyncio.gather(*(open_database(blank_database_url) for _ in range(3)))
    with every_tenant():
        for database in opened:
            assert await database.rows(select(EpochRow), {}) == []
            await database.close()


async def test_downgrading_removes_every_table(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.run_sync(downgrade)
        left = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert left <= {"alembic_version"}
