"""A client for OpenAI-compatible model servers, written for vLLM.

The request is built field by field here; nothing of a caller's body is ever forwarded. Closing the iterator
closes the connection, which makes the server stop: vLLM aborts within half a second.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import TypedDict

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from rag.errors import GeneratorUnavailable, Misuse
from rag.generation.event_stream import BadStream, ErrorEvent, read_pieces
from rag.generation.messages import NOT_FOUND, Message, build_messages, load_prompts
from rag.generation.protocol import GenerationRequest
from rag.settings import GeneratorSettings

RETRY_STATUS = frozenset({429, 503})
"""vLLM answers 503 when its queue is full, without saying when to come back."""
BACKOFF_S, BACKOFF_MAX_S = 0.25, 4.0
RETRY_AFTER_MAX_S = 20.0
"""A server that asks for a longer wait is reported as unavailable: a person is waiting."""
CHARS_PER_TOKEN_MAX = 32
"""More text than this per allowed token comes from a server that ignores `max_tokens`."""
CONNECTIONS_MAX = 128


_ADVICE = "Check RINGFENCE_GENERATOR__BASE_URL and the server, then retry."
_REFUSALS = {
    400: (
        "did not take the request (status 400); mostly it is longer than the model's context",
        "Lower RINGFENCE_GENERATOR__CONTEXT_CHARS or RINGFENCE_GENERATOR__MAX_TOKENS, or raise the server's limit.",
    ),
    401: ("did not take the key (status 401)", "Check RINGFENCE_GENERATOR__API_KEY."),
    403: ("did not take the key (status 403)", "Check RINGFENCE_GENERATOR__API_KEY."),
    404: (
        "knows no such model or address (status 404)",
        "Check RINGFENCE_GENERATOR__MODEL and RINGFENCE_GENERATOR__BASE_URL, which ends in /v1.",
    ),
}
"""What a status means on vLLM, and what to do. Its own words are not repeated: servers quote the prompt in them."""


class Body(TypedDict):
    """Every field that is ever sent. Chat templates, tools, images, priorities and the like are not among them."""

    model: str
    messages: list[Message]
    max_tokens: int
    temperature: float
    stream: bool
    cache_salt: str


class _Busy(Exception):
    """The server may take the same request later; nothing of an answer has been received."""

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class _Refused(Exception):
    """The same request will be refused again."""

    def __init__(self, status: int) -> None:
        what, advice = _REFUSALS.get(status, (f"refused the request with status {status}", _ADVICE))
        super().__init__(what)
        self.advice = advice


class OpenAIGenerator:
    """Streams from `POST {base_url}/chat/completions`. Retries only before the first piece of an answer."""

    def __init__(
        self, settings: GeneratorSettings, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        if not settings.base_url or not settings.model:
            raise Misuse(
                "The openai generator needs RINGFENCE_GENERATOR__BASE_URL and RINGFENCE_GENERATOR__MODEL.",
                code="bad_settings",
            )
        self._settings = settings
        self._model = settings.model
        self._prompts = load_prompts()
        self._sleep = sleep
        self._client = httpx.AsyncClient(
            base_url=settings.base_url.rstrip("/") + "/",
            timeout=httpx.Timeout(None, connect=settings.connect_timeout_s),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            # A proxy variable of the process, or a redirect, would carry passages to another host.
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def name(self) -> str:
        return self._model

    @property
    def verbatim(self) -> bool:
        return False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        body = self._body(request)
        chars_left = body["max_tokens"] * CHARS_PER_TOKEN_MAX
        try:
            async with AsyncExitStack() as stack:
                pieces = _without_not_found(await self._open(body, stack))
                async for piece in await stack.enter_async_context(aclosing(pieces)):
                    chars_left -= len(piece)
                    if chars_left < 0:
                        raise BadStream("sent more text than it was asked for")
                    yield piece
        except _Refused as cause:
            raise _unavailable(str(cause), cause.advice) from cause
        except BadStream as cause:
            raise _unavailable(str(cause)) from cause
        except httpx.HTTPError as cause:
            raise _unavailable(f"broke off ({type(cause).__name__})") from cause
        except _Busy as cause:
            raise _unavailable(f"{cause}, at {self._settings.attempts} attempts") from cause

    async def close(self) -> None:
        await self._client.aclose()

    def _body(self, request: GenerationRequest) -> Body:
        return {
            "model": self._model,
            "messages": build_messages(self._prompts, request),
            "max_tokens": min(request.max_tokens, self._settings.max_tokens),
            "temperature": request.temperature,
            "stream": True,
            "cache_salt": request.cache_salt,
        }

    async def _open(self, body: Body, stack: AsyncExitStack) -> AsyncGenerator[str, None]:
        """The pieces of an answer that has begun; what must be closed afterwards is put on `stack`."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_Busy),
            stop=stop_after_attempt(self._settings.attempts),
            wait=_wait_s,
            sleep=self._sleep,
            reraise=True,
        )
        return await attempts(self._attempt, body, stack)

    async def _attempt(self, body: Body, stack: AsyncExitStack) -> AsyncGenerator[str, None]:
        async with AsyncExitStack() as attempt:
            try:
                async with asyncio.timeout(self._settings.first_token_timeout_s):
                    response = await attempt.enter_async_context(self._post(body))
                    _require_stream(response)
                    pieces = await attempt.enter_async_context(aclosing(read_pieces(response.aiter_bytes())))
                    first = await anext(pieces, "")
            except TimeoutError:
                raise BadStream(f"sent nothing within {self._settings.first_token_timeout_s:g} s") from None
            except ErrorEvent as cause:
                # With a full queue vLLM begins the stream, status 200, and says 503 in it.
                if cause.status in RETRY_STATUS:
                    raise _Busy(f"is busy (status {cause.status})") from cause
                raise
            except (httpx.ConnectError, httpx.ConnectTimeout) as cause:
                raise _Busy("could not be reached") from cause
            await stack.enter_async_context(attempt.pop_all())
            return self._timed(first, pieces)
        raise AssertionError("unreachable: the stack swallows no exception")

    def _post(self, body: Body) -> AbstractAsyncContextManager[httpx.Response]:
        key = self._settings.api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        return self._client.stream("POST", "chat/completions", json=body, headers=headers)

    async def _timed(self, first: str, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """All pieces, none later than the limit after the one before."""
        piece = first
        while piece:
            yield piece
            try:
                async with asyncio.timeout(self._settings.token_timeout_s):
                    piece = await anext(pieces, "")
            except TimeoutError:
                raise BadStream(f"went silent for {self._settings.token_timeout_s:g} s") from None


def _require_stream(response: httpx.Response) -> None:
    if response.status_code in RETRY_STATUS:
        raise _Busy(f"is busy (status {response.status_code})", _retry_after_s(response))
    if response.status_code != httpx.codes.OK:
        raise _Refused(response.status_code)
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise BadStream("did not answer with an event stream")


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    if not value.isdigit():
        return None
    if int(value) > RETRY_AFTER_MAX_S:
        raise BadStream("is busy and asks to come back later than a person can wait")
    return float(value)


_backoff = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_MAX_S)


def _wait_s(state: RetryCallState) -> float:
    """What the server asked for, or an exponential back-off; random, so that callers do not return together."""
    jittered = _backoff(state)
    cause = state.outcome.exception() if state.outcome else None
    asked = cause.retry_after_s if isinstance(cause, _Busy) else None
    return jittered if asked is None else asked + jittered


async def _without_not_found(pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The same pieces, or none when the text begins with what the prompt asks for in place of an answer.

    The beginning is held back until it is clear which of the two it is.
    """
    held: str | None = ""
    async for piece in pieces:
        if held is None:
            yield piece
            continue
        held += piece
        beginning = held.lstrip(" \n\t\"'`*").upper().replace(" ", "_")
        if beginning.startswith(NOT_FOUND):
            return
        if not NOT_FOUND.startswith(beginning):
            yield held
            held = None


def _unavailable(what: str, advice: str = _ADVICE) -> GeneratorUnavailable:
    return GeneratorUnavailable(f"The model server {what}; no answer was made. {advice}")
