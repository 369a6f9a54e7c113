"""Keeping all indexes of a tenant as SQL says: what is written reaches each of them, and a dropped one goes."""

from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import IndexState
from rag.db.index_versions import IndexVersions
from rag.index.publish import Progress, Published, publish_indexes
from rag.index.stores import IndexStores


async def publish_tenant(
    database: Database, stores: IndexStores, tenant: str, progress: Progress | None = None
) -> Published:
    """Project everything of `tenant` that waits into her live index and the one beside it. Idempotent.

    Raises:
        IndexUnavailable, Conflict, Damaged: an index cannot be opened or written; what was done stays, and the next run
            continues.
    """
    async with database.reading() as session:
        indexes = IndexVersions(session, tenant)
        standing, dropping = await indexes.standing(), await indexes.dropping()
    opened = {index.number: await stores.get(tenant, index) for index in standing}
    published = await publish_indexes(database, opened, tenant, progress)
    for index in dropping:
        await stores.remove(tenant, index.number)
        async with database.unit_of_work() as session:
            await IndexChanges(session, tenant).move(index.number, IndexState.DROPPED)
    return published
