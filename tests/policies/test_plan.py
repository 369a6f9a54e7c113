"""What a compiled plan looks like. That it is right is the law of tests/laws/test_policy_equivalence.py."""

import pytest

from policies.plan import Clause, Conditions, DenyAll, Grant, plan
from policies.rules import SELF, SHARED, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot

ANN = Caller("t", "user:ann")
EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)


def grant_of(*rules: Rule, links: tuple[RoleLink, ...] = (), caller: Caller = ANN) -> Grant:
    compiled = plan(Snapshot("t", 7, rules, links), [caller])
    assert isinstance(compiled, Conditions)
    assert compiled.epoch == 7
    (grant,) = compiled.grants
    return grant


def allow(**columns: object) -> Rule:
    return Rule("user:ann", "t", "read", **columns)  # type: ignore[arg-type]


def deny(**columns: object) -> Rule:
    return Rule("user:ann", "t", "read", effect=Effect.DENY, **columns)  # type: ignore[arg-type]


def test_departments_of_equal_rules_become_one_list() -> None:
    grant = grant_of(*(allow(department=name, level=Level.INTERNAL) for name in ("hr", "it", "law")))
    assert grant.allow == (Clause(frozenset({"hr", "it", "law"}), frozenset(), None, None, None, Level.INTERNAL),)


def test_documents_of_equal_rules_become_one_list() -> None:
    grant = grant_of(allow(document="a"), allow(document="b"))
    assert grant.allow == (Clause(None, frozenset(), None, frozenset({"a", "b"}), None, Level.SECRET),)


def test_a_wider_rule_swallows_the_narrower_ones() -> None:
    grant = grant_of(allow(), allow(department="hr"), allow(tags=frozenset({"x"})), allow(level=Level.PUBLIC))
    assert grant.allow == (EVERYTHING,)


def test_a_higher_level_of_one_department_does_not_swallow_another_department() -> None:
    grant = grant_of(allow(department="hr"), allow(department="it", level=Level.PUBLIC))
    assert [clause.max_level for clause in grant.allow] == [Level.SECRET, Level.PUBLIC]


def test_owning_and_sharing_are_resolved_to_names() -> None:
    link = RoleLink("user:ann", "group:g", "t")
    grant = grant_of(allow(owner=SELF), allow(document=SHARED), links=(link,))
    assert {clause.owner for clause in grant.allow} == {"user:ann", None}
    assert {clause.shared_with for clause in grant.allow} == {frozenset({"user:ann", "group:g"}), None}


def test_vouched_groups_bring_their_rules_and_compartments_for_this_call_only() -> None:
    rule = Rule("role:r", "t", "read")
    links = (RoleLink("group:g", "role:r", "t"), RoleLink("group:g", "compartment:north", "t"))
    grant = grant_of(rule, links=links, caller=Caller("t", "user:ann", frozenset({"group:g"})))
    assert grant.closure == {"user:ann", "group:g", "role:r"}
    assert grant.compartments == {"compartment:north"}
    assert isinstance(plan(Snapshot("t", 7, (rule,), links), [ANN]), DenyAll)


def test_without_an_allow_rule_there_is_no_plan_but_deny_all() -> None:
    for rules in ((), (deny(),), (Rule("user:ann", "t", "delete"),), (Rule("user:ben", "t", "read"),)):
        assert isinstance(plan(Snapshot("t", 1, rules, ()), [ANN]), DenyAll)


def test_allows_that_are_wholly_denied_come_to_deny_all() -> None:
    assert isinstance(plan(Snapshot("t", 1, (allow(department="hr"), deny()), ()), [ANN]), DenyAll)
    assert grant_of(allow(department="hr"), deny(department="it")).deny


def test_nobody_asking_and_strangers_are_denied_everything() -> None:
    snapshot = Snapshot("t", 1, (allow(),), ())
    assert isinstance(plan(snapshot, []), DenyAll)
    assert isinstance(plan(snapshot, [Caller("other", "user:ann")]), DenyAll)
    assert isinstance(plan(snapshot, [ANN, Caller("t", "assistant:desk")]), DenyAll)
    assert isinstance(plan(snapshot, [ANN]), Conditions)


def test_a_plan_that_could_be_read_as_everything_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="use DenyAll"):
        Conditions("t", 1, ())
    with pytest.raises(ValueError, match="use DenyAll"):
        Grant("user:ann", (), (), frozenset({"user:ann"}), frozenset())
    with pytest.raises(ValueError, match="empty departments"):
        Clause(frozenset(), frozenset(), None, None, None, Level.SECRET)
