"""Questions to compare two indexes by, the documents that they ask for, and the people for whom they are asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from policies.snapshot import Snapshot
from rag.db.documents import Documents
from rag.db.index_versions import IndexVersions
from rag.privacy.tenant import TenantPrivacy
from rag.query.similarity import without_tokens

PEOPLE_MAX = 20
"""People named by the policy for whom is asked, at most: each is checked against every document of the sample."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what it asks for: ids of documents, or their paths in their source."""

    question: str = field(repr=False)
    documents: tuple[str, ...] = field(repr=False)


async def sampled(session: AsyncSession, tenant: str, number: int, limit: int) -> list[Asked]:
    """Titles of documents that index `number` holds as well, as questions for them. The same for the same documents.

    A title without anything to ask by, such as one that is a name and nothing else, is left out.
    """
    rows = await IndexVersions(session, tenant).some_documents(number, limit)
    titles = ((row, without_tokens(row.title).strip()) for row in rows)
    return [Asked(title, (row.id,)) for row, title in titles if title]


async def wanted_documents(
    session: AsyncSession, tenant: str, privacy: TenantPrivacy, asked: Sequence[Asked]
) -> list[frozenset[str]]:
    """By question, the ids of the documents that it asks for; empty where the tenant has none of them."""
    sources = await IndexVersions(session, tenant).sources()
    documents = Documents(session)
    found: list[frozenset[str]] = []
    for one in asked:
        ids: set[str] = set()
        for name in one.documents:
            row = await documents.find(tenant, name)
            for source in sources if row is None else ():
                digest = privacy.digest("path", source, name).hex()
                row = row or await documents.find_by_path(tenant, source, digest)
            if row is not None:
                ids.add(row.id)
        found.append(frozenset(ids))
    return found


def people_in(snapshot: Snapshot) -> list[str]:
    """People whom the policy names, in a fixed order."""
    return sorted({name for name in snapshot.names() if name.startswith("user:")})[:PEOPLE_MAX]
