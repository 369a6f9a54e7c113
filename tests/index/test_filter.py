"""What the filter tree refuses, and how plans over budget are cut."""

from dataclasses import replace

import pytest

from policies.plan import Clause, Conditions, Grant
from policies.rules import Level
from rag.errors import IndexUnavailable
from rag.index.filter import AnyOf, Beyond, Every, Some, access_filter, access_of, size

EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)


def departments(*names: str) -> Clause:
    return replace(EVERYTHING, departments=frozenset(names))


def grant(*allow: Clause, deny: tuple[Clause, ...] = ()) -> Grant:
    return Grant("user:ann", allow, deny, frozenset({"user:ann"}), frozenset())


def conditions(*grants: Grant) -> Conditions:
    return Conditions("acme", 3, grants)


@pytest.mark.parametrize(
    "build", [lambda: AnyOf("k", ()), lambda: Beyond("k", ()), lambda: Some(()), lambda: Every(())]
)
def test_a_filter_that_engines_would_read_as_everything_cannot_be_built(build) -> None:
    """Measured: `should: []`, an empty filter and a nested empty one match every point."""
    with pytest.raises(ValueError, match="empty"):
        build()


def test_denying_everything_admits_nothing_without_asking_the_engine() -> None:
    """A denial without a condition would be an empty nested filter."""
    assert access_filter(conditions(grant(EVERYTHING, deny=(EVERYTHING,)))) is None
    assert access_filter(conditions(grant(EVERYTHING, deny=(departments("hr"),)))) is not None


def test_denying_everything_to_the_assistant_denies_the_person_through_it() -> None:
    assert access_filter(conditions(grant(EVERYTHING), grant(EVERYTHING, deny=(EVERYTHING,)))) is None


def test_a_plan_within_budget_is_one_search() -> None:
    plan = conditions(grant(departments("a"), departments("b")))
    access = access_of(plan, 400)
    assert access is not None
    assert access.parts == (access.whole,)


def test_a_plan_over_budget_is_cut_into_searches_within_it() -> None:
    plan = conditions(grant(*(departments(f"d{number}") for number in range(40))))
    access = access_of(plan, 30)
    assert access is not None
    assert size(access.whole) == 5 + 2 * 40
    assert len(access.parts) == 4
    assert max(size(part) for part in access.parts) <= 30


def test_both_callers_alternatives_are_cut_where_one_is_not_enough() -> None:
    many = tuple(departments(f"d{number}") for number in range(8))
    access = access_of(conditions(grant(*many), grant(*many)), 20)
    assert access is not None
    assert max(size(part) for part in access.parts) <= 20


def test_a_plan_that_cannot_be_cut_is_refused_not_widened() -> None:
    denials = tuple(departments(f"d{number}") for number in range(40))
    with pytest.raises(IndexUnavailable) as refusal:
        access_of(conditions(grant(EVERYTHING, deny=denials)), 30)
    assert refusal.value.code == "plan_too_large"


def test_more_searches_than_the_limit_are_refused() -> None:
    plan = conditions(grant(*(departments(f"d{number}") for number in range(2000))))
    with pytest.raises(IndexUnavailable, match="64"):
        access_of(plan, 20)
