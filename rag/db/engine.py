"""The database: engine, sessions, unit of work. Nothing else in the house commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from rag.db.migrate import upgrade
from rag.errors import Unavailable

READING = "ringfence_reading"
BUSY_TIMEOUT_MS = 15_000
"""How long a writer of the embedded database waits for another process's transaction."""


class Database:
    """Sessions on one database. Open with `open_database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = async_sessionmaker(engine, expire_on_commit=False)
        options: dict[str, Any] = {READING: True}
        if engine.dialect.name == "postgresql":
            # By default each statement sees the newest commit: rules of one moment would be held against labels of
            # a later one, and together they may allow what neither moment did.
            options["isolation_level"] = "REPEATABLE READ"
        self._reading = async_sessionmaker(engine.execution_options(**options), expire_on_commit=False)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """All writes inside commit together, or none do."""
        async with self._writing.begin() as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that never commits: one consistent view, short-lived."""
        async with self._reading() as session:
            yield session

    async def close(self) -> None:
        await self._engine.dispose()


async def open_database(url: str) -> Database:
    """Connect, migrate to the newest schema, and return the database.

    Raises:
        Unavailable: no connection, or the schema could not be brought up to date.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Labels are JSON columns, six of them in each row that a question reads.
    engine = create_async_engine(parsed, pool_pre_ping=not sqlite, json_deserializer=from_json)
    if sqlite:
        event.listen(engine.sync_engine, "connect", _sqlite_pragmas)
        event.listen(engine.sync_engine, "begin", _begin)
    try:
        await upgrade(engine)
    except (SQLAlchemyError, OSError) as cause:
        await engine.dispose()
        raise Unavailable(
            f"The database {parsed.render_as_string(hide_password=True)} could not be opened or migrated "
            f"({type(cause).__name__}). Check RINGFENCE_DATABASE__URL and that the server runs."
        ) from cause
    return Database(engine)


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: `_begin` does, in the right mode.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    # FULL, not NORMAL: an audit record or a revocation that was acknowledged must survive a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    # Deleted originals must not linger in free pages.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once, without waiting, when another process
    # wrote in between; taking the write lock at the start makes it wait its turn instead.
    reading = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
