"""Agents for the tests: the official MCP client, over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

MODERN = "2026-07-28"
ACCEPT = "application/json, text/event-stream"


@asynccontextmanager
async def agent(url: str, bearer: str, *, mode: str = "legacy", **headers: str) -> AsyncIterator[Client]:
    """A client of `/mcp` below `url`; `mode` is how it agrees on a revision of the protocol."""
    sent = {"Authorization": f"Bearer {bearer}", **headers}
    async with (
        httpx2.AsyncClient(headers=sent, trust_env=False, timeout=10) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def code_of(result: Any) -> str | None:
    """The code of a refused tool call; None for one that was not refused."""
    return result.meta["ringfence"]["code"] if result.is_error else None


def tool_call(tool: str = "search", **arguments: Any) -> dict[str, Any]:
    """The message of a tool call, as older revisions have it."""
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


async def post(client: httpx.AsyncClient, bearer: str, message: Any = None, **headers: str) -> httpx.Response:
    """One message without the official client; by itself a search."""
    sent = {"Authorization": f"Bearer {bearer}", "Accept": ACCEPT, **headers}
    return await client.post("/mcp", json=tool_call(query="leave") if message is None else message, headers=sent)
