"""A simulation says what `policies.check` says of every caller and every document, before and after the edit."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from evals.access.worlds import ASSISTANT, DEPARTMENTS, GROUPS, ROLES
from policies.check import check
from policies.plan import Conditions, conditions, plan
from policies.rules import ANY, SELF, SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule, Tightening
from policies.simulate import EXAMPLES_MAX, Simulation, simulate
from policies.snapshot import Snapshot
from policies.survey.budget import Budget
from policies.survey.catalogue import CANARY_TAG, Catalogue
from policies.survey.extents import Extents, Standing
from policies.survey.readers import everybody, people_of, stands_for, what, who
from tests.policies.evaluate import admits
from tests.policies.worlds import COMPARTMENTS, HOME, PEOPLE, World, rules, worlds

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
LAW = settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
# The same cases at every run, so that the floors are facts about them and not luck.
COUNTED = settings(LAW, max_examples=150, derandomize=True, database=None)
HUNT = settings(COUNTED, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False)

_NAMES = (*PEOPLE, ASSISTANT, *GROUPS, *ROLES, *COMPARTMENTS)
_LINKS = [
    RoleLink(member, parent, HOME)
    for member, parent in combinations(_NAMES, 2)
    if member not in COMPARTMENTS and parent not in (*PEOPLE, ASSISTANT)
]
_TWINS = ("user:cat", "user:dan")
"""Alike in all that rules and links say of them, so that only what they own and what is shared tells them apart."""
_STRICTER = [Tightening(level=Level.SECRET), Tightening(compartments=frozenset(COMPARTMENTS[:1]))]


@dataclass(frozen=True)
class Case:
    """A policy before and after an edit, and the attributes of the documents and of their stricter paragraphs."""

    before: Snapshot
    after: Snapshot
    entries: tuple[Attributes, ...]

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.entries)

    @property
    def people(self) -> tuple[Caller, ...]:
        return everybody((self.before, self.after), self.catalogue)

    @property
    def simulation(self) -> Simulation:
        return simulate(self.before, self.after, self.catalogue)

    def with_rule(self, rule: Rule) -> "Case":
        """Another edit of the same policy: this rule is added, and nothing else."""
        return replace(self, after=Snapshot(HOME, 2, (*self.before.rules, rule), self.before.links))


_wide_rules = st.builds(
    Rule,
    subject=st.sampled_from((*PEOPLE, *GROUPS, *ROLES, ROLES[0])),
    tenant=st.just(HOME),
    action=st.sampled_from(["read", "read", "delete"]),
    owner=st.sampled_from([ANY, ANY, SELF]),
    document=st.sampled_from([ANY, ANY, SHARED]),
    level=st.sampled_from([*Level, Level.SECRET, Level.SECRET]),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    world = draw(worlds())
    policy = [rule for rule in world.rules if rule.tenant == HOME] + draw(st.lists(_wide_rules, max_size=2))
    # Something to rise above: the twins can read a little before.
    policy.append(Rule(ROLES[0], HOME, "read", level=draw(st.sampled_from([Level.PUBLIC, Level.INTERNAL]))))
    kept = [rule for rule in policy if draw(st.sampled_from([True, True, True, True, False]))]
    added = draw(st.lists(_wide_rules, max_size=3))
    links = {link for link in world.links if link.tenant == HOME}
    links |= {RoleLink(twin, ROLES[0], HOME) for twin in _TWINS}
    # Every other edit leaves the links alone: then only the callers of the changed rules are looked at.
    changed = draw(st.one_of(st.just([]), st.lists(st.sampled_from(_LINKS), max_size=2, unique=True)))
    return Case(
        Snapshot(HOME, 1, policy, links), Snapshot(HOME, 2, kept + added, links ^ set(changed)), _entries(draw, world)
    )


def _entries(draw: st.DrawFn, world: World) -> tuple[Attributes, ...]:
    found: list[Attributes] = []
    for document in world.documents:
        label = replace(document, tenant=HOME)
        if draw(st.booleans()):
            label = replace(label, owner=draw(st.sampled_from(_TWINS)), shares=frozenset(_TWINS[:1]))
        if draw(st.sampled_from([True, False, False, False])):
            label = replace(label, tags=label.tags | {CANARY_TAG})
        found += [label, *map(label.tightened, draw(st.sampled_from([[], [], _STRICTER[:1], _STRICTER])))]
    return tuple(found)


def allowed(snapshot: Snapshot, caller: Caller, action: str, entries: Iterable[Attributes]) -> frozenset[Attributes]:
    decisions = {entry: check(snapshot, (caller,), action, entry) for entry in entries}
    assert not any(decision.error for decision in decisions.values())
    return frozenset(entry for entry, decision in decisions.items() if decision.allowed)


def documents(entries: Iterable[Attributes]) -> frozenset[str]:
    return frozenset(entry.document for entry in entries)


def assert_examples(examples: tuple[Attributes, ...], entries: frozenset[Attributes]) -> None:
    assert set(examples) <= entries
    assert len(documents(examples)) == len(examples) == min(EXAMPLES_MAX, len(documents(entries)))
    assert max(entry.level for entry in examples) == max(entry.level for entry in entries)


def assert_simulated(case: Case, seen: Counter[str]) -> None:
    """Compare the simulation with what the check says about everybody, every action and every entry."""
    simulation = case.simulation
    told = {(change.caller, change.action): change for change in simulation.changes}
    exposed: set[tuple[Caller, str]] = set()
    for caller in case.people:
        for action in ("read", "delete", "relabel"):
            was, now = (allowed(policy, caller, action, case.entries) for policy in (case.before, case.after))
            change = told.pop((caller, action), None)
            gain, loss = (change.gain, change.loss) if change else (None, None)
            assert (gain.documents if gain else 0) == len(documents(now - was))
            assert (loss.documents if loss else 0) == len(documents(was - now))
            if gain:
                assert_examples(gain.examples, now - was)
                assert gain.highest == max(entry.level for entry in now - was)
                assert gain.highest_before == max((entry.level for entry in was), default=None)
                assert gain.compartments == frozenset[str]().union(*(entry.compartments for entry in now - was))
                seen["gains"] += 1
                seen["level rises above something"] += gain.level_rises and bool(was)
                seen["level stays"] += not gain.level_rises
                seen["gains behind walls"] += bool(gain.compartments)
                seen["gains of stand-ins"] += stands_for(caller) is not None
            if loss:
                assert_examples(loss.examples, was - now)
                seen["losses"] += 1
            if action == "read":
                exposed |= {(caller, entry.document) for entry in now - was if CANARY_TAG in entry.tags}
    assert not told, "a change of somebody who does not change"
    assert set(simulation.canaries) == exposed
    seen["canaries"] += len(exposed)
    seen["unchanged callers"] += len(case.people) - len({change.caller for change in simulation.changes})


def test_a_simulation_says_what_the_check_says_before_and_after_about_everybody() -> None:
    seen: Counter[str] = Counter()

    @COUNTED
    @given(cases())
    def law(case: Case) -> None:
        assert_simulated(case, seen)

    law()
    floors = {"gains": 50, "losses": 50, "unchanged callers": 200, "canaries": 20, "level stays": 5}
    floors |= {"level rises above something": 20, "gains behind walls": 20, "gains of stand-ins": 15}
    assert {name: seen[name] for name, floor in floors.items() if seen[name] < floor} == {}, seen


MUTANTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "walls and denied shares ignored": ("policies.survey.catalogue.Catalogue.barred", lambda *_: 0),
    "ownership ignored": ("policies.survey.catalogue.Catalogue.owned_by", lambda self, _: self.everything),
    "shares ignored": ("policies.survey.catalogue.Catalogue.shared_with", lambda self, _: self.everything),
    "paragraphs counted as documents": ("policies.survey.catalogue._folds", lambda _: ()),
    "owners taken for one another": ("policies.survey.catalogue.Catalogue.mentions", lambda *_: False),
    "changed role links overlooked": (
        "policies.survey.moves.Move.concerned",
        lambda self, names: bool(self.before.names & names),
    ),
    "changed rules overlooked": ("policies.survey.moves.Move.concerned", lambda self, _: self.before != self.after),
    "a rule's effect overlooked": ("policies.survey.extents.without", lambda selection, _: selection),
}


@HUNT
@given(cases())
def _law(case: Case) -> None:
    assert_simulated(case, Counter())


@pytest.mark.parametrize("name", MUTANTS)
def test_the_law_notices_a_simulation_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MUTANTS[name])
    with pytest.raises(AssertionError):
        _law()


@LAW
@given(cases(), rules(effect=Effect.DENY))
def test_adding_a_denial_gains_nobody_anything(case: Case, rule: Rule) -> None:
    simulation = case.with_rule(replace(rule, tenant=HOME)).simulation
    assert [change for change in simulation.changes if change.gain] == []
    assert simulation.canaries == ()


@LAW
@given(cases(), rules(effect=Effect.ALLOW))
def test_adding_an_allow_rule_loses_nobody_anything(case: Case, rule: Rule) -> None:
    simulation = case.with_rule(replace(rule, tenant=HOME)).simulation
    assert [change for change in simulation.changes if change.loss] == []


@LAW
@given(cases())
def test_an_edit_undone_takes_what_it_gave_and_gives_what_it_took(case: Case) -> None:
    undone = replace(case, before=case.after, after=case.before).simulation
    given_ = [(c.caller, c.action, c.gain.documents, c.gain.examples) for c in case.simulation.changes if c.gain]
    taken = [(c.caller, c.action, c.loss.documents, c.loss.examples) for c in undone.changes if c.loss]
    assert given_ == taken
    assert (undone.losses, undone.losers) == (case.simulation.gains, case.simulation.gainers)
    assert (undone.gains, undone.gainers) == (case.simulation.losses, case.simulation.losers)


@LAW
@given(cases())
def test_no_edit_changes_nothing(case: Case) -> None:
    again = Snapshot(HOME, 2, reversed(case.before.rules), reversed(case.before.links))
    simulation = simulate(case.before, again, case.catalogue)
    assert (simulation.actions, simulation.changes, simulation.canaries) == ((), (), ())


@LAW
@given(cases(), st.sampled_from(DEPARTMENTS))
def test_a_part_is_simulated_as_if_there_were_no_other_documents_except_for_canaries(case: Case, part: str) -> None:
    entries = tuple(entry for entry in case.entries if entry.department == part)
    within = sum(1 << number for number, entry in enumerate(case.catalogue.entries(-1)) if entry in entries)
    restricted = simulate(case.before, case.after, case.catalogue, within=within)
    alone = replace(case, entries=entries).simulation
    assert (restricted.changes, restricted.documents) == (alone.changes, alone.documents)
    assert restricted.canaries == case.simulation.canaries


@LAW
@given(cases())
def test_plan_catalogue_extents_and_check_give_everybody_the_same_entries(case: Case) -> None:
    catalogue = case.catalogue
    for action in ("read", "delete"):
        subjects = {rule.subject for rule in set(case.before.rules) ^ set(case.after.rules) if rule.action == action}
        old = Extents(case.before, catalogue, action)
        for snapshot, extents in ((case.before, old), (case.after, old.after(case.after, subjects))):
            for caller in case.people:
                compiled = plan(snapshot, (caller,), action)
                admitted = catalogue.admitted(compiled)
                assert admitted == extents.of(Standing.of(snapshot, caller))
                assert set(catalogue.entries(admitted)) == {entry for entry in case.entries if admits(compiled, entry)}
                assert set(catalogue.entries(admitted)) == allowed(snapshot, caller, action, case.entries)


@LAW
@given(cases())
def test_a_plan_is_never_larger_than_its_estimate(case: Case) -> None:
    budget = Budget(case.after, "read")
    for caller in case.people:
        compiled = plan(case.after, (caller,))
        if isinstance(compiled, Conditions):
            (grant,) = compiled.grants
            size = budget.size(Standing.of(case.after, caller))
            assert size is not None
            assert size.allowing >= sum(map(conditions, grant.allow))
            assert size.widest >= max(map(conditions, grant.allow))
            assert size.denying >= sum(map(conditions, grant.deny)) + 2


@LAW
@given(cases())
def test_the_readers_of_a_document_are_those_whom_the_check_allows(case: Case) -> None:
    people = people_of(case.after, case.catalogue)
    for entry in case.entries:
        expected = [caller for caller in people if check(case.after, (caller,), "read", entry).allowed]
        found = who(case.after, entry, people)
        assert [reader.caller for reader in found] == expected
        assert all(reader.path.names[0] == reader.caller.subject for reader in found)
        assert all(reader.path.names[-1] == reader.rule.subject for reader in found)


@LAW
@given(cases())
def test_what_callers_can_read_is_counted_as_the_check_says(case: Case) -> None:
    for callers in [(caller,) for caller in case.people] + [case.people[:2]]:
        entries = frozenset.intersection(*(allowed(case.after, caller, "read", case.entries) for caller in callers))
        reach = what(case.after, callers, case.catalogue)
        assert reach.total == len(documents(entries))
        for department in DEPARTMENTS:
            of_it = documents(entry for entry in entries if entry.department == department)
            assert reach.by_department.get(department, 0) == len(of_it)
        for level in Level:
            assert reach.by_level.get(level, 0) == len(documents(e for e in entries if e.level == level))
        assert set(reach.examples) <= entries
        assert bool(reach.examples) == bool(entries)
