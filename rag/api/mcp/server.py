"""The protocol of one request: a server of the SDK that knows its caller, answers once, and is gone.

Stateless, so that any replica can answer any request and nothing outlives a revocation. Clients of the revision
2026-07-28 get progress while an answer is made; to older ones the answer is one JSON document, without progress.
"""

import asyncio
from importlib.metadata import version
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from rag.api.errors import ClientLeft
from rag.api.mcp.call import Call
from rag.api.mcp.passages import passage_template, read_passage
from rag.api.mcp.refusals import contain
from rag.api.mcp.tools import DECLARED, TOOLS, offered_to, run_tool
from rag.api.streams import in_a_task_of_its_own, unless_left

INSTRUCTIONS = (
    "Answers from the documents of a company, for the person you act for: you see what she may read, and nothing else. "
    "What she may not read looks like what does not exist. Keep citations and their links in what you write."
)
_VERSION = version("ringfence")
_Context = ServerRequestContext[Any, Any]


def server_of(call: Call) -> Server[Any]:
    """A server for the one request `call`."""

    async def list_tools(context: _Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=offered_to(call))

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        if params.name not in TOOLS:
            raise MCPError(code=INVALID_PARAMS, message=f"There is no such tool. There are: {', '.join(TOOLS)}.")
        progress = context.session.report_progress
        return await in_a_task_of_its_own(run_tool(call, params.name, params.arguments or {}, progress))

    async def list_resources(context: _Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=[])

    async def list_templates(context: _Context, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=[passage_template(call)])

    async def read_resource(context: _Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        return await in_a_task_of_its_own(read_passage(call, params.uri))

    server = Server[Any](
        "ringfence",
        version=_VERSION,
        title="Ringfence",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=lambda name: DECLARED[name].input_schema if name in DECLARED else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
    # In the place of the SDK's spans, which carry names that callers choose and the text of exceptions.
    server.middleware[:] = [contain]
    return server


class ProtocolResponse(Response):
    """The SDK's answer to one request whose body is `body`; work stops when the caller leaves."""

    def __init__(self, call: Call, body: bytes) -> None:
        self._call = call
        self._body = body
        self.status_code = 200
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(self._body, receive, send)
        try:
            await unless_left(exchange.leaving, self._answer(scope, exchange))
        except ClientLeft as left:
            scope["ringfence.code"] = left.code

    async def _answer(self, scope: Scope, exchange: "_Exchange") -> None:
        asked = self._call.request.headers.get(MCP_PROTOCOL_VERSION_HEADER)
        # The SDK's streams for older revisions stand on sse-starlette, which ends all of a process's streams at once
        # when it is told to stop, and so would not let answers finish.
        manager = StreamableHTTPSessionManager(
            server_of(self._call),
            stateless=True,
            json_response=asked not in MODERN_PROTOCOL_VERSIONS,
            # The application's own limit was held already.
            max_request_body_size=self._call.parts.settings.service.body_bytes_max,
        )
        async with manager.run():
            await manager.handle_request(scope, exchange.receive, exchange.send)


class _Exchange:
    """What the SDK reads and writes: a body that is there already, and the answer."""

    def __init__(self, body: bytes, receive: Receive, send: Send) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._receive = receive
        self._send = send
        self._complete = False

    async def receive(self) -> Message:
        """The body, once. The caller's leaving is not told here: it ends the whole exchange."""
        return self._messages.pop() if self._messages else await _never()

    async def leaving(self) -> Message:
        """What the caller sends, until the answer is complete: then the server says that she left."""
        message = await self._receive()
        return await _never() if self._complete else message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # The SDK's cache-control lets caches keep a stream; the envelope's forbids it. Its status is an enum.
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
            message = {**message, "headers": headers, "status": int(message["status"])}
        elif not message.get("more_body", False):
            self._complete = True
        await self._send(message)


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets that event")
