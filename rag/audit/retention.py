"""Retention: old records leave in whole batches. Their signed checkpoints stay, so what is left still verifies.

The log records the removal itself, and a signed statement says how far it went: a record that is missing after that
is missing, and one that is missing without it too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.checkpoint import Checkpoint, Pruned, read_checkpoint, sign_pruned
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.audit.signed import StatementSigner
from rag.audit.store import AuditCheckpoints, AuditRecords
from rag.errors import Damaged


@dataclass(frozen=True, slots=True)
class Removal:
    """What is or would be removed: `records` of them, up to number `through`."""

    records: int
    through: int
    checkpoint: Checkpoint


async def plan_removal(session: AsyncSession, tenant: str, before: datetime, keys: Collection[str]) -> Removal | None:
    """The whole batches whose records are all older than `before`; None where there are none.

    Raises:
        Damaged: the log does not verify; removing records would remove the evidence.
    """
    verified = await AuditLog().verify(session, tenant, keys=keys)
    if not verified.intact:
        raise Damaged(
            f"The audit log of tenant {tenant!r} was changed after it was written, so nothing is removed. "
            "`ringfence audit verify` says what.",
            code="audit_changed",
        )
    young = await AuditRecords(session).first_since(tenant, before)
    old = [
        link
        for link in await AuditCheckpoints(session).all(tenant)
        if link.last > verified.removed and (young is None or link.last < young)
    ]
    if not old:
        return None
    checkpoint = read_checkpoint(old[-1].text, keys)
    return Removal(checkpoint.last - verified.removed, checkpoint.last, checkpoint)


async def remove(session: AsyncSession, tenant: str, removal: Removal, signer: StatementSigner, author: str) -> Pruned:
    """Remove them in the caller's transaction, and record that.

    Raises:
        AuditUnavailable: it could not be recorded; nothing may be removed.
    """
    body: AuditBody = {
        "author": author,
        "through": removal.through,
        "records": removal.records,
        "root": removal.checkpoint.root,
    }
    # First: the chain goes on from its newest record, which must not be among those that leave.
    await AuditLog().append(session, tenant, "audit_pruned", body)
    stated = sign_pruned(removal.checkpoint, signer)
    await AuditCheckpoints(session).insert_pruned(stated)
    await AuditRecords(session).delete(tenant, removal.through)
    return stated
