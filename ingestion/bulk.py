"""New labels and removals of many documents at once: few statements, and one new epoch.

A label file speaks for thousands of documents. Changed one by one, each makes every snapshot of the policy an old one.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from ingestion.digests import made_of
from ingestion.standing import newest_of
from ingestion.store import put_labels, same_labels
from ingestion.withdrawal import EVER_IN_INDEX, NEVER_VISIBLE, Withdrawal
from policies.rules import Attributes
from policies.store import PolicyStore
from rag.db.index_table import FIRST_NUMBER
from rag.db.statements import besides
from rag.db.tables import ChunkRow, DocumentRow, VersionRow

TOGETHER = 200
"""Documents of one transaction: some tens of milliseconds, for which nobody else writes to SQLite."""


@dataclass(frozen=True, slots=True)
class NewLabels:
    """Labels that were given to a document for this content (digest), made by this pipeline (digest).

    `revision` is the keyed digest of the source's revision that they were read with; empty where it gives none.
    """

    document: str
    attributes: Attributes
    content: str
    pipeline: str
    revision: str = ""


class BulkChanges:
    """Of one source of one tenant; versions are seen from one of her indexes. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str, source: str, index: int = FIRST_NUMBER) -> None:
        self._session = session
        self._tenant = tenant
        self._source = source
        self._index = index
        self._withdrawal = Withdrawal(session, tenant)

    async def relabel(self, given: Sequence[NewLabels], *, look_only: bool = False) -> frozenset[str]:
        """Give documents new labels, for their newest content: what came before it was never meant to be read under
        them. The ids of those whose labels are new.

        Where the newest version is of other content or pipeline by now, another run has written since: these labels
        were not read for that. `look_only` changes none.
        """
        rows = await self._rows([new.document for new in given], lock=not look_only)
        versions = await self._versions(list(rows))
        relabelled: list[str] = []
        for new in given:
            row, newest = rows.get(new.document), newest_of(versions[new.document], self._index)
            if row is None or newest is None or not made_of(newest, new.content, new.pipeline):
                continue
            newest.source_revision = new.revision
            if same_labels(row, new.attributes):
                continue
            relabelled.append(row.id)
            if not look_only:
                await self._take_back(row.id, versions[row.id], newest)
                put_labels(row, new.attributes)
        if relabelled and not look_only:
            await PolicyStore(self._session).raise_epoch(self._tenant)
        await self._session.flush()
        return frozenset(relabelled)

    async def remove(self, path_digests: Collection[str], *, look_only: bool = False) -> dict[str, tuple[str, str]]:
        """Delete documents with all their versions; points are removed when the index is next published.

        By path digest, the id and the path of each that was there.
        """
        statement = (
            select(DocumentRow.path_digest, DocumentRow.id, DocumentRow.path)
            .where(
                DocumentRow.tenant == self._tenant,
                DocumentRow.source == self._source,
                DocumentRow.path_digest.in_(path_digests),
            )
            .order_by(DocumentRow.id)
        )
        if not look_only:
            statement = statement.with_for_update()
        found = {digest: (document, path) for digest, document, path in await self._session.execute(statement)}
        documents = [document for document, _ in found.values()]
        if found and not look_only:
            chunks = select(ChunkRow.id).where(ChunkRow.document.in_(documents))
            await self._withdrawal.bury(sorted(await self._session.scalars(chunks)))
            await self._session.execute(delete(DocumentRow).where(DocumentRow.id.in_(documents)))
            await PolicyStore(self._session).raise_epoch(self._tenant)
            await self._session.flush()
        return found

    async def _rows(self, documents: Sequence[str], *, lock: bool) -> dict[str, DocumentRow]:
        # Locked before their versions are read, always in one order: what is decided on them stays true.
        statement = (
            select(DocumentRow)
            .where(
                DocumentRow.id.in_(documents),
                besides(DocumentRow.tenant) == self._tenant,
                besides(DocumentRow.source) == self._source,
            )
            .order_by(DocumentRow.id)
        )
        if lock:
            statement = statement.with_for_update()
        return {row.id: row for row in await self._session.scalars(statement)}

    async def _versions(self, documents: Sequence[str]) -> defaultdict[str, list[VersionRow]]:
        """In every state and every index, without their texts."""
        statement = select(VersionRow).where(VersionRow.document.in_(documents))
        found: defaultdict[str, list[VersionRow]] = defaultdict(list)
        for version in await self._session.scalars(statement.options(defer(VersionRow.text, raiseload=True))):
            found[version.document].append(version)
        return found

    async def _take_back(self, document: str, versions: Sequence[VersionRow], newest: VersionRow) -> None:
        """All but what the labels are meant for: the newest version, and in other indexes those of its content."""
        meant = frozenset(
            version.id
            for version in versions
            if version is newest
            or (version.index_version != self._index and version.content_digest == newest.content_digest)
        )
        others = {version.state for version in versions if version.id not in meant}
        if others & EVER_IN_INDEX:
            await self._withdrawal.withdraw(document, but=meant)
        if others & {*NEVER_VISIBLE}:
            await self._withdrawal.drop_waiting(document, but=meant)
