"""Which answers, searches and opened passages rest on a document or a chunk, by the log."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.record import AuditRecord
from rag.audit.search import AuditFilter
from rag.audit.store import AuditRecords

_HOW = {"question": "answer", "answer": "answer", "search": "search", "passage": "passage"}
"""What records of a kind tell of. An answer has two: what it was given, and what it showed."""


@dataclass(frozen=True, slots=True)
class Use:
    """`shown` is False where a generator was given it and the answer does not rest on it.

    It is None for an answer that has no end in the log: sentences of it may have left before it was stopped.
    """

    how: str
    at: datetime
    sequence: int
    answer: str
    person: str
    assistant: str | None
    shown: bool | None


async def uses_of(
    session: AsyncSession,
    tenant: str,
    name: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
) -> list[Use]:
    """The newest `limit` uses of what has the id `name`, oldest first."""
    found: dict[str, Use] = {}
    async for record in AuditRecords(session).backwards(tenant, since=since, until=until, kind=None, names=(name,)):
        body = json.loads(record.body)
        if record.kind not in _HOW or not _rests_on(body, name):
            continue
        use = _use(record, body)
        if (use.answer or str(use.sequence)) in found:
            continue  # The same answer's question: backwards, the end comes first.
        if len(found) == limit:
            break
        found[use.answer or str(use.sequence)] = use
    open_ends = [use for use in found.values() if use.shown is None]
    if open_ends:
        oldest = min(use.at for use in open_ends)
        ended = await _ended(session, tenant, {use.answer for use in open_ends}, oldest)
        found |= {use.answer: replace(use, shown=False) for use in open_ends if use.answer in ended}
    return list(found.values())[::-1]


@dataclass(frozen=True, slots=True)
class Naming:
    """Records that name something: how many, and the answers that they are of."""

    number: int
    answers: frozenset[str]


async def naming(session: AsyncSession, tenant: str, name: str) -> Naming:
    """The records that name what has this id. Looks through the whole log."""
    asked, number, answers = AuditFilter(document=name), 0, set[str]()
    async for record in AuditRecords(session).backwards(tenant, since=None, until=None, kind=None, names=(name,)):
        if asked.admits(record):
            number += 1
            if record.kind in ("question", "answer"):
                answers.add(json.loads(record.body)["answer"])
    return Naming(number, frozenset(answers))


def _rests_on(body: Mapping[str, Any], name: str) -> bool:
    """A record names chunks too that the check refused: those were used for nothing."""
    places = [body, *body.get("considered", ()), *body.get("shown", ())]
    return any(name in (place.get("document"), place.get("version"), place.get("chunk")) for place in places)


def _use(record: AuditRecord, body: Mapping[str, Any]) -> Use:
    return Use(
        how=_HOW[record.kind],
        at=record.at,
        sequence=record.sequence,
        answer=body.get("answer", ""),
        person=body.get("person", ""),
        assistant=body.get("assistant"),
        shown=None if record.kind == "question" else True,
    )


async def _ended(session: AsyncSession, tenant: str, answers: Collection[str], since: datetime) -> frozenset[str]:
    """Those of the answers that were closed. Their ends do not name what they did not show, so all ends are read."""
    ends = AuditRecords(session).backwards(tenant, since=since, until=None, kind="answer", names=())
    return frozenset([answer async for record in ends if (answer := json.loads(record.body)["answer"]) in answers])
