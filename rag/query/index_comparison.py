"""The live index and the one beside it, asked the same questions: does the right document come, and how soon?

A comparison reads as people do: each question is asked for a person, with her plan in every search, and what she may
not read counts as not found. What leaves are numbers.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Any

from policies.plan import Conditions
from policies.snapshot import Snapshot
from rag.audit.record import AuditBody
from rag.db.documents import Documents
from rag.db.index_changes import IndexChanges
from rag.db.index_versions import IndexVersions
from rag.domain import Principal, PrincipalSource
from rag.errors import Misuse, NotFound
from rag.query.decide import as_readable, check_all, load_chunks, plan_of, read_policy
from rag.query.index_content import content_of, lacking
from rag.query.known import known_values
from rag.query.live import OpenIndex, open_index
from rag.query.parts import QueryParts
from rag.query.rerank import fuse, rerank, similarities
from rag.query.samples import Asked, people_in, sampled, wanted_documents

FIRST = 5
"""Documents that a hit must be among, and whose overlap is counted."""
RANKS = 10
"""Documents that a rank is looked for in."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one index found for one question: ids of documents, best first, and the time it took."""

    documents: tuple[str, ...]
    ms: float


@dataclass(frozen=True, slots=True)
class _Question:
    """A question with its reader's rights; `wanted` are ids of documents that she may read."""

    text: str = field(repr=False)
    principal: Principal
    plan: Conditions
    wanted: frozenset[str]


async def compare_indexes(
    tenant: str,
    *,
    parts: QueryParts,
    author: str,
    questions: Sequence[Asked] = (),
    people: Sequence[str] = (),
    sample: int,
    allowed: Collection[str] = (),
) -> dict[str, Any]:
    """Ask both indexes, keep the figures with the one beside, record that it was done, and return them.

    Without `questions`, titles of a sample of the tenant's documents ask for their document. `people` are subjects for
    whom is asked; without, those whom the policy names. `allowed` are ids of documents that may be missing in it.

    Raises:
        NotFound: no index stands beside the live one.
        Conflict: documents are missing in it, so that the figures would be of a part.
        Misuse: none of the questions has a document that one of the people may read.
        PolicyUnreadable, IndexUnavailable: it cannot be told.
    """
    async with parts.database.reading() as session:
        snapshot = await read_policy(parts, session, tenant)
        privacy = await parts.privacy.for_tenant(session, tenant)
        indexes = IndexVersions(session, tenant)
        live, *beside = await indexes.standing()
        if not beside:
            raise NotFound(f"No index of tenant {tenant!r} stands beside the live one. `ringfence index build` does.")
        number = beside[0].number
        missing, content = await lacking(indexes, number, allowed), await content_of(indexes, number)
        asked = list(questions) or await sampled(session, tenant, number, sample)
        wanted = await wanted_documents(session, tenant, privacy, asked)
        ids = sorted({one for documents in wanted for one in documents})
        labels = await Documents(session).labels_of_documents(tenant, ids)
    readers = [_principal(tenant, name) for name in people or people_in(snapshot)]
    chosen = await _for_readers(asked, wanted, labels, readers, snapshot)
    if not chosen:
        raise Misuse(
            "No question asks for a document that one of the people may read: name others with --as, or other "
            "documents in the file of questions.",
            code="nothing_to_compare",
        )
    both = [await open_index(index, tenant, parts) for index in (live, beside[0])]
    ranked = [await _both(question, both, snapshot, parts) for question in chosen]
    figures = _figures(chosen, ranked) | {
        **content,
        "missing": missing,
        "index": number,
        "live": live.number,
        "questions": len(chosen),
        "left_out": len(asked) - len(chosen),
        "people": len({question.principal.person for question in chosen}),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    async with parts.database.unit_of_work() as session:
        await IndexChanges(session, tenant).keep_figures(number, figures)
        body: AuditBody = {"subject": author, **figures}
        await parts.audit.append(session, tenant, "index_compared", body)
    return figures


async def _for_readers(
    asked: Sequence[Asked],
    wanted: Sequence[frozenset[str]],
    labels: Mapping[str, Any],
    readers: Sequence[Principal],
    snapshot: Snapshot,
) -> list[_Question]:
    """Each question for the first person who may read a document that it asks for."""
    plans = {reader: plan_of(snapshot, reader) for reader in readers}
    may: dict[Principal, frozenset[str]] = {}
    for reader, plan in plans.items():
        if isinstance(plan, Conditions):
            decisions = await check_all(snapshot, reader.callers, "read", list(labels.values()))
            may[reader] = frozenset(one for one, found in labels.items() if decisions[found].allowed)
    found: list[_Question] = []
    for one, documents in zip(asked, wanted, strict=True):
        for reader, readable in may.items():
            plan = plans[reader]
            if readable & documents and isinstance(plan, Conditions):
                found.append(_Question(one.question, reader, plan, readable & documents))
                break
    return found


async def _both(
    question: _Question, indexes: Sequence[OpenIndex], snapshot: Snapshot, parts: QueryParts
) -> tuple[Ranked, Ranked]:
    async with parts.database.reading() as session:
        privacy = await parts.privacy.for_tenant(session, question.principal.tenant)
    live, beside = indexes
    known = await known_values(question.text, privacy, question.plan, snapshot, question.principal, parts, live.version)
    masked = await asyncio.to_thread(privacy.mask_question, question.text, known)

    async def ranked(index: OpenIndex) -> Ranked:
        started = time.perf_counter()
        query = await asyncio.to_thread(index.query, masked, parts)
        hits = await index.store.search(question.plan, query, limit=parts.settings.index.candidates)
        scores, cosine = fuse(hits), similarities(hits)
        tenant = question.principal.tenant
        async with parts.database.reading() as session:
            loaded = await load_chunks(session, tenant, scores)
            versions = {found.chunk.version for found in loaded.values()}
            held = await IndexVersions(session, tenant).holds(index.version.number, versions)
        current = {chunk: found for chunk, found in loaded.items() if found.chunk.version in held}
        decisions = await check_all(
            snapshot, question.principal.callers, "read", [found.attributes for found in current.values()]
        )
        readable = [
            as_readable(current[chunk], score, cosine.get(chunk, 0.0))
            for chunk, score in scores.items()
            if chunk in current and decisions[current[chunk].attributes].allowed
        ]
        documents = dict.fromkeys(found.chunk.document for found in rerank(masked.reading, readable))
        return Ranked(tuple(documents)[:RANKS], (time.perf_counter() - started) * 1000)

    return await ranked(live), await ranked(beside)


def _figures(questions: Sequence[_Question], ranked: Sequence[tuple[Ranked, Ranked]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, side in (("live_", 0), ("", 1)):
        found = [(question.wanted, pair[side]) for question, pair in zip(questions, ranked, strict=True)]
        hits = [bool(wanted & set(one.documents[:FIRST])) for wanted, one in found]
        figures[f"{name}hit5_ratio"] = round(fmean(hits), 4)
        figures[f"{name}mrr_ratio"] = round(fmean(_reciprocal(wanted, one.documents) for wanted, one in found), 4)
        figures[f"{name}search_ms_p50"] = round(median(one.ms for _, one in found), 2)
    figures["overlap5_ratio"] = round(fmean(_overlap(live, beside) for live, beside in ranked), 4)
    return figures


def _reciprocal(wanted: frozenset[str], documents: Sequence[str]) -> float:
    rank = next((rank for rank, document in enumerate(documents, start=1) if document in wanted), None)
    return 0.0 if rank is None else 1 / rank


def _overlap(live: Ranked, beside: Ranked) -> float:
    """How much of the first documents of either both have."""
    one, other = set(live.documents[:FIRST]), set(beside.documents[:FIRST])
    return len(one & other) / len(one | other) if one | other else 1.0


def _principal(tenant: str, subject: str) -> Principal:
    return Principal(tenant, subject, frozenset(), None, PrincipalSource.OPERATOR)
