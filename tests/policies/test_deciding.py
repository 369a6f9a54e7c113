"""What decides, rule by rule, held against Casbin's stock enforcer on each rule alone."""

from dataclasses import replace

from hypothesis import given, settings

from policies.check import check
from policies.files.deciding import VetoKind, deciding_rules, outcome
from policies.rules import SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from tests.policies.oracle import Oracle
from tests.policies.worlds import ACTION, World, worlds

ANN = Caller("t", "user:ann")
MEMBER, STAFF = RoleLink("user:ann", "group:g", "t"), RoleLink("group:g", "role:staff", "t")
OTHER = RoleLink("user:ann", "role:other", "t")
WALL = RoleLink("user:ann", "compartment:lynx", "t")


@settings(max_examples=60)
@given(world=worlds())
def test_the_deciding_rules_are_all_that_match_with_the_deciding_effect(world: World) -> None:
    """A rule matches if, turned into an allowing one and alone, the stock enforcer allows by it."""
    snapshot = world.snapshot
    for caller in world.callers:
        for attributes in world.documents[:3]:
            matching = {
                rule
                for rule in snapshot.rules
                if Oracle([replace(rule, effect=Effect.ALLOW)], world.links).allows([caller], ACTION, attributes)
            }
            denying = {rule for rule in matching if rule.effect is Effect.DENY}
            found = deciding_rules(snapshot, caller, ACTION, attributes)
            assert set(found) == (denying or matching)
            assert len(found) == len(set(found))
            assert check(snapshot, [caller], ACTION, attributes).rule in (found or (None,))


def decide(
    *rules: Rule, links: tuple[RoleLink, ...] = (MEMBER, STAFF, OTHER, WALL), caller: Caller = ANN, **labels: object
) -> tuple[bool, frozenset[VetoKind], frozenset[RoleLink]]:
    attributes = Attributes("t", "d", "hr", Level.INTERNAL, **labels)  # type: ignore[arg-type] # columns by name
    found = outcome(Snapshot("t", 1, rules, links), caller, "read", attributes)
    return found.allowed, found.vetoes, found.links


def test_the_links_are_those_that_lead_to_what_decided() -> None:
    staff_reads = Rule("role:staff", "t", "read")
    assert decide(staff_reads) == (True, frozenset(), {MEMBER, STAFF})
    assert decide(staff_reads, Rule("role:other", "t", "read")) == (True, frozenset(), {MEMBER, STAFF, OTHER})
    assert decide(Rule("user:ann", "t", "read")) == (True, frozenset(), frozenset())
    assert decide(Rule("role:nobody", "t", "read")) == (False, frozenset(), frozenset())


def test_a_compartment_and_a_share_are_reached_over_links() -> None:
    own = Rule("user:ann", "t", "read")
    assert decide(own, compartments={"compartment:lynx"}) == (True, frozenset(), {WALL})
    shared = Rule("user:ann", "t", "read", document=SHARED)
    assert decide(shared, shares={"role:staff"}) == (True, frozenset(), {MEMBER, STAFF})
    assert decide(own, shares={"role:staff"}) == (True, frozenset(), frozenset()), "the share decided nothing"


def test_a_denied_share_is_reached_over_links() -> None:
    own = Rule("user:ann", "t", "read")
    denied = frozenset({VetoKind.DENIED_SHARE})
    assert decide(own, denied_shares={"role:staff"}) == (False, denied, {MEMBER, STAFF})
    assert decide(own, denied_shares={"role:elsewhere"}) == (True, frozenset(), frozenset())


def test_a_veto_decides_only_where_the_rules_would_allow() -> None:
    labels = {"denied_shares": {"user:ann"}, "compartments": {"compartment:north"}}
    both = frozenset(VetoKind)
    assert decide(Rule("user:ann", "t", "read"), **labels) == (False, both, frozenset())
    assert decide(**labels) == (False, frozenset(), frozenset())
    denial = Rule("user:ann", "t", "read", effect=Effect.DENY)
    assert decide(Rule("user:ann", "t", "read"), denial, **labels) == (False, frozenset(), frozenset())


def test_a_group_vouched_for_in_the_call_counts_as_a_link() -> None:
    vouched = Caller("t", "user:new", frozenset({"group:g"}))
    allowed, _, links = decide(Rule("role:staff", "t", "read"), caller=vouched)
    assert (allowed, links) == (True, {RoleLink("user:new", "group:g", "t"), STAFF})
