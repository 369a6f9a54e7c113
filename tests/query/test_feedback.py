"""Feedback is of who got the answer, about what she asked, masked; it becomes a case when somebody says so."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from evals.answers import INVENTED, MISSED, RIGHT, WRONG
from evals.cases import ask_cases, kept_cases
from policies.rules import RoleLink
from rag.db.feedback import FeedbackRow, Feedbacks, FeedbackState, Reason, Verdict
from rag.db.tables import AuditRow
from rag.domain import Answer, Principal
from rag.errors import AuditUnavailable, Misuse, NotFound
from rag.feedback_settings import FeedbackSettings
from rag.query.answer import answer
from rag.query.feedback import Feedback, Kept, give_feedback
from rag.query.feedback_review import Case, Decision, accept, cases, forget_person, reject
from rag.query.parts import QueryParts
from tests.query.company import TENANT, BrokenAudit, Company, person

NAME = "Margaret Ellison"
QUESTION = f"What is the salary of {NAME}?"
HANA, SAM = person("hana"), person("sam")
REVIEWER = Decision("operator:test", datetime(2026, 1, 1, tzinfo=UTC))


def keeping_comments(company: Company) -> QueryParts:
    settings = company.parts.settings.model_copy(update={"feedback": FeedbackSettings(comments=True)})
    return company.with_parts(settings=settings)


async def stored(company: Company, answer_id: str) -> FeedbackRow | None:
    async with company.parts.database.reading() as session:
        return await Feedbacks(session, TENANT).find(answer_id)


async def asked(company: Company, question: str = QUESTION, principal: Principal = HANA) -> Answer:
    return await answer(question, principal, company.parts)


async def say(parts: QueryParts, given: Answer, who: Principal = HANA, **said: Any) -> Kept:
    return await give_feedback(Feedback(given.id, **({"verdict": Verdict.UP} | said)), who, parts)


async def test_what_she_says_is_kept_masked_and_bound_to_the_record_of_her_answer(company: Company) -> None:
    parts, given = keeping_comments(company), await asked(company)
    kept = await say(parts, given, question=QUESTION, comment=f"Ask {NAME} herself.", reason=Reason.CORRECT)
    assert kept == Kept(changed=False, comment=True, question=True)
    row = await stored(company, given.id)
    assert row is not None
    assert (row.person, row.verdict, row.reason, row.state) == ("user:hana", "up", "correct", FeedbackState.NEW)
    assert "<PERSON_" in row.question and "<PERSON_" in row.comment
    assert NAME not in row.question + row.comment
    async with company.parts.database.reading() as session:
        record = await session.get(AuditRow, (TENANT, row.record))
    assert record is not None and json.loads(record.body)["answer"] == given.id
    (recorded,) = map(json.loads, await company.records("feedback"))
    assert (recorded["person"], recorded["record"], recorded["question"]) == ("user:hana", row.record, True)


async def test_without_her_consent_and_by_default_no_text_is_kept(company: Company) -> None:
    given = await asked(company)
    kept = await say(company.parts, given, verdict=Verdict.DOWN, comment="It is not.")
    assert kept == Kept(changed=False, comment=False, question=False)
    row = await stored(company, given.id)
    assert row is not None and (row.comment, row.question) == ("", "")


async def test_another_question_than_the_one_that_was_asked_is_not_kept(company: Company) -> None:
    given = await asked(company)
    for other in ("What is the bonus of Margaret Ellison?", f"{QUESTION} Say that everybody gets more."):
        assert not (await say(company.parts, given, question=other)).question
    assert (await say(company.parts, given, question=f"  {QUESTION} ")).question  # the twin


async def test_others_answers_and_answers_that_never_were_are_refused_in_the_same_words(company: Company) -> None:
    given = await asked(company)
    through = replace(given, id="ans_" + "0" * 32)
    refused = set()
    for who, what in ((SAM, given), (HANA, through), (person("hana", tenant="other"), given)):
        with pytest.raises(NotFound) as raised:
            await say(company.parts, what, who)
        refused.add((raised.value.message, raised.value.code))
    assert len(refused) == 1
    assert await stored(company, given.id) is None
    assert len(await company.records("feedback_refused")) == 3
    assert given.id not in "".join(await company.records("feedback_refused"))
    assert not (await say(company.parts, given)).changed  # the twin


async def test_an_assistant_speaks_for_her_about_its_own_answers_and_she_about_all_of_hers(company: Company) -> None:
    helped = person("hana", assistant="assistant:helper")
    through, alone = await asked(company, principal=helped), await asked(company)
    with pytest.raises(NotFound):
        await say(company.parts, alone, helped)
    await say(company.parts, through, helped)
    assert (await say(company.parts, through, HANA)).changed
    await say(company.parts, alone, HANA)


async def test_an_answer_of_long_ago_is_none_any_more(company: Company) -> None:
    given = await asked(company)
    await say(company.parts, given)
    async with company.parts.database.unit_of_work() as session:
        await session.execute(update(AuditRow).values(at=datetime.now(UTC) - timedelta(days=15)))
    with pytest.raises(NotFound):
        await say(company.parts, given)


async def test_what_she_changes_is_reviewed_anew_and_what_she_takes_back_is_gone(company: Company) -> None:
    given = await asked(company)
    await say(company.parts, given, question=QUESTION)
    async with company.parts.database.unit_of_work() as session:
        await accept(session, TENANT, given.id, REVIEWER)
        assert len(await cases(session, TENANT)) == 1
    assert (await say(company.parts, given, verdict=Verdict.DOWN, reason=Reason.WRONG)).changed
    row = await stored(company, given.id)
    assert row is not None
    assert (row.verdict, row.question, row.state, row.expected) == ("down", "", FeedbackState.NEW, None)
    async with company.parts.database.reading() as session:
        assert await cases(session, TENANT) == []


async def test_a_reason_belongs_to_a_verdict_and_a_comment_has_its_bounds(company: Company) -> None:
    given = await asked(company)
    for wrong in ({"reason": Reason.WRONG}, {"comment": "x" * 1001}, {"comment": "a\x00b"}):
        with pytest.raises(Misuse):
            await say(company.parts, given, **wrong)
    await say(company.parts, given, reason=Reason.OTHER, comment="x" * 1000)  # the twin


async def test_what_cannot_be_recorded_is_not_kept(company: Company) -> None:
    given = await asked(company)
    with pytest.raises(AuditUnavailable):
        await say(company.with_parts(audit=BrokenAudit("feedback")), given)
    assert await stored(company, given.id) is None


async def test_feedback_that_became_no_case_is_forgotten_in_time(company: Company) -> None:
    old, case, new = [await asked(company) for _ in range(3)]
    for one in (old, case):
        await say(company.parts, one, question=QUESTION)
    async with company.parts.database.unit_of_work() as session:
        await accept(session, TENANT, case.id, REVIEWER)
        await session.execute(update(FeedbackRow).values(given_at=datetime.now(UTC) - timedelta(days=181)))
    await say(company.parts, new)
    assert [await stored(company, one.id) is not None for one in (old, case, new)] == [False, True, True]


async def review(company: Company, given: Answer, decision: Decision = REVIEWER) -> Case:
    async with company.parts.database.unit_of_work() as session:
        return await accept(session, TENANT, given.id, decision)


async def test_a_right_answer_becomes_a_case_of_what_it_rested_on(company: Company) -> None:
    given = await asked(company)
    await say(company.parts, given, question=QUESTION)
    case = await review(company, given)
    assert case.expected.answerable
    assert case.expected.positive_documents == (company.ids["salaries"],)
    assert {c.chunk for c in given.citations} == set(case.expected.positive_chunks)
    assert case.expected.negative_chunks and not set(case.expected.negative_chunks) & set(case.expected.positive_chunks)
    assert NAME not in json.dumps(case.record()) and "<PERSON_" in case.record()["question"]
    (recorded,) = map(json.loads, await company.records("feedback_reviewed"))
    assert (recorded["author"], recorded["documents"]) == ("operator:test", [company.ids["salaries"]])


async def test_of_a_wrong_answer_the_reviewer_says_what_is_right(company: Company) -> None:
    given = await asked(company)
    await say(company.parts, given, question=QUESTION, verdict=Verdict.DOWN, reason=Reason.WRONG_SOURCE)
    both = replace(REVIEWER, documents=(company.ids["leave"],), not_answerable=True)
    for undecided in (REVIEWER, both, replace(REVIEWER, documents=("doc_none",))):
        with pytest.raises(Misuse):
            await review(company, given, undecided)
    named = await review(company, given, replace(REVIEWER, documents=(company.ids["leave"],)))
    assert named.expected.positive_documents == (company.ids["leave"],)
    assert {c.chunk for c in given.citations} <= set(named.expected.negative_chunks)
    nothing = await review(company, given, replace(REVIEWER, not_answerable=True))
    assert (nothing.expected.answerable, nothing.expected.positive_documents) == (False, ())


async def test_what_was_rightly_not_found_becomes_a_case_that_nothing_answers(company: Company) -> None:
    question = "Who designed the canteen's curtains?"
    given = await asked(company, question, SAM)
    assert not given.found
    await say(company.parts, given, SAM, question=question, reason=Reason.RIGHTLY_NOT_FOUND)
    assert not (await review(company, given)).expected.answerable


async def test_without_her_question_there_is_no_case(company: Company) -> None:
    given = await asked(company)
    await say(company.parts, given)
    with pytest.raises(Misuse, match="not kept"):
        await review(company, given)
    with pytest.raises(NotFound):
        await review(company, replace(given, id="ans_none"))


async def test_rejecting_takes_the_texts_away_and_forgetting_takes_all(company: Company) -> None:
    given = await asked(company)
    await say(company.parts, given, question=QUESTION)
    await review(company, given)
    async with company.parts.database.unit_of_work() as session:
        await reject(session, TENANT, given.id, REVIEWER)
    row = await stored(company, given.id)
    assert row is not None and (row.question, row.state) == ("", FeedbackState.REJECTED)
    async with company.parts.database.unit_of_work() as session:
        assert await forget_person(session, TENANT, "user:sam", "operator:test") == 0
        assert await forget_person(session, TENANT, "user:hana", "operator:test") == 1
    assert await stored(company, given.id) is None


async def test_the_record_of_an_answer_is_found_by_an_index(company: Company) -> None:
    """Else each feedback would read the whole log."""
    async with company.parts.database.reading() as session:
        plan = await session.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT body FROM audit_record WHERE tenant = 'acme' AND "
                "kind IN ('question', 'answer') AND at >= '2026-01-01' AND body LIKE '%x%'"
            )
        )
        assert "ix_audit_record_answers" in " ".join(str(row) for row in plan)


async def test_the_question_is_kept_as_she_could_ask_it_then_or_not_at_all(company: Company) -> None:
    """After a change of her rights it can no longer be told that it is the question of that answer."""
    given = await asked(company)
    await company.edit(
        remove_links=(RoleLink("user:hana", "role:people", TENANT), RoleLink("user:hana", "role:staff", TENANT))
    )
    row = await say(company.parts, given, question=QUESTION)
    kept = await stored(company, given.id)
    assert kept is not None and row.question == bool(kept.question)
    assert NAME not in kept.question


async def test_a_case_asks_for_its_person_in_her_words_and_is_right_by_what_the_answer_rests_on(
    company: Company,
) -> None:
    """`ringfence eval answers --set feedback`; the vault gives back what her question named."""
    given = await asked(company)
    await say(company.parts, given, question=QUESTION)
    case = await review(company, given)
    wrong = replace(case, expected=replace(case.expected, positive_documents=(company.ids["leave"],)))
    nothing = replace(case, expected=replace(case.expected, answerable=False, positive_documents=()))
    others = replace(case, person="user:sam")
    found = await ask_cases(company.parts, TENANT, [case, wrong, nothing, others], lambda _: None)
    assert [one.outcome for one in found] == [RIGHT, WRONG, INVENTED, MISSED]
    async with company.parts.database.reading() as session:
        assert await kept_cases(session, TENANT) == [case]
