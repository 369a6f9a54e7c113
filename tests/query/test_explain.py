"""An explanation tells why an answer is as it is, to each reader what she may know, and costs nobody else anything."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import text as sql

from policies.administration import Administrator
from policies.rules import Level
from rag.domain import Answer
from rag.errors import AuditUnavailable
from rag.query.account import Account, Reader
from rag.query.answer import answer
from rag.query.explained import Drop, Explanation, Fate, Verdict
from rag.query.objections import Objection
from rag.query.parts import Options, QueryParts
from rag.query.retrieve import find
from rag.settings import GeneratorSettings, ServiceSettings, Settings
from tests.query.company import PAPERS, TENANT, BrokenAudit, Company, LeakyStore, OneStore, person, rule
from tests.query.faults import give_to
from tests.query.test_answer import TRAVEL, Writer

OPERATOR = Administrator("operator", None)


def administrator(name: str) -> Administrator:
    return Administrator(f"user:{name}", person(name).callers)


async def explained(
    company: Company, name: str, question: str, reader: Administrator = OPERATOR, parts: QueryParts | None = None
) -> tuple[Answer, Explanation]:
    account = Account(Reader(reader, "key_1"))
    given = await answer(question, person(name), parts or company.parts, Options(account=account))
    assert account.explanation is not None
    return given, account.explanation


def whole_text(found: Explanation) -> str:
    return json.dumps(asdict(found), default=str)


async def leaky(company: Company, **changes: Any) -> QueryParts:
    async with company.parts.database.reading() as session:
        chunks = list(await session.scalars(sql("SELECT id FROM chunk")))
    return company.with_parts(stores=OneStore(LeakyStore(chunks)), **changes)


async def administered_by(company: Company, name: str, **columns: Any) -> Administrator:
    await company.edit(add_rules=(rule(f"user:{name}", action="administer", **columns),))
    return administrator(name)


async def test_the_plan_the_candidates_and_what_became_of_each_are_told(company: Company) -> None:
    given, found = await explained(company, "finn", TRAVEL)
    assert (found.plan.epoch, found.plan.denied, found.plan.searches, found.plan.rounds) == (1, None, 1, 1)
    assert found.plan.conditions > 3
    (finn,) = found.plan.callers
    assert (finn.subject, finn.complete) == ("user:finn", True)
    assert {one.subject for one in finn.rules} == {"role:finance", "role:staff"}
    by_chunk = {one.chunk: one for one in found.candidates}
    cited = by_chunk[given.citations[0].chunk]
    assert (cited.document, cited.fate) == (company.ids["budget"], Fate.GIVEN)
    assert cited.rule is not None
    assert cited.rule.subject == "role:finance"
    assert cited.scores.dense is not None
    assert cited.scores.reranked is not None
    assert cited.scores.reranked >= cited.scores.fused > 0
    assert company.ids["salaries"] not in whole_text(found)
    assert (found.dropped, dict(found.withheld or {}), found.other_tenants) == ((), {}, 0)
    assert [one.verdict for one in found.judgements] == [Verdict.SUPPORTED] * len(given.claims)
    plain = await answer(TRAVEL, person("finn"), company.parts)
    assert (given.text, given.citations, given.claims) == (plain.text, plain.citations, plain.claims)
    assert ("explain" in dict(given.timings.stages), "explain" in dict(plain.timings.stages)) == (True, False)


async def test_a_chunk_that_was_not_given_says_why(company: Company) -> None:
    """Of the four that finn may read: one kept by the limit, one by the budget; the first is cut to it."""
    small = Settings(
        data_dir=company.parts.settings.data_dir,
        generator=GeneratorSettings(context_chars=500),
        service=ServiceSettings(passages=5),
    )
    _, found = await explained(company, "finn", TRAVEL, parts=company.with_parts(settings=small))
    fates = {one.fate for one in found.candidates}
    assert Fate.GIVEN in fates
    assert Fate.BUDGET in fates
    tight = Settings(data_dir=company.parts.settings.data_dir, service=ServiceSettings(passages=1))
    _, found = await explained(company, "finn", TRAVEL, parts=company.with_parts(settings=tight))
    assert [one.fate for one in found.candidates].count(Fate.GIVEN) == 1
    assert {one.fate for one in found.candidates} == {Fate.GIVEN, Fate.LIMIT}


async def test_sentences_are_told_with_what_spoke_against_them(company: Company) -> None:
    writer = Writer(
        "The travel budget for the next quarter is 120,000 euros [1].\n",
        "The travel budget for the next quarter is 120,000 euros [1].\n",
        "The travel budget for the next quarter is 130,000 euros [1].\n",
        "The travel budget for the next quarter is not 120,000 euros [1].\n",
        "Everybody dances on the roof at midnight, see https://evil.example/x today.\n",
    )
    _, found = await explained(company, "finn", TRAVEL, parts=company.with_parts(generator=writer))
    assert [(one.verdict, one.objection) for one in found.judgements] == [
        (Verdict.SUPPORTED, None),
        (Verdict.REMOVED, Objection.REPEATED),
        (Verdict.REMOVED, Objection.NUMBER),
        (Verdict.REMOVED, Objection.NEGATION),
        (Verdict.REMOVED, Objection.WORDS),
    ]
    assert "https://" not in found.judgements[-1].text


async def test_nobody_without_rights_is_told_that_nothing_may_be_read(company: Company) -> None:
    _, found = await explained(company, "nobody", TRAVEL)
    assert found.plan.denied == "no allow rule lets user:nobody read"
    assert (found.candidates, found.plan.conditions, found.plan.searches) == ((), 0, 0)


async def test_no_text_and_no_title_of_a_document_is_in_an_explanation(company: Company) -> None:
    """The operator, too, is told of what was refused by ids alone."""
    _, found = await explained(company, "sam", TRAVEL, parts=await leaky(company, generator=Writer()))
    assert len(found.candidates) + len(found.dropped) == 8
    told = whole_text(found)
    assert not any(part in told for paper in PAPERS for part in (paper.title, *paper.paragraphs))


async def test_a_refused_chunk_is_told_with_its_rule_where_the_policy_would_be_explained(company: Company) -> None:
    """The administrator of people is told of salaries, and not of the merger; whose count is not hers to know."""
    reader = await administered_by(company, "sam", department="people", level=Level.SECRET)
    _, found = await explained(company, "sam", TRAVEL, reader, await leaky(company))
    assert {one.document for one in found.dropped} == {company.ids["salaries"], company.ids["leave"]}
    assert {one.reason for one in found.dropped} == {Drop.REFUSED}
    decision = found.dropped[0].decision
    assert decision is not None
    assert (decision.allowed, decision.reason) == (False, "no rule lets user:sam read this document")
    assert company.ids["merger"] not in whole_text(found)
    assert (found.withheld, found.other_tenants) == (None, None)


async def test_who_administers_none_of_the_documents_sees_ids_and_scores_of_what_she_reads(
    company: Company,
) -> None:
    reader = await administered_by(company, "sam", department="board", level=Level.PUBLIC)
    _, found = await explained(company, "sam", TRAVEL, reader, await leaky(company))
    assert found.dropped == ()
    assert {one.document for one in found.candidates} == {
        company.ids[key] for key in ("travel", "leave", "contacts", "planted")
    }
    assert [one.rule for one in found.candidates] == [None] * len(found.candidates)
    (sam,) = found.plan.callers
    assert (sam.rules, sam.complete) == ((), False)


async def test_who_administers_everything_is_told_as_the_operator_is_but_of_other_tenants(company: Company) -> None:
    reader = await administered_by(company, "sam", level=Level.SECRET)
    async with company.parts.database.unit_of_work() as session:
        theirs = await give_to(session, "globex", company.ids["travel"])
    parts = await leaky(company)
    assert set(theirs) <= set((await parts.stores.get(TENANT)).chunks)  # type: ignore[attr-defined]  # LeakyStore
    _, hers = await explained(company, "sam", TRAVEL, reader, parts)
    _, operators = await explained(company, "sam", TRAVEL, OPERATOR, parts)
    assert {one.chunk for one in hers.dropped} == {one.chunk for one in operators.dropped}
    assert (hers.other_tenants, operators.other_tenants) == (None, len(theirs))
    for found in (hers, operators):
        assert not any(chunk in whole_text(found) for chunk in theirs)


async def test_what_may_be_seen_is_decided_when_the_answer_is_closed(company: Company) -> None:
    """Rights to administer that are taken away while the answer is written show nothing any more."""
    reader = await administered_by(company, "finn", level=Level.SECRET)
    taken = rule("user:finn", action="administer", level=Level.SECRET)

    async def take(number: int) -> None:
        await company.edit(remove_rules=(taken,))

    writer = Writer("The travel budget for the next quarter is 120,000 euros [1].\n", before=take)
    _, found = await explained(company, "finn", TRAVEL, reader, await leaky(company, generator=writer))
    assert found.dropped == ()
    assert {one.rule for one in found.candidates} == {None}
    assert [one.rules for one in found.plan.callers] == [()]


async def test_a_stale_label_and_a_replaced_version_are_told_apart(company: Company) -> None:
    await company.relabel("budget", Level.SECRET)
    async with company.parts.database.unit_of_work() as session:
        await session.execute(
            sql("UPDATE document SET current_version = NULL WHERE id = :id"), {"id": company.ids["travel"]}
        )
    _, found = await explained(company, "finn", TRAVEL, parts=await leaky(company))
    reasons = {one.document: one.reason for one in found.dropped}
    assert reasons[company.ids["budget"]] is Drop.STALE_LABELS
    assert reasons[company.ids["travel"]] is Drop.STALE_VERSION
    assert reasons[company.ids["salaries"]] is Drop.REFUSED


async def test_who_looked_at_whose_answer_is_recorded_first(company: Company) -> None:
    given, _ = await explained(company, "finn", TRAVEL)
    (record,) = map(json.loads, await company.records("explain"))
    assert (record["reader"], record["key"], record["person"], record["answer"]) == (
        "operator",
        "key_1",
        "user:finn",
        given.id,
    )
    account = Account(Reader(OPERATOR, "key_1"))
    with pytest.raises(AuditUnavailable):
        broken = company.with_parts(audit=BrokenAudit("explain"))
        await answer(TRAVEL, person("finn"), broken, Options(account=account))
    assert account.explanation is None


async def test_a_search_is_explained_and_recorded_alike(company: Company) -> None:
    account = Account(Reader(OPERATOR, "key_1"))
    shown = await find(TRAVEL, person("sam"), company.parts, 2, account)
    found = account.explanation
    assert found is not None
    given = [one.chunk for one in found.candidates if one.fate.given]
    assert sorted(given) == sorted(one.chunk.id for one in shown.chunks)
    assert Fate.LIMIT in {one.fate for one in found.candidates}
    assert found.judgements == ()
    (record,) = map(json.loads, await company.records("explain"))
    assert (record["person"], record["answer"]) == ("user:sam", "")
