"""A plan as a filter: once as a small tree of our own, which `rag.index.render` spells for each engine.

The tree cannot say what engines read as "everything": an alternative without members, an empty list of values
or a filter without a condition is refused when it is built.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from policies.plan import Clause, Conditions, Grant
from policies.rules import Level
from rag.errors import IndexUnavailable
from rag.index.payload import SEAL, SEAL_KEY

_NO_COMPARTMENT = "-"
"""Never the name of a compartment (those start with `compartment:`): keeps the list of exceptions non-empty."""

PARTS_MAX = 64
"""Searches that one question may be split into."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some value under `key` is one of `values`. A missing key has no value."""

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _not_empty(self.values, self.key)


@dataclass(frozen=True, slots=True)
class Beyond:
    """Some value under `key` is none of `values`. A missing key has no value."""

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _not_empty(self.values, self.key)


@dataclass(frozen=True, slots=True)
class AtMost:
    """The number under `key` is at most `value`. A missing key is not."""

    key: str
    value: int


@dataclass(frozen=True, slots=True)
class Every:
    """All of `must`, none of `must_not`."""

    must: "tuple[Node, ...]"
    must_not: "tuple[Node, ...]" = ()

    def __post_init__(self) -> None:
        _not_empty(self.must, "must")


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of `alternatives`."""

    alternatives: "tuple[Node, ...]"

    def __post_init__(self) -> None:
        _not_empty(self.alternatives, "alternatives")


Node: TypeAlias = AnyOf | Beyond | AtMost | Every | Some


@dataclass(frozen=True, slots=True)
class Access:
    """A plan as filters: `whole` admits what the plan does, and so do the `parts` together."""

    whole: Every
    parts: tuple[Every, ...]


def access_of(plan: Conditions, conditions_max: int) -> Access | None:
    """The filters of `plan`, none of `parts` with more than `conditions_max` conditions. None: it admits nothing.

    `whole` may be larger: it is what the lexical statistics are counted over, which cannot be split.

    Raises:
        IndexUnavailable: the plan cannot be split into small enough searches; it is never widened.
    """
    whole = access_filter(plan)
    if whole is None:
        return None
    parts = (access_filter(part) for part in _split(plan, conditions_max, PARTS_MAX))
    return Access(whole, tuple(part for part in parts if part is not None))


def access_filter(plan: Conditions) -> Every | None:
    """The filter that admits exactly the chunks `plan` does, or None where that is none at all."""
    grants: list[Node] = []
    for grant in plan.grants:
        denials = [_denied(clause) for clause in grant.deny]
        if None in denials:
            return None
        grants.append(_granted(grant, tuple(node for node in denials if node is not None)))
    seal = AnyOf(SEAL_KEY, (SEAL,))
    return Every((AnyOf("tenant", (plan.tenant,)), seal, AtMost("epoch", plan.epoch), *grants))


def size(node: Node) -> int:
    """How many conditions on fields the filter holds, as Qdrant's strict mode counts them."""
    match node:
        case Every(must, must_not):
            return sum(size(part) for part in (*must, *must_not))
        case Some(alternatives):
            return sum(size(part) for part in alternatives)
        case _:
            return 1


def _granted(grant: Grant, denials: tuple[Node, ...]) -> Node:
    held = tuple(sorted(grant.compartments | {_NO_COMPARTMENT}))
    walls = (AnyOf("denied_shares", tuple(sorted(grant.closure))), Beyond("compartments", held))
    return Every((Some(tuple(_allowed(clause) for clause in grant.allow)),), (*walls, *denials))


def _allowed(clause: Clause) -> Node:
    # The level is asked for even where the clause admits all: a point without a proper one is nobody's.
    return Every((AtMost("level", clause.max_level), *_restrictions(clause)))


def _denied(clause: Clause) -> Node | None:
    """What `clause` denies; None where that is everything."""
    level = (AtMost("level", clause.max_level),) if clause.max_level < Level.SECRET else ()
    conditions = (*level, *_restrictions(clause))
    return Every(conditions) if conditions else None


def _restrictions(clause: Clause) -> tuple[Node, ...]:
    """Everything a clause asks for besides the level."""
    lists = (("department", clause.departments), ("document", clause.documents), ("shares", clause.shared_with))
    found: list[Node] = [AnyOf(key, tuple(sorted(values))) for key, values in lists if values is not None]
    found.extend(AnyOf("tags", (tag,)) for tag in sorted(clause.tags))
    if clause.owner is not None:
        found.append(AnyOf("owner", (clause.owner,)))
    return tuple(found)


def _split(plan: Conditions, conditions_max: int, parts_max: int) -> tuple[Conditions, ...]:
    """Plans that together admit what `plan` does: the allow clauses of its largest grant, in halves."""
    whole = access_filter(plan)
    if whole is None or size(whole) <= conditions_max:
        return (plan,)
    at = max(range(len(plan.grants)), key=lambda index: len(plan.grants[index].allow))
    allow = plan.grants[at].allow
    if len(allow) < 2 or parts_max < 2:
        raise IndexUnavailable(
            f"This plan needs {size(whole)} filter conditions and cannot be split below {conditions_max} of them in "
            f"{PARTS_MAX} searches. Merge rules of {plan.grants[at].subject}, "
            "or raise RINGFENCE_INDEX__CONDITIONS_MAX.",
            code="plan_too_large",
        )
    half = len(allow) // 2
    parts: list[Conditions] = []
    for clauses in (allow[:half], allow[half:]):
        grants = (*plan.grants[:at], replace(plan.grants[at], allow=clauses), *plan.grants[at + 1 :])
        parts.extend(_split(replace(plan, grants=grants), conditions_max, parts_max // 2))
    return tuple(parts)


def _not_empty(values: tuple[object, ...], what: str) -> None:
    if not values:
        raise ValueError(f"an empty {what} would not mean what it seems to")
