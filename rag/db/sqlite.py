"""SQLite as the house uses it: who waits for whom, and in which thread a statement runs."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic_core import from_json
from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

T = TypeVar("T")

READING = "ringfence_reading"
SINGLE = "ringfence_single"
"""One statement, which sees one moment by itself: no transaction is begun for it."""
BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process's transaction."""
GLANCE_TIMEOUT_MS = 1_000
"""Readers wait for nobody, but for a process that closes the file or mends it; and these hold up everybody else."""


class _Cursor(sqlite3.Cursor):
    server_side = False

    async def _async_soft_close(self) -> None:
        """Nothing waits to be closed."""


class _InPlace(sqlite3.Connection):
    """A connection that answers in the caller's thread, where SQLAlchemy expects one that is awaited."""

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    @property
    def _connection(self) -> sqlite3.Connection:
        return self

    def terminate(self) -> None:
        self.close()


def prepare(engine: AsyncEngine) -> None:
    """Set up each of the engine's connections and transactions."""
    event.listen(engine.sync_engine, "connect", _pragmas)
    event.listen(engine.sync_engine, "begin", _begin)


def glancing(url: URL) -> AsyncEngine:
    """An engine for short reads in the caller's own thread.

    Of the same URL as the other: what is remembered by it is remembered once.
    """
    engine = _in_place(url)
    event.listen(engine.sync_engine, "connect", _impatient)
    return engine


def _in_place(url: URL) -> AsyncEngine:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(str(url.database), factory=_InPlace, check_same_thread=False)

    engine = create_async_engine(url, creator=connect, json_deserializer=from_json)
    prepare(engine)
    return engine


class Writer:
    """A thread that writes: a piece of work is handed to it whole, not statement by statement.

    One piece of work after the other, each in a transaction of its own, which is committed when its result returns.
    """

    def __init__(self, url: URL) -> None:
        self._engine = _in_place(url)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        self._loop = asyncio.new_event_loop()
        # A second transaction in this thread would wait for the first, which then could not end.
        self._turn = asyncio.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ringfence-writer", daemon=True)

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """What `work` returns, once it is committed. Who stops waiting does not stop what has begun."""
        if self._loop.is_closed():
            raise RuntimeError("the database is closed")
        if self._thread.ident is None:
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._unit(work), self._loop))

    async def _unit(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async with self._turn, self._sessions.begin() as session:
            return await work(session)

    async def _end(self) -> None:
        async with self._turn:
            await self._engine.dispose()

    async def close(self) -> None:
        """Finish what was handed over, then end the thread."""
        if self._loop.is_closed():
            return
        if self._thread.ident is not None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(), self._loop))
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
        self._loop.close()


def _pragmas(connection: Any, _record: object) -> None:
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


def _impatient(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout={GLANCE_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only=ON")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once, without waiting, when another process
    # wrote in between; taking the write lock at the start makes it wait its turn instead.
    options = connection.get_execution_options()
    if not options.get(SINGLE, False):
        connection.exec_driver_sql("BEGIN" if options.get(READING, False) else "BEGIN IMMEDIATE")
