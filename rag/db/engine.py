"""The database: engine, sessions, unit of work. Nothing else in the house commits."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic_core import from_json
from sqlalchemy import URL, Executable, Result, Row, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from rag.db import postgres
from rag.db.migrate import upgrade
from rag.db.refusals import parsed, told_if_busy
from rag.db.sqlite import READING, SINGLE, Writer, glancing, prepare
from rag.errors import Misuse, Unavailable
from rag.settings import DatabaseSettings

DEFAULTS = DatabaseSettings()
T = TypeVar("T")
Guard: TypeAlias = Callable[[AsyncSession], Awaitable[None]]


class Database:
    """Sessions on one database. Open with `open_database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = async_sessionmaker(engine, expire_on_commit=False)
        options: dict[str, Any] = {READING: True}
        single: dict[str, Any] = {SINGLE: True}
        if engine.dialect.name == "postgresql":
            # By default each statement sees the newest commit: rules of one moment would be held against labels of
            # a later one, and together they may allow what neither moment did.
            options["isolation_level"] = "REPEATABLE READ"
        self._reading = async_sessionmaker(engine.execution_options(**options), expire_on_commit=False)
        # SQLite answers within microseconds. To hand one statement to another thread, and its rows back, takes ten
        # times as long, and far longer where many threads wait for each other.
        file = engine.dialect.name == "sqlite" and bool(engine.url.database) and not engine.url.query
        self._glancing = glancing(engine.url) if file else engine
        self._glances = async_sessionmaker(self._glancing.execution_options(**options), expire_on_commit=False)
        self._single = async_sessionmaker(self._glancing.execution_options(**single), expire_on_commit=False)
        self._writer = Writer(engine.url) if file else None
        self._guard: Guard | None = None

    def guarded(self, guard: Guard) -> "Database":
        """The same database. What `guard` raises at the beginning of a transaction that may write, stops it."""
        other = copy(self)
        other._guard = guard
        return other

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """All writes inside commit together, or none do."""
        async with self._writing.begin() as session:
            if self._guard is not None:
                await self._guard(session)
            yield session

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """`unit_of_work` for work that waits for nothing but the database, and returns what it returns.

        On SQLite, it runs in the thread that writes.
        """
        if self._writer is not None:
            return await self._writer.write(partial(self._guarded, work))
        async with self.unit_of_work() as session:
            return await work(session)

    async def _guarded(self, work: Callable[[AsyncSession], Awaitable[T]], session: AsyncSession) -> T:
        if self._guard is not None:
            await self._guard(session)
        return await work(session)

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Nobody else does what `name` names meanwhile, in any process on the same Postgres server.

        On SQLite there is nothing to wait for: the owner of the data folder is the only one.
        """
        if self._engine.dialect.name != "postgresql":
            yield
            return
        async with self._writing.begin() as session:
            await session.execute(text("SET LOCAL statement_timeout = 0"))
            # It ends with the transaction, however that ends.
            await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
            yield

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that never commits: one consistent view, short-lived."""
        async with self._reading() as session:
            yield session

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncSession]:
        """`reading` for a few rows that are found by their keys, as a question does a dozen times.

        On SQLite, they are read in the caller's own thread, and nothing can be written.
        """
        async with self._brief(self._glances) as session:
            yield session

    async def rows(self, statement: Executable, parameters: Mapping[str, object]) -> Sequence[Row[Any]]:
        """A glance with one statement, which sees one moment by itself."""
        async with self._brief(self._single) as session:
            found: Result[Any] = await session.execute(statement, parameters)
            return found.all()

    @asynccontextmanager
    async def _brief(self, sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
        if self._glancing is self._engine:
            async with sessions() as session:
                yield session
            return
        # By itself a session is closed in a task of its own, lest a cancelled caller keep its connection. Here nothing
        # is waited for, so nothing can be cancelled.
        session = sessions()
        try:
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer.close()
        if self._glancing is not self._engine:
            await self._glancing.dispose()
        await self._engine.dispose()


async def open_database(url: str, settings: DatabaseSettings = DEFAULTS) -> Database:
    """Connect, migrate to the newest schema, and return the database. Its URL is `url`, not that of `settings`.

    Raises:
        Misuse: the URL is none of a database that can be used.
        Damaged: a newer release wrote it.
        Unavailable: no connection, another process writes, or the schema could not be brought up to date.
    """
    place = parsed(url)
    try:
        engine = _engine(place, settings)
        try:
            with told_if_busy():
                await upgrade(engine)
        except BaseException:
            await engine.dispose()
            raise
    except (SQLAlchemyError, OSError) as cause:
        sqlite = place.get_backend_name() == "sqlite"
        look = (
            "RINGFENCE_DATA_DIR (or RINGFENCE_DATABASE__URL), and that this user may write the file and its folder"
            if sqlite
            else "RINGFENCE_DATABASE__URL, and that the server runs"
        )
        # SQLite's own words name no value; a server's may.
        why = str(cause.orig) if sqlite and isinstance(cause, DBAPIError) else type(cause).__name__
        raise Unavailable(
            f"The database {place.render_as_string(hide_password=True)} could not be opened or migrated ({why}). "
            f"Check {look}."
        ) from cause
    return Database(engine)


def _engine(place: URL, settings: DatabaseSettings) -> AsyncEngine:
    # Labels are JSON columns, six of them in each row that a question reads.
    if place.get_backend_name() == "sqlite":
        if place.database:
            Path(place.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = create_async_engine(place, json_deserializer=from_json)
        prepare(engine)
        return engine
    try:
        engine = create_async_engine(
            place,
            json_deserializer=from_json,
            # One that the server has closed meanwhile is replaced before anything is asked through it.
            pool_pre_ping=True,
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=settings.pool_timeout_s,
        )
    except ModuleNotFoundError as cause:
        raise Misuse(
            f"RINGFENCE_DATABASE__URL names a Postgres server, and the module {cause.name!r} is not installed: "
            "`pip install ringfence[postgres]` brings it."
        ) from cause
    postgres.prepare(engine, statement_timeout_s=settings.statement_timeout_s)
    return engine
