"""Prefix caches are shared within an access class, and never across a tenant, a clearance, a wall or a membership."""

from dataclasses import replace

import pytest

from policies.plan import Clause, Conditions, DenyAll, Grant
from policies.rules import Level
from rag.query.access_class import access_class
from rag.query.record import plan_digest

FINANCE = Clause(frozenset({"finance"}), frozenset(), None, None, None, Level.CONFIDENTIAL)


def plan_of(subject: str, *memberships: str, clause: Clause = FINANCE, deny: tuple[Clause, ...] = ()) -> Conditions:
    closure = frozenset({subject, *memberships})
    if clause.shared_with is not None:
        clause = replace(clause, shared_with=closure)
    return Conditions("acme", 7, (Grant(subject, (clause,), deny, closure, frozenset()),))


ANN = plan_of("user:ann", "group:finance", "role:reader")
BEN = plan_of("user:ben", "group:finance", "role:reader")


@pytest.mark.parametrize("clause", [FINANCE, replace(FINANCE, shared_with=frozenset({"?"}))], ids=["rule", "shares"])
def test_colleagues_of_the_same_rules_and_memberships_share(clause: Clause) -> None:
    ann, ben = (plan_of(name, "group:finance", clause=clause) for name in ("user:ann", "user:ben"))
    assert access_class(ann) == access_class(ben)
    assert plan_digest(ann) != plan_digest(ben)


def test_the_same_reader_shares_with_herself_at_another_epoch() -> None:
    assert access_class(ANN) == access_class(replace(ANN, epoch=8))


@pytest.mark.parametrize(
    "other",
    [
        replace(BEN, tenant="globex"),
        plan_of("user:ben", "group:finance", "role:reader", clause=replace(FINANCE, max_level=Level.SECRET)),
        plan_of("user:ben", "group:finance", "role:reader", clause=replace(FINANCE, departments=frozenset({"hr"}))),
        plan_of("user:ben", "group:finance", "role:reader", clause=replace(FINANCE, owner="user:ben")),
        plan_of("user:ben", "group:finance", "role:reader", deny=(replace(FINANCE, tags=frozenset({"project:x"})),)),
        plan_of("user:ben", "group:finance"),
        plan_of("user:ben", "group:finance", "role:reader", "group:board"),
        plan_of("assistant:ben", "group:finance", "role:reader"),
        replace(BEN, grants=tuple(replace(grant, compartments=frozenset({"deal"})) for grant in BEN.grants)),
        replace(BEN, grants=(*BEN.grants, *plan_of("assistant:bot").grants)),
        DenyAll("nobody"),
    ],
    ids=["tenant", "clearance", "department", "own", "deny", "fewer", "more", "kind", "wall", "assistant", "nothing"],
)
def test_whoever_differs_in_anything_but_the_name_does_not_share(other: Conditions | DenyAll) -> None:
    assert access_class(ANN) == access_class(BEN)
    assert access_class(other) != access_class(ANN)
