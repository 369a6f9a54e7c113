"""Administration obeys the policy: nobody changes more than she administers, however she goes about it."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evals.access.worlds import DEPARTMENTS, GROUPS
from policies.administration import (
    ADMINISTER,
    Administrator,
    NotAdministered,
    administers_everything,
    administers_link,
    administers_rule,
    require_administered,
)
from policies.check import check
from policies.edits import Edit, InvalidEdit, require_applicable
from policies.rules import Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from policies.survey.catalogue import Catalogue
from policies.survey.readers import people_of
from tests.policies.worlds import ACTION, HOME, PEOPLE, World, rules, worlds

HANNA = Caller("acme", "user:hanna")
RULES = (
    Rule("user:hanna", "acme", ADMINISTER, "hr", level=Level.CONFIDENTIAL),
    Rule("role:hr-reader", "acme", "read", "hr", level=Level.INTERNAL),
    Rule("role:hr-head", "acme", "read", "hr", level=Level.RESTRICTED),
    Rule("role:everything", "acme", "read"),
)
LINKS = (
    RoleLink("role:boss", "role:everything", "acme"),
    RoleLink("group:merger", "compartment:merger", "acme"),
)
BEFORE = Snapshot("acme", 1, RULES, LINKS)
DOCUMENTS = Catalogue(
    [
        Attributes("acme", "handbook", "hr", Level.INTERNAL, shares=frozenset({"group:hr"})),
        Attributes("acme", "budget", "finance", Level.INTERNAL, shares=frozenset({"group:both"})),
    ]
)


def attempt(edit: Edit, *callers: Caller, before: Snapshot = BEFORE) -> None:
    administrator = Administrator("user:hanna", callers or (HANNA,))
    require_administered(before, edit, administrator, DOCUMENTS)


def hr(subject: str = "user:new", action: str = "read", **columns: object) -> Rule:
    return Rule(subject, "acme", action, **{"department": "hr", "level": Level.CONFIDENTIAL, **columns})  # type: ignore[arg-type] # columns of a rule


WITHIN = {
    "a rule of her department": Edit(add_rules=(hr(),)),
    "a lower level": Edit(add_rules=(hr(level=Level.PUBLIC),)),
    "one document of her department": Edit(add_rules=(hr(document="handbook"),)),
    "documents with a tag": Edit(add_rules=(hr(tags=frozenset({"eu"})),)),
    "what people own there": Edit(add_rules=(hr(owner="self"),)),
    "unmasking there": Edit(add_rules=(hr(action="unmask:PERSON"),)),
    "administration of the same": Edit(add_rules=(hr(action=ADMINISTER),)),
    "taking one of her rules away": Edit(remove_rules=(RULES[1],)),
    "a member of a role within": Edit(add_links=(RoleLink("user:new", "role:hr-reader", "acme"),)),
    "a member of a group with shares within": Edit(add_links=(RoleLink("user:new", "group:hr", "acme"),)),
}
BEYOND = {
    "another department": Edit(add_rules=(hr(department="finance"),)),
    "every department": Edit(add_rules=(hr(department="*"),)),
    "a document without its department": Edit(add_rules=(hr(department="*", document="handbook"),)),
    "a higher level": Edit(add_rules=(hr(level=Level.RESTRICTED),)),
    "a denial, which covers every level": Edit(add_rules=(hr(level=Level.SECRET, effect=Effect.DENY),)),
    "administration of more": Edit(add_rules=(hr(action=ADMINISTER, level=Level.SECRET),)),
    "taking away a rule about more": Edit(remove_rules=(RULES[2],)),
    "a member of a role with more": Edit(add_links=(RoleLink("user:new", "role:hr-head", "acme"),)),
    "a member of a role below one with more": Edit(add_links=(RoleLink("user:new", "role:boss", "acme"),)),
    "a member of a group with other shares": Edit(add_links=(RoleLink("user:new", "group:both", "acme"),)),
    "a compartment": Edit(add_links=(RoleLink("user:new", "compartment:merger", "acme"),)),
    "a group that holds a compartment": Edit(add_links=(RoleLink("user:new", "group:merger", "acme"),)),
    "taking somebody out of a compartment": Edit(remove_links=(LINKS[1],)),
    "a role that gets a rule within and one beyond": Edit(
        add_rules=(hr("role:new"),),
        add_links=(RoleLink("role:new", "role:everything", "acme"), RoleLink("user:new", "role:new", "acme")),
    ),
    "one line beyond among many within": Edit(add_rules=(hr(), hr("user:other"), hr(department="finance"))),
}


@pytest.mark.parametrize("name", WITHIN)
def test_a_part_is_administered(name: str) -> None:
    attempt(WITHIN[name])


@pytest.mark.parametrize("name", BEYOND)
def test_nothing_is_granted_or_taken_beyond_the_part(name: str) -> None:
    with pytest.raises(NotAdministered):
        attempt(BEYOND[name])
    attempt(BEYOND[name], before=_with(Rule("user:hanna", "acme", ADMINISTER)))


def test_the_operator_may_all_of_it() -> None:
    for edit in (*WITHIN.values(), *BEYOND.values()):
        require_administered(BEFORE, edit, Administrator("operator:o", None), DOCUMENTS)


def test_an_assistant_must_administer_it_too() -> None:
    desk = Caller("acme", "assistant:desk")
    with pytest.raises(NotAdministered):
        attempt(WITHIN["a rule of her department"], HANNA, desk)
    both = _with(Rule("assistant:desk", "acme", ADMINISTER))
    attempt(WITHIN["a rule of her department"], HANNA, desk, before=both)
    with pytest.raises(NotAdministered):
        attempt(BEYOND["another department"], HANNA, desk, before=both)


def test_rights_come_from_the_policy_before_the_edit() -> None:
    """One edit cannot first widen what she administers and then use it."""
    with pytest.raises(NotAdministered):
        attempt(Edit(add_rules=(Rule("user:hanna", "acme", ADMINISTER), hr(department="finance"))))


def test_a_denial_of_administration_counts_wherever_it_may_reach() -> None:
    denied = _with(Rule("user:hanna", "acme", ADMINISTER, "hr", frozenset({"board"}), effect=Effect.DENY))
    with pytest.raises(NotAdministered):
        attempt(WITHIN["a rule of her department"], before=denied)
    elsewhere = _with(Rule("user:hanna", "acme", ADMINISTER, "law", effect=Effect.DENY))
    attempt(WITHIN["a rule of her department"], before=elsewhere)


def test_owning_or_being_shared_with_administers_no_rule() -> None:
    """The documents she owns today are not all that a rule about the department will speak of."""
    for column in ({"owner": "self"}, {"document": "@shared"}):
        narrow = Snapshot("acme", 1, (Rule("user:hanna", "acme", ADMINISTER, "hr", **column), *RULES[1:]), LINKS)  # type: ignore[arg-type] # columns of a rule
        with pytest.raises(NotAdministered):
            attempt(WITHIN["a rule of her department"], before=narrow)


def test_everything_is_administered_only_without_any_restriction() -> None:
    assert administers_everything(_with(Rule("user:hanna", "acme", ADMINISTER)), [HANNA])
    assert not administers_everything(BEFORE, [HANNA])
    assert not administers_everything(_with(Rule("user:hanna", "acme", ADMINISTER, level=Level.RESTRICTED)), [HANNA])
    assert not administers_everything(BEFORE, [])
    assert not administers_rule(BEFORE, [], RULES[1])
    assert not administers_link(BEFORE, BEFORE, LINKS[0], [], DOCUMENTS)


def _with(rule: Rule) -> Snapshot:
    return Snapshot("acme", 1, (*RULES, rule), LINKS)


ADMIN = Caller(HOME, PEOPLE[1])
administering = st.builds(
    Rule,
    st.just(ADMIN.subject),
    st.just(HOME),
    st.just(ADMINISTER),
    st.sampled_from(["*", *DEPARTMENTS]),
    level=st.sampled_from([Level.SECRET, Level.SECRET, Level.CONFIDENTIAL]),
)


@st.composite
def edits(draw: st.DrawFn, world: World) -> Edit:
    """One rule, mostly about a whole department, or one link of the world's own names."""
    kind = draw(st.sampled_from(["wide", "wide", "any", "link"]))
    if kind == "wide":
        level = draw(st.sampled_from([Level.CONFIDENTIAL, Level.INTERNAL, Level.SECRET]))
        subject = draw(st.sampled_from([PEOPLE[0], *GROUPS]))
        return Edit(add_rules=(Rule(subject, HOME, ACTION, draw(st.sampled_from(DEPARTMENTS)), level=level),))
    if kind == "any":
        return Edit(add_rules=(replace(draw(rules()), tenant=HOME),))
    return Edit(add_links=(replace(draw(st.sampled_from(world.links)), tenant=HOME),))


def test_whoever_gains_gains_only_what_the_administrator_administers() -> None:
    """The law behind all of it. Compartments and denied shares stay closed whoever is granted what."""
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(worlds(), st.lists(administering, min_size=1, max_size=2, unique=True), st.data())
    def law(world: World, own: list[Rule], data: st.DataObject) -> None:
        edit = data.draw(edits(world))
        links = [link for link in world.links if link not in edit.add_links and "chain" not in link.parent]
        standing = [rule for rule in (*world.rules, *own) if rule not in edit.add_rules and rule.tenant == HOME]
        before = Snapshot(HOME, 1, standing, [link for link in links if link.tenant == HOME])
        catalogue = Catalogue(doc for doc in world.documents if doc.tenant == HOME)
        try:
            require_administered(before, edit, Administrator("admin", (ADMIN,)), catalogue)
            require_applicable(edit, before.rules, before.links)
            after = before.changed(edit, 2)
        except (InvalidEdit, NotAdministered) as refusal:
            seen[type(refusal).__name__] += 1
            return
        everything = administers_everything(before, [ADMIN])
        for caller in people_of(after, catalogue):
            for doc in catalogue.entries(catalogue.everything):
                gained = _may(after, caller, doc) and not _may(before, caller, doc)
                bare = replace(doc, compartments=frozenset(), denied_shares=frozenset())
                assert not gained or everything or _may(before, ADMIN, bare, ADMINISTER)
                seen["gained"] += gained and not everything
        seen["accepted"] += not everything

    law()
    assert seen["accepted"] >= 15, seen
    assert seen["NotAdministered"] >= 15, seen
    assert seen["gained"] >= 5, seen


def _may(snapshot: Snapshot, caller: Caller, doc: Attributes, action: str = ACTION) -> bool:
    return check(snapshot, [caller], action, doc).allowed
