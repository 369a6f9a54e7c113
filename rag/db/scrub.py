"""Making sure that deleted rows are gone from the files, not only from the tables.

*SQLite*: deleted cells are overwritten with zeros (`secure_delete`), but older images of a page stay in the
write-ahead log until it is emptied. The files are then searched for the bytes that were deleted; if a page still
holds one, the whole file is written anew. *Postgres*: the table is written anew; what its own write-ahead log,
replicas and archives hold leaves with them. Backups are the operator's on both.
"""

import asyncio
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

BUSY_MS = 5_000
"""How long a running reader or writer is waited for, each time."""
ATTEMPTS = 6
PREFIX = 24
"""Bytes by which a deleted value is known: a nonce and a beginning, which no other value shares."""


async def scrub(url: str, table: str, deleted: Collection[bytes] = ()) -> bool:
    """Remove what was deleted from `table` from the files of the database; services may run meanwhile.

    `deleted` are values that were in it. False where a reader or writer was in the way too long: run it again.
    """
    parsed = make_url(url)
    engine = create_async_engine(parsed, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            if parsed.get_backend_name() == "sqlite":
                return await _scrub_sqlite(connection, parsed.database, deleted)
            return await _rewrite_postgres(connection, table)
    finally:
        await engine.dispose()


async def _scrub_sqlite(connection: AsyncConnection, database: str | None, deleted: Collection[bytes]) -> bool:
    await connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_MS}")
    await connection.exec_driver_sql("PRAGMA secure_delete=ON")
    if not await _empty_log(connection):
        return False
    if not database or not await asyncio.to_thread(_hold, Path(database), deleted):
        return True
    try:
        await connection.exec_driver_sql("VACUUM")
    except OperationalError:
        return False
    return await _empty_log(connection) and not await asyncio.to_thread(_hold, Path(database), deleted)


async def _empty_log(connection: AsyncConnection) -> bool:
    """Copy the write-ahead log into the database and cut it to nothing. Waits for readers, but not for ever."""
    for _ in range(ATTEMPTS):
        busy = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]
        if not busy:
            return True
    return False


def _hold(database: Path, deleted: Collection[bytes]) -> bool:
    """Whether a file of the database still holds one of the values."""
    wanted = [value[:PREFIX] for value in deleted]
    if not wanted:
        return False
    for path in (database, database.with_name(f"{database.name}-wal")):
        if path.exists() and file_holds(path, wanted):
            return True
    return False


def file_holds(path: Path, wanted: Collection[bytes], *, piece_bytes: int = 1 << 24) -> bool:
    """Whether one of the byte strings, of at most `PREFIX` bytes, stands in the file."""
    with path.open("rb") as file:
        tail = b""
        while piece := file.read(piece_bytes):
            searched = tail + piece
            if any(value in searched for value in wanted):
                return True
            tail = searched[-PREFIX:]
    return False


async def _rewrite_postgres(connection: AsyncConnection, table: str) -> bool:
    quoted = connection.dialect.identifier_preparer.quote(table)
    await connection.execute(text(f"SET lock_timeout = {BUSY_MS}"))
    for _ in range(ATTEMPTS):
        try:
            # Without FULL, Postgres only marks the room of deleted rows as free and leaves their bytes in it.
            await connection.execute(text(f"VACUUM (FULL) {quoted}"))
        except OperationalError:
            continue
        return True
    return False
