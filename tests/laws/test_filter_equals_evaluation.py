"""The filter admits exactly what the plan says, in the real engine, with payload indexes and without.

The evaluator in `tests.index.worlds` is the other spelling of `policies.plan`. Equality of plans with Casbin's
own enforcer is a law of the policy room; together they tie the vector search to Casbin.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evals.access.engine import Shards
from evals.access.mutants import MUTANTS
from policies.plan import Conditions
from rag.errors import IndexUnavailable
from rag.index.filter import access_filter, access_of
from rag.index.tree import Every, size
from tests.index import worlds

PLANS = 400
CORPUS = 300


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    with Shards(tmp_path_factory.mktemp("shards")) as opened:
        yield opened


@pytest.fixture(scope="module")
def corpus() -> list[dict[str, Any]]:
    random = Random(7)
    return [worlds.payload(random) for _ in range(CORPUS)]


@pytest.fixture(scope="module")
def right(plans: list[Conditions], corpus: list[dict[str, Any]]) -> list[set[str]]:
    """What each plan admits of the corpus."""
    return [expected(plan, corpus) for plan in plans]


@pytest.fixture(scope="module")
def plans() -> list[Conditions]:
    random = Random(11)
    return [worlds.plan(random) for _ in range(PLANS)]


def expected(plan: Conditions, payloads: Sequence[dict[str, Any]]) -> set[str]:
    return {worlds.chunk(number) for number, made in enumerate(payloads) if worlds.admits(plan, made)}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(0, 16))
@example(Random(1), 0)
def test_the_filter_admits_exactly_what_the_plan_does(shards: Shards, random: Random, count: int) -> None:
    """Both directions, on random payloads and plans, an empty index and damaged payloads included."""
    payloads = [worlds.payload(random) for _ in range(count)]
    plan = worlds.plan(random)
    for shard in shards.named.values():
        shard.replace(payloads)
        assert shard.admitted(access_filter(plan)) == expected(plan, payloads)


def test_the_filter_agrees_on_many_plans_and_the_parts_of_a_split_agree_with_the_whole(
    shards: Shards, corpus: list[dict[str, Any]], plans: list[Conditions], right: list[set[str]]
) -> None:
    """400 plans x 300 payloads x 2 shards, and every tenth plan cut into as many searches as can be."""
    split = 0
    for shard in shards.named.values():
        shard.replace(corpus)
        for number, (plan, answer) in enumerate(zip(plans, right, strict=True)):
            assert shard.admitted(access_filter(plan)) == answer
            parts = smallest_parts(plan) if number % 10 == 0 else None
            if parts is not None and len(parts) > 1:
                split += 1
                assert frozenset().union(*(shard.admitted(part) for part in parts)) == answer
    assert split > PLANS // 10  # of twice as many


def smallest_parts(plan: Conditions) -> tuple[Every, ...] | None:
    """The parts of `plan` under the smallest budget that it fits."""
    whole = access_filter(plan)
    if whole is None:
        return None
    parts: tuple[Every, ...] = (whole,)
    for budget in range(size(whole), 0, -1):
        try:
            access = access_of(plan, budget)
        except IndexUnavailable:
            break
        assert access is not None
        assert all(size(part) <= budget for part in access.parts)
        parts = access.parts
    return parts


def test_the_worlds_are_not_vacuous(
    corpus: list[dict[str, Any]], plans: list[Conditions], right: list[set[str]]
) -> None:
    """An equality of two empty sets proves nothing: floors on what the law above was tried on."""
    admitted_counts = [len(answer) for answer in right]
    assert sum(count > 0 for count in admitted_counts) > 0.6 * PLANS
    assert sum(admitted_counts) > 0.05 * PLANS * CORPUS
    assert max(admitted_counts) < 0.9 * CORPUS
    flips = {
        name: sum(expected(change(plan), corpus) != answer for plan, answer in zip(plans, right, strict=True))
        for name, change in PLAN_CHANGES.items()
    }
    assert min(flips.values()) > 0.1 * PLANS, flips


def without(plan: Conditions, **changes: Any) -> Conditions:
    return replace(plan, grants=tuple(replace(grant, **changes) for grant in plan.grants))


PLAN_CHANGES: dict[str, Callable[[Conditions], Conditions]] = {
    "no denials": lambda plan: without(plan, deny=()),
    "all compartments held": lambda plan: without(plan, compartments=frozenset(worlds.WALLS)),
    "first caller only": lambda plan: replace(plan, grants=plan.grants[:1]),
    "newest epoch": lambda plan: replace(plan, epoch=max(worlds.EPOCHS)),
}


FILTER_MUTANTS = {mutant.name: mutant.candidate.filterer for mutant in MUTANTS if mutant.part == "filter"}


@pytest.mark.parametrize("name", FILTER_MUTANTS)
def test_a_wrong_filter_is_noticed(
    name: str,
    shards: Shards,
    corpus: list[dict[str, Any]],
    plans: list[Conditions],
    right: list[set[str]],
) -> None:
    """Each mutant is told from the right filter within the same plans, and by each shard."""
    for shard in shards.named.values():
        shard.replace(corpus)
        noticed = (
            shard.admitted(FILTER_MUTANTS[name](plan)) != answer for plan, answer in zip(plans, right, strict=True)
        )
        assert any(noticed), name
