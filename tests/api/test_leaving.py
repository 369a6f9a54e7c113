"""Nobody works for a caller who is gone: the generator behind an answer is cancelled."""

import asyncio
import json

import httpx
import pytest

from tests.api.conftest import Bearers, ScriptedPath


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hang_after", [0, 1])
async def test_the_work_stops_when_the_caller_leaves(
    hang_after: int, stream: bool, url: str, bearers: Bearers, path: ScriptedPath
) -> None:
    path.hang_after = hang_after
    body = json.dumps({"model": "ringfence", "messages": [{"role": "user", "content": "Leave?"}], "stream": stream})
    host, port = httpx.URL(url).host, httpx.URL(url).port
    reader, writer = await asyncio.open_connection(host, port)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearers.person}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    await writer.drain()
    async with asyncio.timeout(10):
        if stream and hang_after:
            await reader.readuntil(b"Annual leave")
        while not path.asked:  # noqa: ASYNC110 - the far side has no event to wait on
            await asyncio.sleep(0.01)
        assert not path.closed.is_set()
        writer.close()
        await path.closed.wait()


async def test_a_finished_answer_leaves_nothing_running(url: str, bearers: Bearers, path: ScriptedPath) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        for stream in (False, True):
            path.closed.clear()
            body = {"model": "ringfence", "messages": [{"role": "user", "content": "Leave?"}], "stream": stream}
            headers = {"Authorization": f"Bearer {bearers.person}"}
            assert (await client.post("/v1/chat/completions", json=body, headers=headers)).status_code == 200
            async with asyncio.timeout(10):
                await path.closed.wait()
