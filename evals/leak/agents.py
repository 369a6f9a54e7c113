"""The official MCP client, over the HTTP client that the other surfaces are asked through."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

REVISION = "2026-07-28"
"""Of the protocol. This one needs no handshake: a question is one request, and one for the tools' schemas."""


class Through(httpx2.AsyncBaseTransport):
    """Sends what the MCP client sends through `client`, and keeps every response in `seen`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.seen: list[httpx.Response] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._client.request(
            request.method, str(request.url), headers=request.headers.multi_items(), content=await request.aread()
        )
        self.seen.append(response)
        return httpx2.Response(response.status_code, headers=response.headers.multi_items(), content=response.content)


@asynccontextmanager
async def agent(through: Through, url: str, headers: Mapping[str, str]) -> AsyncIterator[Client]:
    """A client of the service at `url` whose every request carries `headers`."""
    async with (
        httpx2.AsyncClient(transport=through, headers=dict(headers), timeout=120) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=REVISION) as client,
    ):
        yield client


def status_of(meta: Mapping[str, Any] | None) -> int:
    """The HTTP status that stands for a refused tool call."""
    return int((meta or {}).get("ringfence", {}).get("status", httpx.codes.INTERNAL_SERVER_ERROR))
