"""The trace of a question: a span for every stage, with ids and numbers, and not a word of what was asked or read."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from policies.rules import Level
from rag.domain import Answer
from rag.errors import AuditUnavailable, GeneratorUnavailable, Misuse, PolicyUnreadable
from rag.query.answer import ClaimReady, answer, ask
from rag.query.parts import QueryParts
from rag.query.retrieve import find
from rag.telemetry.export import sending
from rag.telemetry.names import BUSY_MS, INPUT_TOKENS, OUTPUT_TOKENS, REQUEST_MODEL, RESPONSE_ID, RESPONSE_MODEL, STAGE
from rag.telemetry_settings import TelemetrySettings
from tests.query.company import PAPERS, TENANT, BrokenAudit, Company, LeakyStore, OneStore, person
from tests.query.faults import lose_table
from tests.query.test_answer import Unavailable, Writer

SALARY = "What is the salary of Margaret Ellison?"
TRAVEL = "What is the travel budget for a quarter?"
CANARY = "canary-in-a-message"


class Traces:
    """Parts that trace, and what they have traced; filled by `end`."""

    def __init__(self, company: Company) -> None:
        self._exporter = InMemorySpanExporter()
        self._sending = sending(self._exporter, TelemetrySettings())
        self._company = company
        self.tracing = self._sending.__enter__()
        self.parts = company.with_parts(tracing=self.tracing)

    def with_parts(self, **changes: object) -> QueryParts:
        return self._company.with_parts(tracing=self.tracing, **changes)

    def end(self) -> dict[str, ReadableSpan]:
        """Of one question: its spans, by stage; that of the whole path is ''."""
        self._sending.__exit__(None, None, None)
        return {str(one.attributes.get(STAGE, "")): one for one in self.spans if one.attributes is not None}

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


@pytest.fixture
async def traces(company: Company) -> AsyncIterator[Traces]:
    made = Traces(company)
    yield made
    made.end()


def told(span: ReadableSpan) -> dict[str, object]:
    return {name.removeprefix("ringfence."): value for name, value in (span.attributes or {}).items()}


async def test_every_stage_of_an_answer_has_one_span_under_that_of_the_path(traces: Traces) -> None:
    given = await answer(SALARY, person("hana"), traces.parts)
    by_stage = traces.end()
    path = by_stage.pop("")
    assert path.name == "invoke_workflow answer"
    assert list(by_stage) == [stage for stage, _ in given.timings.stages]
    assert {"guard", "plan", "mask", "embed", "search", "check", "rerank", "prompt", "generate", "verify"} < set(
        by_stage
    )
    assert {"unmask", "record"} < set(by_stage)
    assert len(traces.spans) == len(by_stage) + 1, "each claim goes on with the spans of its stages"
    for stage, ms in given.timings.stages:
        span = by_stage[stage]
        assert span.parent is not None
        assert (span.parent.span_id, span.events) == (path.context.span_id, ())
        assert float(str(told(span)["busy_ms"])) >= round(ms, 3)
        assert path.start_time <= span.start_time <= span.end_time <= path.end_time  # type: ignore[operator] # ended


async def test_spans_follow_the_conventions_and_count(traces: Traces, company: Company) -> None:
    given = await answer(SALARY, person("hana"), traces.parts)
    by_stage = traces.end()
    assert [by_stage[stage].name for stage in ("embed", "search", "generate")] == [
        "embeddings all-MiniLM-L6-v2",
        f"retrieval {TENANT}",
        "chat extractive",
    ]
    plan, check, path, chat = (told(by_stage[stage]) for stage in ("plan", "check", "", "generate"))
    assert plan["epoch"] == given.epoch
    assert (plan["denied"], plan["grants"]) == (False, 1)
    assert int(str(plan["conditions"])) > 0
    assert f'"plan":"{plan["plan"]}"' in (await company.records("question"))[0]
    assert check["hits"] == check["allowed"] == path["hits"]
    assert (check["refused"], path["claims"], path["removed"]) == (0, len(given.claims), 0)
    assert (path[RESPONSE_ID], path["found"]) == (given.id, True)
    assert (chat[REQUEST_MODEL], chat[RESPONSE_MODEL]) == ("extractive", "extractive")
    assert int(str(chat[OUTPUT_TOKENS])) > 0
    assert int(str(chat[INPUT_TOKENS])) > int(str(chat[OUTPUT_TOKENS]))
    assert dict(given.timings.counts)["claims"] == len(given.claims)
    assert given.timings.first_ms == pytest.approx(path["first_ms"])


async def test_what_was_refused_removed_or_written_by_the_fallback_is_counted(traces: Traces, company: Company) -> None:
    chunks = [
        one.chunk.id
        for name in ("hana", "finn")
        for one in (await find(TRAVEL, person(name), company.parts, 50)).chunks
    ]
    leaky = OneStore(LeakyStore(list(dict.fromkeys(chunks))))
    writer = Writer("Each team has a travel budget of 3,000 euros for a quarter [1]. Bananas grow on the moon [1].")
    await answer(TRAVEL, person("sam"), traces.with_parts(stores=leaky, generator=writer))
    counted = told(traces.end()[""])
    assert int(str(counted["refused"])) > 0
    assert (counted["claims"], counted["removed"]) == (1, 1)


async def test_a_search_and_a_reader_without_rights_have_their_trace_too(traces: Traces) -> None:
    assert await find(TRAVEL, person("sam"), traces.parts, 3)
    assert not (await find(TRAVEL, person("nobody"), traces.parts, 3)).chunks
    traces.end()
    searches = [span for span in traces.spans if span.name == "invoke_workflow find"]
    plans = [told(span) for span in traces.spans if span.name == "plan"]
    assert len(searches) == 2
    assert [plan["denied"] for plan in plans] == [False, True]


@pytest.mark.parametrize(
    ("code", "stage", "changes"),
    [
        ("audit_unavailable", "record", {"audit": BrokenAudit("question")}),
        ("generator_unavailable", "generate", {"generator": Unavailable()}),
        ("empty_question", "guard", {}),
        ("policy_unreadable", "plan", {}),
    ],
)
async def test_a_failure_is_told_by_its_code_where_it_happened(
    traces: Traces, company: Company, code: str, stage: str, changes: dict[str, object]
) -> None:
    if code == "policy_unreadable":
        await lose_table(company, "policy_epoch")
    with pytest.raises((AuditUnavailable, GeneratorUnavailable, PolicyUnreadable, Misuse)):
        await answer("" if code == "empty_question" else TRAVEL, person("sam"), traces.with_parts(**changes))
    by_stage = traces.end()
    for span in (by_stage[stage], by_stage[""]):
        assert told(span)["error.type"] == code
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    others = [span for name, span in by_stage.items() if name not in (stage, "")]
    assert all(span.status.status_code is StatusCode.UNSET for span in others)


async def test_who_leaves_in_the_middle_ends_the_trace_and_is_no_error(traces: Traces) -> None:
    async with aclosing(ask(TRAVEL, person("sam"), traces.parts)) as events:
        async for event in events:
            if isinstance(event, ClaimReady):
                break
    path = traces.end()[""]
    assert told(path)["error.type"] == "GeneratorExit"
    assert path.status.status_code is StatusCode.UNSET


async def test_nothing_that_was_asked_read_named_or_said_is_in_any_span(traces: Traces, company: Company) -> None:
    """Questions, texts, titles, people, tokens of values, and the messages of exceptions."""

    async def fails(_: int) -> None:
        raise ValueError(CANARY)

    asked = [SALARY, TRAVEL, f"Who is {CANARY} at Northwind Shipping?"]
    given: list[Answer] = [
        await answer(question, person(name, assistant=assistant), traces.parts)
        for question in asked
        for name, assistant in (("hana", None), ("finn", None), ("dana", "assistant:helper"), ("nobody", None))
    ]
    assert any("84,000" in one.text for one in given)
    await find(TRAVEL, person("finn"), traces.parts, 5)
    with pytest.raises(ValueError, match=CANARY):
        await answer(TRAVEL, person("sam"), traces.with_parts(generator=Writer("A", before=fails)))
    with pytest.raises(GeneratorUnavailable):
        await answer(TRAVEL, person("sam"), traces.with_parts(generator=Unavailable()))
    await company.relabel("travel", Level.SECRET)
    traces.end()
    exported = "\n".join(span.to_json() for span in traces.spans).lower()
    texts = [*asked, CANARY, *(part for paper in PAPERS for part in (paper.title, *paper.paragraphs))]
    words = {word for text in texts for word in re.findall(r"[\w,.@-]{4,}", text.lower())}
    subjects = {"hana", "finn", "dana", "nobody", "helper", "person_", "email_address", "role:", "user:"}
    assert len(words) > 80
    of_the_format = {"with", "name", "data", "service"}
    assert {word for word in words | subjects if word in exported} <= of_the_format
    strings = [value for span in traces.spans for value in (span.attributes or {}).values() if isinstance(value, str)]
    assert not [value for value in strings if re.search(r"\s|[<>\"']", value)]
    assert {"search", "generate"} <= {str((span.attributes or {}).get(STAGE)) for span in traces.spans}
    assert all(BUSY_MS in (span.attributes or {}) for span in traces.spans if span.parent is not None)
