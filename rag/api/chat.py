"""`/v1`: the part that OpenAI's clients speak."""

import secrets
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from rag.api.caller import RequiredPrincipal, VerifiedBearer
from rag.api.completions import DONE, Shape, Usage, event, hit_record, timings_record
from rag.api.errors import error_object, known
from rag.api.explaining import WishedAccount
from rag.api.explanation import explained
from rag.api.logs import answer_facts, log, log_crash, timing_facts
from rag.api.parts import AppState, state_of
from rag.api.schemas import (
    MODEL,
    ChatRequest,
    SearchRequest,
    checked_question,
    question_of,
    read_body,
    refuse_unsupported,
)
from rag.api.streams import EventStream, Pump, unless_left
from rag.domain import Answer
from rag.errors import RingfenceError
from rag.query.account import Account
from rag.query.parts import Options

router = APIRouter(prefix="/v1")

SendText = Callable[[str], Awaitable[None]]


@router.post("/chat/completions", operation_id="create_chat_completion")
async def create_chat_completion(request: Request, principal: RequiredPrincipal, account: WishedAccount) -> Response:
    """Answer the last user message from what the caller's person may read, with citations.

    Everything that can be refused is refused before the first byte: a stream that has begun has status 200.
    """
    state = state_of(request)
    chat = await read_body(request, ChatRequest)
    refuse_unsupported(chat)
    question = question_of(chat, state.parts.settings)
    slot = await unless_left(request.receive, state.queue.enter(principal))
    pump = Pump(state.parts.path.ask(question, principal, _options(chat, state, account)))

    def end() -> None:
        pump.stop()
        slot.release()

    shape = Shape(f"chatcmpl-{secrets.token_hex(16)}", int(time.time()), state.parts.public_url, account)
    try:
        if not chat.stream:
            answer = await unless_left(request.receive, _whole(pump))
            _note(request, state, answer)
            end()
            return JSONResponse(shape.completion(answer, _usage(question, answer, state)))
        first = await unless_left(request.receive, pump.next())
    except BaseException:
        end()
        raise
    include_usage = chat.stream_options is not None and chat.stream_options.include_usage
    streamed = _Streamed(request, state, shape, pump, first, question, include_usage)
    return EventStream(streamed.write, end)


class _Streamed:
    """One answer on its way out, event by event."""

    def __init__(
        self,
        request: Request,
        state: AppState,
        shape: Shape,
        pump: Pump[str | Answer],
        first: str | Answer | None,
        question: str,
        include_usage: bool,
    ) -> None:
        self._request = request
        self._state = state
        self._shape = shape
        self._pump = pump
        self._first = first
        self._question = question
        self._include_usage = include_usage

    async def write(self, send: SendText) -> None:
        """Send the whole stream. A failure on the way is an error event, and then the stream is not `[DONE]`."""
        await send(self._shape.opening())
        try:
            answer = await self._pieces(send)
        except RingfenceError as error:
            await self._fail(error, send)
            return
        except Exception as cause:  # noqa: BLE001 - the status is sent; all that is left is to say it in the stream
            log_crash(cause)
            await self._fail(known(cause), send)
            return
        _note(self._request, self._state, answer)
        await send(self._shape.closing(answer))
        if self._include_usage:
            await send(self._shape.usage_chunk(_usage(self._question, answer, self._state)))
        await send(DONE)

    async def _pieces(self, send: SendText) -> Answer:
        current = self._first
        while isinstance(current, str):
            await send(self._shape.piece(current))
            current = await self._pump.next()
        return _finished(current)

    async def _fail(self, error: RingfenceError, send: SendText) -> None:
        log.warning("stream_failed", code=error.code)
        self._request.scope["ringfence.code"] = error.code
        await send(event(error_object(error), name="error"))


@router.get("/models", operation_id="list_models")
async def list_models(bearer: VerifiedBearer) -> Response:
    """The one model there is."""
    return JSONResponse({"object": "list", "data": [_model()]})


@router.get("/models/{model}", operation_id="retrieve_model")
async def retrieve_model(model: str, bearer: VerifiedBearer) -> Response:
    """The one model there is, by its name."""
    if model != MODEL:
        raise RingfenceError(f"There is one model here: {MODEL!r}.", code="not_found")
    return JSONResponse(_model())


@router.post("/search", operation_id="search")
async def search(request: Request, principal: RequiredPrincipal, account: WishedAccount) -> Response:
    """The passages nearest to a query among those the caller's person may read, masked."""
    state = state_of(request)
    parts = state.parts
    wanted = await read_body(request, SearchRequest)
    query = checked_question(wanted.query, "query", parts.settings)
    slot = await unless_left(request.receive, state.queue.enter(principal))
    try:
        found = await unless_left(request.receive, parts.path.search(query, principal, wanted.limit, account))
    finally:
        slot.release()
    request.scope["ringfence.log"] |= {"epoch": found.epoch, **timing_facts(found.timings)}
    return JSONResponse(
        {
            "object": "list",
            "data": [hit_record(chunk, parts.public_url) for chunk in found.chunks],
            "epoch": found.epoch,
            "timings": timings_record(found.timings),
            **explained(account),
        }
    )


def _model() -> dict[str, object]:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": "ringfence"}


def _options(chat: ChatRequest, state: AppState, account: Account | None) -> Options:
    """The caller's wishes; a longer answer than the service gives is cut to what it gives, not refused."""
    asked = chat.max_completion_tokens or chat.max_tokens
    longest = state.parts.settings.generator.max_tokens
    return Options(
        max_tokens=None if asked is None else min(asked, longest),
        temperature=chat.temperature,
        account=account,
    )


async def _whole(pump: Pump[str | Answer]) -> Answer:
    event = await pump.next()
    while isinstance(event, str):
        event = await pump.next()
    return _finished(event)


def _finished(event: Answer | None) -> Answer:
    if event is None:
        raise RuntimeError("the path of the question ended without an answer")
    return event


def _usage(question: str, answer: Answer, state: AppState) -> Usage:
    count = state.parts.count_tokens
    return Usage(prompt=count(question), completion=count(answer.text))


def _note(request: Request, state: AppState, answer: Answer) -> None:
    state.parts.metrics.answer(found=answer.found, stages=answer.timings.stages)
    request.scope["ringfence.log"] |= answer_facts(answer)
