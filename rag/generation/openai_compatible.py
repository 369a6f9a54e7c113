"""The generator on OpenAI-compatible model servers, written for vLLM.

The request is built field by field here; nothing of a caller's body is ever forwarded. Closing the iterator
closes the connection, which makes the server stop: vLLM aborts within half a second.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from rag.errors import GeneratorUnavailable
from rag.generation.answer_form import answer_pattern
from rag.generation.context import fit
from rag.generation.faults import BadStream, Busy, Fault, Refused, Unreachable
from rag.generation.layout import laid_out, numbers_back
from rag.generation.messages import Message, build_messages, load_prompts
from rag.generation.model_server import Body, ModelServer
from rag.generation.model_servers import ModelServers
from rag.generation.pieces import renumbered, unmarked, without_not_found
from rag.generation.protocol import GenerationRequest
from rag.settings import GeneratorSettings

BACKOFF_S, BACKOFF_MAX_S = 0.25, 4.0
BROKEN_MAX = 2
"""Servers that may break on one request. A prompt that crashes a server must not be carried through all of them."""
CHARS_PER_TOKEN_MAX = 32
"""More text than this per allowed token comes from a server that ignores `max_tokens`."""

_log = logging.getLogger(__name__)
_backoff = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_MAX_S)


@dataclass(slots=True)
class _Asked:
    """A request on its way: until when it must have begun (time of the loop), and which servers broke on it."""

    request: GenerationRequest
    deadline: float
    broken: set[ModelServer] = field(default_factory=set)


class OpenAIGenerator:
    """Streams from `POST {base_url}/chat/completions`. Retries only before the first piece of an answer.

    `clock` counts seconds for breakers and rests; `sleep` waits for them. `faults` of the servers are counted by kind,
    `retries` are rounds after the first.
    """

    def __init__(
        self,
        settings: GeneratorSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.servers = ModelServers(settings, clock)
        self.faults: Counter[str] = Counter()
        self.retries = 0
        self._settings = settings
        self._prompts = load_prompts()
        self._sleep = sleep

    @property
    def name(self) -> str:
        return self._settings.model or ""

    @property
    def verbatim(self) -> bool:
        return False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.servers.watch_health()
        chars_left = self._max_tokens(request) * CHARS_PER_TOKEN_MAX
        try:
            async with AsyncExitStack() as stack:
                pieces = without_not_found(await self._open(request, stack))
                async for piece in await stack.enter_async_context(aclosing(pieces)):
                    chars_left -= len(piece)
                    if chars_left < 0:
                        raise BadStream("sent more text than it was asked for")
                    yield piece
        except Fault as cause:
            raise GeneratorUnavailable(f"The model server {cause}; no answer was made. {cause.advice}") from cause

    async def close(self) -> None:
        await self.servers.close()

    async def _open(self, request: GenerationRequest, stack: AsyncExitStack) -> AsyncGenerator[str, None]:
        """The pieces of an answer that has begun; what must be closed afterwards is put on `stack`."""
        limit_s = self._settings.first_token_timeout_s
        asked = _Asked(request, asyncio.get_running_loop().time() + limit_s)
        rounds = AsyncRetrying(
            retry=retry_if_exception_type((Busy, Unreachable)),
            # A wait that ends after the person has stopped waiting is not begun.
            stop=stop_after_attempt(self._settings.attempts) | stop_before_delay(limit_s),
            wait=_wait_s,
            sleep=self._sleep,
            before_sleep=self._count_retry,
            reraise=True,
        )
        return await rounds(self._round, asked, stack)

    def _count_retry(self, _state: RetryCallState) -> None:
        self.retries += 1

    async def _round(self, asked: _Asked, stack: AsyncExitStack) -> AsyncGenerator[str, None]:
        """The pieces of the first server that begins to answer. Each that may be asked is asked once."""
        faults: list[Fault] = []
        for server in self.servers.in_order(asked.request):
            if server in asked.broken:
                continue
            try:
                return await self._attempt(server, asked, stack)
            except Fault as fault:
                _log.warning("model_server=%s fault=%s: it %s", server.name, type(fault).__name__, fault)
                faults.append(fault)
                self.faults[type(fault).__name__] += 1
                if isinstance(fault, BadStream):
                    asked.broken.add(server)
                if len(asked.broken) >= BROKEN_MAX or (isinstance(fault, Refused) and not fault.elsewhere):
                    raise
                if asyncio.get_running_loop().time() >= asked.deadline:
                    raise
        raise _most_hopeful(faults or [self.servers.none_usable()])

    async def _attempt(self, server: ModelServer, asked: _Asked, stack: AsyncExitStack) -> AsyncGenerator[str, None]:
        async with AsyncExitStack() as attempt:
            attempt.enter_context(server.serving())
            try:
                async with asyncio.timeout_at(asked.deadline):
                    fitted = await self._fitted(server, asked.request)
                    pieces = await attempt.enter_async_context(server.stream(self._body(fitted)))
                    first = await anext(pieces, "")
            except TimeoutError:
                raise BadStream(f"sent nothing within {self._settings.first_token_timeout_s:g} s") from None
            await stack.enter_async_context(attempt.pop_all())
            own = unmarked(self._timed(first, pieces), fitted.mark)
            return renumbered(own, numbers_back(fitted.passages))
        raise AssertionError("unreachable: the stack swallows no exception")

    async def _fitted(self, server: ModelServer, request: GenerationRequest) -> GenerationRequest:
        max_tokens = self._max_tokens(request)
        return await fit(request, self._messages, server.count, context=server.context, max_tokens=max_tokens)

    def _body(self, request: GenerationRequest) -> Body:
        body: Body = {
            "model": self.name,
            "messages": self._messages(request),
            "max_tokens": self._max_tokens(request),
            "temperature": request.temperature,
            "stream": True,
            "cache_salt": request.cache_salt,
        }
        if self._settings.structured_output:
            body["structured_outputs"] = {"regex": answer_pattern(len(request.passages))}
        return body

    def _messages(self, request: GenerationRequest) -> list[Message]:
        return build_messages(self._prompts, replace(request, passages=tuple(laid_out(request.passages))))

    def _max_tokens(self, request: GenerationRequest) -> int:
        return min(request.max_tokens, self._settings.max_tokens)

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


def _most_hopeful(faults: list[Fault]) -> Fault:
    """The one after which the request is worth another round, or else the last."""
    busy = [fault for fault in faults if isinstance(fault, Busy)]
    if busy:
        return min(busy, key=lambda fault: fault.retry_after_s or 0.0)
    return next((fault for fault in faults if isinstance(fault, Unreachable)), faults[-1])


def _wait_s(state: RetryCallState) -> float:
    """What the server asked for, or an exponential back-off; random, so that callers do not return together."""
    jittered = _backoff(state)
    cause = state.outcome.exception() if state.outcome else None
    asked = cause.retry_after_s if isinstance(cause, Busy) else None
    return jittered if asked is None else asked + jittered
