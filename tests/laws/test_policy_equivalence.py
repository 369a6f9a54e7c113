"""The law that carries the house: plan, check and Casbin on the whole policy give the same answer.

Both directions are counted apart: an over-grant is a leak, an under-grant hides what should be found. Floors
guard against worlds in which the law holds because nothing is ever allowed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from policies.check import Decision, check
from policies.plan import Clause, Conditions, DenyAll, Grant, Plan, plan
from policies.rules import Attributes, Caller, Effect, Level
from policies.snapshot import Snapshot
from tests.policies.evaluate import admits
from tests.policies.oracle import Oracle
from tests.policies.worlds import ACTION, COMPARTMENTS, World, worlds

Planner = Callable[[Snapshot, Sequence[Caller], str], Plan]
Checker = Callable[[Snapshot, Sequence[Caller], str, Attributes], Decision]

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
# The same worlds at every run, so that the floors below are facts about them and not luck. The laws of
# test_policy_changes.py draw new ones each time.
LAW = settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)
# Without shrinking: a mutant that lives for minutes while its example is made small proves nothing more.
HUNT = settings(
    LAW,
    max_examples=400,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


@dataclass(frozen=True)
class Verdicts:
    """Document ids by who says yes."""

    oracle: frozenset[str]
    planned: frozenset[str]
    checked: frozenset[str]


def verdicts(world: World, planner: Planner = plan, checker: Checker | None = check) -> Verdicts:
    """Ask all three; without a checker, the oracle's answer stands in for it."""
    oracle = Oracle(world.rules, world.links)
    snapshot = world.snapshot
    compiled = planner(snapshot, world.callers, ACTION)
    allowed = frozenset(doc.document for doc in world.documents if oracle.allows(world.callers, ACTION, doc))
    planned = frozenset(doc.document for doc in world.documents if admits(compiled, doc))
    if checker is None:
        return Verdicts(allowed, planned, allowed)
    decisions = {doc.document: checker(snapshot, world.callers, ACTION, doc) for doc in world.documents}
    assert not any(decision.error for decision in decisions.values())
    return Verdicts(allowed, planned, frozenset(name for name, found in decisions.items() if found.allowed))


def assert_law(found: Verdicts) -> None:
    assert not found.planned - found.oracle, "over-grants of the plan"
    assert not found.checked - found.oracle, "over-grants of the check"
    assert not found.oracle - found.planned, "under-grants of the plan"
    assert not found.oracle - found.checked, "under-grants of the check"


def test_plan_and_check_say_exactly_what_casbin_says_on_the_whole_policy() -> None:
    seen: Counter[str] = Counter()

    @LAW
    @given(worlds())
    def law(world: World) -> None:
        found = verdicts(world)
        assert_law(found)
        _count(seen, world, found)

    law()
    decisions, worlds_seen = seen["decisions"], seen["worlds"]
    assert worlds_seen == 200
    assert seen["allowed"] >= 0.08 * decisions, f"nearly nothing was allowed: {seen}"
    assert seen["allowed"] <= 0.70 * decisions, f"nearly everything was allowed: {seen}"
    assert seen["worlds with a reader"] >= 0.3 * worlds_seen, seen
    assert seen["flipped by a denial"] >= 10, seen
    assert seen["blocked by a denied share"] >= 5, seen
    assert seen["blocked by a compartment"] >= 5, seen
    assert seen["two callers"] >= 10, seen
    assert seen["vouched groups"] >= 10, seen
    assert seen["deep chains"] >= 10, seen


def _count(seen: Counter[str], world: World, found: Verdicts) -> None:
    """Count how often each part of the model decided: the answer without it would have been another."""
    seen["worlds"] += 1
    seen["decisions"] += len(world.documents)
    seen["allowed"] += len(found.oracle)
    seen["worlds with a reader"] += bool(found.oracle)
    seen["two callers"] += len(world.callers) > 1
    seen["vouched groups"] += any(caller.groups for caller in world.callers)
    seen["deep chains"] += any(link.parent == "role:chain10" for link in world.links)
    kind = {
        "flipped by a denial": replace(world, rules=tuple(rule for rule in world.rules if rule.effect is Effect.ALLOW)),
        "blocked by a denied share": replace(
            world, documents=tuple(replace(doc, denied_shares=frozenset()) for doc in world.documents)
        ),
        "blocked by a compartment": replace(
            world, documents=tuple(replace(doc, compartments=frozenset()) for doc in world.documents)
        ),
    }
    for name, without in kind.items():
        compiled = plan(without.snapshot, without.callers, ACTION)
        admitted = {doc.document for doc in without.documents if admits(compiled, doc)}
        seen[name] += len(admitted - found.oracle)


def _each_grant(change: Callable[[Grant], Grant]) -> Planner:
    def planner(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
        compiled = plan(snapshot, callers, action)
        if isinstance(compiled, DenyAll):
            return compiled
        return replace(compiled, grants=tuple(change(grant) for grant in compiled.grants))

    return planner


def _each_clause(change: Callable[[Clause], Clause]) -> Planner:
    return _each_grant(
        lambda grant: replace(
            grant,
            allow=tuple(change(clause) for clause in grant.allow),
            deny=tuple(change(clause) for clause in grant.deny),
        )
    )


def _first_caller_only(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
    return plan(snapshot, callers[:1], action)


def _either_caller(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
    plans = [plan(snapshot, (caller,), action) for caller in callers]
    return next((found for found in reversed(plans) if isinstance(found, Conditions)), plans[0])


def _vouched_groups_ignored(snapshot: Snapshot, callers: Sequence[Caller], action: str) -> Plan:
    return plan(snapshot, [replace(caller, groups=frozenset()) for caller in callers], action)


MUTANTS: dict[str, Planner] = {
    "denials dropped": _each_grant(lambda grant: replace(grant, deny=())),
    "below instead of at most": _each_clause(lambda c: replace(c, max_level=Level(max(0, c.max_level - 1)))),
    "level ignored": _each_clause(lambda c: replace(c, max_level=Level.SECRET)),
    "owner ignored": _each_clause(lambda c: replace(c, owner=None)),
    "department ignored": _each_clause(lambda c: replace(c, departments=None)),
    "tags ignored": _each_clause(lambda c: replace(c, tags=frozenset())),
    "document ignored": _each_clause(lambda c: replace(c, documents=None)),
    "shares ignored": _each_clause(lambda c: replace(c, shared_with=None)),
    "denied shares ignored": _each_grant(lambda grant: replace(grant, closure=frozenset({grant.subject}))),
    "compartments ignored": _each_grant(lambda grant: replace(grant, compartments=frozenset(COMPARTMENTS))),
    "assistant ignored": _first_caller_only,
    "either caller suffices": _either_caller,
    "vouched groups ignored": _vouched_groups_ignored,
}


@HUNT
@given(worlds())
def _plan_law(planner: Planner, world: World) -> None:
    assert_law(verdicts(world, planner=planner, checker=None))


@pytest.mark.parametrize("name", MUTANTS)
def test_the_law_notices_a_plan_with(name: str) -> None:
    with pytest.raises(AssertionError, match="grants of the plan"):
        _plan_law(MUTANTS[name])


@pytest.mark.parametrize("depth", [8, 10, 99])
def test_the_law_notices_role_links_followed_too_short_or_too_far(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.snapshot.ROLE_DEPTH_MAX", depth)
    with pytest.raises(AssertionError, match="grants of the plan"):
        _plan_law(plan)


@HUNT
@given(worlds())
def _check_law(world: World) -> None:
    assert_law(verdicts(world))


@pytest.mark.parametrize("constant", ["SHARED", "ANY"])
def test_the_law_notices_a_slice_without_rules_of_one_kind(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"policies.snapshot.{constant}", "nothing-has-this-name")
    with pytest.raises(AssertionError, match="grants of the check"):
        _check_law()


def test_the_law_notices_a_check_that_forgets_the_vouched_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    stored_only = Snapshot.links_from
    monkeypatch.setattr(
        Snapshot, "links_from", lambda self, caller: stored_only(self, replace(caller, groups=frozenset()))
    )
    with pytest.raises(AssertionError, match="grants of the check"):
        _check_law()
