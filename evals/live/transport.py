"""The way to the service: patient where it says that too much was asked, and with a clock."""

import asyncio
import time

import httpx

from rag.errors import Unavailable

WAIT_S_MAX = 120.0
TRIES = 20
_SECONDS = "ringfence.seconds"


class Patient(httpx.AsyncBaseTransport):
    """Sends through `inner`, and once more after what `Retry-After` says. Notes how long the last try took.

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
            wait = response.headers.get("retry-after")
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or wait is None:
                return response
            if float(wait) > WAIT_S_MAX:
                raise Unavailable(f"The service asks to wait {wait} s: a limit of its settings is too low for a run.")
            await asyncio.sleep(float(wait))
        raise Unavailable("The service refused a call for its limits again and again.")

    async def aclose(self) -> None:
        await self._inner.aclose()


def seconds_of(response: httpx.Response) -> float:
    """How long the service took, without waiting for its limits."""
    return float(response.extensions[_SECONDS])
