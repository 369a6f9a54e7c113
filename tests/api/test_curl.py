"""curl, as the README shows it: nothing between the caller and the bytes."""

import asyncio
import json
import shutil

import pytest

from tests.api.conftest import TEXT, Bearers

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not installed")
BODY = {"model": "ringfence", "messages": [{"role": "user", "content": "How many days of leave?"}]}


async def curl(url: str, bearer: str, *options: str, sent: bytes | None = None) -> tuple[int, str]:
    """The status and the body."""
    headers = ("-H", f"Authorization: Bearer {bearer}", "-H", "Content-Type: application/json")
    process = await asyncio.create_subprocess_exec(
        str(CURL), "-sS", "--noproxy", "*", "--max-time", "20", "-w", "\n%{http_code}", *headers, *options, url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate(sent)
    body, _, status = output.decode().rpartition("\n")
    return int(status), body


async def test_a_question_is_answered_whole_and_as_a_stream(url: str, bearers: Bearers) -> None:
    address = f"{url}/v1/chat/completions"
    status, body = await curl(address, bearers.person, "-d", json.dumps(BODY))
    assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, TEXT)
    status, body = await curl(address, bearers.person, "-N", "-d", json.dumps(BODY | {"stream": True}))
    events = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert (status, events[-1]) == (200, "[DONE]")
    pieces = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
    assert "".join(pieces) == TEXT


@pytest.mark.parametrize("encoding", ["Content-Length: 2000000", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_too_large_is_told_so_and_not_merely_cut_off(
    encoding: str, url: str, bearers: Bearers
) -> None:
    """curl asks before it sends so much (`Expect: 100-continue`), and again when it is told not to."""
    for expect in ("Expect: 100-continue", "Expect:"):
        status, body = await curl(
            f"{url}/v1/chat/completions", bearers.person, "-H", encoding, "-H", expect, "--data-binary", "@-",
            sent=b" " * 2_000_000,
        )  # fmt: skip
        assert (status, json.loads(body)["error"]["code"]) == (413, "body_too_large")


async def test_a_stranger_is_told_how_to_call(url: str) -> None:
    status, body = await curl(f"{url}/v1/models", "rf_wrong")
    assert (status, json.loads(body)["error"]["code"]) == (401, "unauthenticated")
