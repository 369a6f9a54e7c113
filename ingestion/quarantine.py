"""Documents held back because they speak to a model: which, why, and what a person decides about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.cursors import list_all_again
from ingestion.withdrawal import Withdrawal
from rag.audit.log import AuditLog
from rag.db.statements import besides
from rag.db.tables import ChunkRow, DocumentRow, QuarantineDecisionRow, QuarantinedRow, VersionRow
from rag.domain import digest_of
from rag.errors import NotFound

_FLOAT_BYTES = 4


class Decision(StrEnum):
    """What was decided about one content of one document."""

    RELEASED = "released"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document in quarantine. `path` is masked; `places` are page, masked heading and codes, never text."""

    document: str
    version: str
    path: str = field(repr=False)
    source: str
    codes: tuple[str, ...]
    places: Sequence[Mapping[str, Any]] = field(repr=False)
    since: datetime
    previous_visible: bool


async def decision_on(session: AsyncSession, tenant: str, document: str, content: str) -> Decision | None:
    """What was decided about this content of this document, if anything."""
    row = await session.get(QuarantineDecisionRow, (tenant, document, content))
    return None if row is None else Decision(row.decision)


async def decisions_on(session: AsyncSession, tenant: str, document: str) -> Sequence[QuarantineDecisionRow]:
    """All that was decided about contents of the document, oldest first."""
    of_it = QuarantineDecisionRow.tenant == tenant, QuarantineDecisionRow.document == document
    statement = select(QuarantineDecisionRow).where(*of_it).order_by(QuarantineDecisionRow.decided_at)
    return (await session.scalars(statement)).all()


class Quarantine:
    """The quarantine of one tenant. Takes a session, never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def waiting(self, *, source: str | None = None, index: int | None = None) -> list[Waiting]:
        """All that wait for a decision, ordered by masked path: each document once, for whichever of its indexes.

        With `source` or `index`, those that came from it, or wait for it.
        """
        some = [] if source is None else [besides(DocumentRow.source) == source]
        some += [] if index is None else [VersionRow.index_version == index]
        statement = (
            select(DocumentRow, VersionRow.id, VersionRow.created_at, QuarantinedRow)
            .join(VersionRow, VersionRow.document == DocumentRow.id)
            .join(QuarantinedRow, QuarantinedRow.version == VersionRow.id)
            # Few wait: they are found by their state, not among all documents of the tenant.
            .where(
                VersionRow.tenant == self._tenant,
                VersionRow.state == "quarantined",
                besides(DocumentRow.tenant) == self._tenant,
                *some,
            )
            .order_by(DocumentRow.path, DocumentRow.id, VersionRow.created_at, VersionRow.id)
        )
        found = [
            Waiting(
                document=document.id,
                version=version,
                path=document.path,
                source=document.source,
                codes=tuple(held.flags),
                places=held.places,
                since=since,
                previous_visible=document.current_version is not None,
            )
            for document, version, since, held in await self._session.execute(statement)
        ]
        return list({one.document: one for one in reversed(found)}.values())[::-1]

    async def decide(self, document: str, decision: Decision, author: str, reason: str) -> int:
        """Release what is held of a document, to be published next, or reject it. Recorded in the audit log.

        Returns the dimension of its vectors: the index wants it, and no model has to be loaded for it. It is 0 where
        nothing is to be published: of what was rejected no text was kept, so once released, its source is read again.

        Raises:
            NotFound: nothing of the document is in quarantine, nor rejected where it is to be released.
        """
        found = await self._of_state(document, "quarantined")
        if not found and decision is Decision.RELEASED:
            found = await self._of_state(document, "rejected")
        if not found:
            raise NotFound(
                f"Tenant {self._tenant!r} has nothing of a document {document!r} in quarantine. "
                "`ringfence documents quarantine` lists what is."
            )
        dim = await self._decided(document, found, decision)
        version, held = found[0]
        await self._session.merge(
            QuarantineDecisionRow(
                tenant=self._tenant,
                document=document,
                content_digest=version.content_digest,
                decision=decision.value,
                author=author,
                reason=reason,
                decided_at=datetime.now(UTC),
            )
        )
        await self._session.flush()
        body = {
            "subject": author,
            "decision": decision.value,
            "document": document,
            "version": version.id,
            "codes": list(held.flags),
            "reason": digest_of(["quarantine", reason]).hex(),
        }
        await AuditLog().append(self._session, self._tenant, "quarantine", body)
        return dim

    async def _decided(
        self, document: str, found: Sequence[tuple[VersionRow, QuarantinedRow]], decision: Decision
    ) -> int:
        (version, held), *others = found
        # The same content waits for each index that it is to enter: it is decided about once.
        alike = [other for other, _ in others if other.content_digest == version.content_digest]
        if version.state == "rejected":
            await self._read_again(document)
            return 0
        if decision is Decision.RELEASED:
            for other in alike:
                other.state = "staged"
            await self._session.execute(delete(QuarantinedRow).where(_of_versions(alike)))
            return await self._release(document, version, held)
        for one in (version, *alike):
            one.state = "rejected"
            await self._session.execute(delete(ChunkRow).where(ChunkRow.version == one.id))
        return 0

    async def _of_state(self, document: str, state: str) -> list[tuple[VersionRow, QuarantinedRow]]:
        """The one that has waited longest first."""
        statement = (
            select(VersionRow, QuarantinedRow)
            .join(QuarantinedRow, QuarantinedRow.version == VersionRow.id)
            .where(VersionRow.tenant == self._tenant, VersionRow.document == document, VersionRow.state == state)
            .order_by(VersionRow.created_at, VersionRow.id)
        )
        return [(version, held) for version, held in await self._session.execute(statement)]

    async def _read_again(self, document: str) -> None:
        """As if the rejected version had never been read."""
        row = await self._session.get_one(DocumentRow, document)
        await Withdrawal(self._session, self._tenant).drop_waiting(document)
        # A source that tells only what is new would not name it again.
        await list_all_again(self._session, self._tenant, row.source)

    async def _release(self, document: str, version: VersionRow, held: QuarantinedRow) -> int:
        row = await self._session.get_one(DocumentRow, document)
        row.title, row.media_type, row.flags = held.title, held.media_type, list(held.flags)
        row.updated_at = datetime.now(UTC)
        version.state = "staged"
        await self._session.delete(held)
        first = select(ChunkRow.dense).where(ChunkRow.version == version.id).limit(1)
        dense = await self._session.scalar(first)
        return len(dense or b"") // _FLOAT_BYTES


def _of_versions(versions: Sequence[VersionRow]) -> ColumnElement[bool]:
    return QuarantinedRow.version.in_([version.id for version in versions])
