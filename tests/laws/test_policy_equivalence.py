"""The law that carries the house: engine, plan, check and Casbin on the whole policy give the same answer.

Both directions are counted apart: an over-grant is a leak, an under-grant hides what should be found. Floors
guard against worlds in which the law holds because nothing is ever allowed, and mutants against a law that would
hold for anything. `ringfence eval access --decisions N` is the same comparison at any size.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import casbin
import pytest
from hypothesis import HealthCheck, given, settings

from evals.access.check_mutants import CHECKS
from evals.access.engine import Shards, chunk
from evals.access.equivalence import PRODUCT, compare, filtered, make_cases, make_corpus
from evals.access.floors import floors
from evals.access.hostile import HOSTILE_NAMES, hostile_payloads, misnamed_payloads, open_document, sound_payload
from evals.access.hunt import Hunted, hunt
from evals.access.label_set_mutants import filter_by_label_sets
from evals.access.mutants import MUTANTS, Candidate, Mutant
from evals.access.oracle import Oracle
from evals.access.plan_mutants import following
from evals.access.worlds import EPOCH
from policies.check import check, check_each
from policies.plan import Conditions, plan
from policies.rules import Attributes, Caller, InvalidRule, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from rag.index.filter import access_filter
from rag.index.payload import payload_of
from tests.policies.evaluate import admits
from tests.policies.worlds import ACTION, ELSEWHERE, HOME, World, worlds

SEED = 7
POLICIES = 1000


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    with Shards(tmp_path_factory.mktemp("shards")) as opened:
        yield opened


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_asking_about_many_documents_at_once_and_on_few_rules_changes_no_decision(world: World) -> None:
    """Neither the decision nor the rule it names: beside one document at a time, on every rule that could match."""
    together = check_each(world.snapshot, world.callers, ACTION, world.documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policies.check._enough", list)
        apart = {document: check(world.snapshot, world.callers, ACTION, document) for document in world.documents}
    assert together == apart


@pytest.mark.timeout(900)
def test_the_engine_and_the_check_say_exactly_what_casbin_says_on_the_whole_policy(shards: Shards) -> None:
    """1000 random policies x 200 documents, with payload indexes and without, among hostile points."""
    tally = compare(SEED, POLICIES, shards, print)
    assert tally.decisions == POLICIES * 200
    assert tally.over_grants == 0, tally.examples
    assert tally.under_grants == 0, tally.examples
    assert not [gate for gate in floors(tally) if not gate.holds]


@settings(
    max_examples=150,
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(worlds())
def test_plan_and_check_say_what_casbin_says_on_worlds_never_seen_before(world: World) -> None:
    """New ones at every run, and made small where one fails."""
    oracle = Oracle(world.rules, world.links)
    snapshot = world.snapshot
    compiled = plan(snapshot, world.callers, ACTION)
    for document in world.documents:
        allowed = oracle.allows(world.callers, ACTION, document)
        decision = check(snapshot, world.callers, ACTION, document)
        assert (decision.allowed, decision.error) == (allowed, False)
        assert admits(compiled, document) is allowed


def test_the_worlds_that_hypothesis_draws_have_readers() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(worlds())
    def look(world: World) -> None:
        compiled = plan(world.snapshot, world.callers, ACTION)
        seen["documents"] += len(world.documents)
        seen["allowed"] += sum(admits(compiled, document) for document in world.documents)
        seen["chains"] += any(link.parent == "role:chain10" for link in world.links)

    look()
    assert 0.05 * seen["documents"] < seen["allowed"] < 0.7 * seen["documents"], seen
    assert seen["chains"] > 20, seen


def test_compiling_the_matcher_changes_no_answer_of_casbin() -> None:
    """What the long runs do differently from the stock enforcer: 2000 decisions by both."""
    held = make_corpus(SEED, 0)
    cases = list(make_cases(SEED, held, 10))
    assert all(type(Oracle(c.world.rules, c.world.links).of(c.world.callers[0])) is casbin.Enforcer for c in cases)
    for case in cases:
        stock = Oracle(case.world.rules, case.world.links)
        right = {name for name, found in held.chunks.items() if stock.allows(case.world.callers, ACTION, found)}
        assert case.allowed == right
    assert any(case.allowed for case in cases)


# --- mutants ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hunted(shards: Shards) -> dict[str, Hunted]:
    return {str(one.mutant): one for one in hunt(SEED, shards, print)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [str(mutant) for mutant in MUTANTS])
def test_the_law_notices(name: str, hunted: dict[str, Hunted]) -> None:
    """By the shard with payload indexes and by the one without; a broken check by itself."""
    assert hunted[name].killed, f"still unnoticed by {hunted[name].waiting}"


@pytest.mark.timeout(600)
def test_what_is_not_broken_is_not_noticed(shards: Shards) -> None:
    """Nine steps are what Casbin follows; a mutant that changes nothing must live, or the hunt kills anything."""
    same = [
        Mutant("plan", "role links followed nine steps", Candidate(planner=following(9))),
        Mutant("check", "the check itself", Candidate()),
        Mutant("filter", "the filter itself", Candidate()),
    ]
    assert not any(one.deaths for one in hunt(SEED, shards, print, same, policies=60))


def test_mutants_are_many_and_differ() -> None:
    names = [str(mutant) for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 20
    assert {mutant.part for mutant in MUTANTS} == {"plan", "check", "filter", "label sets"}


def test_a_check_that_fails_is_not_taken_for_a_denial(shards: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.enforcer._enforcer", lambda *_: 1 / 0)
    with pytest.raises(RuntimeError, match="deciding about a document failed"):
        hunt(SEED, shards, print, [Mutant("check", "fails", Candidate(checker=CHECKS["assistant ignored"]))], 10)


# --- hostile ----------------------------------------------------------------------------------------------------

COLUMNS: dict[str, Callable[[str], object]] = {
    "subject of a rule": lambda name: Rule(f"user:{name}", HOME, ACTION),
    "tenant of a rule": lambda name: Rule("user:ann", name, ACTION),
    "department of a document": lambda name: Attributes(HOME, "d1", name, Level.PUBLIC),
    "document of a document": lambda name: Attributes(HOME, name, "hr", Level.PUBLIC),
    "tenant of a document": lambda name: Attributes(name, "d1", "hr", Level.PUBLIC),
    "owner": lambda name: Attributes(HOME, "d1", "hr", Level.PUBLIC, owner=f"user:{name}"),
    "share": lambda name: Attributes(HOME, "d1", "hr", Level.PUBLIC, shares=frozenset({f"group:{name}"})),
    "denied share": lambda name: Attributes(HOME, "d1", "hr", Level.PUBLIC, denied_shares=frozenset({f"role:{name}"})),
    "compartment": lambda name: Attributes(
        HOME, "d1", "hr", Level.PUBLIC, compartments=frozenset({f"compartment:{name}"})
    ),
    "member of a link": lambda name: RoleLink(f"user:{name}", "role:r1", HOME),
    "parent of a link": lambda name: RoleLink("user:ann", f"role:{name}", HOME),
    "caller": lambda name: Caller(HOME, f"user:{name}"),
    "vouched group": lambda name: Caller(HOME, "user:ann", frozenset({f"group:{name}"})),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_hostile_names_are_refused_in_every_column(column: str) -> None:
    make = COLUMNS[column]
    for name in HOSTILE_NAMES:
        with pytest.raises(InvalidRule):
            make(name)
    assert make("hr")


@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES if name not in ("*", "@shared")])
def test_hostile_names_are_refused_where_a_rule_may_hold_a_wildcard(name: str) -> None:
    with pytest.raises(InvalidRule):
        Rule("user:ann", HOME, ACTION, department=name)
    with pytest.raises(InvalidRule):
        Rule("user:ann", HOME, ACTION, document=name)
    assert Rule("user:ann", HOME, ACTION, department="*", document="@shared")


def test_a_role_with_a_persons_name_is_not_that_person() -> None:
    snapshot = Snapshot(HOME, EPOCH, (Rule("role:ann", HOME, ACTION),), ())
    assert not check(snapshot, [Caller(HOME, "user:ann")], ACTION, open_document()).allowed
    linked = Snapshot(HOME, EPOCH, snapshot.rules, (RoleLink("user:ann", "role:ann", HOME),))
    assert check(linked, [Caller(HOME, "user:ann")], ACTION, open_document()).allowed


def test_links_of_another_tenant_give_nothing() -> None:
    """The same names there and here; Casbin on the whole policy says so too."""
    rule, caller = Rule("role:r1", HOME, ACTION), Caller(HOME, "user:ann")
    foreign, own = RoleLink("user:ann", "role:r1", ELSEWHERE), RoleLink("user:ann", "role:r1", HOME)
    with pytest.raises(ValueError, match="another tenant"):
        Snapshot(HOME, EPOCH, (rule,), (foreign,))
    assert not Oracle([rule], [foreign]).allows([caller], ACTION, open_document())
    assert Oracle([rule], [own]).allows([caller], ACTION, open_document())
    assert check(Snapshot(HOME, EPOCH, (rule,), (own,)), [caller], ACTION, open_document()).allowed


def test_what_got_into_the_index_unvalidated_is_admitted_by_no_filter(shards: Shards) -> None:
    """Under the widest plan that can be written, and under those of random policies. The sound twin is admitted."""
    widest = plan(Snapshot(HOME, EPOCH, (Rule("user:ann", HOME, ACTION),), ()), [Caller(HOME, "user:ann")], ACTION)
    assert isinstance(widest, Conditions)
    named = list(hostile_payloads())
    assert len(named) > 35
    shards.replace([payload for _, payload in named] + [{**sound_payload()}])
    filters = [access_filter(widest)]
    cases = [case for number in range(5) for case in make_cases(SEED, make_corpus(SEED, number))]
    filters += [node for case in cases if (node := filtered(PRODUCT, case)) is not None]
    sound = chunk(len(named))
    for shard in shards.named.values():
        admitted = [shard.admitted(node) for node in filters]
        assert admitted[0] == {sound}, [
            named[number][0] for number in range(len(named)) if chunk(number) in admitted[0]
        ]
        assert all(found <= {sound} for found in admitted)
        assert sum(map(bool, admitted)) > 10


def test_a_point_whose_digest_is_not_of_its_labels_is_admitted_by_no_filter_of_label_sets(shards: Shards) -> None:
    """Nor by that of somebody who may read every set there is. The sound twins are."""
    secret = payload_of(replace(open_document(), level=Level.SECRET), version="v", attribute_version=1, policy_epoch=1)
    written = [{**sound_payload()}, {**secret}]
    rule = Rule("user:ann", HOME, ACTION, level=Level.INTERNAL)
    compiled = plan(Snapshot(HOME, EPOCH, (rule,), ()), [Caller(HOME, "user:ann")], ACTION)
    assert isinstance(compiled, Conditions)
    widest = plan(Snapshot(HOME, EPOCH, (Rule("user:ann", HOME, ACTION),), ()), [Caller(HOME, "user:ann")], ACTION)
    assert isinstance(widest, Conditions)
    shards.replace([*written, *misnamed_payloads()])
    for shard in shards.named.values():
        assert shard.admitted(filter_by_label_sets(written, compiled)) == {chunk(0)}
        assert shard.admitted(filter_by_label_sets(written, widest)) == {chunk(0), chunk(1)}


def test_random_numbers_decide_nothing_but_what_is_tried() -> None:
    """A disagreement names its corpus and policy: the same seed makes the same ones again."""
    assert make_corpus(SEED, 3) == make_corpus(SEED, 3) != make_corpus(SEED + 1, 3)
    assert list(make_cases(SEED, make_corpus(SEED, 3), 2)) == list(make_cases(SEED, make_corpus(SEED, 3), 2))
    assert Random(f"{SEED}/3").random() == Random(f"{SEED}/3").random()
