"""A front before the service with one fault, for the self-test: an eval that this does not turn red measures nothing.

search, ask, passage   are answered as if the widest reader had asked
hide                   finds nothing, whoever asks
late                   what is there takes longer, though it may not be read
shape                  what is there is answered with one header more
"""

import asyncio
import json
from collections.abc import Collection
from typing import Any

import httpx

ANSWERS = ("search", "ask", "passage", "hide")
SIGNS = ("late", "shape")
LATE_S = 0.05


class FaultyFront(httpx.AsyncBaseTransport):
    """Sends through `inner`. `widest` is the authorization of whoever may read most, `there` the words and ids that
    are planted.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, fault: str, widest: str, there: Collection[str]) -> None:
        self._inner = inner
        self._fault = fault
        self._widest = widest
        self._there = there

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        said = f"{request.url} {(await request.aread()).decode()}"
        kind = _kind(request, said)
        if kind == self._fault:
            request.headers["Authorization"] = self._widest
        about = self._fault in SIGNS and any(word in said for word in self._there)
        if about and self._fault == "late":
            await asyncio.sleep(LATE_S)
        response = await self._inner.handle_async_request(request)
        if about and self._fault == "shape":
            response.headers["X-Index-Generation"] = "1"
        if self._fault == "hide" and request.url.path == "/v1/search" and response.status_code == httpx.codes.OK:
            await response.aread()
            return httpx.Response(response.status_code, json={**response.json(), "data": []})
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _kind(request: httpx.Request, said: str) -> str:
    path = request.url.path
    if path == "/mcp":
        return _tool(said.partition(" ")[2])
    if path.endswith("/passage"):
        return "passage"
    return {"/v1/search": "search", "/v1/chat/completions": "ask"}.get(path, "")


def _tool(body: str) -> str:
    try:
        call: dict[str, Any] = json.loads(body)
    except ValueError:
        return ""
    if call.get("method") == "resources/read":
        return "passage"
    name = str(call.get("params", {}).get("name", "")) if call.get("method") == "tools/call" else ""
    return name
