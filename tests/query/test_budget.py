"""Budgets of the day on the real path of a question: what is refused, what is still allowed, what is given back."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy import text as sql

from policies.rules import Attributes, Level
from policies.tenancy import bind
from rag.db.engine import Database, open_database
from rag.db.usage import UsageRow, UsedChunkRow
from rag.domain import Span
from rag.errors import GeneratorUnavailable, Limited, Unavailable
from rag.generation.protocol import GenerationRequest
from rag.limit_settings import LimitSettings
from rag.query.answer import answer, ask
from rag.query.budget import count_chunks
from rag.query.parts import QueryParts
from rag.query.passages import open_passage
from rag.query.retrieve import find
from tests.query.company import TENANT, Company, person, rule

TRAVEL = "What is the travel budget for a quarter?"
SALARY = "What is the salary of Margaret Ellison?"
LEAVE = "How many days of paid leave does every employee have?"
WALL = frozenset({"compartment:falcon"})


def limited(company: Company, **limits: Any) -> QueryParts:
    settings = company.parts.settings.model_copy(update={"limits": LimitSettings(**limits)})
    return company.with_parts(settings=settings)


async def tokens_used(company: Company) -> dict[str, int]:
    async with company.parts.database.reading() as session:
        return {row.subject: row.tokens for row in await session.scalars(select(UsageRow))}


async def chunks_used(company: Company) -> int:
    async with company.parts.database.reading() as session:
        return len((await session.scalars(select(UsedChunkRow))).all())


def until_midnight() -> float:
    now = datetime.now(UTC)
    return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)


async def test_a_question_that_needs_more_restricted_chunks_than_are_left_is_refused(company: Company) -> None:
    """Aggregation: each is readable, all of them in one day are not."""
    parts = limited(company, person_restricted_chunks_per_day=1)
    assert (await find(TRAVEL, person("finn"), parts, 2)).chunks
    assert await chunks_used(company) == 1
    everything = limited(company, person_restricted_chunks_per_day=1, restricted_level="internal")
    with pytest.raises(Limited) as refusal:
        await find(LEAVE, person("finn"), everything, 6)
    assert refusal.value.code == "person_restricted_chunks_per_day"
    assert refusal.value.retry_after_s == pytest.approx(until_midnight(), abs=5)
    assert await chunks_used(company) == 1, "what was refused is not counted"
    assert json.loads((await company.records("limited"))[0])["code"] == "person_restricted_chunks_per_day"


async def test_what_was_counted_today_may_be_read_again_and_what_is_not_restricted_always(company: Company) -> None:
    parts = limited(company, person_restricted_chunks_per_day=1)
    for _ in range(2):
        assert (await find(TRAVEL, person("finn"), parts, 2)).chunks
    assert (await find(LEAVE, person("sam"), parts, 6)).chunks
    assert await chunks_used(company) == 1


async def test_people_have_budgets_of_their_own(company: Company) -> None:
    """Else one could use up what another needs."""
    parts = limited(company, person_restricted_chunks_per_day=1)
    await find(TRAVEL, person("finn"), parts, 2)
    assert Level.RESTRICTED in {c.attributes.level for c in (await find(SALARY, person("hana"), parts, 1)).chunks}


async def test_an_assistants_budget_counts_for_all_its_people(company: Company) -> None:
    await company.edit(add_rules=(rule("assistant:desk", level=Level.SECRET),))
    parts = limited(company, assistant_restricted_chunks_per_day=1)
    await find(TRAVEL, person("finn", assistant="assistant:desk"), parts, 2)
    with pytest.raises(Limited) as refusal:
        await find(SALARY, person("hana", assistant="assistant:desk"), parts, 1)
    assert refusal.value.code == "assistant_restricted_chunks_per_day"
    assert (await find(SALARY, person("hana"), parts, 1)).chunks


async def test_a_new_day_begins_with_nothing_used(company: Company) -> None:
    parts = limited(company, person_tokens_per_day=600)
    used_up = {"tenant": TENANT, "subject": "user:sam", "tokens": 600}
    today = datetime.now(UTC).date()
    async with company.parts.database.unit_of_work() as session:
        session.add(UsageRow(day=today - timedelta(days=1), **used_up))
    assert (await answer(LEAVE, person("sam"), parts)).found
    async with company.parts.database.unit_of_work() as session:
        await session.execute(delete(UsageRow))
        session.add(UsageRow(day=today, **used_up))
    with pytest.raises(Limited):
        await answer(LEAVE, person("sam"), parts)


@pytest.mark.parametrize(
    ("labels", "limits", "counted"),
    [
        (Attributes(TENANT, "doc_a", "hr", Level.INTERNAL), {}, 0),
        (Attributes(TENANT, "doc_a", "hr", Level.CONFIDENTIAL), {}, 1),
        (Attributes(TENANT, "doc_a", "hr", Level.SECRET), {}, 1),
        (Attributes(TENANT, "doc_a", "hr", Level.CONFIDENTIAL), {"restricted_level": "restricted"}, 0),
        (Attributes(TENANT, "doc_a", "hr", Level.PUBLIC, compartments=WALL), {}, 1),
        (Attributes(TENANT, "doc_a", "hr", Level.PUBLIC, compartments=WALL), {"restricted_compartments": False}, 0),
    ],
)
async def test_which_chunks_are_restricted_is_a_setting(
    company: Company, labels: Attributes, limits: dict[str, Any], counted: int
) -> None:
    parts = limited(company, person_restricted_chunks_per_day=1, **limits)
    await count_chunks(parts, person("finn"), {"chk_1": labels})
    assert await chunks_used(company) == counted


async def test_processes_share_a_budget_which_survives_their_end(company: Company, database_url: str) -> None:
    """Of eight at once in two processes, as many get through as the budget has room for."""
    parts = limited(company, person_restricted_chunks_per_day=5)
    bind(TENANT)
    replicas = [await open_database(database_url) for _ in range(2)]

    async def show(number: int, database: Database) -> bool:
        labels = Attributes(TENANT, "doc_a", "hr", Level.SECRET)
        try:
            await count_chunks(replace(parts, database=database), person("finn"), {f"chk_{number}": labels})
        except Limited:
            return False
        return True

    shown = await asyncio.gather(*(show(number, replicas[number % 2]) for number in range(8)))
    for replica in replicas:
        await replica.close()
    assert sum(shown) == 5
    restarted = await open_database(database_url)
    assert [await show(number, restarted) for number in range(8)] == shown
    await restarted.close()


async def test_an_opened_passage_counts_like_a_chunk_that_was_found(company: Company) -> None:
    """Else whoever is over the budget would read on by links."""
    hits = (await find(TRAVEL, person("finn"), company.parts, 4)).chunks
    found = next(hit.chunk for hit in hits if hit.chunk.document == company.ids["budget"])
    parts = limited(company, person_restricted_chunks_per_day=1, restricted_level="internal")
    await find(LEAVE, person("finn"), parts, 1)
    span = Span(found.span.start, found.span.start + 10)
    with pytest.raises(Limited):
        await open_passage(found.document, found.version, span, person("finn"), parts)
    enough = limited(company, person_restricted_chunks_per_day=2, restricted_level="internal")
    assert (await open_passage(found.document, found.version, span, person("finn"), enough)).text


async def test_tokens_are_taken_before_and_what_was_not_written_is_given_back(company: Company) -> None:
    parts = limited(company, person_tokens_per_day=600)
    given = await answer(LEAVE, person("sam"), parts)
    count = parts.embedder.count_tokens
    used = (await tokens_used(company))["user:sam"]
    assert count(LEAVE) < used <= count(LEAVE) + count(given.text)
    while used + count(LEAVE) + 512 <= 600:
        await answer(LEAVE, person("sam"), parts)
        used = (await tokens_used(company))["user:sam"]
    with pytest.raises(Limited) as refusal:
        await answer(LEAVE, person("sam"), parts)
    assert refusal.value.code == "person_tokens_per_day"
    assert (await tokens_used(company))["user:sam"] == used


class Breaks:
    """A generator that is unavailable."""

    verbatim = False
    name = "breaks"
    pieces: tuple[str, ...] = ()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        for piece in self.pieces:
            yield piece
        raise GeneratorUnavailable("The model server did not answer.")

    async def close(self) -> None:
        return None


async def test_a_failure_of_the_service_costs_the_question_alone(company: Company) -> None:
    settings = limited(company, person_tokens_per_day=10_000).settings
    parts = company.with_parts(settings=settings, generator=Breaks(), fallback=None)
    with pytest.raises(GeneratorUnavailable):
        await answer(LEAVE, person("sam"), parts)
    assert await tokens_used(company) == {"user:sam": parts.embedder.count_tokens(LEAVE)}


async def test_who_leaves_early_pays_for_the_longest_answer(company: Company) -> None:
    """Else an answer cut off before its end would cost nothing."""
    parts = limited(company, person_tokens_per_day=10_000)
    async with aclosing(ask(LEAVE, person("sam"), parts)) as events:
        await anext(events)
    assert await tokens_used(company) == {"user:sam": parts.embedder.count_tokens(LEAVE) + 512}


@pytest.mark.parametrize("table", ["daily_usage", "daily_usage_chunk"])
async def test_budgets_that_cannot_be_counted_are_budgets_that_are_used_up(company: Company, table: str) -> None:
    async with company.parts.database.unit_of_work() as session:
        await session.execute(sql(f"DROP TABLE {table}"))
    parts = limited(company, person_restricted_chunks_per_day=100)
    for asked in (find(TRAVEL, person("finn"), parts, 2), answer(TRAVEL, person("finn"), parts)):
        with pytest.raises(Unavailable) as refusal:
            await asked
        assert refusal.value.code == "budget_unavailable"
    # Without budgets there is nothing to count.
    assert (await answer(TRAVEL, person("finn"), company.parts)).found
