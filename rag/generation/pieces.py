"""What is done to the pieces of an answer on their way: never more is held back than what is not decided yet."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from rag.generation.messages import NOT_FOUND

_MARKER = re.compile(r"\[\d{1,3}(?:\s*,\s*\d{1,3})*\]")
_NUMBER = re.compile(r"\d+")
_BEGUN = re.compile(r"\[[\d\s,]{0,60}$")
"""The end of a piece that may be the beginning of a marker."""


async def without_not_found(pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The same pieces, or none when the text begins with what the prompt asks for in place of an answer.

    The beginning is held back until it is clear which of the two it is.
    """
    held: str | None = ""
    async with aclosing(pieces):
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


async def unmarked(pieces: AsyncGenerator[str, None], mark: str) -> AsyncGenerator[str, None]:
    """The same text without the data mark and the blank after it, for a model that copied them with a passage.

    The end of a piece that may be the beginning of a mark is held back.
    """
    whole = f"{mark} "
    held = ""
    async with aclosing(pieces):
        async for piece in pieces:
            text = (held + piece).replace(whole, "")
            kept = next((n for n in range(min(len(mark), len(text)), 0, -1) if text.endswith(mark[:n])), 0)
            text, held = text[: len(text) - kept], text[len(text) - kept :]
            if text := text.replace(mark, ""):
                yield text
    if held := held.replace(mark, ""):
        yield held


async def renumbered(pieces: AsyncGenerator[str, None], numbers: dict[str, str]) -> AsyncGenerator[str, None]:
    """The same text with the numbers of markers replaced. One that no passage has becomes 0, which means none.

    A piece that ends within a marker is held back until the rest of it has come.
    """
    held = ""
    async with aclosing(pieces):
        async for piece in pieces:
            text = _MARKER.sub(lambda marker: _NUMBER.sub(lambda n: numbers.get(n[0], "0"), marker[0]), held + piece)
            begun = _BEGUN.search(text)
            whole = text[: begun.start()] if begun else text
            held = text[len(whole) :]
            if whole:
                yield whole
    if held:
        yield held
