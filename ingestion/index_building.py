"""Beginning, completing and dropping an index beside the live one. What fills it is the path of documents.

Text and vectors are made from the source again. From what is stored they cannot be made: a chunk's length and the
context it is embedded with depend on the embedder's tokenizer, and of an erased value only its token is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.originals import destroy, survey, tokens_of
from ingestion.parts import IngestionParts
from policies.store import PolicyStore
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import BESIDE, IndexState
from rag.db.index_versions import IndexVersion, IndexVersions
from rag.db.tables import DocumentRow
from rag.embedding.protocol import Embedder
from rag.errors import Conflict, Misuse, NotFound
from rag.index.publish import publishing_of
from rag.privacy.keys import KeySource
from rag.privacy.vault import hold


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be other than in the live index; None: as the settings say."""

    model: str | None = None
    sha256: str | None = None
    precision: str | None = None
    chunk_tokens: int | None = None

    @property
    def named(self) -> Mapping[str, Any]:
        """The settings of embedding that it names."""
        precision = {} if self.precision is None else {"precision": self.precision}
        return precision if self.model is None else {"model": self.model, "sha256": self.sha256, **precision}


async def begin(
    parts: IngestionParts,
    tenant: str,
    plan: Plan,
    embedder: Embedder,
    embedding: Mapping[str, Any],
    *,
    author: str,
    own: Mapping[str, Any] | None = None,
) -> IndexVersion:
    """The index that stands beside the live one; where there is none, a new one, which is recorded.

    `embedder` is what `embedding`, settings, load; `own` are those of the installation, which load the embedder of
    `parts`. The live index stays what it is now, whatever the settings say later.

    Raises:
        Misuse: the tenant has no document.
        Conflict: another one stands there already, made by another plan, or kept to go back to.
    """
    # Two builds that begin at once are of one index.
    async with parts.database.alone(publishing_of(tenant)), parts.database.unit_of_work() as session:
        if await session.scalar(select(DocumentRow.id).where(DocumentRow.tenant == tenant).limit(1)) is None:
            raise _no_document(tenant)
        indexes = IndexChanges(session, tenant)
        beside = await indexes.beside()
        if beside is not None:
            _refuse_other(beside, plan, embedder)
            return beside
        settings = parts.embedder
        await indexes.record_first(settings.name, settings.digest, settings.dim)
        await indexes.pin_live(settings.name, settings.digest, settings.dim, parts.settings.chunk_tokens, own)
        begun = IndexVersion(
            number=await indexes.next_number(),
            state=IndexState.BUILDING,
            embedder=embedder.name,
            embedder_digest=embedder.digest,
            dim=embedder.dim,
            embedding=dict(embedding),
            chunk_tokens=plan.chunk_tokens or parts.settings.chunk_tokens,
        )
        await indexes.add(begun)
        body: AuditBody = {
            "subject": author,
            "index": begun.number,
            "embedder": begun.embedder_digest,
            "chunk_tokens": begun.chunk_tokens,
        }
        await AuditLog().append(session, tenant, "index_begun", body)
    return begun


async def complete(database: Database, tenant: str, number: int) -> int:
    """Say that an index is ready where it holds every document that people see; how many it does not hold."""
    async with database.unit_of_work() as session:
        indexes = IndexChanges(session, tenant)
        row = await indexes.find(number)
        missing, _ = await indexes.missing(number, 0)
        if row is not None and row.state is IndexState.BUILDING and not missing:
            await indexes.move(number, IndexState.READY)
    return missing


@dataclass(frozen=True, slots=True)
class Dropped:
    """What went with an index: documents that no other one knows, and what the vault held of them alone."""

    documents: int
    sealed: tuple[bytes, ...] = field(repr=False)


async def drop(database: Database, tenant: str, number: int, keys: KeySource, *, author: str) -> Dropped:
    """Remove the rows of the index beside the live one, and record it; the next publish removes its points.

    Documents go with it that no other index has a version of and that were never live, with their originals: nobody
    else would remember them.

    Raises:
        NotFound: no index of this number stands beside the live one.
        Conflict: it is the live one.
        Damaged, Unavailable: the source of keys has not the tenant's, or does not answer.
    """
    async with database.reading() as session:
        await _require_beside(session, tenant, number)
        going = await survey(session, tenant, await IndexVersions(session, tenant).only_in(number), keys)
    async with database.alone(publishing_of(tenant)), database.unit_of_work() as session:
        await hold(session, tenant, alone=True)
        await _require_beside(session, tenant, number)
        indexes = IndexChanges(session, tenant)
        documents = await indexes.only_in(number)
        tokens = await tokens_of(session, documents)
        await indexes.forget(number)
        await indexes.remove_documents(documents)
        sealed = await destroy(session, tenant, going, tokens, keys)
        if documents:
            await PolicyStore(session).raise_epoch(tenant)
        body: AuditBody = {
            "subject": author,
            "index": number,
            "documents": len(documents),
            "originals": len(sealed),
        }
        await AuditLog().append(session, tenant, "index_dropped", body)
    return Dropped(len(documents), tuple(sealed.values()))


async def require_source(database: Database, tenant: str, source: str) -> None:
    """Return if the tenant's documents come from this source, among others.

    Raises:
        Misuse: they do not: its documents would be in no index but the one beside the live one, under a name that a
            later ingest does not know.
    """
    async with database.reading() as session:
        indexes = IndexVersions(session, tenant)
        sources = await indexes.sources_of((await indexes.live()).number)
    if not sources:
        raise _no_document(tenant)
    if source not in sources:
        raise Misuse(
            f"No document of tenant {tenant!r} comes from a source {source!r}. They come from: {', '.join(sources)}. "
            "Name the one that is meant, or `ringfence ingest` the new one first.",
            code="unknown_source",
        )


def _no_document(tenant: str) -> Misuse:
    return Misuse(f"Tenant {tenant!r} has no document: `ringfence ingest` makes her first index.")


async def _require_beside(session: AsyncSession, tenant: str, number: int) -> None:
    row = await IndexVersions(session, tenant).find(number)
    if row is not None and row.state is IndexState.LIVE:
        raise Conflict(
            f"Index {number} of tenant {tenant!r} is the live one: promote another first.", code="index_live"
        )
    if row is None or row.state not in BESIDE:
        raise NotFound(
            f"No index {number} of tenant {tenant!r} stands beside the live one. `ringfence index list` shows all."
        )


def _refuse_other(beside: IndexVersion, plan: Plan, embedder: Embedder) -> None:
    if beside.state is IndexState.RETIRED:
        raise Conflict(
            f"Index {beside.number} was the live one before and is kept, to go back to: `ringfence index drop "
            f"{beside.number}` makes room for another.",
            code="index_kept",
        )
    another_model = bool(plan.named) and beside.embedder_digest != embedder.digest
    if another_model or plan.chunk_tokens not in (None, beside.chunk_tokens):
        raise Conflict(
            f"Index {beside.number}, which is being built, has another model or chunk size. Leave both options out to "
            f"go on with it, or `ringfence index drop {beside.number}`.",
            code="index_kept",
        )
