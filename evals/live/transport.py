"""The way to the service: patient where it says that too much was asked, and with a clock."""

import asyncio
import time
from typing import Any

import httpx

from evals.leak.outputs import events_of, json_of
from rag.errors import Unavailable

WAIT_S_MAX = 120.0
TRIES = 20
_SECONDS = "ringfence.seconds"


class Patient(httpx.AsyncBaseTransport):
    """Sends through `inner`, and again after the time that a refusal names. Notes how long the last try took.

    A live service limits how often somebody may ask; a run is not a reason to lift that.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(TRIES):
            started = time.perf_counter()
            response = await self._inner.handle_async_request(request)
            await response.aread()
            response.extensions[_SECONDS] = time.perf_counter() - started
            wait = wait_of(response)
            if wait is None:
                return response
            if wait > WAIT_S_MAX:
                raise Unavailable(f"The service asks to wait {wait:g} s: a limit of its settings is too low for a run.")
            await asyncio.sleep(wait)
        raise Unavailable("The service refused a call for its limits again and again.")

    async def aclose(self) -> None:
        await self._inner.aclose()


def wait_of(response: httpx.Response) -> float | None:
    """Seconds after which a call that was too much may be made again; None where it was not refused for that.

    An agent's tool call is refused in its result, which comes with status 200.
    """
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("retry-after")
    elif b"retry_after_s" in response.content:
        waits = map(_in_result, [json_of(response), *events_of(response)])
        wait = next((one for one in waits if one is not None), None)
    else:
        wait = None
    return None if wait is None else float(wait)


def _in_result(message: Any) -> float | None:
    match message:
        case {"result": {"isError": True, "_meta": {"ringfence": {"retry_after_s": int() | float() as wait}}}}:
            return wait
        case _:
            return None


def seconds_of(response: httpx.Response) -> float:
    """How long the service took, without waiting for its limits."""
    return float(response.extensions[_SECONDS])
