"""One OpenAI-compatible model server, as vLLM is one: what is sent to it, and what its answers mean."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Literal, NotRequired, TypedDict

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from rag.generation.breaker import Breaker
from rag.generation.context import Count
from rag.generation.event_stream import read_pieces
from rag.generation.faults import BUSY_STATUS, BadStream, Busy, ErrorEvent, Fault, Unreachable, refusal_of
from rag.generation.messages import Message
from rag.settings import GeneratorSettings

CONNECTIONS_MAX = 128
KEEP_ALIVE_S = 2.0
"""Below the 5 s after which vLLM closes an idle connection: else a question meets one that is just being closed."""
COUNT_BYTES_MAX = 8_388_608
"""vLLM sends the ids of all tokens with their count: some 800,000 of them."""
State = Literal["ready", "resting", "breaker_half_open", "breaker_open", "unhealthy"]
WITHOUT_HEALTH = frozenset({404, 405, 501})
"""A server, or a proxy before it, that has no `/health`: it answers, so it is there."""

_log = logging.getLogger(__name__)


class StructuredOutputs(TypedDict):
    regex: str


class Body(TypedDict):
    """Every field that is ever sent. Chat templates, tools, images, priorities and the like are not among them."""

    model: str
    messages: list[Message]
    max_tokens: int
    temperature: float
    stream: Literal[True]
    cache_salt: str
    structured_outputs: NotRequired[StructuredOutputs]


class _Tokenized(BaseModel):
    model_config = ConfigDict(extra="ignore")

    count: int
    max_model_len: int


class ModelServer:
    """`name` is host and port, for logs. `context` is the model's context in tokens, once the server has told it.

    `in_flight` requests have been sent and are not finished. `healthy` is what the last health check found: an
    unhealthy server is draining, or gone, so what runs there may end and nothing new is begun.
    """

    def __init__(self, base_url: str, settings: GeneratorSettings, clock: Callable[[], float]) -> None:
        address = httpx.URL(base_url)
        self.name = address.host if address.port is None else f"{address.host}:{address.port}"
        self.url = base_url
        self._root = base_url.removesuffix("/v1")
        self._model = settings.model or ""
        self._health_timeout_s = settings.connect_timeout_s
        self._clock = clock
        self._resting_until = 0.0
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_open_s, clock)
        key = settings.api_key
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=httpx.Timeout(None, connect=settings.connect_timeout_s),
            limits=httpx.Limits(
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                keepalive_expiry=KEEP_ALIVE_S,
            ),
            # A proxy variable of the process, or a redirect, would carry passages to another host.
            trust_env=False,
            follow_redirects=False,
        )
        self.context: int | None = None
        self.in_flight = 0
        self.healthy = True

    @property
    def usable(self) -> bool:
        """Whether a new request may be sent now."""
        return self.healthy and self._breaker.admits and self.rests_s == 0

    @property
    def state(self) -> State:
        """In one word, the first that holds."""
        if not self.healthy:
            return "unhealthy"
        if self._breaker.state == "open":
            return "breaker_open"
        if self._breaker.state == "half_open":
            return "breaker_half_open"
        return "resting" if self.rests_s > 0 else "ready"

    @property
    def rests_s(self) -> float:
        """Seconds until the server wants to be asked again, by its own word."""
        return max(0.0, self._resting_until - self._clock())

    @property
    def why_unusable(self) -> str:
        return "it is not healthy" if not self.healthy else self._breaker.why

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Around one request, from before it is sent until its stream is closed."""
        self.in_flight += 1
        try:
            with self._breaker.watching():
                yield
        finally:
            self.in_flight -= 1

    @asynccontextmanager
    async def stream(self, body: Body) -> AsyncIterator[AsyncGenerator[str, None]]:
        """The pieces of an answer. Leaving the block closes the connection, and the server stops.

        Raises:
            Fault: also while the pieces are read.
        """
        with _told_as_faults():
            async with self._client.stream("POST", f"{self.url}/chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise BadStream("did not answer with an event stream")
                async with aclosing(self._pieces(response)) as pieces:
                    yield pieces

    async def count(self, messages: list[Message]) -> Count | None:
        """Tokens of a prompt by the server's own tokenizer and chat template; None where it offers none.

        Raises:
            Fault
        """
        body = {"model": self._model, "messages": messages}
        with _told_as_faults():
            async with self._client.stream("POST", f"{self._root}/tokenize", json=body) as response:
                if response.status_code in BUSY_STATUS or response.status_code >= 500:
                    raise self._refusal(response)
                if response.status_code != httpx.codes.OK:
                    return None
                raw = await _read(response, COUNT_BYTES_MAX)
        try:
            told = _Tokenized.model_validate_json(raw)
        except ValidationError:
            return None
        self.context = told.max_model_len
        return Count(told.count, told.max_model_len)

    async def check_health(self) -> None:
        """Ask the server whether it is well, and remember it."""
        try:
            timeout = self._health_timeout_s
            async with self._client.stream("GET", f"{self._root}/health", timeout=timeout) as response:
                status = response.status_code
        except httpx.HTTPError as cause:
            healthy, found = False, type(cause).__name__
        else:
            healthy, found = status == httpx.codes.OK or status in WITHOUT_HEALTH, str(status)
        if healthy != self.healthy:
            _log.warning("model_server=%s healthy=%s found=%s in_flight=%d", self.name, healthy, found, self.in_flight)
            # It may come back with another model or another limit.
            self.context = None
        self.healthy = healthy

    async def close(self) -> None:
        await self._client.aclose()

    async def _pieces(self, response: httpx.Response) -> AsyncGenerator[str, None]:
        begun = False
        try:
            async with aclosing(read_pieces(response.aiter_bytes())) as pieces:
                async for piece in pieces:
                    begun = True
                    yield piece
        except ErrorEvent as cause:
            # With a full queue vLLM begins the stream, status 200, and says 503 in it.
            if not begun and cause.status in BUSY_STATUS:
                raise Busy(f"is busy (status {cause.status})") from cause
            raise

    def _refusal(self, response: httpx.Response) -> Fault:
        status = response.status_code
        if status not in BUSY_STATUS:
            return refusal_of(status)
        asked = response.headers.get("retry-after", "")
        if not asked.isdecimal():
            return Busy(f"is busy (status {status})")
        self._resting_until = self._clock() + int(asked[:9])
        return Busy(f"is busy (status {status}) and wants to be asked again in {asked[:9]} s", int(asked[:9]))


async def _read(response: httpx.Response, bytes_max: int) -> bytes:
    raw = bytearray()
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > bytes_max:
            raise BadStream("sent more than it was asked for")
    return bytes(raw)


@contextmanager
def _told_as_faults() -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as cause:
        raise Unreachable from cause
    except httpx.HTTPError as cause:
        raise BadStream(f"broke off ({type(cause).__name__})") from cause
