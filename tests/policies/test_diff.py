"""Laws of edits: a difference leads from one policy to the other, a history comes to its net, a reverse undoes."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.diff import edit_between, net, replay, reverse
from policies.edits import Edit, InvalidEdit, require_applicable
from policies.rules import Effect, RoleLink, Rule

# Tags that are subsets of each other and that are not: `<` orders only the former.
RULES = [
    Rule(subject, "t", action, tags=frozenset(tags), effect=effect)
    for subject in ("role:a", "role:b")
    for action in ("read", "delete")
    for tags in ((), ("x",), ("y",), ("x", "y"))
    for effect in Effect
]
LINKS = [RoleLink(f"user:{who}", f"role:{role}", "t") for who in ("ann", "ben") for role in ("a", "b")]

Policy = tuple[list[Rule], list[RoleLink]]
POLICIES: st.SearchStrategy[Policy] = st.tuples(
    st.lists(st.sampled_from(RULES), unique=True, max_size=8), st.lists(st.sampled_from(LINKS), unique=True)
)


def sets(rules: object, links: object) -> tuple[frozenset[Rule], frozenset[RoleLink]]:
    return frozenset(rules), frozenset(links)  # type: ignore[call-overload] # of two kinds of lines


@given(old=POLICIES, new=POLICIES)
def test_the_difference_leads_from_the_old_policy_to_the_new_one(old: Policy, new: Policy) -> None:
    edit = edit_between(*old, *new)
    assert sets(*replay([edit], *old)) == sets(*new)
    assert edit.empty == (sets(*old) == sets(*new))
    if not edit.empty:
        require_applicable(edit, *old)


@given(old=POLICIES, new=POLICIES, random=st.randoms())
def test_equal_differences_are_equal_edits_whatever_the_order(old: Policy, new: Policy, random: Random) -> None:
    edit = edit_between(*old, *new)
    for lines in (*old, *new):
        random.shuffle(lines)
    assert edit_between(*old, *new) == edit


@given(policies=st.lists(POLICIES, min_size=1, max_size=5))
def test_consecutive_edits_come_to_the_difference_of_their_ends(policies: list[Policy]) -> None:
    edits = [edit_between(*old, *new) for old, new in pairwise(policies)]
    first, last = policies[0], policies[-1]
    assert net(edits) == edit_between(*first, *last)
    assert sets(*replay(edits, *first)) == sets(*last)


@given(old=POLICIES, new=POLICIES)
def test_a_reverse_undoes(old: Policy, new: Policy) -> None:
    edit = edit_between(*old, *new)
    assert reverse(edit) == edit_between(*new, *old)
    assert reverse(reverse(edit)) == edit
    assert net([edit, reverse(edit)]).empty
    assert sets(*replay([edit, reverse(edit)], *old)) == sets(*old)


@given(policies=st.lists(POLICIES, max_size=4))
def test_a_whole_history_builds_the_policy_from_nothing(policies: list[Policy]) -> None:
    states: list[Policy] = [([], []), *policies]
    edits = [edit_between(*old, *new) for old, new in pairwise(states)]
    assert sets(*replay(edits)) == sets(*states[-1])


def test_replayed_lines_keep_the_order_in_which_they_were_added() -> None:
    one, two, three = RULES[:3]
    rules, _ = replay([Edit(add_rules=(two,)), Edit(add_rules=(three,)), Edit(remove_rules=(one,))], [one])
    assert rules == (two, three)


ADD, REMOVE = Edit(add_rules=(RULES[0],)), Edit(remove_rules=(RULES[0],))
LINK, UNLINK = Edit(add_links=(LINKS[0],)), Edit(remove_links=(LINKS[0],))


@pytest.mark.parametrize("edits", [(ADD, ADD), (REMOVE, REMOVE), (LINK, LINK), (ADD, REMOVE, REMOVE), (UNLINK, UNLINK)])
def test_edits_that_cannot_have_followed_each_other_are_refused(edits: tuple[Edit, ...]) -> None:
    with pytest.raises(InvalidEdit, match="do not follow each other"):
        net(edits)
    with pytest.raises(InvalidEdit, match="do not follow each other"):
        replay(edits)


def test_edits_that_follow_each_other_are_not_refused() -> None:
    assert net([ADD, LINK, REMOVE, ADD, UNLINK]) == ADD
    assert replay([ADD, LINK, REMOVE, ADD, UNLINK]) == ((RULES[0],), ())
    assert net([Edit(), ADD, Edit()]) == ADD, "a change of labels alone leaves an empty edit in the history"
