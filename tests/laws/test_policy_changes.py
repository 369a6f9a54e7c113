"""What a change of a policy can and cannot do: laws about two policies at a time."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.check import check
from policies.edits import require_sound_links
from policies.plan import plan
from policies.rules import Effect, Level, RoleLink, Rule, Tightening
from policies.snapshot import Snapshot
from tests.policies.evaluate import admits
from tests.policies.worlds import ACTION, COMPARTMENTS, ELSEWHERE, HOME, PEOPLE, World, rules, worlds

LAW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def planned(world: World) -> frozenset[str]:
    compiled = plan(world.snapshot, world.callers, ACTION)
    return frozenset(doc.document for doc in world.documents if admits(compiled, doc))


def checked(world: World) -> frozenset[str]:
    snapshot = world.snapshot
    return frozenset(doc.document for doc in world.documents if check(snapshot, world.callers, ACTION, doc).allowed)


@LAW
@given(worlds())
def test_plan_and_check_agree_on_worlds_never_seen_before(world: World) -> None:
    assert planned(world) == checked(world)


@LAW
@given(worlds(), rules(effect=Effect.ALLOW))
def test_adding_an_allow_rule_takes_nothing_away(world: World, added: Rule) -> None:
    more = world.with_rules(added)
    assert planned(world) <= planned(more)
    assert checked(world) <= checked(more)


@LAW
@given(worlds(), rules(effect=Effect.DENY))
def test_adding_a_denial_gives_nothing(world: World, added: Rule) -> None:
    less = world.with_rules(added)
    assert planned(less) <= planned(world)
    assert checked(less) <= checked(world)


def test_a_denial_beats_every_allow() -> None:
    """Whatever is allowed is gone once the person herself is denied, and only then."""
    beaten: Counter[str] = Counter()

    @LAW
    @given(worlds())
    def law(world: World) -> None:
        denied = world.with_rules(Rule(world.callers[0].subject, HOME, ACTION, effect=Effect.DENY))
        beaten["documents"] += len(planned(world))
        assert planned(denied) == checked(denied) == frozenset()

    law()
    assert beaten["documents"] > 20


@LAW
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_rules_and_links_is_irrelevant(world: World, random: Random) -> None:
    shuffled_rules, shuffled_links = list(world.rules), list(world.links)
    random.shuffle(shuffled_rules)
    random.shuffle(shuffled_links)
    shuffled = replace(world, rules=tuple(shuffled_rules), links=tuple(shuffled_links))
    assert plan(shuffled.snapshot, world.callers, ACTION) == plan(world.snapshot, world.callers, ACTION)
    assert checked(shuffled) == checked(world)


@LAW
@given(worlds(), st.lists(rules(), min_size=1, max_size=4))
def test_rules_about_other_actions_are_irrelevant(world: World, added: list[Rule]) -> None:
    other = world.with_rules(*(replace(rule, action="relabel") for rule in added))
    assert plan(other.snapshot, world.callers, ACTION) == plan(world.snapshot, world.callers, ACTION)
    assert checked(other) == checked(world)


@LAW
@given(worlds())
def test_other_tenants_documents_are_out_of_reach_whatever_the_policy(world: World) -> None:
    abroad = replace(world, documents=tuple(replace(doc, tenant=ELSEWHERE) for doc in world.documents))
    assert planned(abroad) == checked(abroad) == frozenset()


@LAW
@given(worlds(), st.data())
def test_removing_a_link_gives_nothing_where_nothing_is_denied(world: World, data: st.DataObject) -> None:
    allowing = replace(
        world,
        rules=tuple(rule for rule in world.rules if rule.effect is Effect.ALLOW),
        documents=tuple(replace(doc, denied_shares=frozenset()) for doc in world.documents),
    )
    removed = data.draw(st.sampled_from(world.links))
    less = replace(allowing, links=tuple(link for link in world.links if link != removed))
    assert planned(less) <= planned(allowing)
    assert checked(less) <= checked(allowing)


@LAW
@given(worlds(), worlds())
def test_person_and_assistant_read_what_both_may_read(world: World, other: World) -> None:
    both = replace(world, callers=tuple(dict.fromkeys((*world.callers, *other.callers))))
    alone = [replace(world, callers=(caller,)) for caller in both.callers]
    assert planned(both) == frozenset.intersection(*(planned(one) for one in alone))
    assert checked(both) == frozenset.intersection(*(checked(one) for one in alone))


@LAW
@given(
    worlds(),
    st.builds(
        Tightening,
        level=st.sampled_from(Level),
        compartments=st.frozensets(st.sampled_from(COMPARTMENTS), max_size=1),
        denied_shares=st.frozensets(st.sampled_from(PEOPLE), max_size=1),
    ),
)
def test_a_stricter_paragraph_is_never_open_to_more_than_its_document(world: World, override: Tightening) -> None:
    paragraphs = replace(world, documents=tuple(doc.tightened(override) for doc in world.documents))
    assert planned(paragraphs) <= planned(world)
    assert checked(paragraphs) <= checked(world)


@LAW
@given(worlds())
def test_what_the_store_accepts_is_followed_to_its_end_for_everybody(world: World) -> None:
    """Without the chain of ten, all links are sound, and bounding their number changes nothing."""
    links = tuple(link for link in world.links if link.tenant == HOME and "chain10" not in link.parent)
    require_sound_links(links)
    snapshot = Snapshot(HOME, 1, (), links)
    for caller in world.callers:
        reachable = {caller.subject, *(link.parent for link in snapshot.links_from(caller))}
        assert snapshot.closure(caller) | snapshot.compartments(caller) == reachable


def test_a_snapshot_refuses_lines_of_another_tenant() -> None:
    rule = Rule("user:ann", ELSEWHERE, ACTION)
    link = RoleLink("user:ann", "role:r", ELSEWHERE)
    with pytest.raises(ValueError, match="another tenant"):
        Snapshot(HOME, 1, (rule,), ())
    with pytest.raises(ValueError, match="another tenant"):
        Snapshot(HOME, 1, (), (link,))
    assert Snapshot(ELSEWHERE, 1, (rule,), (link,)).knows("user:ann")
