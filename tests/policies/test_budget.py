"""Edits after which somebody could not be searched for. That estimates are never too low is a law."""

import pytest

from policies.plan import ALLOWED_MAX, CLAUSE_MAX, FIXED_MAX, LIST_MAX, PlanTooLarge, plan
from policies.rules import Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from policies.survey.budget import Budget, require_searchable
from policies.survey.extents import Standing

ANN = Caller("t", "user:ann")
LINKS = (RoleLink("user:ann", "role:r", "t"),)
WIDE = Rule("role:r", "t", "read")
MANY = tuple(Rule("role:r", "t", "read", tags=frozenset({f"t{n}"})) for n in range(ALLOWED_MAX // 2 + 1))
FEW = MANY[: ALLOWED_MAX // 2]


def snapshot(*rules: Rule, links: tuple[RoleLink, ...] = LINKS) -> Snapshot:
    return Snapshot("t", 1, rules, links)


def test_an_edit_that_makes_rights_too_large_is_refused() -> None:
    with pytest.raises(PlanTooLarge, match="user:ann"):
        require_searchable(snapshot(*FEW), snapshot(*MANY), (ANN,))
    require_searchable(snapshot(), snapshot(*FEW), (ANN,))


def test_a_removal_that_makes_rights_too_large_is_refused() -> None:
    """The wide rule swallowed the many narrow ones."""
    with pytest.raises(PlanTooLarge):
        require_searchable(snapshot(WIDE, *MANY), snapshot(*MANY), (ANN,))
    require_searchable(snapshot(WIDE, *FEW), snapshot(*FEW), (ANN,))


def test_a_role_link_that_makes_rights_too_large_is_refused() -> None:
    with pytest.raises(PlanTooLarge):
        require_searchable(snapshot(*MANY, links=()), snapshot(*MANY), (ANN,))
    require_searchable(snapshot(*FEW, links=()), snapshot(*FEW), (ANN,))


def test_rights_that_were_too_large_before_may_be_mended_step_by_step() -> None:
    larger = (*MANY, Rule("role:r", "t", "read", tags=frozenset({"more"})))
    require_searchable(snapshot(*larger), snapshot(*MANY), (ANN,))


def test_whoever_the_edit_does_not_concern_does_not_hold_it_up() -> None:
    other = Rule("role:s", "t", "read")
    require_searchable(snapshot(*MANY), snapshot(*MANY, other), (ANN, Caller("t", "user:ben")))


BEYOND = {
    "many conditions": MANY,
    "one wide clause": (Rule("role:r", "t", "read", tags=frozenset(f"t{n}" for n in range(CLAUSE_MAX))),),
    "many denials": (
        WIDE,
        *(Rule("role:r", "t", "read", tags=frozenset({f"t{n}"}), effect=Effect.DENY) for n in range(FIXED_MAX)),
    ),
    "long lists": tuple(Rule("role:r", "t", "read", document=f"d{n}") for n in range(LIST_MAX + 1)),
}


@pytest.mark.parametrize("name", BEYOND)
def test_nothing_is_sure_about_rights_with(name: str) -> None:
    policy = snapshot(*BEYOND[name])
    assert not Budget(policy, "read").surely_kept(Standing.of(policy, ANN))
    smaller = snapshot(*BEYOND[name][:10], WIDE) if len(BEYOND[name]) > 1 else snapshot(WIDE)
    assert Budget(smaller, "read").surely_kept(Standing.of(smaller, ANN))


def test_rules_that_differ_in_the_department_or_lie_below_a_wide_one_take_no_room() -> None:
    departments = [Rule("role:r", "t", "read", department=f"d{n}") for n in range(500)]
    below = [Rule("role:r", "t", "read", tags=frozenset({f"t{n}"}), level=Level.PUBLIC) for n in range(500 - 1)]
    policy = snapshot(*departments, *below, Rule("user:ann", "t", "read", level=Level.INTERNAL))
    assert Budget(policy, "read").surely_kept(Standing.of(policy, ANN))
    assert plan(policy, (ANN,))
