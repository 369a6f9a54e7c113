"""Cut a plan that is too large for one search into plans that together admit exactly what it does.

What a grant allows is a union, of clauses and, within a clause, of the values of a list: so it can be cut
anywhere. What it denies, and its walls, hold in every part.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from policies.plan import LIST_MAX, Clause, Conditions
from rag.errors import IndexUnavailable

PARTS_MAX = 64
"""Searches that one question may be split into."""

Halves: TypeAlias = tuple[tuple[Clause, ...], ...]
"""The clauses of two grants that allow together what one did, or nothing."""

_LISTS = ("documents", "departments", "shared_with")


def split(
    plan: Conditions, conditions_max: int, needs: Callable[[Conditions], int], clause_needs: Callable[[Clause], int]
) -> tuple[Conditions, ...]:
    """Plans of at most `conditions_max` conditions each that together admit what `plan` does.

    `needs` tells how many conditions a plan takes, `clause_needs` how many an allow clause does.

    Raises:
        IndexUnavailable: it takes more than `PARTS_MAX` of them, or none is small enough; it is never widened.
    """
    waiting = [plan]
    fitting: list[Conditions] = []
    while waiting:
        part = waiting.pop()
        if needs(part) <= conditions_max:
            fitting.append(part)
            continue
        halves = _halves(part, clause_needs)
        if not halves or len(fitting) + len(waiting) + len(halves) > PARTS_MAX:
            raise _too_large(plan, needs(plan), conditions_max)
        waiting.extend(reversed(halves))
    return tuple(fitting)


def _halves(plan: Conditions, clause_needs: Callable[[Clause], int]) -> tuple[Conditions, ...]:
    """`plan` cut in two within what its widest grant allows that can be cut; nothing where none can be."""
    widths = [sum(map(clause_needs, grant.allow)) for grant in plan.grants]
    for at in sorted(range(len(widths)), key=widths.__getitem__, reverse=True):
        grant = plan.grants[at]
        halves = _cut_clauses(grant.allow, clause_needs) if len(grant.allow) > 1 else _cut_list(grant.allow[0])
        if halves:
            return tuple(
                replace(plan, grants=(*plan.grants[:at], replace(grant, allow=allow), *plan.grants[at + 1 :]))
                for allow in halves
            )
    return ()


def _cut_clauses(clauses: Sequence[Clause], clause_needs: Callable[[Clause], int]) -> Halves:
    """In two, neither empty, of much the same width: each clause, the widest first, goes to the narrower half."""
    left: list[Clause] = []
    right: list[Clause] = []
    surplus = 0
    for width, clause in sorted(((clause_needs(clause), clause) for clause in clauses), key=_width, reverse=True):
        if surplus <= 0:
            left.append(clause)
            surplus += width
        else:
            right.append(clause)
            surplus -= width
    return tuple(left), tuple(right)


def _width(entry: tuple[int, Clause]) -> int:
    return entry[0]


def _cut_list(clause: Clause) -> Halves:
    """In two by the longest list, where that takes more than one condition; else nothing."""
    longest = max(_LISTS, key=lambda name: len(getattr(clause, name) or ()))
    values = sorted(getattr(clause, longest) or ())
    if len(values) <= LIST_MAX:
        return ()
    # At the border of a condition, so that both halves together take no more than the whole did.
    at = -(-len(values) // LIST_MAX) // 2 * LIST_MAX
    return tuple((_with_list(clause, longest, frozenset(half)),) for half in (values[:at], values[at:]))


def _with_list(clause: Clause, name: str, values: frozenset[str]) -> Clause:
    match name:
        case "documents":
            return replace(clause, documents=values)
        case "departments":
            return replace(clause, departments=values)
        case _:
            return replace(clause, shared_with=values)


def _too_large(plan: Conditions, needed: int, conditions_max: int) -> IndexUnavailable:
    widest = max(plan.grants, key=lambda grant: len(grant.allow) + len(grant.deny))
    return IndexUnavailable(
        f"This plan needs {needed} filter conditions and cannot be split below {conditions_max} of them in "
        f"{PARTS_MAX} searches. Merge rules of {widest.subject}, or raise RINGFENCE_INDEX__CONDITIONS_MAX.",
        code="plan_too_large",
    )
