"""The policy desk on this installation's database and audit log: the same for the service and for the commands."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from policies.desk import DeskParts, PolicyDesk
from policies.store import SnapshotCache
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.db.labels import labels_of, labels_of_document


def desk_on(database: Database, snapshots: SnapshotCache, audit: AuditLog) -> PolicyDesk:
    """For a database that stays open."""
    return _desk(database.reading, database.unit_of_work, snapshots, audit)


def desk_for(open_database: Callable[[], AbstractAsyncContextManager[Database]]) -> PolicyDesk:
    """For one command at a time, which opens the database itself and closes it again."""

    @asynccontextmanager
    async def reading() -> AsyncIterator[AsyncSession]:
        async with open_database() as database, database.reading() as session:
            yield session

    @asynccontextmanager
    async def writing() -> AsyncIterator[AsyncSession]:
        async with open_database() as database, database.unit_of_work() as session:
            yield session

    return _desk(reading, writing, SnapshotCache(), AuditLog())


def _desk(
    reading: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    writing: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    snapshots: SnapshotCache,
    audit: AuditLog,
) -> PolicyDesk:
    async def record(session: AsyncSession, tenant: str, kind: str, body: Mapping[str, Any]) -> object:
        return await audit.append(session, tenant, kind, body)

    return PolicyDesk(DeskParts(reading, writing, labels_of, labels_of_document, record, snapshots))
