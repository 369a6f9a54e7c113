"""How documents stand in the tables, many at a time and without their text."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.withdrawal import NEVER_VISIBLE
from policies.rules import Attributes, InvalidRule
from rag.db.documents import labels_in
from rag.db.index_versions import IndexVersions
from rag.db.statements import batches, besides
from rag.db.tables import IN_INDEX, DocumentRow, VersionRow

NEWEST = (*NEVER_VISIBLE, *IN_INDEX)
"""States of which a document's newest version in an index has one: what waits before what is in the index."""
_LABELS = (
    DocumentRow.id, DocumentRow.department, DocumentRow.level, DocumentRow.tags, DocumentRow.owner, DocumentRow.shares,
    DocumentRow.denied_shares, DocumentRow.compartments,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """A version: of which content (digest), by which pipeline (digest), of which revision of its source (digest)."""

    content: str = ""
    pipeline: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A stored document: its labels (none where the row holds no valid ones), and its newest version, empty without."""

    attributes: Attributes | None
    made: Made


async def standing_of(
    session: AsyncSession, tenant: str, source: str, index: int, documents: Sequence[str]
) -> dict[str, Standing]:
    """How those of the documents stand that are stored, by id; two statements for each few hundred."""
    found: dict[str, Standing] = {}
    for some in batches(documents):
        newest = await _newest(session, index, some)
        rows = select(*_LABELS).where(
            DocumentRow.id.in_(some), besides(DocumentRow.tenant) == tenant, besides(DocumentRow.source) == source
        )
        for row in await session.execute(rows):
            found[row.id] = Standing(_labels_in(tenant, row), newest.get(row.id, Made()))
    return found


async def waiting_states(session: AsyncSession, tenant: str, document: str | None = None) -> dict[str, str]:
    """The states of versions that are not visible yet or never will be, in the live index, by document."""
    live = await IndexVersions(session, tenant).live()
    waiting = VersionRow.tenant == tenant, VersionRow.index_version == live.number, VersionRow.state.in_(NEVER_VISIBLE)
    statement = select(VersionRow.document, VersionRow.state).where(*waiting)
    if document is not None:
        statement = statement.where(VersionRow.document == document)
    return {of: state for of, state in await session.execute(statement)}


def newest_of(versions: Iterable[VersionRow], index: int) -> VersionRow | None:
    """The newest of a document's versions in this index."""
    by_state: defaultdict[str, list[VersionRow]] = defaultdict(list)
    for version in versions:
        if version.index_version == index:
            by_state[version.state].append(version)
    return next((max(by_state[state], key=lambda one: one.created_at) for state in NEWEST if by_state[state]), None)


async def _newest(session: AsyncSession, index: int, documents: Sequence[str]) -> dict[str, Made]:
    made = VersionRow.content_digest, VersionRow.pipeline_digest, VersionRow.source_revision
    versions = (
        select(VersionRow.document, *made)
        .where(VersionRow.document.in_(documents), VersionRow.index_version == index, VersionRow.state.in_(NEWEST))
        # As `newest_of` takes them; it is over when each document has one.
        .order_by(VersionRow.state.in_(IN_INDEX), VersionRow.created_at.desc())
    )
    newest: dict[str, Made] = {}
    for document, *of in await session.execute(versions):
        newest.setdefault(document, Made(*of))
    return newest


def _labels_in(tenant: str, row: Any) -> Attributes | None:
    try:
        return labels_in(tenant, row.id, row)
    except InvalidRule:
        return None
