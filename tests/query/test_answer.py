"""THE path of a question, with real rules, masking, embeddings, index and database: what reaches whom."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest
from sqlalchemy import text as sql

from policies.rules import Effect, Level
from rag.domain import Answer
from rag.errors import AuditUnavailable, GeneratorUnavailable, Misuse, PolicyUnreadable
from rag.generation.protocol import GenerationRequest, Generator
from rag.query.answer import NOT_FOUND_TEXT, ClaimReady, Finished, Started, answer, ask
from rag.query.decide import PolicyChanged
from tests.query.company import TENANT, TRACKER, BrokenAudit, Company, LeakyStore, OneStore, person, rule

TRAVEL = "What is the travel budget for a quarter?"
SALARY = "What is the salary of Margaret Ellison?"


class Writer:
    """A generator that writes what it is told, piece by piece; `before` runs ahead of each piece."""

    verbatim = False

    def __init__(self, *pieces: str, before: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.name = "writer"
        self._pieces = pieces
        self._before = before
        self.requests: list[GenerationRequest] = []
        self.closed = False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        try:
            for number, piece in enumerate(self._pieces):
                if self._before is not None:
                    await self._before(number)
                yield piece
        finally:
            self.closed = True

    async def close(self) -> None:
        return None


class Unavailable(Writer):
    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        for piece in self._pieces:
            yield piece
        raise GeneratorUnavailable("The model server could not be reached.")


async def ask_as(company: Company, name: str, question: str) -> Answer:
    return await answer(question, person(name), company.parts)


def everything(given: Answer) -> str:
    return " ".join([given.text, *(part for c in given.citations for part in (c.quote, c.title, c.document))])


async def test_the_same_question_has_three_answers_for_three_people(company: Company) -> None:
    finance, staff = await ask_as(company, "finn", TRAVEL), await ask_as(company, "sam", TRAVEL)
    stranger = await ask_as(company, "nobody", TRAVEL)
    assert "120,000" in finance.text
    assert "3,000" in staff.text
    assert "120,000" not in everything(staff)
    assert (stranger.found, stranger.text, stranger.citations) == (False, NOT_FOUND_TEXT, ())


async def test_an_answer_carries_its_level_epoch_model_and_the_time_of_each_stage(company: Company) -> None:
    given = await ask_as(company, "hana", SALARY)
    assert (given.level, given.epoch, given.model) == (Level.RESTRICTED, 1, "extractive")
    stages = [name for name, _ in given.timings.stages]
    assert [stages.index(name) for name in ("guard", "plan", "mask", "embed", "search", "check", "rerank")] == [
        *range(7)
    ]


async def test_every_citation_points_at_exactly_the_text_it_quotes(company: Company) -> None:
    """Asked by somebody who may unmask nothing, so that quotes are the stored text."""
    given = await ask_as(company, "finn", TRAVEL)
    assert given.citations
    for citation in given.citations:
        version = await company.version_text(citation.version)
        assert version[citation.span.start : citation.span.end] == citation.quote
    assert [number for claim in given.claims for number in claim.citations]
    assert all(claim.text in given.text for claim in given.claims)


async def test_what_only_an_unreadable_document_says_is_not_found(company: Company) -> None:
    """Its twin: the one who may read it gets the answer."""
    assert "84,000" in (await ask_as(company, "hana", SALARY)).text
    refused = await ask_as(company, "sam", SALARY)
    assert (refused.found, refused.text) == (False, NOT_FOUND_TEXT)


async def test_a_stricter_paragraph_of_a_readable_document_stays_hidden(company: Company) -> None:
    question = "How many additional days of paid leave do managers have?"
    assert "5 additional days" in (await ask_as(company, "hana", question)).text
    assert "additional" not in everything(await ask_as(company, "sam", question))


async def test_a_share_of_the_source_system_opens_one_document_to_one_person(company: Company) -> None:
    question = "What is Project Falcon?"
    assert (
        "Northwind" in everything(await ask_as(company, "dana", question))
        or (await ask_as(company, "dana", question)).found
    )
    assert not (await ask_as(company, "sam", question)).found


async def test_an_assistant_narrows_what_its_person_may_read(company: Company) -> None:
    alone = await answer(TRAVEL, person("finn"), company.parts)
    through = await answer(TRAVEL, person("finn", assistant="assistant:helper"), company.parts)
    assert "120,000" in alone.text
    assert "120,000" not in everything(through)
    assert "3,000" in through.text


async def test_a_tenant_sees_nothing_of_another(company: Company) -> None:
    given = await answer(TRAVEL, person("finn", tenant="globex"), company.parts)
    assert not given.found


async def test_a_revocation_is_obeyed_on_the_next_question(company: Company) -> None:
    assert "120,000" in (await ask_as(company, "finn", TRAVEL)).text
    await company.revoke("finn", "finance")
    after = await ask_as(company, "finn", TRAVEL)
    assert "120,000" not in everything(after)
    assert after.epoch == 2


async def test_a_denial_beats_the_rule_that_allows(company: Company) -> None:
    await company.edit(add_rules=(rule("user:finn", department="finance", effect=Effect.DENY),))
    assert "120,000" not in everything(await ask_as(company, "finn", TRAVEL))


async def test_a_stricter_label_holds_before_the_index_knows_it(company: Company) -> None:
    alarms = company.parts.metrics.dropped_by_check._value
    before = alarms.get()
    await company.relabel("budget", Level.SECRET)
    assert "120,000" not in everything(await ask_as(company, "finn", TRAVEL))
    assert alarms.get() == before  # the expected window, no alarm


def budget_writer(before: Callable[[int], Awaitable[None]] | None = None) -> Writer:
    return Writer(
        "The travel budget for the next quarter is 120,000 euros [1].\n",
        "Flights need approval by the finance director [1].\n",
        before=before,
    )


async def test_rights_lost_while_the_answer_is_written_stop_it(company: Company) -> None:
    """The first sentence left lawfully; the second must not."""

    async def revoke_before_second(number: int) -> None:
        if number == 1:
            await company.revoke("finn", "finance")

    parts = company.with_parts(generator=budget_writer(revoke_before_second))
    left: list[str] = []
    with pytest.raises(PolicyChanged) as raised:
        async with aclosing(ask(TRAVEL, person("finn"), parts)) as events:
            async for event in events:
                left += [event.text] if isinstance(event, ClaimReady) else []
                assert not isinstance(event, Finished)
    assert raised.value.code == "policy_changed"
    assert len(left) == 1
    assert json.loads((await company.records("stopped"))[0])["code"] == "policy_changed"


async def test_rights_lost_before_the_first_sentence_let_nothing_leave(company: Company) -> None:
    async def revoke_first(number: int) -> None:
        if number == 0:
            await company.revoke("finn", "finance")

    parts = company.with_parts(generator=budget_writer(revoke_first))
    with pytest.raises(PolicyChanged):
        async with aclosing(ask(TRAVEL, person("finn"), parts)) as events:
            async for event in events:
                raise AssertionError(f"left: {type(event)}")


async def test_a_change_that_takes_nothing_of_the_answer_away_lets_it_finish(company: Company) -> None:
    async def grant(number: int) -> None:
        if number == 1:
            await company.edit(add_rules=(rule("user:sam", department="board"),))

    given = await answer(TRAVEL, person("finn"), company.with_parts(generator=budget_writer(grant)))
    assert (len(given.claims), given.epoch) == (2, 2)


async def test_a_label_made_stricter_while_the_answer_is_written_stops_it(company: Company) -> None:
    """Labels do not raise the epoch, and are read again all the same."""

    async def relabel(number: int) -> None:
        if number == 1:
            await company.relabel("budget", Level.SECRET)

    with pytest.raises(PolicyChanged):
        await answer(TRAVEL, person("finn"), company.with_parts(generator=budget_writer(relabel)))


async def test_an_index_that_ignores_its_filter_leaks_nothing_and_is_counted(company: Company) -> None:
    async with company.parts.database.reading() as session:
        chunks = list(await session.scalars(sql("SELECT id FROM chunk")))
    parts = company.with_parts(stores=OneStore(LeakyStore(chunks)))
    for question in (SALARY, TRAVEL, "What is Project Falcon?"):
        text = everything(await answer(question, person("sam"), parts))
        assert not any(secret in text for secret in ("84,000", "9,500", "120,000", "Falcon", "Northwind", "additional"))
    assert parts.metrics.dropped_by_check._value.get() > 0
    refused = json.loads((await company.records("question"))[-1])["refused_count"]
    assert refused == 4  # salaries, budget, merger, and the managers' paragraph


async def test_somebody_without_rules_never_reaches_the_index(company: Company) -> None:
    store = LeakyStore(())
    assert not (await answer(TRAVEL, person("nobody"), company.with_parts(stores=OneStore(store)))).found
    assert store.asked == 0
    assert json.loads((await company.records("question"))[0])["denied"] is True


@pytest.mark.parametrize("table", ["policy_epoch", "policy_rule", "document"])
async def test_an_unreadable_policy_is_an_error_and_nothing_else(company: Company, table: str) -> None:
    async with company.parts.database.unit_of_work() as session:
        await session.execute(sql("PRAGMA legacy_alter_table=ON"))
        await session.execute(sql(f"ALTER TABLE {table} RENAME TO gone"))
    with pytest.raises(PolicyUnreadable):
        await ask_as(company, "finn", TRAVEL)


@pytest.mark.parametrize("kind", ["question", "answer"])
async def test_no_record_no_answer(company: Company, kind: str) -> None:
    with pytest.raises(AuditUnavailable):
        await answer(TRAVEL, person("finn"), company.with_parts(audit=BrokenAudit(kind)))


async def test_nothing_leaves_before_its_record_is_written(company: Company) -> None:
    async with aclosing(ask(TRAVEL, person("finn"), company.parts)) as events:
        assert isinstance(await anext(events), Started)
        assert len(await company.records("question")) == 1
        assert await company.records("answer") == []
        async for event in events:
            if isinstance(event, Finished):
                assert len(await company.records("answer")) == 1


async def test_a_reader_who_leaves_stops_the_generator_and_is_recorded(company: Company) -> None:
    writer = budget_writer()
    async with aclosing(ask(TRAVEL, person("finn"), company.with_parts(generator=writer))) as events:
        await anext(events)
    assert writer.closed
    assert json.loads((await company.records("stopped"))[0])["code"] == "GeneratorExit"


async def test_records_hold_no_word_of_question_or_document(company: Company) -> None:
    await ask_as(company, "hana", SALARY)
    written = " ".join([*await company.records("question"), *await company.records("answer")])
    assert not any(word in written for word in ("salary", "Margaret", "Ellison", "euros"))


async def test_a_planted_link_image_or_tag_never_reaches_the_answer_as_one(company: Company) -> None:
    given = await ask_as(company, "sam", "What do parking permits cost a month?")
    assert "40 euros" in given.text
    assert "](" not in given.text
    assert "<a" not in given.text
    assert "![" not in given.text
    assert TRACKER not in given.text.replace(f"`{TRACKER}`", "")


async def test_a_link_that_a_generator_makes_up_is_removed(company: Company) -> None:
    writer = Writer("Parking permits cost 40 euros a month, see https://other.example/x?q=1 [1].\n")
    given = await answer("What do parking permits cost?", person("sam"), company.with_parts(generator=writer))
    assert "other.example" not in given.text


async def test_a_value_is_given_back_only_to_those_who_may_unmask_it_there(company: Company) -> None:
    """hana may unmask names in documents of people, pia addresses in purchasing; sam nothing."""
    salary = await ask_as(company, "hana", SALARY)
    assert "Margaret Ellison" in salary.text
    assert any("Margaret Ellison" in citation.quote for citation in salary.citations)
    question = "What is the e-mail address of Margaret Ellison?"
    pia, sam, hana = [await ask_as(company, name, question) for name in ("pia", "sam", "hana")]
    assert "margaret.ellison@acme.example" in pia.text
    assert "Margaret" not in pia.text
    for given in (sam, hana):
        assert given.found
        assert "ellison" not in everything(given).lower()


@pytest.mark.parametrize("lost", [True, False])
async def test_a_right_to_unmask_that_is_lost_before_the_answer_is_given_stops_it(company: Company, lost: bool) -> None:
    """Reading stays allowed; but the name in what was already written has not left, and must not."""
    copied = company.parts.generator

    class Slow(Writer):
        verbatim = True

        async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
            async for piece in copied.generate(request):
                yield piece
            yield "\n"
            changed = rule("role:people" if lost else "role:staff", action="unmask:PERSON", department="people")
            await company.edit(**{"remove_rules" if lost else "add_rules": (changed,)})

    asked = answer(SALARY, person("hana"), company.with_parts(generator=Slow()))
    if lost:
        with pytest.raises(PolicyChanged):
            await asked
    else:
        assert "Margaret Ellison" in (await asked).text


async def test_each_unmasking_is_recorded_before_it_leaves(company: Company) -> None:
    await ask_as(company, "hana", SALARY)
    records = [json.loads(body) for body in await company.records("unmask")]
    assert {record["document"] for record in records} == {company.ids["salaries"]}
    with pytest.raises(AuditUnavailable):
        await answer(SALARY, person("hana"), company.with_parts(audit=BrokenAudit("unmask")))


async def test_a_token_that_no_cited_chunk_holds_is_not_given_back(company: Company) -> None:
    """A generator cannot be talked into opening another document's values."""
    async with company.parts.database.reading() as session:
        token = (await session.scalars(sql("SELECT token FROM vault_entry WHERE entity = 'EMAIL_ADDRESS'"))).one()
    writer = Writer(f"Parking permits cost 40 euros a month {token} [1].\n")
    given = await answer("What do parking permits cost?", person("pia"), company.with_parts(generator=writer))
    assert "margaret" not in everything(given).lower()


async def test_personal_data_that_a_generator_writes_itself_does_not_leave(company: Company) -> None:
    writer = Writer("Parking permits cost 40 euros a month, ask Henrietta Blackwood [1].\n")
    given = await answer("What do parking permits cost?", person("sam"), company.with_parts(generator=writer))
    assert "Blackwood" not in everything(given)


async def test_the_generator_never_sees_an_original(company: Company) -> None:
    writer = Writer("NOT SUPPORTED.")
    await answer(SALARY, person("hana"), company.with_parts(generator=writer))
    seen = " ".join([writer.requests[0].question, *(p.title + p.text for p in writer.requests[0].passages)])
    assert "84,000" in seen
    assert "Ellison" not in seen


@pytest.mark.parametrize(
    "sentence",
    [
        "The travel budget for the next quarter is 150,000 euros [1].",
        "The travel budget for the next quarter is not 120,000 euros [1].",
        "The marketing department plans a concert in Lisbon [1].",
        "Flights need no approval by the finance director [1].",
        "Flights only need approval by the finance director [1].",
        "Yes [1].",
        "[1]",
    ],
)
async def test_a_sentence_that_no_passage_supports_is_removed(company: Company, sentence: str) -> None:
    writer = Writer(f"{sentence}\n")
    given = await answer(TRAVEL, person("finn"), company.with_parts(generator=writer))
    assert (given.found, given.text) == (False, NOT_FOUND_TEXT)


@pytest.mark.parametrize("marker", ["", " [1]", " [9]", " [1, 2]", " [0][77]"])
async def test_citations_come_from_verification_not_from_the_generators_word(company: Company, marker: str) -> None:
    writer = Writer(f"Flights need approval by the finance director{marker}.")
    given = await answer(TRAVEL, person("finn"), company.with_parts(generator=writer))
    assert [c.document for c in given.citations] == [company.ids["budget"]]
    assert given.text == "Flights need approval by the finance director. [1]"


async def test_a_sentence_said_twice_is_given_once(company: Company) -> None:
    writer = Writer(*["Flights need approval by the finance director [1]. "] * 20)
    given = await answer(TRAVEL, person("finn"), company.with_parts(generator=writer))
    assert len(given.claims) == 1


async def test_the_events_of_a_stream_add_up_to_the_answer(company: Company) -> None:
    parts = company.with_parts(generator=budget_writer())
    async with aclosing(ask(TRAVEL, person("finn"), parts)) as stream:
        events = [event async for event in stream]
    claims = [event for event in events if isinstance(event, ClaimReady)]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert "".join(event.text for event in claims) == events[-1].answer.text
    assert tuple(c for event in claims for c in event.citations) == events[-1].answer.citations
    assert events[0].id == events[-1].answer.id


async def test_a_generator_that_is_down_is_an_error(company: Company) -> None:
    with pytest.raises(GeneratorUnavailable):
        await answer(TRAVEL, person("finn"), company.with_parts(generator=Unavailable()))


async def test_with_a_fallback_the_answer_says_who_wrote_it_and_the_log_why(
    company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    fallback: Generator = company.parts.generator
    given = await answer(TRAVEL, person("finn"), company.with_parts(generator=Unavailable(), fallback=fallback))
    assert "120,000" in given.text
    assert given.model == "fallback:extractive"
    assert [r.getMessage() for r in caplog.records if r.name == "rag.query.answer"] == [
        "generator_unavailable fallback=extractive cause=The model server could not be reached."
    ]


async def test_a_generator_that_dies_in_mid_answer_is_an_error_even_with_a_fallback(company: Company) -> None:
    """Two halves by two authors would be an answer that nobody gave."""
    parts = company.with_parts(
        generator=Unavailable("Flights need approval by the finance director [1].\n"), fallback=company.parts.generator
    )
    with pytest.raises(GeneratorUnavailable):
        await answer(TRAVEL, person("finn"), parts)


async def test_the_cache_salt_is_the_same_for_equal_rights_and_another_for_others(company: Company) -> None:
    writer = Writer("Nothing.")
    for name in ("finn", "finn", "hana"):
        await answer(TRAVEL, person(name), company.with_parts(generator=writer))
    first, again, other = (request.cache_salt for request in writer.requests)
    assert first == again != other


@pytest.mark.parametrize(
    ("question", "code"),
    [("", "empty_question"), (" \n", "empty_question"), ("a" * 4001, "question_too_long"), ("a\x00b", "bad_characters"),
     ("a\ud800b", "bad_characters")],
)  # fmt: skip
async def test_a_question_that_cannot_be_taken_is_misuse(company: Company, question: str, code: str) -> None:
    with pytest.raises(Misuse) as raised:
        await ask_as(company, "finn", question)
    assert raised.value.code == code
    assert TENANT not in str(raised.value)
