"""A small model server on loopback that speaks the OpenAI wire format over real HTTP, and can misbehave.

It is trusted only as far as the same contract passes on a real vLLM server: `make test-vllm`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.generation.stand_in_model import Engine, answer_to, babble_to, tokens_of, words_of

TOKEN_S = 0.004
"""How long a babbling stand-in takes for a token: so that it is still at work when somebody leaves."""


@dataclass(frozen=True)
class Reply:
    """How one request is answered. `pieces` None: a sentence of the passage that shares most words, or NOT_FOUND."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[str, ...] | None = None
    content_type: str = "text/event-stream; charset=utf-8"
    raw: bytes | None = None
    """Sent instead of events."""
    silent_after: int | None = None
    """Nothing more is sent after this many pieces; the connection stays open."""
    dies_after: int | None = None
    """The connection is cut after this many pieces; before the head of the answer if -1."""
    finish: str = "stop"


@dataclass
class StandIn:
    """`replies` are used one per question, then ordinary answers. `requests` are their bodies, `headers` theirs.

    `babbles`: it answers as a model of random weights. `context` is in tokens, `key` what `/v1` is opened with.
    """

    babbles: bool = False
    key: str | None = None
    context: int = 8192
    model: str | None = None
    """The only model it knows; None: whatever is asked for."""
    tokenizes: bool = True
    health: int = 200
    draining: bool = False
    """As vLLM from SIGTERM to its end: well, busy with what it has begun, and failing whatever is new."""
    engine: Engine = field(default_factory=Engine)
    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    counted: int = 0
    """Prompts whose tokens were asked for."""
    checked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever its health is asked for."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client closes a connection before its answer was complete."""
    base_url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines if line)
            length = int({name.lower(): value for name, value in headers.items()}.get("content-length", "0"))
            body = json.loads(await reader.readexactly(length) or b"{}")
            await self._route(first.split(" ")[1], headers, body, reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _route(
        self,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if self.draining and path not in ("/health", "/metrics"):
            await send_json(writer, 500, {"error": {"message": "cannot schedule new futures after shutdown"}})
        elif path == "/health":
            self.checked.set()
            await send(writer, self.health)
        elif path == "/metrics":
            await send(writer, 200, self.engine.metrics().encode(), "text/plain; version=0.0.4")
        elif path == "/tokenize" and self.tokenizes:
            self.counted += 1
            tokens = list(range(len(tokens_of(body["messages"]))))
            await send_json(writer, 200, {"count": len(tokens), "max_model_len": self.context, "tokens": tokens})
        elif path.startswith("/v1") and self.key and headers.get("Authorization") != f"Bearer {self.key}":
            await send_json(writer, 401, {"error": "Unauthorized"})
        elif path == "/v1/models":
            model = {"id": self.model or "m", "object": "model", "max_model_len": self.context}
            await send_json(writer, 200, {"object": "list", "data": [model]})
        elif path == "/v1/chat/completions":
            self.headers.append(headers)
            self.requests.append(body)
            await self._chat(body, reader, writer)
        else:
            await send_json(writer, 404, {"detail": "Not Found"})

    async def _chat(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.replies:
            await self._misbehave(self.replies.pop(0), body, reader, writer)
        elif self.model not in (None, body["model"]):
            await send_json(writer, 404, {"error": {"message": f"no {body['model']}", "code": 404}})
        elif len(tokens_of(body["messages"])) + body["max_tokens"] > self.context:
            await send_json(writer, 400, {"error": {"message": "longer than the context", "code": 400}})
        else:
            with self.engine.admission() as admitted:
                if admitted:
                    await self._answer(body, reader, writer)
                else:
                    await send(writer, 200, BUSY, EVENTS)

    async def _answer(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As vLLM: queue, prefill, one event a token; all is dropped as soon as the client leaves."""
        work = asyncio.create_task(self._work(body, writer))
        leaving = asyncio.create_task(reader.read())
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            self.left.set()
        for task in (work, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task

    async def _work(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        async with self.engine.turn():
            self.engine.prefill(body)
            words = words_of(babble_to(body) if self.babbles else answer_to(body))
            # The limit ends an answer in mid-sentence.
            pieces = words[: body["max_tokens"]]
            writer.write(head_of(200, EVENTS) + event({"role": "assistant", "content": ""}))
            for piece in pieces:
                if self.babbles:
                    await asyncio.sleep(TOKEN_S)
                self.engine.generated += 1
                writer.write(event({"content": piece}))
                await writer.drain()
            writer.write(event({"content": ""}, "stop" if pieces == words else "length") + DONE)
            await writer.drain()

    async def _misbehave(
        self, reply: Reply, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if reply.dies_after == -1:
            return
        writer.write(head_of(reply.status, reply.content_type, reply.headers))
        if reply.raw is not None or reply.status != 200:
            writer.write(reply.raw or b'{"error": {"message": "the prompt was: secret passage text"}}')
            await writer.drain()
            return
        writer.write(event({"role": "assistant", "content": ""}))
        pieces = words_of(answer_to(body)) if reply.pieces is None else reply.pieces
        for number, piece in enumerate(pieces):
            if number == reply.dies_after:
                return
            if number == reply.silent_after:
                break
            writer.write(event({"content": piece}))
            await writer.drain()
        if reply.silent_after is not None:
            await reader.read()
            self.left.set()
            return
        writer.write(event({"content": ""}, reply.finish) + DONE)
        await writer.drain()


EVENTS = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
BUSY = b'data: {"error": {"message": "secret passage text", "type": "Service Unavailable", "code": 503}}\n\n'
"""How vLLM refuses a streamed request when its queue is full: with status 200."""


@asynccontextmanager
async def stand_in(server: StandIn | None = None, port: int = 0) -> AsyncIterator[StandIn]:
    server = server or StandIn()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
    server.base_url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def head_of(status: int, content_type: str, headers: dict[str, str] | None = None) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{extra}Connection: close\r\n\r\n".encode()


async def send(writer: asyncio.StreamWriter, status: int, body: bytes = b"", content_type: str = "text/plain") -> None:
    writer.write(head_of(status, content_type) + body)
    await writer.drain()


async def send_json(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
    await send(writer, status, json.dumps(body).encode(), "application/json")
