"""Label values that a policy distinguishes, and combinations of them that different people may read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from evals.live.rights import Lines
from evals.oracle import LEVELS, Labels

DRAWS = 250
"""Combinations that are looked at. All of them would be millions; most of them have the same readers as another."""
OTHER_DEPARTMENT = "leak-elsewhere"
"""A department that no rule names."""


@dataclass(frozen=True, slots=True)
class Values:
    """By column, the values between which a rule, a link or an owner makes a difference."""

    departments: tuple[str, ...]
    tags: tuple[str, ...]
    owners: tuple[str, ...]
    names: tuple[str, ...]
    """Of people, groups and roles that a document can be shared with, or kept from."""
    compartments: tuple[str, ...]

    @property
    def number(self) -> int:
        columns = (self.departments, self.tags, self.owners, self.names, self.compartments)
        return sum(map(len, columns)) + len(LEVELS)


def values_of(lines: Lines, people: Sequence[str]) -> Values:
    """Those of a policy; `people` are whom a document may belong to."""
    rules = lines.rules
    parents = {link["parent"] for link in lines.links}
    groups = {name for name in parents if not name.startswith("compartment:")}
    return Values(
        departments=(*_sorted(r["department"] for r in rules if r["department"] != "*"), OTHER_DEPARTMENT),
        tags=_sorted(tag for rule in rules for tag in rule["tags"]),
        owners=tuple(people) if any(rule["owner"] != "*" for rule in rules) else (),
        names=(*_sorted(groups), *people) if any(rule["document"] == "@shared" for rule in rules) else (),
        compartments=_sorted(parents - groups),
    )


def combinations(lines: Lines, values: Values, people: Sequence[str], most: int, chance: Random) -> tuple[Labels, ...]:
    """At most so many, each with other readers than those before it as long as there are such; then those that bring
    in a value that none had. The first one tells people apart, if any does: without one, no leak could be noticed.
    """
    oracle = lines.oracle
    drawn = [_draw(values, chance) for _ in range(DRAWS)]
    readers = [frozenset(p for p in people if oracle.may([p], "read", labels)) for labels in drawn]
    telling = next((number for number, who in enumerate(readers) if 0 < len(who) < len(people)), 0)
    drawn.insert(0, drawn.pop(telling))
    readers.insert(0, readers.pop(telling))
    taken: list[Labels] = []
    seen_readers: set[frozenset[str]] = set()
    for labels, who in zip(drawn, readers, strict=True):
        if who not in seen_readers and len(taken) < most:
            seen_readers.add(who)
            taken.append(labels)
    seen = {value for labels in taken for value in _values_in(labels)}
    for labels in drawn:
        if len(taken) < most and not _values_in(labels) <= seen:
            seen |= _values_in(labels)
            taken.append(labels)
    return tuple(taken)


def _draw(values: Values, chance: Random) -> Labels:
    def some(column: Sequence[str], share: float) -> tuple[str, ...]:
        return (chance.choice(column),) if column and chance.random() < share else ()

    return Labels(
        name="",
        department=chance.choice(values.departments),
        level=chance.randrange(len(LEVELS)),
        tags=_sorted({*some(values.tags, 0.6), *some(values.tags, 0.2)}),
        owner=next(iter(some(values.owners, 0.3)), ""),
        shares=some(values.names, 0.4),
        denied_shares=some(values.names, 0.15),
        compartments=some(values.compartments, 0.15),
    )


def _values_in(labels: Labels) -> set[tuple[str, Any]]:
    columns = {"tag": labels.tags, "share": labels.shares, "denied": labels.denied_shares, "wall": labels.compartments}
    single = {("department", labels.department), ("level", labels.level), ("owner", labels.owner)}
    return single | {(column, value) for column, held in columns.items() for value in held}


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
