"""Signing checkpoints for what has none yet."""

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.checkpoint import CHECKPOINT_EVERY, Batch, Checkpoint, Link, statement_digest
from rag.audit.signed import StatementSigner
from rag.audit.store import AuditCheckpoints, AuditRecords


async def seal(
    session: AsyncSession,
    tenant: str,
    signer: StatementSigner,
    *,
    size: int = CHECKPOINT_EVERY,
    most: int | None = None,
    whole: bool = False,
) -> list[Checkpoint]:
    """Sign checkpoints of up to `size` records each, in the caller's transaction, and return them.

    At most `most` of them; with `whole`, none for a batch that is not full yet.

    Raises:
        IntegrityError: somebody else signed the same batch meanwhile.
    """
    checkpoints, records = AuditCheckpoints(session), AuditRecords(session)
    before = await checkpoints.last(tenant)
    made: list[Checkpoint] = []
    while most is None or len(made) < most:
        after = 0 if before is None else before.last
        batch, count = Batch(), 0
        async for record in records.all(tenant, after=after, through=after + size):
            batch.add(record)
            count += 1
        sealed = None if whole and count < size else batch.sealed(before, signer)
        if sealed is None:
            break
        await checkpoints.insert(sealed)
        made.append(sealed)
        before = Link(sealed.number, sealed.last, statement_digest(sealed.text), sealed.text)
    return made
