"""The door of `/mcp`: who gets in, from where, with what, and where tokens for it are to be had."""

from contextlib import AsyncExitStack
from dataclasses import replace

import httpx

from rag.api.parts import AppParts
from rag.identity.issuers import open_issuers
from rag.issuer_settings import IdentitySettings, IssuerSettings
from tests.api.agents import MODERN, post, tool_call
from tests.api.conftest import Bearers, ScriptedPath, serving

METADATA = "/.well-known/oauth-protected-resource"


async def test_without_a_valid_key_there_is_nothing_but_a_401(
    client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    refused = [await client.post("/mcp", json=tool_call(query="leave")), await post(client, "rf_wrong")]
    assert [(one.status_code, one.headers["www-authenticate"]) for one in refused] == [(401, "Bearer")] * 2
    assert path.asked == []
    assert (await post(client, bearers.person)).status_code == 200


async def test_where_issuers_are_configured_the_refusal_leads_to_them(parts: AppParts, bearers: Bearers) -> None:
    """RFC 9728: agents find the issuer from the 401 alone."""
    issuer = IssuerSettings(name="corp", issuer="https://login.example/corp", audience=("ringfence",), tenant="acme")
    service = parts.settings.service.model_copy(update={"public_url": "https://rag.example"})
    async with AsyncExitStack() as opened:
        issuers = open_issuers(IdentitySettings(issuers=(issuer,)), opened)
        trusting = replace(
            parts,
            settings=parts.settings.model_copy(update={"service": service}),
            identity=replace(parts.identity, issuers=issuers),
        )
        url = await opened.enter_async_context(serving(trusting))
        client = await opened.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        refused = await post(client, "rf_wrong")
        named = f"https://rag.example{METADATA}/mcp"
        assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{named}"'
        assert (await client.get("/v1/models")).headers["www-authenticate"] == "Bearer"
        for path in (f"{METADATA}/mcp", METADATA):
            assert (await client.get(path)).json() == {
                "resource": "https://rag.example/mcp",
                "authorization_servers": ["https://login.example/corp"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Ringfence",
            }
        answers = {
            host: (await post(client, bearers.person, Host=host)).status_code
            for host in ("rag.example", "127.0.0.1:9", "rag.internal:8080", "rag.example.evil.example")
        }
    assert answers == {
        "rag.example": 200,
        "127.0.0.1:9": 200,
        "rag.internal:8080": 421,
        "rag.example.evil.example": 421,
    }


async def test_without_issuers_no_document_pretends_that_there_are_some(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{METADATA}/mcp")).status_code == 404


async def test_what_is_wrong_with_a_request_itself_is_a_problem(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    service = parts.settings.service.model_copy(update={"mcp_hosts": ("ringfence",)})
    named = replace(parts, settings=parts.settings.model_copy(update={"service": service}))
    cases: list[tuple[dict[str, str], int, str | None]] = [
        ({"Origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ({"Host": "evil.example"}, 421, "host_not_allowed"),
        ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ({"X-Ringfence-Person": "bob"}, 403, "may_not_name_people"),
        ({"Origin": "http://localhost:3000"}, 200, None),
        ({"Host": "ringfence:8080"}, 200, None),
    ]
    async with serving(named) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for headers, status, code in cases:
            response = await post(client, bearers.person, **headers)
            assert (response.status_code, response.json().get("code")) == (status, code)
            assert bool(path.asked) == (status == 200)


async def test_what_is_no_message_is_refused_without_repeating_it(client: httpx.AsyncClient, bearers: Bearers) -> None:
    """JSON-RPC 2.0, section 5.1; batches went with revision 2025-06-18."""
    sent = {"Authorization": f"Bearer {bearers.person}", "Content-Type": "application/json"}
    bodies = [b"{ secret", b'"secret"', b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', b'{"id":"secret"}']
    for version in ({}, {"MCP-Protocol-Version": MODERN}):
        answers = [await client.post("/mcp", content=body, headers=sent | version) for body in bodies]
        assert [answer.status_code for answer in answers] == [400] * len(bodies)
        assert [answer.json()["error"]["code"] for answer in answers] == [-32700, *[-32600] * (len(bodies) - 1)]
        assert "secret" not in "".join(answer.text for answer in answers)
    unknown = await post(client, bearers.person, {"jsonrpc": "2.0", "id": 1, "method": "sampling/run"})
    assert unknown.json()["error"]["code"] == -32601
    nameless = await post(client, bearers.person, tool_call("delete_everything"))
    assert nameless.json()["error"]["code"] == -32602


async def test_a_body_that_is_too_large_is_not_read(
    client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    too_large = await post(client, bearers.person, tool_call(query="x" * 30_000))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "body_too_large")
    assert path.asked == []


async def test_there_are_no_sessions_to_keep_or_to_end(client: httpx.AsyncClient, bearers: Bearers) -> None:
    """A session could outlive a revocation, and would bind an agent to one replica."""
    opening = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    begun = await post(client, bearers.person, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": opening})
    assert begun.json()["result"]["serverInfo"]["name"] == "ringfence"
    assert "mcp-session-id" not in begun.headers
    assert begun.headers["cache-control"] == "no-store"
    assert (await post(client, bearers.person)).json()["result"]["isError"] is False
    for method in ("GET", "DELETE"):
        gone = await client.request(method, "/mcp", headers={"Authorization": f"Bearer {bearers.person}"})
        assert gone.status_code == 405


async def test_too_many_requests_of_a_key_are_told_when_to_come_back(parts: AppParts, bearers: Bearers) -> None:
    service = parts.settings.service.model_copy(update={"requests_per_minute": 1})
    few = replace(parts, settings=parts.settings.model_copy(update={"service": service}))
    async with serving(few) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await post(client, bearers.person)).status_code == 200
        limited = await post(client, bearers.person)
    assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
    assert int(limited.headers["retry-after"]) >= 1
