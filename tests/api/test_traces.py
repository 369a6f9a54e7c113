"""The span and the log line of each request: ids, numbers and fixed words, whatever the caller sends."""

import json
from dataclasses import replace

import httpx
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from rag.api.app import create_app
from rag.api.parts import AppParts
from rag.domain import Timings
from rag.errors import AuditUnavailable
from rag.telemetry.export import sending
from rag.telemetry_settings import TelemetrySettings
from tests.api.conftest import Bearers, ScriptedPath, the_answer

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CANARY = "canary"
QUESTION = {"model": "ringfence", "messages": [{"role": "user", "content": f"Where is the {CANARY} of Ann Lee?"}]}


async def asked(
    parts: AppParts, bearer: str, *requests: tuple[str, str], body: object = None, trusted: bool = False
) -> tuple[list[ReadableSpan], list[dict[str, object]]]:
    """What is traced and logged of these requests (method, address)."""
    exporter = InMemorySpanExporter()
    headers = {"Authorization": f"Bearer {bearer}", "traceparent": TRACEPARENT, "X-Anything": CANARY}
    settings = TelemetrySettings(trust_traceparent=trusted)
    with sending(exporter, settings) as tracing, capture_logs(processors=[merge_contextvars]) as lines:
        transport = httpx.ASGITransport(create_app(replace(parts, tracing=tracing)), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
            for method, address in requests:
                await client.request(method, address, json=body)
    return list(exporter.get_finished_spans()), [dict(line) for line in lines if line["event"] == "request"]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_a_request_is_one_span_by_its_routes_pattern_and_the_log_line_names_it(
    parts: AppParts, bearers: Bearers
) -> None:
    (span,), (line,) = await asked(parts, bearers.person, ("POST", "/v1/chat/completions"), body=QUESTION)
    assert (span.name, span.kind) == ("POST /v1/chat/completions", SpanKind.SERVER)
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "ringfence.request_id": attributes(span)["ringfence.request_id"],
    }
    assert span.context is not None
    assert span.parent is None, "a caller who is not trusted names no trace"
    bound = {"trace_id": f"{span.context.trace_id:032x}", "span_id": f"{span.context.span_id:016x}"}
    assert {name: line[name] for name in bound} == bound
    assert line["request_id"] == attributes(span)["ringfence.request_id"]


async def test_a_trusted_caller_names_the_trace(parts: AppParts, bearers: Bearers) -> None:
    (span,), (line,) = await asked(parts, bearers.person, ("GET", "/v1/models"), trusted=True)
    assert span.parent is not None
    assert line["trace_id"] == TRACEPARENT.split("-")[1]


async def test_refusals_and_failures_are_told_by_code_and_only_our_own_are_errors(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    path.pieces = (AuditUnavailable(f"said {CANARY}"),)
    (failed,), _ = await asked(parts, bearers.person, ("POST", "/v1/chat/completions"), body=QUESTION)
    path.pieces = (ValueError(f"said {CANARY}"),)
    (crashed,), _ = await asked(parts, bearers.person, ("POST", "/v1/chat/completions"), body=QUESTION)
    (unknown,), _ = await asked(parts, "rfk_nobody", ("GET", "/v1/models"))
    found = [
        (attributes(span)["http.response.status_code"], attributes(span)["error.type"], span.status.status_code)
        for span in (failed, crashed, unknown)
    ]
    assert found == [
        (503, "audit_unavailable", StatusCode.ERROR),
        (500, "internal", StatusCode.ERROR),
        (401, "unauthenticated", StatusCode.UNSET),
    ]


async def test_no_address_header_key_or_text_of_a_caller_is_in_a_span_or_a_line(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    path.pieces = ("Annual leave", the_answer())
    requests = (
        ("POST", f"/v1/chat/completions?q={CANARY}"),
        ("POST", f"/v1/search?q={CANARY}"),
        ("GET", f"/api/v1/documents/{CANARY}/versions/{CANARY}/passage?start=1&end=2"),
        ("GET", f"/nothing/{CANARY}"),
        (f"{CANARY.upper()}", "/v1/models"),
        ("GET", f"/v1/models/{CANARY}"),
    )
    spans, lines = await asked(parts, bearers.person, *requests, body=QUESTION | {"user": CANARY})
    assert len(spans) == len(lines) == len(requests)
    assert {span.name for span in spans} >= {"GET unknown", "other /v1/models", "GET /v1/models/{model}"}
    exported = "\n".join([*(span.to_json() for span in spans), json.dumps(lines)]).lower()
    for word in (CANARY, bearers.person, "ann lee", "annual leave", "authorization"):
        assert word.lower() not in exported


async def test_probes_leave_no_traces(parts: AppParts, bearers: Bearers) -> None:
    spans, lines = await asked(parts, bearers.administrator, ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics"))
    assert (spans, len(lines)) == ([], 3)
    assert "trace_id" not in lines[0]


async def test_the_line_of_an_answer_has_its_counts_and_times_as_numbers(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    counts = (("hits", 9), ("refused", 1), ("claims", 2), ("removed", 3))
    path.pieces = (
        "Annual leave",
        replace(the_answer(), timings=Timings((("plan", 1.26), ("search", 2.0)), counts, 42.04)),
    )
    _, (line,) = await asked(parts, bearers.person, ("POST", "/v1/chat/completions"), body=QUESTION)
    expected = {
        "answer": "ans_1", "found": True, "epoch": 7, "model": "extractive", "hits": 9, "refused": 1, "claims": 2,
        "removed": 3, "first_ms": 42.0, "total_ms": 3.3, "stages_ms": {"plan": 1.3, "search": 2.0},
    }  # fmt: skip
    assert {name: line[name] for name in expected} == expected
