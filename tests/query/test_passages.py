"""A citation's link is decided on when it is opened."""

import json

import pytest
from sqlalchemy import update

from policies.rules import Level
from rag.db.tables import VersionRow
from rag.domain import Span
from rag.errors import AuditUnavailable, NotFound
from rag.query.answer import answer
from rag.query.passages import OpenedPassage, open_passage
from tests.query.company import BrokenAudit, Company, person

TRAVEL = "What is the travel budget for a quarter?"


async def cited(company: Company) -> tuple[str, str, Span]:
    given = await answer(TRAVEL, person("finn"), company.parts)
    citation = next(c for c in given.citations if "120,000" in c.quote)
    return citation.document, citation.version, citation.span


async def opened(company: Company, name: str, place: tuple[str, str, Span]) -> OpenedPassage:
    return await open_passage(*place, person(name), company.parts)


async def test_the_reader_of_the_answer_opens_what_it_quotes(company: Company) -> None:
    passage = await opened(company, "finn", await cited(company))
    assert "120,000" in passage.text
    assert (passage.level, passage.page) == (Level.CONFIDENTIAL, 1)


async def test_unreadable_and_absent_passages_are_refused_in_the_same_words(company: Company) -> None:
    document, version, span = await cited(company)
    attempts = [
        ("sam", (document, version, span)),
        ("nobody", (document, version, span)),
        ("finn", ("doc_" + "0" * 32, version, span)),
        ("finn", (document, "ver_" + "0" * 32, span)),
        ("finn", (document, version, Span(0, 10**6))),
        ("finn", (company.ids["travel"], version, span)),
        ("finn", ("x' OR 1=1 --", "\u2028", span)),
    ]
    words = set()
    for name, place in attempts:
        with pytest.raises(NotFound) as raised:
            await opened(company, name, place)
        words.add(str(raised.value))
    assert len(words) == 1
    assert len(await company.records("passage_refused")) == len(attempts)


async def test_a_right_lost_since_the_answer_closes_the_link(company: Company) -> None:
    place = await cited(company)
    await company.revoke("finn", "finance")
    with pytest.raises(NotFound):
        await opened(company, "finn", place)


async def test_a_version_that_was_withdrawn_is_closed_to_its_readers(company: Company) -> None:
    document, version, span = await cited(company)
    async with company.parts.database.unit_of_work() as session:
        await session.execute(update(VersionRow).where(VersionRow.id == version).values(state="withdrawn"))
    with pytest.raises(NotFound):
        await opened(company, "finn", (document, version, span))


async def test_a_span_that_touches_a_stricter_paragraph_is_refused_whole(company: Company) -> None:
    given = await answer("How many days of paid leave?", person("sam"), company.parts)
    citation = given.citations[0]
    text = await company.version_text(citation.version)
    open_part = (citation.document, citation.version, citation.span)
    assert (await opened(company, "sam", open_part)).text == citation.quote
    whole = (citation.document, citation.version, Span(0, len(text)))
    assert "Managers" in (await opened(company, "hana", whole)).text
    with pytest.raises(NotFound):
        await opened(company, "sam", whole)


async def test_a_span_longer_than_any_citation_is_refused_like_what_does_not_exist(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, version, span = await cited(company)
    monkeypatch.setattr("rag.query.passages.SPAN_CHARS_MAX", span.end - span.start)
    assert (await opened(company, "finn", (document, version, span))).text
    with pytest.raises(NotFound):
        await opened(company, "finn", (document, version, Span(span.start, span.end + 1)))


async def test_values_are_given_back_by_the_readers_own_rights_and_recorded(company: Company) -> None:
    given = await answer("What is the salary of Margaret Ellison?", person("hana"), company.parts)
    place = (given.citations[0].document, given.citations[0].version, given.citations[0].span)
    before = len(await company.records("unmask"))
    assert "Margaret Ellison" in (await opened(company, "hana", place)).text
    assert json.loads((await company.records("unmask"))[before])["document"] == company.ids["salaries"]


async def test_no_record_no_passage(company: Company) -> None:
    place = await cited(company)
    with pytest.raises(AuditUnavailable):
        await open_passage(*place, person("finn"), company.with_parts(audit=BrokenAudit("passage")))
