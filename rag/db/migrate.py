"""Bring the schema up to date. One process at a time: on Postgres an advisory lock, on SQLite the write lock that
every writing transaction takes at its start."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from policies.tenancy import every_tenant
from rag.db import postgres

ADVISORY_LOCK = 7_133_082_025


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def _newest() -> tuple[str, ...]:
    """What a database at the newest schema says of itself. Read once: it takes every migration's file to tell."""
    return tuple(ScriptDirectory.from_config(alembic_config()).get_heads())


async def upgrade(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        with every_tenant():
            postgres.bind(connection)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    if MigrationContext.configure(connection).get_current_heads() == _newest():
        return
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
