"""What those who run the service see, and what it never says: text, questions, names in logs and errors."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

from rag.api import logs
from rag.api.app import create_app
from rag.api.limits import RateLimiter
from rag.api.parts import AppParts
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.errors import Limited
from rag.settings import ServiceSettings, Settings
from tests.api.conftest import Bearers, ScriptedPath, serving

SECRET_TEXT = "Krzysztof earns 100 a day"


def bearing(bearer: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}", **headers}


def chat(text: str) -> dict[str, object]:
    return {"model": "ringfence", "messages": [{"role": "user", "content": text}]}


async def test_me_says_whom_the_service_takes_the_caller_for(client: httpx.AsyncClient, bearers: Bearers) -> None:
    ann = (await client.get("/api/v1/me", headers=bearing(bearers.person))).json()
    assert (ann["tenant"], ann["person"], ann["assistant"], ann["source"]) == ("acme", "user:ann", None, "api_key")
    program = (await client.get("/api/v1/me", headers=bearing(bearers.assistant))).json()
    assert (program["person"], program["assistant"], program["administrator"]) == (None, "assistant:helpdesk", False)
    naming = bearing(bearers.naming_assistant, **{"X-Ringfence-Person": "bob"})
    assert (await client.get("/api/v1/me", headers=naming)).json()["person"] == "user:bob"


async def test_the_body_never_says_who_asks(client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath) -> None:
    body = chat("Leave?") | {"user": "user:bob", "metadata": {"as": "bob"}}
    assert (await client.post("/v1/chat/completions", json=body, headers=bearing(bearers.person))).status_code == 200
    for claim in ("person", "tenant"):
        claimed = await client.post("/v1/chat/completions", json=body | {claim: "bob"}, headers=bearing(bearers.person))
        assert claimed.status_code == 400
        assert claimed.json()["error"] | {"message": ""} == {
            "message": "",
            "type": "invalid_request_error",
            "param": claim,
            "code": "unknown_parameter",
        }
    refused = await client.post("/v1/chat/completions", json=body, headers=bearing(bearers.naming_assistant))
    assert refused.json()["error"]["code"] == "person_required"
    assert [principal.person for _, principal, _ in path.asked] == ["user:ann"]


async def test_a_repeated_header_is_refused(client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath) -> None:
    twice = [
        ("Authorization", f"Bearer {bearers.naming_assistant}"),
        ("X-Ringfence-Person", "ann"),
        ("X-Ringfence-Person", "bob"),
    ]
    response = await client.post("/v1/chat/completions", json=chat("Leave?"), headers=twice)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "duplicate_header")
    assert path.asked == []


async def test_every_refusal_of_a_known_key_is_on_record(
    client: httpx.AsyncClient, bearers: Bearers, database: Database
) -> None:
    await client.post("/v1/search", json={"query": "x"}, headers=bearing(bearers.assistant))
    await client.get("/api/v1/me", headers=bearing(bearers.person, **{"X-Ringfence-Person": "bob"}))
    await client.get("/api/v1/me", headers=bearing(bearers.assistant, **{"X-Ringfence-Person-Token": "a.b.c"}))
    await client.post("/api/v1/index/publish", headers=bearing(bearers.person))
    async with database.reading() as session:
        records = await AuditLog().recent(session, "acme", limit=10)
    found = [(record.kind, json.loads(record.body)["subject"], json.loads(record.body)["code"]) for record in records]
    assert found == [
        ("denied", "assistant:helpdesk", "person_required"),
        ("denied", "user:ann", "may_not_name_people"),
        ("denied", "assistant:helpdesk", "unauthenticated"),
        ("denied", "user:ann", "administrator_required"),
    ]


async def test_publish_works_on_the_callers_tenant(client: httpx.AsyncClient, bearers: Bearers) -> None:
    mine = await client.post("/api/v1/index/publish", headers=bearing(bearers.administrator))
    assert mine.json() == {"tenant": "acme", "versions": 3}
    named = await client.post(
        "/api/v1/index/publish", headers=bearing(bearers.operator, **{"X-Ringfence-Tenant": "globex"})
    )
    assert named.json()["tenant"] == "globex"
    unnamed = await client.post("/api/v1/index/publish", headers=bearing(bearers.operator))
    assert (unnamed.status_code, unnamed.json()["code"]) == (400, "tenant_required")


async def test_readiness_names_the_part_that_is_down_and_nothing_else(parts: AppParts) -> None:
    async def broken() -> None:
        raise RuntimeError(SECRET_TEXT)

    async with serving(replace(parts, checks={**parts.checks, "index": broken})) as url, httpx.AsyncClient() as client:
        response = await client.get(f"{url}/readyz")
        assert (await client.get(f"{url}/livez")).status_code == 200
    assert response.status_code == 503
    assert response.json() == {"ready": False, "parts": {"database": True, "index": False}}


async def test_metrics_are_for_this_machine_and_administrators_unless_opened(parts: AppParts, bearers: Bearers) -> None:
    far = {"X-Forwarded-For": "203.0.113.9"}
    async with serving(parts) as url, httpx.AsyncClient(base_url=url) as client:
        await client.post("/v1/chat/completions", json=chat(SECRET_TEXT), headers=bearing(bearers.person))
        near = await client.get("/metrics")
        assert (
            'ringfence_requests_total{code="",method="POST",route="/v1/chat/completions",status="200"} 1.0' in near.text
        )
        assert 'ringfence_answers_total{found="true"} 1.0' in near.text
        assert "acme" not in near.text
        assert (await client.get("/metrics", headers=far)).status_code == 401
        assert (await client.get("/metrics", headers=bearing(bearers.person, **far))).status_code == 403
        assert (await client.get("/metrics", headers=bearing(bearers.administrator, **far))).status_code == 200
    opened = parts.settings.model_copy(update={"service": ServiceSettings(metrics_open=True)})
    async with serving(replace(parts, settings=opened)) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/metrics", headers=far)).status_code == 200


async def test_every_response_has_an_id_and_safe_headers(client: httpx.AsyncClient, bearers: Bearers) -> None:
    for path, headers in (
        ("/livez", {}),
        ("/v1/models", bearing(bearers.person)),
        ("/v1/models", {}),
        ("/nowhere", {}),
    ):
        response = await client.get(path, headers={**headers, "X-Request-Id": "chosen-by-caller"})
        assert response.headers["x-request-id"].startswith("req_")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers


async def test_errors_speak_the_dialect_of_their_path(client: httpx.AsyncClient) -> None:
    openai_style = await client.get("/v1/nowhere")
    assert openai_style.json() == {
        "error": {
            "message": "There is nothing at this address.",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
    }
    problem = await client.get("/api/v1/nowhere")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["type"] == "urn:ringfence:error:not_found"
    assert problem.json()["status"] == problem.status_code == 404
    assert (await client.delete("/v1/models")).status_code == 405
    assert (await client.get("/v1/models")).headers["www-authenticate"] == "Bearer"


async def test_descriptions_of_the_api_are_served_only_if_so_set(client: httpx.AsyncClient, parts: AppParts) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 404
    opened = parts.settings.model_copy(update={"service": ServiceSettings(docs=True)})
    described = create_app(replace(parts, settings=opened)).openapi()
    assert "/v1/chat/completions" in described["paths"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_however_it_is_sent(
    chunked: bool, client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    async def pieces() -> "Iterator[bytes]":
        for _ in range(30):
            yield b" " * 1000

    content = pieces() if chunked else b" " * 30_000
    headers = bearing(bearers.person, **{"Content-Type": "application/json"})
    response = await client.post("/v1/chat/completions", content=content, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    fits = json.dumps(chat("Leave?")).encode() + b" " * 10_000
    assert (await client.post("/v1/chat/completions", content=fits, headers=headers)).status_code == 200
    assert len(path.asked) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{" * 5000,
        b"[" * 5000,
        b'{"model": "ringfence", "messages": "' + SECRET_TEXT.encode() + b'"}',
        b'{"model": "ringfence", "messages": [{"role": "user", "content": 7}], "' + SECRET_TEXT.encode() + b'": 1}',
        b'{"model": "ringfence", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "ringfence", "messages": [{"role": "user", "content": "   "}]}',
        b'{"model": "ringfence", "messages": [{"role": "user", "content": "' + b"x" * 4001 + b'"}]}',
        b"\xff\xfe",
    ],
    ids=range(11),
)
async def test_a_malformed_body_is_the_callers_mistake_and_is_not_echoed(
    content: bytes, client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    headers = bearing(bearers.person, **{"Content-Type": "application/json; charset=utf-8"})
    response = await client.post("/v1/chat/completions", content=content, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert "Krzysztof" not in response.text
    assert path.asked == []


async def test_a_body_that_is_not_declared_as_json_is_refused(client: httpx.AsyncClient, bearers: Bearers) -> None:
    """A page of another site can make a browser send text/plain, never application/json, without asking first."""
    content = json.dumps(chat("Leave?"))
    headers = bearing(bearers.person, **{"Content-Type": "text/plain"})
    response = await client.post("/v1/chat/completions", content=content, headers=headers)
    assert response.status_code == 415


async def test_no_log_line_holds_a_question_an_answer_or_a_credential(
    client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath, caplog: pytest.LogCaptureFixture
) -> None:
    crashed = ValueError(SECRET_TEXT)
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        for pieces in (path.pieces, (crashed,), ("Piece", crashed)):
            path.pieces = pieces
            for stream in (False, True):
                body = chat(SECRET_TEXT) | {"stream": stream}
                await client.post("/v1/chat/completions", json=body, headers=bearing(bearers.person))
        await client.post("/v1/search", json={"query": SECRET_TEXT}, headers=bearing(bearers.person))
        await client.get(f"/{SECRET_TEXT}", params={"q": SECRET_TEXT})
    # What the client of this test logs is not ours; uvicorn's access log is off, which only pytest overrules.
    others = ("httpx", "httpcore", "uvicorn.access")
    records = [record for record in caplog.records if not record.name.startswith(others)]
    everything = repr(events) + "".join(record.getMessage() + str(record.exc_text) for record in records)
    assert len(events) >= 8
    assert {event["event"] for event in events} >= {"request", "crashed", "stream_failed"}
    for secret in ("Krzysztof", "Annual leave", bearers.person, bearers.person.rsplit("_", 1)[1]):
        assert secret not in everything


def test_a_librarys_log_record_is_written_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries quote what they were given: the record says who and where, not what."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    try:
        logs.configure_logs()
        try:
            raise ValueError(SECRET_TEXT)
        except ValueError:
            logging.getLogger("some.library").exception("cannot parse %s", SECRET_TEXT)
        logging.getLogger("rag.query.decide").error("index_returned_refused_chunk chunk=%s", "chk_1")
    finally:
        root.handlers[:] = before
        structlog.reset_defaults()
    line, ours = map(json.loads, stream.getvalue().splitlines())
    assert ours["event"] == "index_returned_refused_chunk chunk=chk_1"
    assert (line["logger"], line["error"], line["level"]) == ("some.library", "ValueError", "error")
    assert "Krzysztof" not in stream.getvalue()


def test_a_key_has_its_rate_and_gets_it_back_with_time() -> None:
    now = 0.0
    limiter = RateLimiter(60, clock=lambda: now)
    for _ in range(60):
        limiter.take("one")
    with pytest.raises(Limited) as refusal:
        limiter.take("one")
    assert 0 < refusal.value.retry_after_s <= 1
    limiter.take("another")
    now += 1.0
    limiter.take("one")
    with pytest.raises(Limited):
        limiter.take("one")


@pytest.mark.parametrize(
    ("service", "root"),
    [
        (ServiceSettings(), "http://127.0.0.1:8080"),
        (ServiceSettings(host="0.0.0.0", port=9), "http://127.0.0.1:9"),  # noqa: S104 - not bound
        (ServiceSettings(host="::1"), "http://[::1]:8080"),
        (ServiceSettings(public_url="https://ask.acme.example/"), "https://ask.acme.example"),
    ],
)
def test_links_start_at_the_public_root(service: ServiceSettings, root: str, parts: AppParts) -> None:
    assert replace(parts, settings=Settings(service=service)).public_url == root


async def test_a_refusal_that_cannot_be_recorded_is_no_crash(
    client: httpx.AsyncClient, bearers: Bearers, database: Database
) -> None:
    async with database.unit_of_work() as session:
        await session.execute(text("DROP TABLE audit_record"))
    response = await client.post("/v1/search", json={"query": "x"}, headers=bearing(bearers.assistant))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "audit_unavailable")
