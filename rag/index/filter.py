"""A plan as a filter: the tree that admits exactly the chunks that the plan does."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.plan import LIST_MAX, Clause, Conditions, Grant
from policies.rules import Level
from rag.errors import IndexUnavailable
from rag.index.payload import SEAL, SEAL_KEY
from rag.index.split import split
from rag.index.tree import AnyOf, AtMost, Beyond, Every, Node, Some, any_of, size

__all__ = ["Access", "AnyOf", "AtMost", "Beyond", "Every", "Node", "Some", "access_filter", "access_of", "size"]

_NO_COMPARTMENT = "-"
"""Never the name of a compartment (those start with `compartment:`): keeps the list of exceptions non-empty."""


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
    if size(whole) <= conditions_max:
        return Access(whole, (whole,))
    parts = (access_filter(part) for part in split(plan, conditions_max, _needs, _clause_needs))
    return Access(whole, tuple(part for part in parts if part is not None))


def access_filter(plan: Conditions) -> Every | None:
    """The filter that admits exactly the chunks `plan` does, or None where that is none at all.

    Flat, as engines check each level of nesting for every point.

    Raises:
        IndexUnavailable: a caller holds more compartments than one condition can name.
    """
    must: list[Node] = [AnyOf("tenant", (plan.tenant,)), AnyOf(SEAL_KEY, (SEAL,)), AtMost("epoch", plan.epoch)]
    must_not: list[Node] = []
    for grant in plan.grants:
        must.extend(_allowed(grant))
        must_not.extend(_walls(grant))
        for clause in grant.deny:
            denied = _denied(clause)
            if not denied:
                return None
            must_not.extend(denied)
    return Every(tuple(must), tuple(must_not))


def _allowed(grant: Grant) -> tuple[Node, ...]:
    """What must hold: the conditions of the only clause, or one of several clauses."""
    if len(grant.allow) == 1:
        return _conditions(grant.allow[0])
    return (Some(tuple(Every(_conditions(clause)) for clause in grant.allow)),)


def _conditions(clause: Clause) -> tuple[Node, ...]:
    # The level is asked for even where the clause admits all: a point without a proper one is nobody's.
    return (AtMost("level", clause.max_level), *_restrictions(clause))


def _walls(grant: Grant) -> tuple[Node, ...]:
    """What must not hold: a denied share of the caller, a compartment that she does not hold."""
    held = tuple(sorted(grant.compartments)) or (_NO_COMPARTMENT,)
    if len(held) > LIST_MAX:
        raise IndexUnavailable(
            f"{grant.subject} holds {len(held)} compartments; a filter can tell at most {LIST_MAX} from all others, "
            "and leaving some out would hide documents. Nothing was searched. Hold fewer, larger compartments.",
            code="plan_too_large",
        )
    return (*any_of("denied_shares", grant.closure), Beyond("compartments", held))


def _denied(clause: Clause) -> tuple[Node, ...]:
    """Each of them is denied, together what `clause` denies; none where that is everything."""
    level = (AtMost("level", clause.max_level),) if clause.max_level < Level.SECRET else ()
    conditions = (*level, *_restrictions(clause))
    if len(conditions) > 1:
        return (Every(conditions),)
    return tuple(node for only in conditions for node in (only.alternatives if isinstance(only, Some) else (only,)))


def _restrictions(clause: Clause) -> tuple[Node, ...]:
    """Everything a clause asks for besides the level."""
    lists = (("department", clause.departments), ("document", clause.documents), ("shares", clause.shared_with))
    found: list[Node] = [one_of(key, values) for key, values in lists if values is not None]
    found.extend(AnyOf("tags", (tag,)) for tag in sorted(clause.tags))
    if clause.owner is not None:
        found.append(AnyOf("owner", (clause.owner,)))
    return tuple(found)


def one_of(key: str, values: Iterable[str]) -> Node:
    """Some value under `key` is one of `values`, however many they are. Raises ValueError for none."""
    conditions = any_of(key, values)
    return conditions[0] if len(conditions) == 1 else Some(conditions)


def _needs(plan: Conditions) -> int:
    whole = access_filter(plan)
    return 0 if whole is None else size(whole)


def _clause_needs(clause: Clause) -> int:
    return sum(size(node) for node in _conditions(clause))
