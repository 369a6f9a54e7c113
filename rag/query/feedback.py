"""What a person says about an answer of hers: bound to the answer's audit record, masked, recorded, then kept.

find the answer's record -> is it hers? -> mask -> is it the question that was asked? -> record -> keep
"""

import asyncio
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.answers import GivenAnswer, find_answer
from rag.db.feedback import FeedbackRow, Feedbacks, FeedbackState, Reason, Verdict
from rag.domain import Principal
from rag.errors import AuditUnavailable, Misuse, NotFound, Unavailable
from rag.privacy.tenant import TenantPrivacy
from rag.query.decide import plan_of, read_policy
from rag.query.guard import check_question
from rag.query.known import known_values
from rag.query.live import live_index
from rag.query.parts import QueryParts
from rag.query.record import who, write_record

_ALLOWED = "\n\r\t"
REASONS_UP = frozenset({Reason.CORRECT, Reason.WELL_SOURCED, Reason.RIGHTLY_NOT_FOUND, Reason.OTHER})
REASONS_DOWN = (frozenset(Reason) - REASONS_UP) | {Reason.OTHER}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What she says. `question` is None unless she agrees that it be kept."""

    answer: str
    verdict: Verdict
    reason: Reason | None = None
    comment: str = field(default="", repr=False)
    question: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of it, and whether it stands in the place of earlier feedback."""

    changed: bool
    comment: bool
    question: bool


async def give_feedback(given: Feedback, principal: Principal, parts: QueryParts) -> Kept:
    """Keep what she says about her answer; feedback that she gave on it before is replaced.

    A question is kept only if it is the one that was asked: as it is masked now, it has the digest of the answer's
    record. So nobody puts a text of his own into the cases; and after a change of the policy, of the documents or of
    the masking it may not be told any more that it was, and is not kept.

    Raises:
        Misuse: the reason belongs to the other verdict, or a text is too long.
        NotFound: no such answer, none of hers, or one that is too old: the same words. Recorded first.
        AuditUnavailable, PolicyUnreadable, IndexUnavailable, Unavailable: then nothing is kept.
    """
    _check(given, parts)
    settings, tenant, now = parts.settings.feedback, principal.tenant, datetime.now(UTC)
    try:
        async with parts.database.reading() as session:
            privacy = await parts.privacy.for_tenant(session, tenant)
            answer = await find_answer(session, tenant, given.answer, now - timedelta(days=settings.days))
    except SQLAlchemyError as cause:
        raise Unavailable("The answer's record could not be read, so the feedback was not kept. Retry.") from cause
    if answer is None or not answer.is_of(principal):
        asked = privacy.digest("feedback", given.answer).hex()
        await write_record(parts, tenant, "feedback_refused", who(principal) | {"asked": asked})
        raise NotFound("There is no such answer of yours, or it was given too long ago.")
    comment = await _masked(given.comment.strip(), privacy) if settings.comments else ""
    question = "" if given.question is None else await _same_question(given.question, answer, principal, parts)
    row = FeedbackRow(
        tenant=tenant, answer=given.answer, record=answer.sequence, person=answer.person, verdict=given.verdict.value,
        reason=given.reason or "", comment=comment, question=question, state=FeedbackState.NEW, expected=None,
        given_at=now, reviewed_by=None, reviewed_at=None,
    )  # fmt: skip
    changed = await _keep(row, who(principal), parts)
    return Kept(changed, bool(comment), bool(question))


def _check(given: Feedback, parts: QueryParts) -> None:
    allowed = REASONS_UP if given.verdict is Verdict.UP else REASONS_DOWN
    if given.reason is not None and given.reason not in allowed:
        raise Misuse(
            f"The reason {given.reason.value!r} does not go with {given.verdict.value!r}; there are "
            f"{', '.join(sorted(allowed))}.",
            code="bad_reason",
        )
    if any(unicodedata.category(c) in ("Cc", "Cs", "Cn") and c not in _ALLOWED for c in given.comment):
        raise Misuse("The comment contains control or invalid characters; remove them.", code="bad_characters")
    longest = parts.settings.feedback.comment_chars_max
    if len(given.comment) > longest:
        raise Misuse(
            f"The comment is longer than {longest} characters (feedback.comment_chars_max).", code="comment_too_long"
        )


async def _masked(text: str, privacy: TenantPrivacy) -> str:
    """The reading face. Its values do not go into the vault: nobody is to read them, so no one can give them back."""
    return (await asyncio.to_thread(privacy.mask, [text]))[0].reading if text else ""


async def _same_question(question: str, answer: GivenAnswer, principal: Principal, parts: QueryParts) -> str:
    """The question, masked as the path of a question does; empty if the answer is none to it."""
    text = check_question(question, parts.settings.service.question_chars_max)
    async with parts.database.reading() as session:
        snapshot = await read_policy(parts, session, principal.tenant)
        live = await live_index(session, principal.tenant)
        privacy = await parts.privacy.for_tenant(session, principal.tenant)
    # As the answer was made: for the person alone, or through the assistant that asked for her.
    asker = Principal(principal.tenant, answer.person, principal.groups, answer.assistant, principal.source)
    decided = plan_of(snapshot, asker)
    known = await known_values(text, privacy, decided, snapshot, asker, parts, live)
    reading = (await asyncio.to_thread(privacy.mask_question, text, known)).reading
    return reading if privacy.digest("question", reading).hex() == answer.question else ""


async def _keep(row: FeedbackRow, by: dict[str, Any], parts: QueryParts) -> bool:
    """Record and keep in one transaction. The record first: whoever writes to this tenant's log waits for it, so of
    two that change the same feedback at once, one sees the other's."""
    body = by | {
        "answer": row.answer,
        "record": row.record,
        "verdict": row.verdict,
        "reason": row.reason,
        "comment": bool(row.comment),
        "question": bool(row.question),
    }
    oldest = row.given_at - timedelta(days=parts.settings.feedback.keep_days)

    async def work(session: AsyncSession) -> bool:
        await parts.audit.append(session, row.tenant, "feedback", body)
        feedbacks = Feedbacks(session, row.tenant)
        await feedbacks.forget_older(oldest)
        return await feedbacks.put(row)

    try:
        return await parts.database.write(work)
    except Exception as cause:
        raise AuditUnavailable(
            "The feedback could not be recorded, so it was not kept. Retry; `ringfence doctor` checks the log."
        ) from cause
