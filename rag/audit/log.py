"""The audit log: append only, one hash chain per tenant.

Each record's digest covers its fields and the digest before it, so an edited, removed, inserted or reordered
record breaks every link after it. Records cut off at the end leave a shorter, intact chain: keep the head that
`verify` returns somewhere else, and give it back as `expected` to see that too.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.record import NO_PREVIOUS, AuditBody, AuditRecord, canonical, checked_kind, record_digest
from rag.audit.store import AuditRecords
from rag.errors import AuditUnavailable

ATTEMPTS = 30
"""Tries to take the next place in the chain while others do the same (Postgres; SQLite writers queue up)."""
BREAKS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class AuditRef:
    """A place in a tenant's chain: enough to prove later that a record stood there."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold. `reason` is one of edited, unlinked, missing, head_differs."""

    sequence: int
    reason: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`head` is the last record, or None for an empty chain. `breaks` holds the first `BREAKS_SHOWN`."""

    tenant: str
    checked: int
    head: AuditRef | None
    breaks: tuple[Break, ...]

    @property
    def intact(self) -> bool:
        return not self.breaks


class AuditLog:
    """Holds no state: everything is in the database."""

    async def append(self, session: AsyncSession, tenant: str, kind: str, body: AuditBody) -> AuditRef:
        """Write the next record of the tenant's chain in the caller's transaction.

        Raises:
            UnfitRecord: the body holds something other than ids, numbers and digests.
            AuditUnavailable: it could not be written; what it would have recorded must not happen.
        """
        written, kind = canonical(body), checked_kind(kind)
        records = AuditRecords(session)
        try:
            for _ in range(ATTEMPTS):
                last = await records.last(tenant, lock=True)
                record = _next(last, tenant, kind, written)
                try:
                    async with session.begin_nested():
                        await records.insert(record)
                except IntegrityError:
                    continue  # Somebody else took the place while this transaction waited: take the one after.
                return AuditRef(record.sequence, record.digest)
        except SQLAlchemyError as cause:
            raise AuditUnavailable("The audit record could not be written, so nothing was answered.") from cause
        raise AuditUnavailable(f"The audit log of tenant {tenant!r} was busy {ATTEMPTS} times; nothing was answered.")

    async def recent(self, session: AsyncSession, tenant: str, *, limit: int) -> list[AuditRecord]:
        """The last `limit` records, oldest first."""
        return await AuditRecords(session).recent(tenant, limit)

    async def verify(self, session: AsyncSession, tenant: str, *, expected: AuditRef | None = None) -> VerifyResult:
        """Recompute the whole chain; `expected` is a head that was written down before."""
        return await verify_chain(tenant, AuditRecords(session).all(tenant), expected)


async def verify_chain(
    tenant: str, records: AsyncIterator[AuditRecord], expected: AuditRef | None = None
) -> VerifyResult:
    """Check records given in the order of their sequence numbers."""
    breaks: list[Break] = []
    previous, sequence, checked = NO_PREVIOUS, 0, 0
    head: AuditRef | None = None
    expectation_met = expected is None
    async for record in records:
        checked += 1
        if record.sequence != sequence + 1:
            breaks.append(Break(sequence + 1, "missing"))
        elif record.previous != previous:
            breaks.append(Break(record.sequence, "unlinked"))
        if record.recomputed() != record.digest:
            breaks.append(Break(record.sequence, "edited"))
        previous, sequence = record.digest, record.sequence
        head = AuditRef(record.sequence, record.digest)
        expectation_met = expectation_met or head == expected
    if expected is not None and not expectation_met:
        breaks.append(Break(expected.sequence, "head_differs"))
    return VerifyResult(tenant, checked, head, tuple(breaks[:BREAKS_SHOWN]))


def _next(last: AuditRecord | None, tenant: str, kind: str, body: str) -> AuditRecord:
    sequence = 1 if last is None else last.sequence + 1
    previous = NO_PREVIOUS if last is None else last.digest
    at = datetime.now(UTC)
    digest = record_digest(tenant, sequence, at, kind, body, previous)
    return AuditRecord(tenant, sequence, at, kind, body, previous, digest)
