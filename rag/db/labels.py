"""The labels of all of a tenant's documents, for looking at a policy as a whole; never for answering a question."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from policies.rules import Attributes, Level, Tightening
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
)

_STRICTER = (ChunkRow.document, ChunkRow.level_at_least, ChunkRow.more_compartments, ChunkRow.more_denied_shares)


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
    # Chunks of a version that is no longer, or not yet, the visible one are nobody's.
    parts = parts.join(DocumentRow, DocumentRow.current_version == ChunkRow.version)
    if document is not None:
        whole = whole.where(DocumentRow.id == document)
        parts = parts.where(ChunkRow.document == document)
    documents = {row["id"]: _attributes(tenant, row) for row in (await session.execute(whole)).mappings()}
    tightened = (
        documents[of].tightened(Tightening(Level(level), frozenset(compartments), frozenset(denied)))
        for of, level, compartments, denied in await session.execute(parts)
        if of in documents
    )
    return list(dict.fromkeys((*documents.values(), *tightened)))


def _attributes(tenant: str, row: Mapping[Any, Any]) -> Attributes:
    return Attributes(
        tenant=tenant,
        document=row["id"],
        department=row["department"],
        level=Level(row["level"]),
        tags=frozenset(row["tags"]),
        owner=row["owner"],
        shares=frozenset(row["shares"]),
        denied_shares=frozenset(row["denied_shares"]),
        compartments=frozenset(row["compartments"]),
    )
