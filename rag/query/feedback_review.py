"""Reviewing feedback: what a person said becomes an evaluation case only by somebody's decision, and it is recorded.

What a right answer rests on is told by the answer's audit record, or by the reviewer where the answer was wrong.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.answers import GivenAnswer, find_answer
from rag.audit.log import AuditLog
from rag.db.documents import Documents
from rag.db.feedback import FeedbackRow, Feedbacks, FeedbackState, Verdict, clear_texts
from rag.errors import Misuse, NotFound


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right answer rests on: ids. `negative_chunks` were before the generator and are of other documents."""

    answerable: bool
    positive_documents: tuple[str, ...]
    positive_chunks: tuple[str, ...]
    negative_chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """An evaluation case: a masked question, who asks it, and what a right answer rests on."""

    id: str
    person: str
    question: str = field(repr=False)
    expected: Expected

    def record(self) -> dict[str, Any]:
        """As it stands in a file of cases, one to a line."""
        return {"id": self.id, "person": self.person, "question": self.question, **asdict(self.expected)}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer says of a right answer. Neither documents nor `not_answerable`: the answer itself was right."""

    author: str
    now: datetime
    documents: tuple[str, ...] = ()
    not_answerable: bool = False


async def accept(session: AsyncSession, tenant: str, answer: str, decision: Decision) -> Case:
    """Make a case of feedback, in the caller's transaction.

    Raises:
        NotFound: there is no such feedback, or one of the documents does not exist.
        Misuse: its question was not kept, or it cannot be told what a right answer is.
    """
    row = await _found(session, tenant, answer)
    if not row.question:
        raise Misuse("Its question was not kept, so it cannot become a case; `feedback reject` closes it.")
    given = await find_answer(session, tenant, answer, None)
    if given is None:
        raise Misuse("The audit records of this answer are gone, so it cannot be told what it rested on.")
    for document in decision.documents:
        if await Documents(session).find(tenant, document) is None:
            raise NotFound(f"There is no document {document!r} in tenant {tenant!r}.")
    expected = _expected(given, row, decision)
    row.state, row.expected = FeedbackState.ACCEPTED, asdict(expected)
    await _reviewed(session, row, decision)
    return _case(row, expected)


async def reject(session: AsyncSession, tenant: str, answer: str, decision: Decision) -> None:
    """Close feedback, also of a case: its texts are removed. Raises `NotFound`."""
    row = await _found(session, tenant, answer)
    clear_texts(row)
    row.state = FeedbackState.REJECTED
    await _reviewed(session, row, decision)


async def forget_person(session: AsyncSession, tenant: str, person: str, author: str) -> int:
    """Remove all that a person gave, the cases made of it included, and record that. How many there were."""
    removed = await Feedbacks(session, tenant).remove_person(person)
    if removed:
        await AuditLog().append(session, tenant, "feedback_forgotten", {"author": author, "removed": removed})
    return removed


async def cases(session: AsyncSession, tenant: str) -> list[Case]:
    """The tenant's evaluation cases, oldest first."""
    rows = await Feedbacks(session, tenant).accepted()
    return [_case(row, Expected(**_tuples(row.expected))) for row in rows if row.expected is not None]


def _expected(given: GivenAnswer, row: FeedbackRow, decision: Decision) -> Expected:
    """
    Raises:
        Misuse: the reviewer says both or, of a wrong answer, neither.
    """
    if decision.documents and decision.not_answerable:
        raise Misuse("Say either which documents answer it or that none does, not both.")
    if decision.documents:
        positive: Collection[str] = decision.documents
    elif decision.not_answerable:
        positive = ()
    elif row.verdict == Verdict.UP:
        positive = dict.fromkeys(place.document for place in given.shown)
    else:
        raise Misuse("She says that the answer is wrong: name the right documents, or say that none answers it.")
    return Expected(
        answerable=bool(positive),
        positive_documents=tuple(positive),
        positive_chunks=tuple(dict.fromkeys(p.chunk for p in given.shown if p.document in positive)),
        negative_chunks=tuple(dict.fromkeys(p.chunk for p in given.considered if p.document not in positive)),
    )


async def _found(session: AsyncSession, tenant: str, answer: str) -> FeedbackRow:
    row = await Feedbacks(session, tenant).find(answer)
    if row is None:
        raise NotFound(f"There is no feedback on answer {answer!r} in tenant {tenant!r}.")
    return row


async def _reviewed(session: AsyncSession, row: FeedbackRow, decision: Decision) -> None:
    row.reviewed_by, row.reviewed_at = decision.author, decision.now
    body: dict[str, Any] = {"author": decision.author, "answer": row.answer, "state": row.state.value}
    if row.expected is not None:
        body |= {"answerable": row.expected["answerable"], "documents": list(row.expected["positive_documents"])}
    await AuditLog().append(session, row.tenant, "feedback_reviewed", body)


def _case(row: FeedbackRow, expected: Expected) -> Case:
    return Case(row.answer, row.person, row.question, expected)


def _tuples(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, Sequence) else value for name, value in stored.items()}
