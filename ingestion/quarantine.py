"""Documents held back because they speak to a model: which, why, and what a person decides about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.log import AuditLog
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


class Quarantine:
    """The quarantine of one tenant. Takes a session, never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def waiting(self) -> list[Waiting]:
        """All that wait for a decision, ordered by masked path: each document once, for whichever of its indexes."""
        statement = (
            select(DocumentRow, VersionRow.id, VersionRow.created_at, QuarantinedRow)
            .join(VersionRow, VersionRow.document == DocumentRow.id)
            .join(QuarantinedRow, QuarantinedRow.version == VersionRow.id)
            .where(DocumentRow.tenant == self._tenant, VersionRow.state == "quarantined")
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

        Returns the dimension of its vectors: the index wants it, and no model has to be loaded for it.

        Raises:
            NotFound: nothing of the document is in quarantine.
        """
        (version, held), *others = await self._held(document)
        # The same content waits for each index that it is to enter: it is decided about once.
        alike = [other for other, _ in others if other.content_digest == version.content_digest]
        if decision is Decision.RELEASED:
            dim = await self._release(document, version, held)
            for other in alike:
                other.state = "staged"
            await self._session.execute(delete(QuarantinedRow).where(_of_versions(alike)))
        else:
            dim = 0
            for one in (version, *alike):
                one.state = "rejected"
                await self._session.execute(delete(ChunkRow).where(ChunkRow.version == one.id))
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

    async def _held(self, document: str) -> list[tuple[VersionRow, QuarantinedRow]]:
        """At least one, the one that has waited longest first."""
        statement = (
            select(VersionRow, QuarantinedRow)
            .join(QuarantinedRow, QuarantinedRow.version == VersionRow.id)
            .where(
                VersionRow.tenant == self._tenant, VersionRow.document == document, VersionRow.state == "quarantined"
            )
            .order_by(VersionRow.created_at, VersionRow.id)
        )
        found = [(version, held) for version, held in await self._session.execute(statement)]
        if not found:
            raise NotFound(
                f"Tenant {self._tenant!r} has nothing of a document {document!r} in quarantine. "
                "`ringfence documents quarantine` lists what is."
            )
        return found

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
