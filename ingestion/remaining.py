"""What is left of a document that was deleted, place by place: what cannot go with it is counted and said.

Reads all of the audit log: in a session of its own, after the deletion, so that nobody who writes waits for it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from policies.store import PolicyStore
from rag.audit.uses import naming
from rag.db.feedback import Feedbacks
from rag.db.job_table import JobRow
from rag.db.statements import batches
from rag.db.tables import KeptOutRow, QuarantineDecisionRow, VaultRow
from rag.db.usage import UsedChunkRow


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a document, and where. `number` is None where it cannot be counted from here."""

    where: str
    number: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Traces:
    """By what a document is known elsewhere: its id, those of its chunks, and the tokens that stood in it.

    `keeping_out`: it is about to be kept out, whatever is stored.
    """

    document: str
    chunks: Collection[str] = field(repr=False)
    tokens: Collection[str] = field(repr=False)
    keeping_out: bool = False


ELSEWHERE = (
    Remaining("source", None, "the document itself: the next ingest brings it back, unless it is kept out"),
    Remaining("backups", None, "copies of the database, the index and the keys are the operator's"),
    Remaining("exports", None, "exported audit logs and receipts hold ids and tokens, evaluation cases masked text"),
    Remaining("callers", None, "answers that were given, and prompts in the caches of a model server"),
)
_WHAT = {
    "audit log": "records with ids, no text",
    "kept out": "its id, a keyed digest of its path, and who kept it out, until `documents let-in`",
    "feedback": "what people said about answers that used it: masked questions and comments",
    "cases": "evaluation cases that name it or its chunks, with masked questions",
    "vault": "values that other documents refer to as well",
    "policy": "rules that name the document, and the policy's history",
    "quarantine": "decisions about its content, which hold",
    "jobs": "jobs with its id",
    "budgets": "ids of its chunks, until the end of the day",
}
"""By where it is counted, what is left there."""


async def remains(session: AsyncSession, tenant: str, traces: Traces) -> tuple[Remaining, ...]:
    """What is counted in the database, where there is any, and what is elsewhere."""
    found = await _counted(session, tenant, traces)
    return (*(Remaining(where, found[where], what) for where, what in _WHAT.items() if found[where]), *ELSEWHERE)


async def _counted(session: AsyncSession, tenant: str, traces: Traces) -> Mapping[str, int]:
    document, feedbacks = traces.document, Feedbacks(session, tenant)
    kept_out = await _count(session, KeptOutRow.tenant == tenant, KeptOutRow.document == document)
    records = await naming(session, tenant, document)
    named = cast(JobRow.payload, Text).contains(f'"{document}"', autoescape=True)
    decided = QuarantineDecisionRow.tenant == tenant, QuarantineDecisionRow.document == document
    return {
        "audit log": records.number,
        "kept out": max(kept_out, int(traces.keeping_out)),
        "feedback": await feedbacks.count_about(records.answers),
        "cases": await feedbacks.count_cases_of({document, *traces.chunks}),
        "vault": await _count_in(session, VaultRow.tenant == tenant, VaultRow.token, traces.tokens),
        "policy": sum(rule.document == document for rule in await PolicyStore(session).rules(tenant)),
        "quarantine": await _count(session, *decided),
        "jobs": await _count(session, JobRow.tenant == tenant, named),
        "budgets": await _count_in(session, UsedChunkRow.tenant == tenant, UsedChunkRow.chunk, traces.chunks),
    }


async def _count_in(
    session: AsyncSession, mine: ColumnElement[bool], column: InstrumentedAttribute[str], values: Collection[str]
) -> int:
    return sum([await _count(session, mine, column.in_(some)) for some in batches(sorted(values))])


async def _count(session: AsyncSession, *where: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).where(*where)) or 0
