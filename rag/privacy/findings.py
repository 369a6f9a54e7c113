"""What finding personal data yields: positions, never values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.errors import RingfenceError


class NotAnalysed(RingfenceError):
    """A text could not be analysed to its end. Nothing that was found so far is given: half masked is not masked."""

    def __init__(self, part: str, cause: str) -> None:
        super().__init__(
            f"A text could not be searched for personal data: {part} failed ({cause}). It must not be stored or shown. "
            "If it is a document, it is not indexed; report the kind of document and this message."
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """Characters `start` to `end` are a value of this kind."""

    start: int
    end: int
    entity: str
    score: float


class KnownValues(Protocol):
    """Values that a tenant knows to be personal, such as those of a directory of employees."""

    def find(self, text: str) -> Sequence[Finding]:
        """Where they stand in a text, in any order. Takes time linear in the text, however many values there are."""
        ...


def resolve_overlaps(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """The longest wins, then the higher score; what is left of a loser is kept, so that no part of it leaks."""
    order = sorted(set(findings), key=lambda f: (f.start - f.end, -f.score, f.start, f.entity))
    taken: list[Finding] = []
    # One flag per character: texts are some thousand characters, findings a few hundred.
    free = bytearray(b"\x01") * len(text)
    for finding in order:
        for start, end in _free_parts(free, finding.start, finding.end):
            whole = (start, end) == (finding.start, finding.end)
            if whole or sum(map(str.isalnum, text[start:end])) >= 2:
                first, last = (start, end) if whole else _stripped(text, start, end)
                taken.append(Finding(first, last, finding.entity, finding.score))
                free[first:last] = bytes(last - first)
    return sorted((f for f in taken if f.end > f.start), key=lambda f: f.start)


def _free_parts(free: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    parts, position = [], start
    while (first := free.find(1, position, end)) >= 0:
        stop = free.find(0, first, end)
        position = end if stop < 0 else stop
        parts.append((first, position))
    return parts


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end
