"""Real signing keys of the installation's kind, and the files that exports make."""

from rag.audit.chain import AuditRef
from rag.audit.export import export_log
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.audit.sealing import seal
from rag.audit.signed import StatementSigner
from rag.db.engine import Database
from rag.privacy.receipts import Signer

SIGNER = Signer.of(b"\x01" * 32)
STRANGER = Signer.of(b"\x02" * 32)
KEYS = {SIGNER.public_key}
EVERY = 3


async def filled(database: Database, count: int, *, every: int = EVERY) -> list[AuditRef]:
    """The refs of `count` records of acme, with a checkpoint signed after each `every`."""
    log = AuditLog(SIGNER, checkpoint_every=every)
    refs = []
    for number in range(count):
        body: AuditBody = {"number": number, "ms": 1.5 * number, "person": "user:ann", "document": f"doc_{number:032x}"}
        async with database.unit_of_work() as session:
            refs.append(await log.append(session, "acme", "question", body))
    return refs


async def sealed(database: Database, signer: StatementSigner = SIGNER, *, size: int = EVERY) -> int:
    """Sign what has no checkpoint yet; the number of checkpoints made."""
    async with database.unit_of_work() as session:
        return len(await seal(session, "acme", signer, size=size))


async def exported(database: Database) -> list[bytes]:
    """The lines of the file."""
    async with database.reading() as session:
        return [f"{line}\n".encode() async for line in export_log(session, "acme", SIGNER)]
