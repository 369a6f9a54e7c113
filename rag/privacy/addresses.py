"""Postal addresses and places put together from their parts, whoever found those.

A place by itself (`Berlin`) is a PLACE: it leads to nobody, and documents are searched for it. Beside a street, a
house number or a postcode it is part of an address (LOCATION), which is masked whole. A number alone is neither.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_GAP = re.compile(r"[ \t\u00a0]{0,3}[,;.]?[ \t\u00a0]{0,3}(?:\r?\n)?[ \t]{0,4}[,]?[ \t]{0,2}(?:\r?\n)?[ \t]{0,4}")
_STATE = re.compile(r"[\s,]{1,6}[A-Za-z]{2,3}[\s,]{1,6}")
_TOWN_BETWEEN = re.compile(
    r"[ \t]{0,3}(?:,|,?\r?\n)[ \t]{0,4}(?:[^\W\d_][\w'\u2019.-]{0,30}[ ]?){1,4}[ \t]{0,3}(?:,|,?\r?\n)?[ \t]{0,4}"
)
_AND = re.compile(r"[ ](?:and|&)[ ]", re.IGNORECASE)
_WITHIN = re.compile(r"[ ](?:of|and|of the|and the|the|&)[ ]", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]{3}")
_BEFORE = re.compile(
    r"(?:\b(?:the )?(?:corner|intersection) of |\b(?:(?:democratic|people's|federal|islamic) )?"
    r"(?:kingdom|republic|commonwealth|state|province|county|city|town|village) of (?:the )?)\Z",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"[ ](?:islands?|republic|emirates|kingdom|province|county|guinea|republic of [A-Za-z]{2,20})\b", re.IGNORECASE
)
_POSTCODE_LABEL = re.compile(
    r"(?:zip|post(?:al)?[ -]?code|zip[ -]?code|plz|p\.?o\.? box|address)\W{0,3}\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Part:
    """Characters that look like part of an address. `sure`: a street, a number or a postcode, not just a place."""

    start: int
    end: int
    sure: bool
    score: float


@dataclass(frozen=True, slots=True)
class Address:
    """`entity` is LOCATION for an address and PLACE for a place by itself."""

    start: int
    end: int
    entity: str
    score: float


def assemble(text: str, parts: Iterable[Part]) -> Iterator[Address]:
    """The addresses and places that the parts make up, in order."""
    group: list[Part] = []
    for part in sorted(parts, key=lambda p: (p.start, -p.end)):
        if group and not _adjoins(text, group, part):
            yield from _judged(text, group)
            group = []
        group.append(part)
    if group:
        yield from _judged(text, group)


def _adjoins(text: str, group: Sequence[Part], part: Part) -> bool:
    start, end = min(p.start for p in group), max(p.end for p in group)
    if part.start <= end:
        return True
    if part.start - end > 48:
        return False
    if part.sure and any(p.sure for p in group) and _is_town(text, end, part.start):
        return True
    if _GAP.fullmatch(text, end, part.start):
        return True
    if _STATE.fullmatch(text, end, part.start):
        return text[part.start].isdigit() and (text[end : part.start].strip(" ,\n\t").isupper() or part.sure)
    if not part.sure and not group[-1].sure and _WITHIN.fullmatch(text, end, part.start):
        return True
    # "Lucchese Street and 12 Oak Road" is a crossing; two house numbers are two addresses.
    numbers = bool(_DIGIT.search(text, start, end)) + bool(_DIGIT.search(text, part.start, part.end))
    return (
        part.sure and any(p.sure for p in group) and numbers < 2 and _AND.fullmatch(text, end, part.start) is not None
    )


def _is_town(text: str, start: int, end: int) -> bool:
    """Whether a town stands between a street and a postcode: capitalised words behind a comma or on their own line."""
    return text[start:end].strip(" ,\r\n\t")[:1].isupper() and _TOWN_BETWEEN.fullmatch(text, start, end) is not None


def _judged(text: str, group: Sequence[Part]) -> Iterator[Address]:
    start, end = min(part.start for part in group), max(part.end for part in group)
    score = max(part.score for part in group)
    if before := _BEFORE.search(text, max(0, start - 40), start):
        start = before.start()
    if after := _AFTER.match(text, end):
        end = after.end()
    sure = any(part.sure for part in group)
    if any(_LETTERS.search(text, part.start, part.end) for part in group):
        numbered = _DIGIT.search(text, start, end) is not None
        yield Address(start, end, "LOCATION" if sure and numbered else "PLACE", score)
    elif sure and _POSTCODE_LABEL.search(text, max(0, start - 24), start):
        yield Address(start, end, "LOCATION", score)
