"""Which documents may these callers act on? A policy compiled into conditions that an index can filter by.

A plan is `DenyAll` or `Conditions`; there is no "allow all". It speaks about documents only through their
attributes, so it can be written before any document is looked at. It says exactly what `policies.check` says
for every document, one at a time; that equality is tested as a law against Casbin's own enforcer.

    Conditions = every Grant holds                                 (the person AND the assistant)
    Grant      = some allow clause, and no deny clause,
                 and no denied share meets `closure`,
                 and the document's compartments are all in `compartments`
    Clause     = every restriction that is not None
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from policies.rules import ANY, SELF, SHARED, Caller, Effect, Level, Rule
from policies.snapshot import Snapshot

Names = frozenset[str] | None
"""One of these; None does not restrict."""

LIST_MAX = 1000
"""Values that one condition of a filter compares with. Engines get slow beyond, and servers may refuse."""
FIXED_MAX = 100
"""Conditions that one grant puts into every search: its denials, denied shares and compartments."""
CLAUSE_MAX = 40
"""Conditions of one allow clause, which is never cut."""
ALLOWED_MAX = 500
"""Conditions of all allow clauses of one grant, which may be spread over several searches."""


class PlanTooLarge(ValueError):
    """Rights that no set of searches within the budgets expresses. They are never widened to fit."""

    def __init__(self, subject: str, what: str, size: int, limit: int) -> None:
        super().__init__(
            f"the rules for {subject} and everything above it need {size} {what}, and {limit} can be searched with; "
            "merge rules, or replace lists of documents by a tag or by shares"
        )
        self.subject = subject


@dataclass(frozen=True, slots=True)
class DenyAll:
    """No document at all. `reason` names who lacks what, for the log; it is not for the caller."""

    reason: str


@dataclass(frozen=True, slots=True)
class Clause:
    """Documents that meet every restriction; None does not restrict, and a set is never empty by accident.

    `departments`, `documents`: the document's is one of these. `tags`: the document has all of these.
    `owner`: the document's owner is this subject. `shared_with`: the document's shares contain one of these.
    `max_level`: the document is classified at most this high.
    """

    departments: frozenset[str] | None
    tags: frozenset[str]
    owner: str | None
    documents: frozenset[str] | None
    shared_with: frozenset[str] | None
    max_level: Level

    def __post_init__(self) -> None:
        for column in ("departments", "documents", "shared_with"):
            if getattr(self, column) is not None and not getattr(self, column):
                raise ValueError(f"an empty {column} is neither everything nor nothing; drop the clause instead")

    def covers(self, other: "Clause") -> bool:
        """Whether every document that meets `other` surely meets this clause as well."""
        return (
            _wider(self.departments, other.departments)
            and self.tags <= other.tags
            and self.owner in (None, other.owner)
            and _wider(self.documents, other.documents)
            and _wider(self.shared_with, other.shared_with)
            and self.max_level >= other.max_level
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may act on: see the module for how the parts combine.

    `closure` and `compartments` are the caller's names and walls of this moment.
    """

    subject: str
    allow: tuple[Clause, ...]
    deny: tuple[Clause, ...]
    closure: frozenset[str]
    compartments: frozenset[str]

    def __post_init__(self) -> None:
        if not self.allow:
            raise ValueError("a grant without an allow clause would be read as everything; use DenyAll")
        if self.subject not in self.closure:
            raise ValueError("the closure of a grant contains its subject")


@dataclass(frozen=True, slots=True)
class Conditions:
    """All grants must hold for a document of `tenant`; computed at policy version `epoch`."""

    tenant: str
    epoch: int
    grants: tuple[Grant, ...]

    def __post_init__(self) -> None:
        if not self.grants:
            raise ValueError("conditions without a grant would be read as everything; use DenyAll")


Plan = DenyAll | Conditions


def plan(snapshot: Snapshot, callers: Sequence[Caller], action: str = "read") -> Plan:
    """Compile what all of `callers` together may do: the AND of what each may do.

    Equal policies give equal plans, whatever the order of their rules.

    Raises:
        PlanTooLarge: it could not be searched with. No edit that leads there is accepted.
    """
    key = ("plan", tuple(callers), action)
    remembered = snapshot.answers.get(key)
    if isinstance(remembered, DenyAll | Conditions):
        return remembered
    compiled = _compile(snapshot, callers, action)
    snapshot.answers.keep(key, compiled)
    return compiled


def _compile(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
    if not callers:
        return DenyAll("nobody is asking")
    grants: list[Grant] = []
    for caller in dict.fromkeys(callers):
        if caller.tenant != snapshot.tenant:
            return DenyAll(f"{caller.subject} does not belong to tenant {snapshot.tenant}")
        grant = _grant(snapshot, caller, action)
        if grant is None:
            return DenyAll(f"no allow rule lets {caller.subject} {action}")
        _require_budget(grant)
        grants.append(grant)
    return Conditions(snapshot.tenant, snapshot.epoch, tuple(grants))


def _require_budget(grant: Grant) -> None:
    """For each grant by itself: what a person and an assistant may each be planned, they may be planned together."""
    needed = (
        ("compartments", len(grant.compartments), LIST_MAX),
        ("conditions in one allow clause", max(map(conditions, grant.allow)), CLAUSE_MAX),
        ("conditions for what they allow", sum(map(conditions, grant.allow)), ALLOWED_MAX),
        ("conditions for what they deny", _lists(grant.closure) + 1 + sum(map(conditions, grant.deny)), FIXED_MAX),
    )
    for what, size, limit in needed:
        if size > limit:
            raise PlanTooLarge(grant.subject, what, size, limit)


def conditions(clause: Clause) -> int:
    """How many conditions of a filter the clause takes, at most."""
    lists = (clause.departments, clause.documents, clause.shared_with)
    return 1 + len(clause.tags) + (clause.owner is not None) + sum(_lists(names) for names in lists if names)


def _lists(names: frozenset[str]) -> int:
    return math.ceil(len(names) / LIST_MAX)


def _grant(snapshot: Snapshot, caller: Caller, action: str) -> Grant | None:
    closure = snapshot.closure(caller)
    rules = snapshot.rules_for(closure, action)
    deny = _simplify(_clause(rule, caller, closure) for rule in rules if rule.effect is Effect.DENY)
    allow = _simplify(_clause(rule, caller, closure) for rule in rules if rule.effect is Effect.ALLOW)
    allow = tuple(clause for clause in allow if not any(denied.covers(clause) for denied in deny))
    if not allow:
        return None
    return Grant(caller.subject, allow, deny, closure, snapshot.compartments(caller))


def _clause(rule: Rule, caller: Caller, closure: frozenset[str]) -> Clause:
    return Clause(
        departments=None if rule.department == ANY else frozenset({rule.department}),
        tags=rule.tags,
        owner=caller.subject if rule.owner == SELF else None,
        documents=None if rule.document in (ANY, SHARED) else frozenset({rule.document}),
        shared_with=closure if rule.document == SHARED else None,
        max_level=rule.level,
    )


def _simplify(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The same documents in fewer clauses, in an order that depends on the clauses only.

    Engines search many times slower with hundreds of alternatives than with one list of departments.
    """
    found = _undominated(set(clauses))
    departments: defaultdict[Clause, list[Names]] = defaultdict(list)
    for clause in found:
        departments[replace(clause, departments=None)].append(clause.departments)
    found = {replace(rest, departments=_union(values)) for rest, values in departments.items()}
    documents: defaultdict[Clause, list[Names]] = defaultdict(list)
    for clause in found:
        documents[replace(clause, documents=None)].append(clause.documents)
    found = {replace(rest, documents=_union(values)) for rest, values in documents.items()}
    return tuple(sorted(_undominated(found), key=_order))


def _undominated(clauses: set[Clause]) -> set[Clause]:
    """Without the clauses that another one covers."""
    kept: list[Clause] = []
    for clause in sorted(clauses, key=_order):
        if not any(other.covers(clause) for other in kept):
            kept = [other for other in kept if not clause.covers(other)]
            kept.append(clause)
    return set(kept)


def _union(lists: Iterable[Names]) -> Names:
    """Everything that one of the lists names; None, the unrestricted one, swallows the rest."""
    joined: frozenset[str] = frozenset()
    for names in lists:
        if names is None:
            return None
        joined |= names
    return joined


def _wider(wide: Names, narrow: Names) -> bool:
    return wide is None or (narrow is not None and narrow <= wide)


def _order(clause: Clause) -> tuple[object, ...]:
    """A total order, widest levels first."""
    columns = (clause.departments, clause.tags, clause.documents, clause.shared_with)
    lists = tuple((value is not None, sorted(value or ())) for value in columns)
    return (-clause.max_level, clause.owner or "", *lists)
