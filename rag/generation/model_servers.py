"""The servers of one model: which one a question goes to, and their health."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx

from rag.domain import digest_of
from rag.errors import Misuse
from rag.generation.faults import Busy, Fault, LeftAlone
from rag.generation.layout import laid_out
from rag.generation.model_server import ModelServer
from rag.generation.protocol import GenerationRequest
from rag.settings import GeneratorSettings

LOAD_RATIO = 1.25
"""A server with more than this times its even share of the running requests is asked last, whatever it has cached."""


class ModelServers:
    """Open for the life of a generator. Health is checked in the background from the first question on."""

    def __init__(self, settings: GeneratorSettings, clock: Callable[[], float]) -> None:
        """Raises Misuse: the settings name no server, or something that is no address."""
        if not settings.base_urls or not settings.model:
            raise Misuse(
                "The openai generator needs RINGFENCE_GENERATOR__BASE_URL and RINGFENCE_GENERATOR__MODEL.",
                code="bad_settings",
            )
        for url in settings.base_urls:
            _require_address(url)
        self._servers = tuple(ModelServer(url, settings, clock) for url in settings.base_urls)
        self._health_interval_s = settings.health_interval_s
        self._watch: asyncio.Task[None] | None = None

    def in_order(self, request: GenerationRequest) -> list[ModelServer]:
        """The servers that may be asked now, the one first that most likely has the prompt's beginning in its cache.

        Rendezvous hashing with bounded load: the same passages under the same rights go to the same server as long
        as it is there and not busier than the others, and when a server goes, only its share moves.
        """
        beginning = [request.cache_salt, *(passage.text for passage in laid_out(request.passages)[:1])]
        usable = [server for server in self._servers if server.usable]
        share = (sum(server.in_flight for server in usable) + 1) / max(len(usable), 1)
        bound = math.ceil(LOAD_RATIO * share)
        weight = {server: digest_of([server.url, *beginning]) for server in usable}
        return sorted(usable, key=lambda server: (server.in_flight >= bound, weight[server]))

    def __iter__(self) -> Iterator[ModelServer]:
        """All of them, in the order of the settings."""
        return iter(self._servers)

    def none_usable(self) -> Fault:
        """Why `in_order` is empty."""
        resting = [server.rests_s for server in self._servers if server.rests_s > 0 and server.healthy]
        if resting:
            return Busy("is busy and asked to be left alone", min(resting))
        return LeftAlone("; ".join(dict.fromkeys(server.why_unusable for server in self._servers)))

    def watch_health(self) -> None:
        """Begin the background checks on the running loop, once."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._check_health(), name="health of model servers")

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        for server in self._servers:
            await server.close()

    async def _check_health(self) -> None:
        while True:
            await asyncio.sleep(self._health_interval_s)
            await asyncio.gather(*(server.check_health() for server in self._servers))


def _require_address(url: str) -> None:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise Misuse(
            "RINGFENCE_GENERATOR__BASE_URL takes addresses like http://vllm:8000/v1, separated by spaces.",
            code="bad_settings",
        )
