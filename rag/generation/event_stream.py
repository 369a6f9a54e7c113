"""Server-sent events of a chat completion: bytes in, text out. Everything a server sends is untrusted and bounded."""

from collections.abc import AsyncGenerator, AsyncIterator

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.generation.faults import BadStream, ErrorEvent
from rag.generation.protocol import CUT

LINE_BYTES_MAX = 262_144
"""One event. A server that sends more without a line break is not speaking this protocol."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Delta(_Part):
    content: str | None = None


class _Choice(_Part):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Error(_Part):
    code: int | None = None


class _Event(_Part):
    choices: list[_Choice] | None = None
    error: _Error | None = None


async def read_pieces(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The non-empty pieces of text in order, until the server says that it is done; `CUT` last if at its limit.

    Raises:
        BadStream: not this format, an error in mid-stream, or the end came before the server had finished.
    """
    finished = False
    async for line in _lines(chunks):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        for choice in _choices_of(data)[:1]:
            if choice.delta.content:
                yield choice.delta.content
            if choice.finish_reason == "length" and not finished:
                yield f" {CUT}"
            finished = finished or choice.finish_reason is not None
    if not finished:
        raise BadStream("ended its answer in the middle")


def _choices_of(data: bytes) -> list[_Choice]:
    try:
        event = _Event.model_validate_json(data)
    except ValidationError:
        raise BadStream("sent an event that is not a chat completion") from None
    if event.error is not None:
        raise ErrorEvent(event.error.code)
    if event.choices is None:
        raise BadStream("sent an event that is not a chat completion")
    return event.choices


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Lines without their ends, at most `LINE_BYTES_MAX` of memory each."""
    pending = b""
    async for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(pending) > LINE_BYTES_MAX:
            raise BadStream("sent a line that is too long")
    if pending:
        yield pending.rstrip(b"\r")
