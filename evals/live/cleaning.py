"""Taking everything away that a run planted. It may be killed anywhere and run again.

    keys -> people -> documents, whose points the service removes -> the tenants of its own, with their index

Audit records stay: that is what they are for. In an existing tenant, so do the records of the policy's history (people
came, documents came, all went) and the epoch that they raised, and its key and index where it had no document before.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from evals.live.journal import Journal, Journals
from evals.live.places import lines_of_run, removal
from evals.live.planting import AUTHOR, REASON
from evals.live.rights import read_lines
from ingestion.deleting import delete_document
from ingestion.publishing import publish_documents
from policies.store import PolicyStore
from policies.tables import Base
from policies.tenancy import within
from rag.audit.log import AuditLog
from rag.db import index_table, job_table, provisioned, usage  # noqa: F401 - tables are known once they are imported
from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import FIRST_NUMBER, IndexState
from rag.db.tables import (
    ApiKeyRow,
    AuditCheckpointRow,
    AuditPrunedRow,
    AuditRow,
    DocumentRow,
    SourceCursorRow,
    SourcePlaceRow,
)
from rag.db.usage import UsageRow, UsedChunkRow
from rag.privacy.key_sources import open_keys
from rag.settings import Settings

KEPT = frozenset(row.__tablename__ for row in (AuditRow, AuditCheckpointRow, AuditPrunedRow))
"""Tables of the audit log."""
_OF_SOURCE = (SourceCursorRow, SourcePlaceRow)
"""Tables of what is known of a source beside its documents."""


async def clean(settings: Settings, database: Database, journals: Journals, journal: Journal) -> int:
    """Remove everything of the run and forget it; returns how many audit records its own tenants keep.

    Raises:
        IndexUnavailable, Conflict: points could not be removed from the index. Nobody can read them any more; the
            journal stays, and the next run, or `ringfence eval leak --clean`, goes on.
    """
    for tenant in (*journal.own, *journal.lent):
        with within(tenant):
            await _end_rights(database, journal, tenant)
            await _remove_documents(settings, database, journal, tenant)
    kept = 0
    for tenant in journal.own:
        with within(tenant):
            await _remove_tenant(settings, database, tenant)
            async with database.reading() as session:
                statement = select(func.count()).select_from(AuditRow).where(AuditRow.tenant == tenant)
                kept += await session.scalar(statement) or 0
    journals.forget(journal)
    return kept


async def left_behind(database: Database, journal: Journal) -> int:
    """Rows outside the audit log that are still about the run."""
    found = 0
    for tenant in (*journal.own, *journal.lent):
        with within(tenant):
            async with database.reading() as session:
                if tenant in journal.own:
                    for table in Base.metadata.sorted_tables:
                        if table.name not in KEPT:
                            statement = select(func.count()).select_from(table).where(table.c.tenant == tenant)
                            found += await session.scalar(statement) or 0
                    continue
                found += sum(map(len, lines_of_run(await read_lines(session, tenant), journal.people)))
                found += len(await _documents(session, journal, tenant)) + len(await _keys(session, journal, tenant))
                for row in _OF_SOURCE:
                    of_run = row.tenant == tenant, row.source == journal.source
                    found += await session.scalar(select(func.count()).select_from(row).where(*of_run)) or 0
    return found


async def _end_rights(database: Database, journal: Journal, tenant: str) -> None:
    async with database.unit_of_work() as session:
        for key in await _keys(session, journal, tenant):
            await session.execute(delete(ApiKeyRow).where(ApiKeyRow.id == key))
            await AuditLog().append(session, tenant, "key_revoked", {"key": key, "subject": AUTHOR})
        if tenant in journal.own:
            return
        for row in (UsageRow, UsedChunkRow):
            of_people = row.subject.startswith(journal.people, autoescape=True)
            await session.execute(delete(row).where(row.tenant == tenant, of_people))
        edit = removal(tenant, await read_lines(session, tenant), journal.people)
        if not edit.empty:
            await PolicyStore(session).apply(tenant, edit, author=AUTHOR, reason=REASON)


async def _remove_documents(settings: Settings, database: Database, journal: Journal, tenant: str) -> None:
    async with database.reading() as session:
        documents = await _documents(session, journal, tenant)
        dim = await _dim(session, tenant)
    keys = open_keys(settings)
    for document in documents:
        await delete_document(database, tenant, document, keys, author=AUTHOR)
    async with database.unit_of_work() as session:
        for row in _OF_SOURCE:
            await session.execute(delete(row).where(row.tenant == tenant, row.source == journal.source))
    if dim:
        await publish_documents(settings, database, dim, tenant)


async def _remove_tenant(settings: Settings, database: Database, tenant: str) -> None:
    async with database.unit_of_work() as session:
        dim = await _dim(session, tenant)
        await IndexChanges(session, tenant).move(FIRST_NUMBER, IndexState.DROPPING)
    if dim:
        # Whoever owns the index removes the folder, or the collection, of one that is to be dropped.
        await publish_documents(settings, database, dim, tenant)
    async with database.unit_of_work() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in KEPT:
                await session.execute(delete(table).where(table.c.tenant == tenant))


async def _dim(session: AsyncSession, tenant: str) -> int:
    """Of the tenant's vectors; 0 where it has no index."""
    return max((row.dim for row in await IndexChanges(session, tenant).rows()), default=0)


async def _documents(session: AsyncSession, journal: Journal, tenant: str) -> Sequence[str]:
    where = DocumentRow.tenant == tenant, DocumentRow.source == journal.source
    return list(await session.scalars(select(DocumentRow.id).where(*where)))


async def _keys(session: AsyncSession, journal: Journal, tenant: str) -> Sequence[str]:
    where = ApiKeyRow.tenant == tenant, ApiKeyRow.label == journal.label
    return list(await session.scalars(select(ApiKeyRow.id).where(*where)))
