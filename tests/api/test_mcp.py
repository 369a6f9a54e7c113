"""Agents over MCP, with the official client: the tools, whose eyes they see with, and what they are refused."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import mcp_types
import pytest
from mcp.shared.exceptions import MCPError

from rag.api.mcp.tools import TOOLS
from rag.api.parts import AppParts
from rag.api.scopes import TOOL_SCOPES
from rag.db.engine import Database
from rag.domain import Answer
from rag.errors import GeneratorUnavailable, Limited
from rag.identity.keys import Scope
from rag.identity.store import ApiKeys
from tests.api.administered import records
from tests.api.agents import MODERN, agent, code_of, post, tool_call
from tests.api.conftest import TEXT, Bearers, ScriptedPath, serving, the_answer, with_limits

LINK = "http://127.0.0.1:8080/api/v1/documents/doc_a/versions/ver_a/passage?start=10&end=34"


def links(result: mcp_types.CallToolResult) -> list[str]:
    return [block.uri for block in result.content if isinstance(block, mcp_types.ResourceLink)]


def text(result: mcp_types.CallToolResult) -> str:
    assert isinstance(result.content[0], mcp_types.TextContent)
    return result.content[0].text


def test_every_tool_says_what_a_key_must_be_meant_for() -> None:
    assert set(TOOLS) == set(TOOL_SCOPES)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_agent_finds_the_tools_searches_and_gets_cited_answers(
    mode: str, url: str, bearers: Bearers, path: ScriptedPath
) -> None:
    """The client checks results against the schemas that the tools declare."""
    async with agent(url, bearers.person, mode=mode) as client:
        tools = (await client.list_tools()).tools
        found = await client.call_tool("search", {"query": "leave", "limit": 3})
        answered = await client.call_tool("ask", {"question": "How many days of leave?"})
    assert [tool.name for tool in tools] == ["search", "ask"]
    assert all(tool.output_schema and tool.annotations and tool.annotations.read_only_hint for tool in tools)
    passage = found.structured_content["passages"][0]
    assert (passage["document"], passage["text"], passage["level"]) == ("doc_a", "Annual leave is 28 days.", "internal")
    assert (passage["url"], links(found)) == (LINK, [LINK])
    assert "Annual leave is 28 days." in text(found) and LINK in text(found)
    record = answered.structured_content
    assert (record["text"], record["found"], record["epoch"]) == (TEXT, True, 7)
    assert [citation["number"] for citation in record["citations"]] == [1, 2]
    assert [claim["supported"] for claim in record["claims"]] == [True, True]
    assert record["guard"] == {"question": [], "passages": []}
    assert text(answered).startswith(
        "Annual leave is 28 days. [1] It must be taken by March. [1][2]\n\n[1] Leave, page 2"
    )
    assert links(answered)[0] == LINK
    assert [(asked, principal.person) for asked, principal, _ in path.asked] == [
        ("leave", "user:ann"),
        ("How many days of leave?", "user:ann"),
    ]
    assert path.asked[0][2].limit == 3


async def test_a_link_is_decided_on_again_for_whoever_reads_it(url: str, bearers: Bearers) -> None:
    async with agent(url, bearers.person) as ann, agent(url, bearers.bob) as bob:
        read = (await ann.read_resource(LINK)).contents[0]
        assert isinstance(read, mcp_types.TextResourceContents)
        assert read.text.startswith("Annual leave is 28 days.")
        refusals = []
        for client, uri in ((bob, LINK), (ann, "file:///etc/passwd"), (ann, LINK.replace("127.0.0.1", "evil.example"))):
            with pytest.raises(MCPError) as refusal:
                await client.read_resource(uri)
            refusals.append((refusal.value.error.message, refusal.value.error.data))
    assert refusals[0] == refusals[1] == refusals[2]
    assert refusals[0][1] == {"code": "not_found"}


async def test_each_agent_sees_what_its_person_may_and_a_revoked_key_nothing_from_the_next_call_on(
    url: str, bearers: Bearers, database: Database
) -> None:
    async with agent(url, bearers.person) as ann, agent(url, bearers.dora) as dora:
        assert (await ann.call_tool("search", {"query": "leave"})).structured_content["passages"]
        nothing = await dora.call_tool("search", {"query": "leave"})
        assert (nothing.structured_content["passages"], text(nothing)) == ([], "Nothing was found.")
        assert (await dora.call_tool("ask", {"question": "Leave?"})).structured_content["found"] is False
        async with database.unit_of_work() as session:
            keys = ApiKeys(session)
            await keys.revoke(bearers.person.split("_")[1], now=datetime.now(UTC))
        with pytest.raises(MCPError):
            await ann.call_tool("search", {"query": "leave"})
        assert not (await dora.call_tool("search", {"query": "leave"})).is_error


async def test_a_key_is_offered_and_given_only_the_tools_it_is_meant_for(
    url: str, bearers: Bearers, database: Database, path: ScriptedPath
) -> None:
    async with database.unit_of_work() as session:
        key = await ApiKeys(session).create(
            tenant="acme", subject="user:ann", now=datetime.now(UTC), scopes={Scope.SEARCH}
        )
    async with agent(url, key.bearer) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["search"]
        assert code_of(await client.call_tool("ask", {"question": "Leave?"})) == "scope_required"
        assert path.asked == []
        assert code_of(await client.call_tool("search", {"query": "leave"})) is None
    assert [denial["code"] for denial in await records(database, "denied")] == ["scope_required"]


async def test_an_assistant_is_answered_for_the_person_it_names_and_for_nobody_not_at_all(
    url: str, bearers: Bearers, database: Database, path: ScriptedPath
) -> None:
    async with agent(url, bearers.naming_assistant) as alone:
        refused = await alone.call_tool("search", {"query": "leave"})
    assert code_of(refused) == "person_required"
    assert text(refused).startswith("person_required: ")
    assert path.asked == []
    assert [denial["code"] for denial in await records(database, "denied")] == ["person_required"]
    async with agent(url, bearers.naming_assistant, **{"X-Ringfence-Person": "ann"}) as named:
        assert code_of(await named.call_tool("search", {"query": "leave"})) is None
    assert (path.asked[0][1].person, path.asked[0][1].assistant) == ("user:ann", "assistant:helpdesk")


async def test_arguments_that_cannot_be_used_are_a_clear_result(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("search", {}, "invalid_arguments"),
        ("search", {"query": "leave", "limit": 51}, "invalid_arguments"),
        ("search", {"query": "leave", "person": "user:bob"}, "invalid_arguments"),
        ("ask", {"question": " "}, "question_missing"),
        ("ask", {"question": "x" * 4001}, "question_too_long"),
    ]
    async with agent(url, bearers.person) as client:
        codes = [code_of(await client.call_tool(tool, arguments)) for tool, arguments, _ in calls]
        assert codes == [code for _, _, code in calls]
        assert path.asked == []
        assert code_of(await client.call_tool("search", {"query": "leave", "limit": 50})) is None


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_a_failure_is_told_by_its_code_and_never_by_an_exceptions_words(
    mode: str, url: str, bearers: Bearers, path: ScriptedPath
) -> None:
    pieces = path.pieces
    path.failure = ValueError("the salary of Ann is 100")
    async with agent(url, bearers.person, mode=mode) as client:
        broken = [await client.call_tool("search", {"query": "leave"})]
        for error in (ValueError("the salary of Ann"), GeneratorUnavailable("The model server did not answer.")):
            path.pieces = ("Annual ", error)
            broken.append(await client.call_tool("ask", {"question": "Leave?"}))
        path.pieces = (Limited("No.", retry_after_s=7, code="person_tokens_per_day"),)
        broken.append(await client.call_tool("ask", {"question": "Leave?"}))
        path.pieces = pieces
        assert code_of(await client.call_tool("ask", {"question": "Leave?"})) is None
    assert [code_of(result) for result in broken] == [
        "internal",
        "internal",
        "generator_unavailable",
        "person_tokens_per_day",
    ]
    assert "salary" not in "".join(result.model_dump_json() for result in broken)
    assert broken[-1].meta is not None
    assert broken[-1].meta["ringfence"]["retry_after_s"] == 7


async def test_progress_counts_claims_and_shows_none(url: str, bearers: Bearers) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with agent(url, bearers.person, mode=MODERN) as client:
        await client.call_tool("ask", {"question": "Leave?"}, progress_callback=progress)
    assert told == [(1, None, None), (2, None, None)]


async def test_rates_and_places_are_those_of_http(parts: AppParts, bearers: Bearers, path: ScriptedPath) -> None:
    few = with_limits(parts, person_requests_per_minute=3, person_answers_at_once=1, queue_wait_s=0.05)
    path.hang_after = 0
    async with serving(few) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        held = asyncio.create_task(post(client, bearers.person, tool_call("ask", question="Leave?")))
        async with asyncio.timeout(5):
            while not path.asked:  # noqa: ASYNC110 - the far side has no event to wait on
                await asyncio.sleep(0.005)
        async with agent(url, bearers.person) as ann:
            assert code_of(await ann.call_tool("search", {"query": "leave"})) == "person_answers_at_once"
            searched = await client.post(
                "/v1/search", json={"query": "leave"}, headers={"Authorization": f"Bearer {bearers.person}"}
            )
            assert (searched.status_code, searched.json()["error"]["code"]) == (429, "person_answers_at_once")
            limited = await ann.call_tool("search", {"query": "leave"})
            assert code_of(limited) == "person_requests_per_minute"
        async with agent(url, bearers.bob) as bob:
            assert code_of(await bob.call_tool("search", {"query": "leave"})) is None
        held.cancel()
        async with asyncio.timeout(5):
            await path.closed.wait()


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_the_work_stops_when_the_agent_leaves_and_its_place_is_free(
    mode: str, parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    path.hang_after = 1
    few = with_limits(parts, answers_at_once=1, queue_wait_s=5)
    async with serving(few) as url:
        async with agent(url, bearers.person, mode=mode) as leaving:
            asking = asyncio.create_task(leaving.call_tool("ask", {"question": "Leave?"}))
            async with asyncio.timeout(5):
                while not path.asked:  # noqa: ASYNC110 - the far side has no event to wait on
                    await asyncio.sleep(0.005)
            assert not path.closed.is_set()
            asking.cancel()
        async with asyncio.timeout(5):
            await path.closed.wait()
        path.hang_after = None
        async with agent(url, bearers.person, mode=mode) as client:
            assert code_of(await client.call_tool("ask", {"question": "Leave?"})) is None


async def test_what_a_caller_may_unmask_stands_in_the_answer_as_the_path_gave_it(
    url: str, bearers: Bearers, path: ScriptedPath
) -> None:
    """Nothing between the path and the agent changes an answer's words."""
    words = "Ask ann@example.com, [1] or <PERSON_8K2MAB3C4D5E6F7G>."
    path.pieces = (words, replace(the_answer(), text=words, claims=()))
    async with agent(url, bearers.person) as client:
        result = await client.call_tool("ask", {"question": "Whom?"})
    assert result.structured_content["text"] == words
    assert text(result).startswith(words)
    assert isinstance(path.pieces[-1], Answer)
