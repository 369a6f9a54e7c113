"""Can everybody's rights still be searched with? An estimate that is quick for many callers and never too low.

Making a plan tells for sure, and takes milliseconds. Here the rules of a group or role are added up once, for
everybody who is in it; only a caller whose sum exceeds the budget needs a plan of her own to tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.extents import Standing
from policies.plan import ALLOWED_MAX, CLAUSE_MAX, FIXED_MAX, LIST_MAX
from policies.rules import ANY, SELF, Effect, Level, Rule
from policies.snapshot import Snapshot

_NOTHING = -1
"""Below every level."""
_NAMES_AND_WALLS = 2
"""Conditions on denied shares and compartments, which stand in every plan."""


@dataclass(frozen=True, slots=True)
class Size:
    """Conditions of a plan: of all allow clauses, of the widest of them, and of what is denied."""

    allowing: int
    widest: int
    denying: int


@dataclass(frozen=True, slots=True)
class _Sum:
    """Of one subject's rules: level and conditions of each allow clause, up to which level everything is allowed,
    the conditions of all deny clauses, and the number of rules."""

    allowing: tuple[tuple[Level, int], ...]
    unconditional: int
    denying: int
    rules: int


class Budget:
    """Estimates the plans of many callers for `action`. For one thread at a time."""

    def __init__(self, snapshot: Snapshot, action: str) -> None:
        self._snapshot = snapshot
        self._action = action
        self._sums: dict[str, _Sum] = {}

    def surely_kept(self, standing: Standing) -> bool:
        """Whether `plan` cannot raise PlanTooLarge for this caller. If False, only making the plan tells."""
        size = self.size(standing)
        return (
            size is not None
            and size.allowing <= ALLOWED_MAX
            and size.widest <= CLAUSE_MAX
            and size.denying <= FIXED_MAX
            and len(standing.compartments) <= LIST_MAX
        )

    def size(self, standing: Standing) -> Size | None:
        """No less than her plan takes; None where a list could grow longer than one condition holds."""
        sums = [self._sum(name) for name in standing.names]
        if max(len(standing.names), sum(found.rules for found in sums)) > LIST_MAX:
            return None
        unconditional = max(found.unconditional for found in sums)
        # A clause that allows everything up to its level swallows all others up to there.
        sizes = [size for found in sums for level, size in found.allowing if level > unconditional]
        return Size(
            allowing=sum(sizes) + (unconditional > _NOTHING),
            widest=max(sizes, default=1),
            denying=sum(found.denying for found in sums) + _NAMES_AND_WALLS,
        )

    def _sum(self, name: str) -> _Sum:
        found = self._sums.get(name)
        if found is None:
            found = self._sums[name] = _add_up(self._snapshot.rules_for((name,), self._action))
        return found


def _add_up(rules: tuple[Rule, ...]) -> _Sum:
    allowing = tuple(_clauses(rule for rule in rules if rule.effect is Effect.ALLOW))
    return _Sum(
        allowing=allowing,
        unconditional=max((level for level, size in allowing if size == 1), default=_NOTHING),
        denying=sum(size for _, size in _clauses(rule for rule in rules if rule.effect is Effect.DENY)),
        rules=len(rules),
    )


def _clauses(rules: Iterable[Rule]) -> Iterator[tuple[Level, int]]:
    """Level and conditions of the rules' clauses, where those that differ in the department only are one clause."""
    departments: defaultdict[tuple[Level, frozenset[str], str, str], set[str]] = defaultdict(set)
    for rule in rules:
        departments[rule.level, rule.tags, rule.owner, rule.document].add(rule.department)
    for (level, tags, owner, document), named in departments.items():
        # The level is a condition of its own, and each list is one.
        yield level, 1 + len(tags) + (owner == SELF) + (document != ANY) + (ANY not in named)
