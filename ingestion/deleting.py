"""Deleting a document: in one transaction its rows, its chunks and what of the vault is its alone; then the index.

    hold the vault -> its tokens -> keep out -> remove, bury the points -> originals nothing refers to -> record

What cannot be deleted with it is counted and said, place by place.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Text, cast, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.bulk import BulkChanges
from policies.store import PolicyStore
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.audit.uses import count_records
from rag.db.documents import Documents
from rag.db.job_table import JobRow
from rag.db.lineage import KeptOut
from rag.db.statements import batches
from rag.db.tables import (
    ChunkRow,
    DocumentRow,
    QuarantineDecisionRow,
    QuarantinedRow,
    SourceCursorRow,
    VersionRow,
)
from rag.db.usage import UsedChunkRow
from rag.errors import NotFound
from rag.privacy.faces import offline_domains
from rag.privacy.keys import KeySource, existing_tenant_keys
from rag.privacy.unmask import tokens_in
from rag.privacy.unused import UnusedValues
from rag.privacy.vault import Vault, hold

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a document, and where. `number` is None where it cannot be counted from here."""

    where: str
    number: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion removed. `dim` is the dimension of the tenant's vectors, 0 where there are none.

    `originals` are sealed values that no other document refers to: they must not be found on disk any more.
    """

    document: str
    source: str
    versions: int
    chunks: int
    kept_out: bool
    dim: int
    originals: tuple[bytes, ...] = field(repr=False)
    remains: tuple[Remaining, ...] = ()


async def delete_document(
    session: AsyncSession, tenant: str, document: str, keys: KeySource, *, author: str, keep_out: bool = False
) -> Deleted:
    """Delete it in the caller's transaction; nobody finds it from then on, and the next publish takes its points away.

    With `keep_out`, its source does not bring it back before `let_in`.

    Raises:
        NotFound: the tenant has no such document.
        Damaged, Unavailable: the source of keys has not the tenant's, or does not answer.
    """
    # First, as nobody can store a version of it meanwhile, nor refer to an original that is about to go.
    await hold(session, tenant, alone=True)
    row = await Documents(session).find(tenant, document)
    if row is None:
        raise NotFound(f"Tenant {tenant!r} has no document {document!r}. `ringfence documents list` shows all.")
    source, path_digest = row.source, row.path_digest
    tokens = await _tokens(session, row)
    versions = await _count(session, VersionRow.document == document)
    chunks = list(await session.scalars(select(ChunkRow.id).where(ChunkRow.document == document)))
    dense = await session.scalar(select(ChunkRow.dense).where(ChunkRow.tenant == tenant).limit(1))
    if keep_out:
        await KeptOut(session, tenant).add(source, path_digest, document, author, datetime.now(UTC))
    await BulkChanges(session, tenant, source).remove([path_digest])
    originals, shared = await _destroyed(session, tenant, tokens, keys)
    body: AuditBody = {
        "subject": author,
        "document": document,
        "versions": versions,
        "chunks": len(chunks),
        "originals": len(originals),
        "kept_out": keep_out,
    }
    await AuditLog().append(session, tenant, "document_deleted", body)
    return Deleted(
        document=document,
        source=source,
        versions=versions,
        chunks=len(chunks),
        kept_out=keep_out,
        dim=len(dense or b"") // _FLOAT_BYTES,
        originals=tuple(originals.values()),
        remains=await _remains(session, tenant, document, chunks, shared=shared),
    )


async def let_in(session: AsyncSession, tenant: str, document: str, *, author: str) -> str:
    """Let a document in again that was kept out; the next run of its source ingests it. Returns the source's name.

    Raises:
        NotFound: it is not kept out.
    """
    source = await KeptOut(session, tenant).remove(document)
    if source is None:
        raise NotFound(
            f"Tenant {tenant!r} keeps no document {document!r} out. `ringfence documents kept-out` lists those it does."
        )
    # A source that tells only what is new would not name it again.
    await session.execute(
        delete(SourceCursorRow).where(SourceCursorRow.tenant == tenant, SourceCursorRow.source == source)
    )
    await AuditLog().append(session, tenant, "document_let_in", {"subject": author, "document": document})
    return source


async def _tokens(session: AsyncSession, row: DocumentRow) -> frozenset[str]:
    """The tokens that stand in the document, whatever its versions."""
    versions = select(VersionRow.id).where(VersionRow.document == row.id)
    texts = [row.title, row.path]
    texts += await session.scalars(select(VersionRow.text).where(VersionRow.document == row.id))
    texts += await session.scalars(select(ChunkRow.heading).where(ChunkRow.document == row.id))
    texts += await session.scalars(select(QuarantinedRow.title).where(QuarantinedRow.version.in_(versions)))
    return frozenset(token.text for text in texts for token in tokens_in(text))


async def _destroyed(
    session: AsyncSession, tenant: str, tokens: frozenset[str], source: KeySource
) -> tuple[dict[str, bytes], int]:
    """What was sealed of the tokens and words that nothing refers to, and how many of the tokens are held still."""
    if not tokens:
        return {}, 0
    keys = await existing_tenant_keys(session, tenant, source)
    originals = await UnusedValues(tenant, keys, offline_domains()).destroy(session, tokens)
    return originals, len(await Vault(tenant, keys.vault).known(session, tokens))


async def _remains(
    session: AsyncSession, tenant: str, document: str, chunks: list[str], *, shared: int
) -> tuple[Remaining, ...]:
    decisions = QuarantineDecisionRow.tenant == tenant, QuarantineDecisionRow.document == document
    jobs = JobRow.tenant == tenant, cast(JobRow.payload, Text).contains(f'"{document}"', autoescape=True)
    rules = [rule for rule in await PolicyStore(session).rules(tenant) if rule.document == document]
    used = 0
    for batch in batches(chunks):
        used += await _count(session, UsedChunkRow.tenant == tenant, UsedChunkRow.chunk.in_(batch))
    counted = (
        Remaining("audit log", await count_records(session, tenant, document), "records with ids, no text"),
        Remaining("vault", shared, "values that other documents refer to as well"),
        Remaining("policy", len(rules), "rules that name the document, and the policy's history"),
        Remaining("quarantine", await _count(session, *decisions), "decisions about its content, which hold"),
        Remaining("jobs", await _count(session, *jobs), "jobs with its id"),
        Remaining("budgets", used, "ids of its chunks, until the end of the day"),
    )
    elsewhere = (
        Remaining("source", None, "the document itself: the next ingest brings it back, unless it is kept out"),
        Remaining("backups", None, "copies of the database, the index and the keys are the operator's"),
        Remaining("exports", None, "exported audit logs and receipts hold ids and tokens, no text"),
        Remaining("callers", None, "answers that were given, and prompts in the caches of a model server"),
    )
    return (*(one for one in counted if one.number), *elsewhere)


async def _count(session: AsyncSession, *where: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).where(*where)) or 0
