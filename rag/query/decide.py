"""Decisions of one moment: the policy as it stands in the database now, and what it says about loaded chunks."""

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.check import Decision, check_each
from policies.plan import Plan, PlanTooLarge, plan
from policies.rules import Attributes, Caller, InvalidRule
from policies.snapshot import Snapshot
from policies.store import PolicyError
from policies.tenancy import every_tenant
from rag.db.documents import Documents, LoadedChunk, epoch_and_labels
from rag.db.index_versions import IndexVersion
from rag.domain import Principal, ReadableChunk
from rag.errors import IndexUnavailable, PolicyUnreadable, Unavailable
from rag.query.live import still_live
from rag.query.parts import QueryParts

_log = logging.getLogger(__name__)

DECIDED_AT_ONCE = 16
"""More decisions are made in a thread. So few take at most some milliseconds, mostly none as they are remembered, and
would wait in a thread's queue behind what takes longer."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a reader's rights are now, and the labels of the chunks they were decided on."""

    snapshot: Snapshot
    attributes: Mapping[str, Attributes]


class PolicyChanged(Unavailable):
    """Rights changed while an answer was being written, and what it rests on may no longer be shown."""

    code = "policy_changed"

    def __init__(self) -> None:
        super().__init__("What you may read changed while the answer was being written; it was stopped. Ask again.")


async def read_policy(parts: QueryParts, session: AsyncSession, tenant: str) -> Snapshot:
    """The policy of this moment.

    Raises:
        PolicyUnreadable: rules or epoch cannot be read; then nothing is answered.
    """
    try:
        snapshot = await parts.snapshots.get(session, tenant)
    except (PolicyError, SQLAlchemyError, OSError) as cause:
        parts.metrics.policy_read(tenant, None)
        _log.error("policy_unreadable tenant=%s cause=%s", tenant, type(cause).__name__)
        raise _unreadable() from cause
    parts.metrics.policy_read(tenant, snapshot.epoch)
    return snapshot


def plan_of(snapshot: Snapshot, principal: Principal, action: str = "read") -> Plan:
    """Which documents the principal may act on.

    Raises:
        IndexUnavailable: `plan_too_large`; no edit leads there, rules written by hand may.
    """
    try:
        return plan(snapshot, principal.callers, action)
    except PlanTooLarge as cause:
        raise IndexUnavailable(f"Nothing was searched: {cause}.", code="plan_too_large") from cause


async def load_chunks(session: AsyncSession, tenant: str, chunks: Collection[str]) -> dict[str, LoadedChunk]:
    """Chunks with their attributes from SQL, the authority.

    Raises:
        PolicyUnreadable: they cannot be read, or are not valid attributes.
    """
    with _readable_labels(tenant):
        return await Documents(session).load_chunks(tenant, chunks)


async def load_labels(session: AsyncSession, tenant: str, chunks: Collection[str]) -> dict[str, Attributes]:
    """The attributes of chunks alone. Raises as `load_chunks`."""
    with _readable_labels(tenant):
        return await Documents(session).labels_of_chunks(tenant, chunks)


async def load_document_labels(session: AsyncSession, tenant: str, documents: Collection[str]) -> dict[str, Attributes]:
    """The attributes of whole documents. Raises as `load_chunks`."""
    with _readable_labels(tenant):
        return await Documents(session).labels_of_documents(tenant, documents)


@contextmanager
def _readable_labels(tenant: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError, InvalidRule, ValueError) as cause:
        _log.error("attributes_unreadable tenant=%s cause=%s", tenant, type(cause).__name__)
        raise _unreadable() from cause


async def check_all(
    snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Collection[Attributes]
) -> dict[Attributes, Decision]:
    """One decision for each distinct set of attributes: chunks of one document mostly share theirs."""
    distinct = frozenset(attributes)
    if len(distinct) <= DECIDED_AT_ONCE:
        return check_each(snapshot, callers, action, distinct)
    return await asyncio.to_thread(check_each, snapshot, callers, action, distinct)


async def check_chunks(
    parts: QueryParts,
    snapshot: Snapshot,
    principal: Principal,
    chunks: Collection[str],
    *,
    searched: IndexVersion | None = None,
) -> tuple[dict[str, LoadedChunk], frozenset[str]]:
    """What the index named, as SQL has it: the chunks of visible versions, and which of them may be read.

    `searched` is the index that named them: it must still be the live one.

    Raises:
        IndexSwitched: it is not.
        PolicyUnreadable: it cannot be told.
    """
    async with parts.database.reading() as session:
        loaded = await load_chunks(session, principal.tenant, chunks)
        # A switch takes everything of the index out of sight: one visible chunk says that there was none.
        unseen = bool(chunks) and not any(found.current for found in loaded.values())
        if searched is not None and unseen:
            await still_live(session, principal.tenant, searched)
    return await readable_of(snapshot, principal, loaded)


async def readable_of(
    snapshot: Snapshot, principal: Principal, loaded: Mapping[str, LoadedChunk]
) -> tuple[dict[str, LoadedChunk], frozenset[str]]:
    """The chunks of visible versions among `loaded`, and which of them may be read."""
    current = {chunk: found for chunk, found in loaded.items() if found.current}
    labels = [found.attributes for found in current.values()]
    decisions = await check_all(snapshot, principal.callers, "read", labels)
    return current, frozenset(chunk for chunk, found in current.items() if decisions[found.attributes].allowed)


def as_readable(found: LoadedChunk, score: float = 0.0, similarity: float = 0.0) -> ReadableChunk:
    """A chunk that was decided to be readable, on the labels that were decided on; see `ReadableChunk`."""
    return ReadableChunk(found.chunk, found.attributes, found.attribute_version, found.title, score, similarity)


async def other_tenants(parts: QueryParts, tenant: str, chunks: Collection[str]) -> frozenset[str]:
    """Those of `chunks` that are another tenant's. Raises as `check_chunks`."""
    try:
        with every_tenant():
            async with parts.database.glance() as session:
                return await Documents(session).others(tenant, chunks)
    except (SQLAlchemyError, OSError) as cause:
        raise _unreadable() from cause


async def still_readable(
    parts: QueryParts, principal: Principal, decided: Snapshot, used: Sequence[ReadableChunk]
) -> Standing:
    """Read epoch and labels again; where either moved, decide again about everything the answer rests on.

    Raises:
        PolicyChanged: something used is gone, or no longer readable.
        PolicyUnreadable: it cannot be told.
    """
    with _readable_labels(principal.tenant):
        ids = [found.chunk.id for found in used]
        epoch, attributes = await epoch_and_labels(parts.database, principal.tenant, ids)
    if type(epoch) is int and epoch == decided.epoch and _as_decided(used, attributes):
        return Standing(decided, attributes)
    async with parts.database.glance() as session:
        snapshot = await read_policy(parts, session, principal.tenant)
        attributes = await load_labels(session, principal.tenant, [found.chunk.id for found in used])
    if snapshot.epoch == decided.epoch and _as_decided(used, attributes):
        return Standing(snapshot, attributes)
    gone = [found.chunk.id for found in used if found.chunk.id not in attributes]
    decisions = await check_all(snapshot, principal.callers, "read", list(attributes.values()))
    refused = [chunk for chunk, labels in attributes.items() if not decisions[labels].allowed]
    if gone or refused:
        parts.metrics.policy_changed.inc()
        raise PolicyChanged()
    return Standing(snapshot, attributes)


def _as_decided(used: Sequence[ReadableChunk], attributes: Mapping[str, Attributes]) -> bool:
    return all(attributes.get(found.chunk.id) == found.attributes for found in used)


async def still_unmaskable(
    parts: QueryParts, principal: Principal, standing: Standing, rights: Collection[tuple[str, str]]
) -> None:
    """Decide again about values that stand in an answer, by (action, chunk).

    Raises:
        PolicyChanged: one of them may no longer be given back.
    """
    for action in sorted({action for action, _ in rights}):
        labels = [standing.attributes[chunk] for wanted, chunk in rights if wanted == action]
        decisions = await check_all(standing.snapshot, principal.callers, action, labels)
        if not all(decision.allowed for decision in decisions.values()):
            parts.metrics.policy_changed.inc()
            raise PolicyChanged()


def _unreadable() -> PolicyUnreadable:
    return PolicyUnreadable(
        "The access policy could not be read, so nothing was answered. Retry; `ringfence doctor` checks the database."
    )
