"""A small model server on loopback that speaks the OpenAI wire format over real HTTP, and can misbehave.

It is trusted only as far as the same contract passes on a real vLLM server (RINGFENCE_TEST_VLLM_URL).
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rag.generation.words import content_of, coverage

PASSAGE = re.compile(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)
QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)


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
    """The connection is cut after this many pieces."""
    finish: str = "stop"


class StandIn:
    """`replies` are used one per request, then ordinary answers. `requests` are the bodies, `headers` theirs."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = asyncio.Event()
        """Set when a client closes a connection before its answer was complete."""
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.headers.append(dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line))
            self.requests.append(body)
            reply = self.replies.pop(0) if self.replies else Reply()
            await self._answer(reply, body, reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(
        self, reply: Reply, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        head = f"HTTP/1.1 {reply.status} X\r\nContent-Type: {reply.content_type}\r\n{extra}Connection: close\r\n\r\n"
        writer.write(head.encode())
        if reply.raw is not None or reply.status != 200:
            writer.write(reply.raw or b'{"error": {"message": "the prompt was: secret passage text"}}')
            await writer.drain()
            return
        writer.write(event({"role": "assistant", "content": ""}))
        pieces, finish = reply.pieces, reply.finish
        if pieces is None:
            # One word counts as one token, and the limit ends an answer in mid-sentence as on a real server.
            words = words_of(answer_to(body))
            pieces = words[: body["max_tokens"]]
            finish = "stop" if pieces == words else "length"
        for number, piece in enumerate(pieces):
            if number == reply.dies_after:
                return
            if number == reply.silent_after:
                await self._until_client_leaves(reader, writer)
                return
            writer.write(event({"content": piece}))
            await writer.drain()
        if reply.silent_after is not None:
            await self._until_client_leaves(reader, writer)
            return
        writer.write(event({"content": ""}, finish) + b"data: [DONE]\n\n")
        await writer.drain()

    async def _until_client_leaves(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.drain()
        await reader.read()
        self.left.set()


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    server = StandIn()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.base_url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def answer_to(body: dict[str, Any]) -> str:
    """What an obedient model would say: the passage's first sentence with its number, if it is about the question."""
    user = body["messages"][-1]["content"]
    found = QUESTION.search(user)
    wanted = content_of(found.group(1) if found else "")
    scored = [(coverage(wanted, content_of(text)), number, text) for number, text in PASSAGE.findall(user)]
    best = max(scored, default=(0.0, "0", ""))
    if best[0] < 0.5:
        return "NOT_FOUND"
    return f"{best[2].split('. ')[0].rstrip('.')} [{best[1]}]."


def words_of(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+", text))
