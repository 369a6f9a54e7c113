"""What the filter tree refuses, and how plans over budget are cut."""

from dataclasses import replace

import pytest

from policies.plan import LIST_MAX, Clause, Conditions, Grant
from policies.plan import conditions as conditions_of
from policies.rules import Level
from rag.errors import IndexUnavailable
from rag.index.filter import AnyOf, AtMost, Beyond, Every, Node, Some, access_filter, access_of, size
from rag.index.split import PARTS_MAX
from rag.index.tree import any_of

EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)


def departments(*names: str) -> Clause:
    return replace(EVERYTHING, departments=frozenset(names))


def grant(*allow: Clause, deny: tuple[Clause, ...] = ()) -> Grant:
    return Grant("user:ann", allow, deny, frozenset({"user:ann"}), frozenset())


def conditions(*grants: Grant) -> Conditions:
    return Conditions("acme", 3, grants)


@pytest.mark.parametrize(
    "build",
    [
        lambda: AnyOf("k", ()),
        lambda: Beyond("k", ()),
        lambda: Some(()),
        lambda: Every(()),
        lambda: any_of("k", ()),
        lambda: Every((), (AnyOf("k", ("v",)),)),
    ],
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


def names(count: int, prefix: str = "n") -> tuple[str, ...]:
    return tuple(f"{prefix}{number:06}" for number in range(count))


@pytest.mark.parametrize("condition", [AnyOf, Beyond])
def test_a_list_that_engines_would_choke_on_cannot_be_built(condition: type[AnyOf] | type[Beyond]) -> None:
    assert len(condition("k", names(LIST_MAX)).values) == LIST_MAX
    with pytest.raises(ValueError, match="more than"):
        condition("k", names(LIST_MAX + 1))


@pytest.mark.parametrize("count", [1, LIST_MAX, LIST_MAX + 1, 5 * LIST_MAX])
def test_a_long_list_becomes_several_conditions_with_each_value_in_one(count: int) -> None:
    cut = any_of("k", names(count))
    assert [value for condition in cut for value in condition.values] == list(names(count))
    assert len(cut) == -(-count // LIST_MAX)


def test_lists_of_more_values_count_as_the_conditions_they_become() -> None:
    """Allowed: one of the conditions. Denied, by the caller or by a share: each of them."""
    documents = replace(EVERYTHING, documents=frozenset(names(5000)))
    closure = frozenset({"user:ann", *names(2500, "group:g")})
    whole = access_filter(conditions(Grant("user:ann", (documents,), (documents,), closure, frozenset())))
    assert whole is not None
    assert [len(node.alternatives) for node in whole.must if isinstance(node, Some)] == [5]
    keys = [node.key for node in whole.must_not if isinstance(node, AnyOf | Beyond)]
    assert keys == ["denied_shares"] * 3 + ["compartments"] + ["document"] * 5
    assert size(whole) == 3 + 1 + 5 + 9


@pytest.mark.parametrize(
    "clause",
    [
        EVERYTHING,
        departments("a", "b"),
        Clause(frozenset(names(1001)), frozenset({"t", "u"}), "user:ann", frozenset(names(2000)), None, Level.PUBLIC),
        replace(EVERYTHING, shared_with=frozenset(names(3001)), owner="user:ann"),
    ],
)
def test_a_filter_is_as_large_as_the_policys_budget_counts_it(clause: Clause) -> None:
    """Else edits would be accepted that cannot be searched with."""
    whole, without = access_filter(conditions(grant(clause))), access_filter(conditions(grant(EVERYTHING)))
    assert whole is not None and without is not None
    assert size(whole) == size(without) - conditions_of(EVERYTHING) + conditions_of(clause)


def test_a_clause_with_more_documents_than_fit_is_cut_into_searches() -> None:
    """Each document in exactly one of them; every denial and wall in all of them."""
    wanted = frozenset(names(5000))
    plan = conditions(grant(replace(EVERYTHING, documents=wanted), deny=(departments("hr"),)))
    access = access_of(plan, 9)
    assert access is not None
    assert len(access.parts) > 1
    assert max(size(part) for part in access.parts) <= 9
    searched = [value for part in access.parts for value in values_of(part, "document")]
    assert (len(searched), frozenset(searched)) == (5000, wanted)
    assert {part.must_not for part in access.parts} == {access.whole.must_not}


def values_of(node: Node, key: str) -> list[str]:
    match node:
        case Every(must, _):
            return [value for part in must for value in values_of(part, key)]
        case Some(alternatives):
            return [value for part in alternatives for value in values_of(part, key)]
        case AnyOf() if node.key == key:
            return list(node.values)
        case _:
            return []


def test_the_longest_list_of_any_kind_is_cut_and_the_others_stay_whole() -> None:
    clause = Clause(frozenset(names(1500)), frozenset(), None, frozenset(names(900)), frozenset(names(3000)), Level(1))
    access = access_of(conditions(grant(clause)), 11)
    assert access is not None
    assert [len(values_of(part, "shares")) for part in access.parts] == [1000, 2000]
    assert {len(values_of(part, "department")) for part in access.parts} == {1500}


def test_a_list_within_one_condition_is_not_cut_for_the_sake_of_it() -> None:
    """It would take as many conditions in each half."""
    plan = conditions(grant(replace(EVERYTHING, documents=frozenset(names(LIST_MAX)))))
    assert access_of(plan, 7) is not None
    with pytest.raises(IndexUnavailable) as refusal:
        access_of(plan, 6)
    assert refusal.value.code == "plan_too_large"


def test_clauses_are_cut_into_parts_of_much_the_same_size() -> None:
    wide = tuple(replace(EVERYTHING, tags=frozenset(names(20, f"t{number}"))) for number in range(8))
    access = access_of(conditions(grant(*wide, *(departments(f"d{number}") for number in range(40)))), 140)
    assert access is not None
    assert [size(part) for part in access.parts] == [129, 129]


def test_more_compartments_than_a_filter_can_tell_apart_are_refused_not_left_out() -> None:
    """A value outside one half of the list may stand in the other: such a list cannot be cut."""
    held = frozenset(names(LIST_MAX, "compartment:c"))
    assert access_filter(conditions(replace(grant(EVERYTHING), compartments=held))) is not None
    for ask in (access_filter, lambda plan: access_of(plan, 400)):
        with pytest.raises(IndexUnavailable, match="user:ann holds 1001 compartments") as refusal:
            ask(conditions(replace(grant(EVERYTHING), compartments=held | {"compartment:more"})))
        assert refusal.value.code == "plan_too_large"


def test_who_holds_no_compartment_reads_no_document_that_has_one() -> None:
    whole = access_filter(conditions(grant(EVERYTHING)))
    assert whole is not None
    assert [node.values for node in whole.must_not if isinstance(node, Beyond)] == [("-",)]


def test_a_plan_of_one_clause_each_is_flat() -> None:
    """An engine checks every level of nesting for every point."""
    whole = access_filter(conditions(grant(departments("a")), grant(EVERYTHING, deny=(departments("hr"),))))
    assert whole is not None
    assert all(isinstance(node, AnyOf | Beyond | AtMost) for node in (*whole.must, *whole.must_not))


def test_rights_as_wide_as_the_budgets_are_searched_for_a_person_through_an_assistant() -> None:
    """Each with a hundred conditions that every search repeats, and six hundred that are spread."""

    def caller(name: str) -> Grant:
        allow = tuple(replace(EVERYTHING, tags=frozenset(names(39, f"{name}{number}"))) for number in range(15))
        deny = tuple(departments(f"d{number}") for number in range(98))
        return Grant(name, allow, deny, frozenset({name}), frozenset())

    access = access_of(conditions(caller("user:ann"), caller("assistant:desk")), 400)
    assert access is not None
    assert len(access.parts) <= PARTS_MAX
    assert max(size(part) for part in access.parts) <= 400
