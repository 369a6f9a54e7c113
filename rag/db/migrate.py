"""Bring the schema up to date. One process at a time: on Postgres an advisory lock, on SQLite the write lock that
every writing transaction takes at its start. Whoever finds it up to date takes neither."""

from collections.abc import Sequence
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
from rag.db.sqlite import READING
from rag.errors import Damaged

ADVISORY_LOCK = 7_133_082_025


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def _newest() -> tuple[str, ...]:
    """What a database at the newest schema says of itself. Read once: it takes every migration's file to tell."""
    return tuple(ScriptDirectory.from_config(alembic_config()).get_heads())


@cache
def _known() -> frozenset[str]:
    return frozenset(one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions())


async def upgrade(engine: AsyncEngine) -> None:
    """
    Raises:
        Damaged: the schema is of a release that this one does not know.
    """
    # To look costs no lock: else each command would wait for whoever writes, if only to see that nothing is due.
    async with engine.execution_options(**{READING: True}).connect() as connection:
        stored = await connection.run_sync(_stored)
    if stored == _newest():
        return
    _refuse_unknown(stored)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


def _stored(connection: Connection) -> tuple[str, ...]:
    return tuple(MigrationContext.configure(connection).get_current_heads())


def _refuse_unknown(stored: Sequence[str]) -> None:
    if unknown := sorted(set(stored) - _known()):
        raise Damaged(
            f"The database was written by a newer release of Ringfence: its schema is {', '.join(unknown)}, and this "
            f"release knows none after {', '.join(_newest())}. Install that release again, or restore a backup of the "
            "database that was made before it; nothing was changed.",
            code="newer_schema",
        )


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        with every_tenant():
            postgres.bind(connection)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    # Another process may have done it, while this one waited.
    stored = _stored(connection)
    if stored == _newest():
        return
    _refuse_unknown(stored)
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
