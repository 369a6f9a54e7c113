"""Archives that cannot be read for now: their members fail one by one, as documents do that cannot be read.

So a member stays under the labels that it had, and goes when its archive has others by now. The archive, which would
name its members, is not at hand: they are known by what is stored of them. One whose stored name is masked is not: it
is gone until the archive can be read again.
"""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.archives import RefusedItem
from ingestion.digests import archive_half, identity_digest
from ingestion.parts import TenantMasking
from ingestion.sources.protocol import Listing, SourceItem
from rag.db.tables import DocumentRow

_AFTER_DIGITS = "g"


async def with_unread(
    session: AsyncSession, tenant: str, source: str, privacy: TenantMasking, listing: Listing
) -> Listing:
    """The unpacked listing with the known members of each archive that cannot be read for now."""
    found: list[SourceItem] = []
    for archive in listing.items:
        if not isinstance(archive, RefusedItem) or not archive.for_now:
            continue
        half = archive_half(identity_digest(privacy, source, archive.identity))
        statement = select(DocumentRow.path_digest, DocumentRow.path).where(
            DocumentRow.tenant == tenant,
            DocumentRow.source == source,
            DocumentRow.path_digest > half,
            DocumentRow.path_digest < half + _AFTER_DIGITS,
        )
        for digest, path in await session.execute(statement):
            parts = path.split("/")
            # How much of the path is the archive's is not known: it may stand in folders, or be renamed by now.
            members = (replace(archive, member="/".join(parts[start:])) for start in range(1, len(parts)))
            found += (one for one in members if identity_digest(privacy, source, one.identity) == digest)
    if not found:
        return listing
    return replace(listing, items=tuple(sorted((*listing.items, *found), key=lambda item: item.path)))
