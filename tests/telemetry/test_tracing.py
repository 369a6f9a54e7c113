"""A span takes ids and numbers, and nothing else finds a way in."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes, http_attributes
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import GenAiOperationNameValues
from opentelemetry.trace import SpanKind, StatusCode

from rag.errors import AuditUnavailable
from rag.telemetry import names
from rag.telemetry.export import sending
from rag.telemetry.tracing import Tracing
from rag.telemetry_settings import TelemetrySettings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@contextmanager
def traced(**settings: object) -> Iterator[tuple[Tracing, list[ReadableSpan]]]:
    """The list is filled when the block ends."""
    exporter, spans = InMemorySpanExporter(), list[ReadableSpan]()
    with sending(exporter, TelemetrySettings.model_validate(settings)) as tracing:
        yield tracing, spans
    spans.extend(exporter.get_finished_spans())


def test_ids_and_numbers_are_kept_and_sentences_are_left_out() -> None:
    with traced() as (tracing, spans):
        span = tracing.span("one")
        span.tell({"id": "doc_0123", "route": "/v1/{model}", "number": 3, "share": 0.5, "yes": True, "none": None})
        span.tell({"question": "What is her salary?", "name": "Ann Lee", "token": "<PERSON_3F9A>", "long": "a" * 161})
        span.end()
    assert spans[0].attributes == {
        "id": "doc_0123", "route": "/v1/{model}", "number": 3, "share": 0.5, "yes": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "code", "status"),
    [
        (AuditUnavailable("the question was: secret"), "audit_unavailable", StatusCode.ERROR),
        (ValueError("secret"), "ValueError", StatusCode.ERROR),
        (GeneratorExit("secret"), "GeneratorExit", StatusCode.UNSET),
    ],
)
def test_of_an_exception_only_code_or_class_is_kept(cause: BaseException, code: str, status: StatusCode) -> None:
    with traced() as (tracing, spans):
        span = tracing.span("one")
        span.failed(cause)
        span.end()
    assert spans[0].attributes == {"error.type": code}
    assert (spans[0].status.status_code, spans[0].status.description) == (status, None)
    assert spans[0].events == ()


@pytest.mark.parametrize(("trusted", "trace"), [(True, TRACE), (False, None)])
def test_a_callers_trace_is_gone_on_with_only_where_callers_are_trusted(*, trusted: bool, trace: str | None) -> None:
    with traced(trust_traceparent=trusted) as (tracing, spans):
        with tracing.request("GET", TRACEPARENT) as span:
            tracing.span("inside").end()
            ids = span.ids
        tracing.span("afterwards").end()
    inside, request, afterwards = spans
    assert request.kind is SpanKind.SERVER
    assert (ids["trace_id"] == trace) is trusted
    assert ids["span_id"] == f"{request.context.span_id:016x}"
    assert inside.parent is not None
    assert inside.parent.span_id == request.context.span_id
    assert afterwards.parent is None


@pytest.mark.parametrize("header", [None, "", "00-0-0-01", f"{TRACEPARENT}-and more", TRACEPARENT.upper()])
def test_what_is_no_traceparent_begins_a_trace_of_its_own(header: str | None) -> None:
    with traced(trust_traceparent=True) as (tracing, spans), tracing.request("GET", header):
        pass
    assert spans[0].parent is None


def test_our_names_are_those_of_the_installed_conventions() -> None:
    known = {
        value
        for module in (gen_ai_attributes, http_attributes, error_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    ours = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    assert {name for name in ours if not name.startswith("ringfence.")} <= known
    told = (names.workflow("w"), names.embeddings("m", 3), names.data_source("t"), names.chat("m"))
    assert {facts[names.OPERATION] for facts in told} <= {one.value for one in GenAiOperationNameValues}
    assert [names.title(facts) for facts in told] == ["invoke_workflow w", "embeddings m", "retrieval t", "chat m"]
