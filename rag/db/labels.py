"""The labels of all of a tenant's documents, for looking at a policy as a whole; never for answering a question."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from policies.rules import Attributes
from rag.db.documents import labels_in, tightening_of
from rag.db.tables import ChunkRow, DocumentRow

_LABELS = (
    DocumentRow.id,
    DocumentRow.department,
    DocumentRow.level,
    DocumentRow.tags,
    DocumentRow.owner,
    DocumentRow.shares,
    DocumentRow.denied_shares,
    DocumentRow.compartments,
    DocumentRow.current_version,
)

_STRICTER = (
    ChunkRow.document,
    ChunkRow.version,
    ChunkRow.level_at_least,
    ChunkRow.more_compartments,
    ChunkRow.more_denied_shares,
)


async def labels_of(session: AsyncSession, tenant: str) -> list[Attributes]:
    """The attributes of every document, and of every paragraph that is stricter than its document, each once.

    Raises:
        InvalidRule: a stored row does not hold valid attributes. Nobody may read such a document, so what a policy
            does to it cannot be told: `ringfence ingest` mends it.
    """
    return await _labels(session, tenant, None)


async def labels_of_document(session: AsyncSession, tenant: str, document: str) -> list[Attributes]:
    """The attributes of one document, then those of its stricter paragraphs; empty where there is none."""
    return await _labels(session, tenant, document)


async def _labels(session: AsyncSession, tenant: str, document: str | None) -> list[Attributes]:
    whole = select(*_LABELS).where(DocumentRow.tenant == tenant)
    parts = select(*_STRICTER).where(ChunkRow.tenant == tenant, ChunkRow.stricter)
    if document is not None:
        whole = whole.where(DocumentRow.id == document)
        parts = parts.where(ChunkRow.document == document)
    documents = {row.id: (labels_in(tenant, row.id, row), row.current_version) for row in await session.execute(whole)}
    found = dict.fromkeys(labels for labels, _ in documents.values())
    for row in await session.execute(parts):
        labels, version = documents.get(row.document, (None, None))
        # Chunks of a version that is no longer, or not yet, the visible one are nobody's.
        if labels is not None and version == row.version:
            found[labels.tightened(tightening_of(row))] = None
    return list(found)
