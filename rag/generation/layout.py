"""The order of passages in a prompt, and the way back from its numbers to the request's.

A server keeps the work on the beginning of a prompt for the next one that begins alike. Passages come best first,
which differs from question to question; laid out in an order of their own, the same ones begin alike more often:
`ringfence eval prefixes` finds 51 % of the prompts' text in a cache of GPU blocks instead of 38 %.
"""

from collections.abc import Sequence
from dataclasses import replace

from rag.generation.protocol import Passage


def laid_out(passages: Sequence[Passage]) -> list[Passage]:
    """`passages` by title and text, numbered from 1 in that order."""
    return [replace(passage, number=number) for number, passage in enumerate(_ordered(passages), start=1)]


def numbers_back(passages: Sequence[Passage]) -> dict[str, str]:
    """The number in the prompt to the number in `passages`, for each of `laid_out(passages)`."""
    return {str(number): str(passage.number) for number, passage in enumerate(_ordered(passages), start=1)}


def _ordered(passages: Sequence[Passage]) -> list[Passage]:
    return sorted(passages, key=lambda passage: (passage.title, passage.text))
