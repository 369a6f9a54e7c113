"""Deleting a document: its rows, its chunks and what of the vault is its alone, in one transaction; then the index.

    look through all texts -> hold the vault -> keep out -> remove, bury the points -> originals nothing refers to
    -> record -> count what remains

Everybody who writes, be it an audit record, waits for the transaction: what takes long is done before and after it.
What cannot be deleted with it is counted and said, place by place.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.bulk import BulkChanges
from ingestion.cursors import list_all_again
from ingestion.originals import Going, destroy, survey, tokens_of
from ingestion.remaining import Remaining, Traces, remains
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.index_versions import IndexVersions
from rag.db.lineage import KeptOut
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.errors import NotFound
from rag.privacy.keys import KeySource
from rag.privacy.vault import hold


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion removed. `dim` is the size of the tenant's vectors, 0 where nothing tells it.

    `originals` were of no other document; `sealed` is what the vault held of them: it must not be found on disk any
    more.
    """

    document: str
    source: str
    versions: int
    chunks: int
    originals: int
    kept_out: bool
    dim: int
    sealed: tuple[bytes, ...] = field(default=(), repr=False)
    remains: tuple[Remaining, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A document as it stood before its deletion, or as that found it."""

    row: DocumentRow
    versions: int
    chunks: tuple[str, ...] = field(repr=False)


async def delete_document(
    database: Database, tenant: str, document: str, keys: KeySource, *, author: str, keep_out: bool = False
) -> Deleted:
    """Delete it; nobody finds it from then on, and the next publish takes its points away.

    With `keep_out`, its source does not bring it back before `let_in`.

    Raises:
        NotFound: the tenant has no such document.
        Damaged, Unavailable: the source of keys has not the tenant's, or does not answer.
    """
    _, going, dim = await _look(database, tenant, document, keys)
    async with database.unit_of_work() as session:
        # First, as nobody can store a version of it meanwhile, nor refer to an original that is about to go.
        await hold(session, tenant, alone=True)
        seen, tokens = await _find(session, tenant, document), await tokens_of(session, [document])
        row = seen.row
        done = Deleted(document, row.source, seen.versions, len(seen.chunks), 0, keep_out, dim)
        if keep_out:
            await KeptOut(session, tenant).add(row.source, row.path_digest, document, author, datetime.now(UTC))
        await BulkChanges(session, tenant, row.source).remove([row.path_digest])
        sealed = await destroy(session, tenant, going, tokens, keys)
        body: AuditBody = {
            "subject": author,
            "document": document,
            "versions": done.versions,
            "chunks": done.chunks,
            "originals": len(sealed),
            "kept_out": keep_out,
        }
        await AuditLog().append(session, tenant, "document_deleted", body)
    async with database.reading() as session:
        left = await remains(session, tenant, Traces(document, seen.chunks, tokens))
    return replace(done, originals=len(sealed), sealed=tuple(sealed.values()), remains=left)


async def would_delete(
    database: Database, tenant: str, document: str, keys: KeySource, *, keep_out: bool = False
) -> Deleted:
    """What `delete_document` would do, of which nothing is done. Raises alike."""
    seen, going, dim = await _look(database, tenant, document, keys)
    unused = frozenset() if going.survey is None else going.survey.unused
    async with database.reading() as session:
        left = await remains(session, tenant, Traces(document, seen.chunks, going.tokens - unused, keep_out))
    chunks = len(seen.chunks)
    return Deleted(document, seen.row.source, seen.versions, chunks, going.number, keep_out, dim, remains=left)


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
    await list_all_again(session, tenant, source)
    await AuditLog().append(session, tenant, "document_let_in", {"subject": author, "document": document})
    return source


async def _look(database: Database, tenant: str, document: str, keys: KeySource) -> tuple[_Seen, Going, int]:
    """The document, which originals are its alone, and the size of the tenant's vectors."""
    async with database.reading() as session:
        seen = await _find(session, tenant, document)
        return seen, await survey(session, tenant, [document], keys), await IndexVersions(session, tenant).dim()


async def _find(session: AsyncSession, tenant: str, document: str) -> _Seen:
    row = await Documents(session).find(tenant, document)
    if row is None:
        raise NotFound(f"Tenant {tenant!r} has no document {document!r}. `ringfence documents list` shows all.")
    versions = await _count(session, VersionRow.document == document)
    chunks = await session.scalars(select(ChunkRow.id).where(ChunkRow.document == document))
    return _Seen(row, versions, tuple(chunks))


async def _count(session: AsyncSession, *where: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).where(*where)) or 0
