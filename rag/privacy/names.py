"""Which entries of a vault stand for the same person, by the parts of her name.

*Another spelling* has the same parts: "Dr Ann Lee" and "LEE, Ann" of "Ann Lee" (titles and initials are no parts).
*A part of it* has some of them: "Lee", "Mr Lee". It is hers alone if no other name of the tenant has it too.
*A longer name* has them all and more: "Ann Lee Parker" may well be somebody else.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Parts: TypeAlias = frozenset[str]


class Why(StrEnum):
    """Why a token is erased."""

    NAMED = "named"
    SPELLING = "another_spelling"
    PART = "part_of_the_name"


class Kept(StrEnum):
    """Why a related token is not."""

    SHARED = "part_of_other_names"
    LONGER = "longer_name"


@dataclass(frozen=True, slots=True)
class Decision:
    """By token. `kept` tells for a shared part how many other entries have it."""

    erased: Mapping[str, Why]
    kept: Mapping[str, tuple[Kept, int]]


def decide(names: Collection[Parts], named: Collection[str], entries: Mapping[str, Parts]) -> Decision:
    """What goes with the `names` and the tokens `named`, among the entries that share a part with one of them."""
    by_parts = Counter(entries.values())
    others = {parts: number for parts, number in by_parts.items() if not any(parts <= name for name in names)}
    users = {
        parts: sum(number for other, number in others.items() if parts < other)
        for parts in by_parts
        if any(parts < name for name in names)
    }
    erased: dict[str, Why] = {}
    kept: dict[str, tuple[Kept, int]] = {}
    for token, parts in entries.items():
        if token in named:
            erased[token] = Why.NAMED
        elif parts in names:
            erased[token] = Why.SPELLING
        elif users.get(parts) == 0:
            erased[token] = Why.PART
        elif parts in users:
            kept[token] = (Kept.SHARED, users[parts])
        elif any(name < parts for name in names):
            kept[token] = (Kept.LONGER, 0)
    return Decision(erased, kept)
