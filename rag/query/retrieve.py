"""Find what one principal may read about a question. The only way from a question to chunks.

guard -> plan -> mask -> search with the filter in every branch -> check each hit against SQL -> rerank
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from policies.plan import Conditions, DenyAll
from policies.snapshot import Snapshot
from rag.db.documents import LoadedChunk
from rag.domain import Principal, ReadableChunk
from rag.index.store import Hits, Query
from rag.injection.detect import codes_of
from rag.query.account import Account
from rag.query.budget import count_chunks, labels_of
from rag.query.cells import PURPOSE, cell_of
from rag.query.clock import StageClock
from rag.query.decide import as_readable, check_chunks, other_tenants, plan_of, read_policy, still_readable
from rag.query.explanation import explain
from rag.query.facts import plan_facts
from rag.query.found import Found, Retrieval
from rag.query.guard import check_question, noticed
from rag.query.known import known_values
from rag.query.live import IndexSwitched, OpenIndex, live_index, open_index
from rag.query.parts import QueryParts
from rag.query.record import Recorder
from rag.query.rerank import fuse, rerank, similarities
from rag.telemetry.names import data_source, embeddings

_log = logging.getLogger(__name__)

REFETCH_FACTOR = 4
"""When dropped hits leave fewer chunks than wanted, the search is repeated once with this many times the candidates."""

SWITCHES_MAX = 2
"""Switches to another index that one question outlives."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """One search, checked. `more` is True when the index may hold further candidates.

    `current` are the hits that are visible chunks of the tenant, `others` those that are another tenant's.
    """

    chunks: tuple[ReadableChunk, ...] = field(repr=False)
    refused: tuple[str, ...]
    more: bool
    hits: Hits = field(repr=False)
    fused: Mapping[str, float] = field(repr=False)
    current: Mapping[str, LoadedChunk] = field(repr=False)
    others: frozenset[str] = field(repr=False)


async def search(question: str, principal: Principal, parts: QueryParts, limit: int) -> tuple[ReadableChunk, ...]:
    """At most `limit` chunks, best first, all readable by the principal now; recorded before they are returned.

    Raises:
        Misuse: the question cannot be taken.
        Limited: a budget of the day does not suffice.
        PolicyUnreadable, IndexUnavailable, AuditUnavailable: then nothing is returned.
    """
    return (await find(question, principal, parts, limit)).chunks


async def find(
    question: str, principal: Principal, parts: QueryParts, limit: int, account: Account | None = None
) -> Found:
    """`search`, with the epoch it was decided at and the time it took; `account` is filled where there is one."""
    with StageClock(parts.tracing, "find") as clock:
        retrieval = await retrieve(question, principal, parts, limit, clock, account)
        with clock.stage("check"):
            standing = await still_readable(parts, principal, retrieval.snapshot, retrieval.chunks)
        with clock.stage("record"):
            await count_chunks(parts, principal, labels_of(retrieval.chunks))
            await (recorder := Recorder(parts, principal, retrieval)).searched()
        if account is not None:
            with clock.stage("explain"):
                explanation = await explain(account, retrieval, principal, parts, found=bool(retrieval.chunks))
                await recorder.explained(account.reader)
            account.explanation = explanation
        return Found(retrieval.chunks, standing.snapshot.epoch, clock.timings())


async def retrieve(
    question: str,
    principal: Principal,
    parts: QueryParts,
    limit: int,
    clock: StageClock,
    account: Account | None = None,
) -> Retrieval:
    """The path up to the reranked chunks. Whoever calls it writes the record.

    All of it in one index: where another becomes the live one meanwhile, it is begun anew.
    """
    clock.count("check", hits=0, allowed=0, refused=0)
    with clock.stage("guard"):
        text = check_question(question, parts.settings.service.question_chars_max)
        codes = codes_of([text])
        parts.metrics.noticed("question", codes)
    for _ in range(SWITCHES_MAX):
        with suppress(IndexSwitched):
            return await _retrieve(text, codes, principal, parts, limit, clock, account)
    return await _retrieve(text, codes, principal, parts, limit, clock, account)


async def _retrieve(
    text: str,
    codes: tuple[str, ...],
    principal: Principal,
    parts: QueryParts,
    limit: int,
    clock: StageClock,
    account: Account | None,
) -> Retrieval:
    with clock.stage("plan"):
        async with parts.database.glance() as session:
            snapshot = await read_policy(parts, session, principal.tenant)
            live = await live_index(session, principal.tenant)
        decided = plan_of(snapshot, principal)
    if clock.traced:
        clock.tell("plan", plan_facts(decided, snapshot.epoch))
    with clock.stage("mask"):
        async with parts.database.reading() as session:
            privacy = await parts.privacy.for_tenant(session, principal.tenant)
        known = await known_values(text, privacy, decided, snapshot, principal, parts, live)
        masked = await asyncio.to_thread(privacy.mask_question, text, known)
    if isinstance(decided, DenyAll):
        # Nothing may be read, so nothing is asked: not even how long the index would take says anything.
        return Retrieval(masked.reading, privacy, snapshot, decided, (), noticed=codes)
    index = await open_index(live, principal.tenant, parts)
    clock.tell("embed", embeddings(index.embedder.name, index.embedder.dim))
    with clock.stage("embed"):
        query = await asyncio.to_thread(index.query, masked, parts)
    candidates = max(parts.settings.index.candidates, limit)
    batch = await _search_checked(query, index, principal, parts, snapshot, decided, candidates, clock)
    again = len(batch.chunks) < limit and batch.more
    if again:
        candidates *= REFETCH_FACTOR
        batch = await _search_checked(query, index, principal, parts, snapshot, decided, candidates, clock)
    with clock.stage("rerank"):
        ranked = rerank(masked.reading, batch.chunks, limit if account is None else None)
        chunks = ranked[:limit]
    if account is not None:
        account.searched(batch.hits, batch.fused, batch.current, batch.others, rounds=2 if again else 1)
        account.reranked(ranked, len(chunks))
    clock.count("rerank", chunks=len(chunks))
    parts.metrics.search_chunks.observe(len(chunks))
    with clock.stage("guard"):
        # Text made for it takes some milliseconds a chunk: not in the loop, where everybody would wait.
        flagged = await asyncio.to_thread(noticed, chunks)
        for found in flagged.values():
            parts.metrics.noticed("passage", found)
    cell = None if query.dense is None else cell_of(query.dense, privacy.digest(PURPOSE))
    return Retrieval(masked.reading, privacy, snapshot, decided, chunks, batch.refused, codes, flagged, cell)


async def _search_checked(
    query: Query,
    index: OpenIndex,
    principal: Principal,
    parts: QueryParts,
    snapshot: Snapshot,
    decided: Conditions,
    candidates: int,
    clock: StageClock,
) -> _Batch:
    clock.tell("search", data_source(principal.tenant))
    with clock.stage("search"):
        hits = await index.store.search(decided, query, limit=candidates)
    with clock.stage("check"):
        scores = fuse(hits)
        current, allowed = await check_chunks(parts, snapshot, principal, scores, searched=index.version)
    others = await _report_unknown([chunk for chunk in scores if chunk not in current], principal.tenant, parts)
    refused = tuple(chunk for chunk in scores if chunk in current and chunk not in allowed)
    _report_refused(refused, current, principal.tenant, snapshot.epoch, parts)
    parts.metrics.search_hits.observe(len(scores))
    clock.count("check", hits=len(scores), allowed=len(allowed), refused=len(refused))
    cosine = similarities(hits)
    chunks = tuple(
        as_readable(current[chunk], score, cosine.get(chunk, 0.0))
        for chunk, score in scores.items()
        if chunk in allowed
    )
    more = max(len(hits.dense), len(hits.lexical)) >= candidates
    return _Batch(chunks, refused, more, hits, scores, current, others)


async def _report_unknown(chunks: Sequence[str], tenant: str, parts: QueryParts) -> frozenset[str]:
    """Count hits that are no visible chunks of the tenant: replaced or removed ones, or, an alarm, another tenant's.

    Returns those of another tenant.
    """
    if not chunks:
        return frozenset()
    others = await other_tenants(parts, tenant, chunks)
    parts.metrics.dropped_stale.inc(len(chunks) - len(others))
    parts.metrics.dropped_by_check.inc(len(others))
    for chunk in sorted(others):
        _log.error("index_returned_another_tenants_chunk tenant=%s chunk=%s", tenant, chunk)
    return others


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
