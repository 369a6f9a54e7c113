"""Callers who send or read slowly, too much, half, or in two minds: each has one clear outcome, and bounded cost."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
from structlog.testing import capture_logs

from rag.api.parts import AppParts
from rag.domain import Answer, Principal
from rag.query.parts import Options
from rag.settings import ServiceSettings
from tests.api.conftest import TEXT, Bearers, ScriptedPath, serving

SHORT_S = 0.3
BODY = json.dumps({"model": "ringfence", "messages": [{"role": "user", "content": "Leave?"}]}).encode()
STREAM = json.dumps(json.loads(BODY) | {"stream": True}).encode()


def impatient(parts: AppParts, **limits: float) -> AppParts:
    service = ServiceSettings(**{"requests_per_minute": 1000, "body_bytes_max": 20_000} | limits)  # type: ignore[arg-type]
    return replace(parts, settings=parts.settings.model_copy(update={"service": service}))


def head(bearer: str, *more: str, method: str = "POST", path: str = "/v1/chat/completions") -> bytes:
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {bearer}",
        "Content-Type: application/json",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode()


def sized(body: bytes = BODY) -> str:
    return f"Content-Length: {len(body)}"


@dataclass
class Line:
    """A raw connection. Nothing that comes is read before it is asked for, beyond 128 kB."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def rest(self) -> bytes:
        """Everything up to the end that the far side makes."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
    async with asyncio.timeout(20):
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()


async def is_well(url: str, bearers: Bearers) -> bool:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {bearers.person}", "Content-Type": "application/json"}
        response = await client.post("/v1/chat/completions", content=BODY, headers=headers)
        return bool(response.json()["choices"][0]["message"]["content"] == TEXT)


async def test_who_closes_her_half_after_the_question_has_left_and_the_work_stops(
    url: str, bearers: Bearers, path: ScriptedPath
) -> None:
    path.hang_after = 0
    async with line_to(url) as line:
        await line.send(head(bearers.person, sized()), BODY)
        while not path.asked:  # noqa: ASYNC110 - the far side has no event to wait on
            await asyncio.sleep(0.01)
        line.writer.write_eof()
        await path.closed.wait()
        assert await line.rest() == b""
    path.hang_after = None
    assert await is_well(url, bearers)


@pytest.mark.parametrize("declared", [sized(), "Transfer-Encoding: chunked"], ids=["length", "chunked"])
async def test_half_a_body_is_no_question(declared: str, url: str, bearers: Bearers, path: ScriptedPath) -> None:
    with capture_logs() as events:
        async with line_to(url) as line:
            await line.send(head(bearers.person, declared), BODY[:10] if "Length" in declared else b"a\r\n" + BODY[:10])
            line.writer.write_eof()
            assert b" 200 " not in await line.rest()
        assert path.asked == []
        assert await is_well(url, bearers)
    # Who leaves is nobody's crash.
    assert [event["code"] for event in events if event["event"] in ("request", "crashed")] == ["client_left", ""]


async def test_a_head_that_does_not_end_is_cut_off_and_one_that_comes_in_pieces_is_not(
    parts: AppParts, bearers: Bearers
) -> None:
    async with serving(impatient(parts, head_timeout_s=SHORT_S)) as url:
        async with line_to(url) as silent, line_to(url) as unfinished:
            await unfinished.send(head(bearers.person)[:-2])
            assert await silent.rest() == await unfinished.rest() == b""
        async with line_to(url) as line:
            whole = head(bearers.person, sized())
            await line.send(whole[:40], whole[40:], BODY[:20], BODY[20:])
            assert b" 200 OK" in await line.reader.readuntil(b"\r\n")


async def test_an_answer_may_take_longer_than_a_head(parts: AppParts, bearers: Bearers, path: ScriptedPath) -> None:
    """The limit is on what the caller does, not on how long she is kept waiting."""
    path.hang_after = 1
    async with serving(impatient(parts, head_timeout_s=SHORT_S, body_timeout_s=SHORT_S)) as url, line_to(url) as line:
        await line.send(head(bearers.person, sized(STREAM)), STREAM)
        await line.reader.readuntil(b"Annual leave")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S * 3):
                await path.closed.wait()


async def test_a_body_that_does_not_end_is_refused_and_the_connection_is_ended(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    limits = impatient(parts, head_timeout_s=SHORT_S, body_timeout_s=SHORT_S)
    async with serving(limits) as url, line_to(url) as line:
        await line.send(head(bearers.person, "Content-Length: 1000"), BODY[:20])
        answered = await line.reader.readuntil(b"\r\n\r\n")
        assert b" 408 " in answered
        assert b"body_too_slow" in await line.rest()
        assert path.asked == []
        assert await is_well(url, bearers)


@pytest.mark.parametrize("bearer", ["rf_nobody", ""], ids=["stranger", "known"])
async def test_after_a_refusal_nobody_goes_on_sending_for_ever(bearer: str, parts: AppParts, bearers: Bearers) -> None:
    async with serving(impatient(parts, head_timeout_s=SHORT_S)) as url, line_to(url) as line:
        await line.send(head(bearer or bearers.person, "Transfer-Encoding: chunked"))
        chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
        with pytest.raises(ConnectionError):
            while True:
                await line.send(chunk)
                await asyncio.sleep(0)


class Endless(ScriptedPath):
    """Never runs out of things to say, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.said = 0

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        try:
            while True:
                self.said += 1
                yield "x" * 10_000
        finally:
            self.closed.set()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends a connection that is not read")
async def test_who_does_not_read_holds_up_the_generator_and_is_cut_off(parts: AppParts, bearers: Bearers) -> None:
    path = Endless()
    async with serving(impatient(replace(parts, path=path), reader_timeout_s=SHORT_S)) as url, line_to(url) as line:
        await line.send(head(bearers.person, sized(STREAM)), STREAM)
        await line.reader.readuntil(b"data: ")
        await path.closed.wait()
    # What the kernel and both sides' buffers take, which is far from endless.
    assert path.said < 2000


async def test_connections_above_the_limit_are_told_so_and_come_in_when_one_leaves(
    parts: AppParts, bearers: Bearers
) -> None:
    async with serving(impatient(parts, connections_max=2)) as url:
        request = head(bearers.person, method="GET", path="/v1/models")
        async with line_to(url) as second:
            async with line_to(url) as first:
                for line in (first, second):
                    await line.send(request)
                    assert b" 200 " in await line.reader.readuntil(b"\r\n\r\n")
                async with line_to(url) as third:
                    await third.send(request)
                    assert b" 503 " in await third.rest()
            async with line_to(url) as third:
                # The one that left may not be known to have left at once.
                await third.send(request)
                while b" 200 " not in await third.reader.readuntil(b"\r\n"):
                    await third.send(request)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ],
    ids=["tls", "version", "long", "null", "many", "lengths", "negative", "digits", "chunk", "both"],
)
async def test_what_is_not_http_is_the_callers_mistake(request_bytes: bytes, url: str, bearers: Bearers) -> None:
    async with line_to(url) as line:
        await line.send(request_bytes)
        answered = await line.rest()
    # A stranger whose body is not HTTP is refused as a stranger, before her body is looked at.
    assert answered[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 404", b"")
    assert await is_well(url, bearers)
