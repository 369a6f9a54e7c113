"""Find what one principal may read about a question. The only way from a question to chunks.

guard -> plan -> mask -> search with the filter in every branch -> check each hit against SQL -> rerank
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.plan import Conditions, DenyAll
from policies.snapshot import Snapshot
from rag.db.documents import LoadedChunk
from rag.domain import Principal, ReadableChunk
from rag.index.store import Query
from rag.privacy.mask import MaskedText
from rag.query.budget import count_chunks, labels_of
from rag.query.clock import StageClock
from rag.query.decide import check_chunks, other_tenants, plan_of, read_policy, still_readable
from rag.query.found import Found, Retrieval
from rag.query.guard import check_question
from rag.query.known import known_values
from rag.query.parts import QueryParts
from rag.query.record import Recorder
from rag.query.rerank import fuse, rerank, similarities

_log = logging.getLogger(__name__)

REFETCH_FACTOR = 4
"""When dropped hits leave fewer chunks than wanted, the search is repeated once with this many times the candidates."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """One search, checked. `more` is True when the index may hold further candidates."""

    chunks: tuple[ReadableChunk, ...] = field(repr=False)
    refused: tuple[str, ...]
    more: bool


async def search(question: str, principal: Principal, parts: QueryParts, limit: int) -> tuple[ReadableChunk, ...]:
    """At most `limit` chunks, best first, all readable by the principal now; recorded before they are returned.

    Raises:
        Misuse: the question cannot be taken.
        Limited: a budget of the day does not suffice.
        PolicyUnreadable, IndexUnavailable, AuditUnavailable: then nothing is returned.
    """
    return (await find(question, principal, parts, limit)).chunks


async def find(question: str, principal: Principal, parts: QueryParts, limit: int) -> Found:
    """`search`, with the epoch it was decided at and the time it took."""
    clock = StageClock()
    retrieval = await retrieve(question, principal, parts, limit, clock)
    with clock.stage("check"):
        standing = await still_readable(parts, principal, retrieval.snapshot, retrieval.chunks)
    with clock.stage("record"):
        await count_chunks(parts, principal, labels_of(retrieval.chunks))
        await Recorder(parts, principal, retrieval).searched()
    return Found(retrieval.chunks, standing.snapshot.epoch, clock.timings())


async def retrieve(question: str, principal: Principal, parts: QueryParts, limit: int, clock: StageClock) -> Retrieval:
    """The path up to the reranked chunks. Whoever calls it writes the record."""
    with clock.stage("guard"):
        text = check_question(question, parts.settings.service.question_chars_max)
    with clock.stage("plan"):
        async with parts.database.reading() as session:
            snapshot = await read_policy(parts, session, principal.tenant)
        decided = plan_of(snapshot, principal)
    with clock.stage("mask"):
        async with parts.database.reading() as session:
            privacy = await parts.privacy.for_tenant(session, principal.tenant)
        known = await known_values(text, privacy, decided, snapshot, principal, parts)
        masked = await asyncio.to_thread(privacy.mask_question, text, known)
    if isinstance(decided, DenyAll):
        # Nothing may be read, so nothing is asked: not even how long the index would take says anything.
        return Retrieval(masked.reading, privacy, snapshot, decided, ())
    with clock.stage("embed"):
        query = await asyncio.to_thread(_query, masked, parts)
    candidates = max(parts.settings.index.candidates, limit)
    batch = await _search_checked(query, principal, parts, snapshot, decided, candidates, clock)
    if len(batch.chunks) < limit and batch.more:
        batch = await _search_checked(query, principal, parts, snapshot, decided, candidates * REFETCH_FACTOR, clock)
    with clock.stage("rerank"):
        chunks = rerank(masked.reading, batch.chunks)[:limit]
    return Retrieval(masked.reading, privacy, snapshot, decided, chunks, batch.refused)


def _query(masked: MaskedText, parts: QueryParts) -> Query:
    face = masked.index_face()
    return Query(parts.embedder.embed_query(face), parts.lexical.encode_query(face))


async def _search_checked(
    query: Query,
    principal: Principal,
    parts: QueryParts,
    snapshot: Snapshot,
    decided: Conditions,
    candidates: int,
    clock: StageClock,
) -> _Batch:
    with clock.stage("search"):
        store = await parts.stores.get(principal.tenant)
        hits = await store.search(decided, query, limit=candidates)
    with clock.stage("check"):
        scores = fuse(hits)
        current, allowed = await check_chunks(parts, snapshot, principal, scores)
    await _report_unknown([chunk for chunk in scores if chunk not in current], principal.tenant, parts)
    refused = tuple(chunk for chunk in scores if chunk in current and chunk not in allowed)
    _report_refused(refused, current, principal.tenant, snapshot.epoch, parts)
    cosine = similarities(hits)
    chunks = tuple(
        _readable(current[chunk], score, cosine.get(chunk, 0.0)) for chunk, score in scores.items() if chunk in allowed
    )
    return _Batch(chunks, refused, more=max(len(hits.dense), len(hits.lexical)) >= candidates)


def _readable(found: LoadedChunk, score: float, similarity: float) -> ReadableChunk:
    return ReadableChunk(
        chunk=found.chunk,
        attributes=found.attributes,
        attribute_version=found.attribute_version,
        title=found.title,
        score=score,
        similarity=similarity,
    )


async def _report_unknown(chunks: Sequence[str], tenant: str, parts: QueryParts) -> None:
    """Count hits that are no visible chunks of the tenant: replaced or removed ones, or, an alarm, another tenant's."""
    if not chunks:
        return
    others = await other_tenants(parts, tenant, chunks)
    parts.metrics.dropped_stale.inc(len(chunks) - len(others))
    parts.metrics.dropped_by_check.inc(len(others))
    for chunk in sorted(others):
        _log.error("index_returned_another_tenants_chunk tenant=%s chunk=%s", tenant, chunk)


def _report_refused(
    refused: tuple[str, ...], loaded: dict[str, LoadedChunk], tenant: str, epoch: int, parts: QueryParts
) -> None:
    """Count and log refused hits: an alarm where the index had the same labels as SQL, else the expected window."""
    for chunk in refused:
        found = loaded[chunk]
        if found.attribute_version != found.indexed_attribute_version:
            parts.metrics.dropped_stale.inc()
            continue
        parts.metrics.dropped_by_check.inc()
        _log.error(
            "index_returned_refused_chunk tenant=%s document=%s version=%s chunk=%s attribute_version=%d epoch=%d",
            tenant, found.chunk.document, found.chunk.version, chunk, found.attribute_version, epoch,
        )  # fmt: skip
