"""The audit log: append only, one hash chain per tenant, batches of it under signed checkpoints.

Each record's digest covers its fields and the digest before it, so an edited, removed, inserted or reordered
record breaks every link after it. Whoever writes the database could compute the chain anew: what a checkpoint covers
(`rag.audit.checkpoint`) he could not sign. Records and checkpoints cut off at the end leave a shorter, intact log:
keep an export, or the head that `verify` returns, somewhere else, and give it back as `expected` to see that too.
"""

import logging
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.tenancy import every_tenant, within
from rag.audit.chain import AuditRef, Break, ChainVerifier, VerifyResult
from rag.audit.checkpoint import CHECKPOINT_EVERY, Pruned, read_pruned
from rag.audit.record import NO_PREVIOUS, AuditBody, AuditRecord, canonical, checked_kind, record_digest
from rag.audit.sealing import seal
from rag.audit.signed import NotSigned, StatementSigner
from rag.audit.store import AuditCheckpoints, AuditRecords
from rag.db.engine import Database
from rag.errors import AuditUnavailable

_log = logging.getLogger(__name__)

ATTEMPTS = 30
"""Tries to take the next place in the chain while others do the same (Postgres; SQLite writers queue up)."""


class AuditLog:
    """Holds no state but the key: everything is in the database.

    With a `signer`, whoever appends the last record of a batch signs its checkpoint in the same transaction.
    """

    def __init__(self, signer: StatementSigner | None = None, *, checkpoint_every: int = CHECKPOINT_EVERY) -> None:
        self._signer = signer
        self._checkpoint_every = checkpoint_every

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
                if self._signer is not None and record.sequence % self._checkpoint_every == 0:
                    await self._seal(session, tenant, self._signer)
                return AuditRef(record.sequence, record.digest)
        except SQLAlchemyError as cause:
            raise AuditUnavailable("The audit record could not be written, so nothing was answered.") from cause
        raise AuditUnavailable(f"The audit log of tenant {tenant!r} was busy {ATTEMPTS} times; nothing was answered.")

    async def recent(self, session: AsyncSession, tenant: str, *, limit: int) -> list[AuditRecord]:
        """The last `limit` records, oldest first."""
        return await AuditRecords(session).recent(tenant, limit)

    async def verify(
        self,
        session: AsyncSession,
        tenant: str,
        *,
        expected: AuditRef | None = None,
        keys: Collection[str] | None = None,
    ) -> VerifyResult:
        """Recompute the whole log; `expected` is a head that was written down before.

        `keys` are the public keys whose checkpoints count. Without, the hash chain alone is verified.
        """
        if keys is None:
            verifier = ChainVerifier(tenant, (), expected=expected)
            async for record in AuditRecords(session).all(tenant):
                verifier.record(record)
            return verifier.result()
        statement = await AuditCheckpoints(session).pruned(tenant)
        pruned, refused = _read_pruned(statement, keys)
        verifier = ChainVerifier(tenant, keys, pruned=pruned, expected=expected)
        if refused is not None:
            verifier.broken(refused)
        async for part in in_order(session, tenant):
            if isinstance(part, AuditRecord):
                verifier.record(part)
            else:
                verifier.statement(part)
        return verifier.result()

    async def seal_all(self, database: Database) -> None:
        """Sign checkpoints for every tenant's records that have none, as a service does at its end. Never raises.

        What could not be signed stays in the chain, and is signed by whoever comes next.
        """
        if self._signer is None:
            return
        try:
            with every_tenant():
                async with database.reading() as session:
                    tenants = await AuditCheckpoints(session).tenants_behind()
            for tenant in tenants:
                with within(tenant):
                    async with database.unit_of_work() as session:
                        await seal(session, tenant, self._signer, size=self._checkpoint_every)
        except SQLAlchemyError as cause:
            _log.warning("audit_not_signed cause=%s", type(cause).__name__)

    async def _seal(self, session: AsyncSession, tenant: str, signer: StatementSigner) -> None:
        try:
            async with session.begin_nested():
                # A few at a time: what an older release wrote without checkpoints must not hold up one answer.
                await seal(session, tenant, signer, size=self._checkpoint_every, most=4, whole=True)
        except IntegrityError:
            pass  # Somebody else has just signed the same batch.


async def in_order(
    session: AsyncSession, tenant: str, *, through: int | None = None
) -> AsyncIterator[AuditRecord | str]:
    """The records, and each checkpoint's statement after the last record that it covers."""
    waiting = await AuditCheckpoints(session).all(tenant)
    waiting.reverse()
    async for record in AuditRecords(session).all(tenant, through=through):
        while waiting and waiting[-1].last < record.sequence:
            yield waiting.pop().text
        yield record
    while waiting:
        yield waiting.pop().text


def _read_pruned(statement: str | None, keys: Collection[str]) -> tuple[Pruned | None, Break | None]:
    try:
        return (None if statement is None else read_pruned(statement, keys)), None
    except NotSigned as cause:
        return None, Break(1, cause.reason)


def _next(last: AuditRecord | None, tenant: str, kind: str, body: str) -> AuditRecord:
    sequence = 1 if last is None else last.sequence + 1
    previous = NO_PREVIOUS if last is None else last.digest
    at = datetime.now(UTC)
    digest = record_digest(tenant, sequence, at, kind, body, previous)
    return AuditRecord(tenant, sequence, at, kind, body, previous, digest)
