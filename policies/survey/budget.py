"""Can everybody's rights still be searched with? An estimate that is quick for many callers and never too low.

Making a plan tells for sure, and takes milliseconds. Here the rules of a group or role are added up once, for
everybody who is in it; only a caller whose sum exceeds the budget needs a plan of her own to tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from policies.plan import ALLOWED_MAX, CLAUSE_MAX, FIXED_MAX, LIST_MAX, PlanTooLarge, plan
from policies.rules import ANY, SELF, Caller, Effect, Level, Rule
from policies.snapshot import Snapshot
from policies.survey.extents import Standing
from policies.survey.moves import Move, touched

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


class _Clause(NamedTuple):
    level: Level
    size: int
    departments: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Sum:
    """Of one subject's rules: the level up to which everything of a department, or of ANY, is allowed; the other
    allow clauses; the conditions of all deny clauses; and the number of rules."""

    everything: Mapping[str, Level]
    allowing: tuple[_Clause, ...]
    denying: int
    rules: int


def require_searchable(before: Snapshot, after: Snapshot, people: Iterable[Caller]) -> None:
    """Return if everybody's rights can be searched with after the edit as they could before it.

    Removals count as well: without a wide rule, the many that it made superfluous stand in the plan again. Rights
    that were too large before may stay so: they can then be mended step by step.

    Raises:
        PlanTooLarge: names the first whose rights can no longer be searched with.
    """
    moves = [Move.of(before, after, caller) for caller in people]
    for action, subjects in touched(before, after).items():
        budget = Budget(after, action)
        for move in moves:
            if move.concerned(subjects) and not budget.surely_kept(move.after):
                _require_no_worse(before, after, move.caller, action)


def _require_no_worse(before: Snapshot, after: Snapshot, caller: Caller, action: str) -> None:
    try:
        plan(after, (caller,), action)
    except PlanTooLarge as cause:
        try:
            plan(before, (caller,), action)
        except PlanTooLarge:
            return
        raise cause


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
        everything: dict[str, int] = {ANY: _NOTHING}
        for found in sums:
            for department, level in found.everything.items():
                everything[department] = max(level, everything.get(department, _NOTHING))
        everywhere = everything[ANY]
        # What allows everything, everywhere or of a department, swallows all other clauses up to its level there.
        sizes = [
            clause.size
            for found in sums
            for clause in found.allowing
            if any(clause.level > max(everywhere, everything.get(name, _NOTHING)) for name in clause.departments)
        ]
        # Departments of one level are one list.
        sizes += [2 for level in set(everything.values()) if level > everywhere]
        return Size(
            allowing=sum(sizes) + 1,
            widest=max(sizes, default=1),
            denying=sum(found.denying for found in sums) + _NAMES_AND_WALLS,
        )

    def _sum(self, name: str) -> _Sum:
        found = self._sums.get(name)
        if found is None:
            found = self._sums[name] = _add_up(self._snapshot.rules_for((name,), self._action))
        return found


def _add_up(rules: tuple[Rule, ...]) -> _Sum:
    everything: dict[str, Level] = {}
    restricted: list[Rule] = []
    for rule in rules:
        if rule.effect is Effect.ALLOW and not rule.tags and rule.owner == rule.document == ANY:
            everything[rule.department] = max(rule.level, everything.get(rule.department, rule.level))
        elif rule.effect is Effect.ALLOW:
            restricted.append(rule)
    denying = sum(clause.size for clause in _clauses(rule for rule in rules if rule.effect is Effect.DENY))
    return _Sum(everything, tuple(_clauses(restricted)), denying, len(rules))


def _clauses(rules: Iterable[Rule]) -> Iterator[_Clause]:
    """The rules' clauses, where those that differ in the department only are one."""
    departments: defaultdict[tuple[Level, frozenset[str], str, str], set[str]] = defaultdict(set)
    for rule in rules:
        departments[rule.level, rule.tags, rule.owner, rule.document].add(rule.department)
    for (level, tags, owner, document), named in departments.items():
        # The level is a condition of its own, and each list is one.
        size = 1 + len(tags) + (owner == SELF) + (document != ANY) + (ANY not in named)
        yield _Clause(level, size, frozenset(named))
