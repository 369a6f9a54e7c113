"""The parts of a plan that is too large for one search admit together what it admits, in the real engine.

With lists of three values at most, so that small random plans need what a company's largest ones need.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evals.access.engine import Shards
from policies.plan import Clause, Conditions, Grant
from rag.errors import IndexUnavailable
from rag.index.filter import AnyOf, Beyond, Every, Node, Some, access_filter, access_of, size
from tests.index import worlds

LIST_MAX = 3
PAYLOADS = 200


@pytest.fixture(autouse=True, scope="module")
def short_lists() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("tree", "split", "filter"):
            patch.setattr(f"rag.index.{module}.LIST_MAX", LIST_MAX)
        yield


@pytest.fixture(scope="module")
def payloads() -> list[dict[str, object]]:
    random = Random(5)
    return [worlds.payload(random) for _ in range(PAYLOADS)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, object]]) -> Iterator[Shards]:
    with Shards(tmp_path_factory.mktemp("shards")) as opened:
        opened.replace(payloads)
        yield opened


def widened(plan: Conditions, random: Random) -> Conditions:
    """The plan with names in its lists that no document has: they change nothing but the length of the lists."""
    return replace(plan, grants=tuple(_widened(grant, random) for grant in plan.grants))


def _widened(grant: Grant, random: Random) -> Grant:
    def wide(clause: Clause) -> Clause:
        lists = {name: getattr(clause, name) for name in ("departments", "documents", "shared_with")}
        return replace(
            clause, **{name: values | _fillers(random) for name, values in lists.items() if values is not None}
        )

    return replace(
        grant,
        allow=tuple(map(wide, grant.allow)),
        deny=tuple(map(wide, grant.deny)),
        closure=grant.closure | _fillers(random),
    )


def _fillers(random: Random) -> frozenset[str]:
    """Sorted before, between and after the names that documents have."""
    return frozenset(f"{random.choice('Aeguz')}{random.randrange(100)}" for _ in range(random.choice((0, 0, 4, 14))))


def smallest_budget(plan: Conditions) -> int:
    """The smallest budget that the plan can be split to."""
    whole = access_filter(plan)
    assert whole is not None
    too_small, budget = 0, size(whole)
    while budget - too_small > 1:
        middle = (too_small + budget) // 2
        try:
            access_of(plan, middle)
        except IndexUnavailable:
            too_small = middle
        else:
            budget = middle
    return budget


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_the_parts_admit_together_exactly_what_the_plan_does(
    shards: Shards, payloads: list[dict[str, object]], random: Random
) -> None:
    plan = widened(worlds.plan(random), random)
    if access_filter(plan) is None:
        return
    smallest = smallest_budget(plan)
    assert_split_exactly(plan, random.randint(smallest, smallest + 10), shards, payloads)


def assert_split_exactly(
    plan: Conditions, budget: int, shards: Shards, payloads: list[dict[str, object]]
) -> tuple[Every, ...]:
    """Whole and parts, in every shard, both directions. Returns the parts."""
    expected = {worlds.chunk(number) for number, made in enumerate(payloads) if worlds.admits(plan, made)}
    access = access_of(plan, budget)
    assert access is not None
    assert all(size(part) <= budget for part in access.parts)
    assert all(longest(part) <= LIST_MAX for part in (access.whole, *access.parts))
    for shard in shards.named.values():
        assert shard.admitted(access.whole) == expected
        assert frozenset[str]().union(*map(shard.admitted, access.parts)) == expected
    return access.parts


def longest(node: Node) -> int:
    match node:
        case AnyOf() | Beyond():
            return len(node.values)
        case Every(must, must_not):
            return max(map(longest, (*must, *must_not)))
        case Some(alternatives):
            return max(map(longest, alternatives))
        case _:
            return 0


def test_the_law_is_tried_on_plans_that_admit_something_and_are_cut_often(
    shards: Shards, payloads: list[dict[str, object]]
) -> None:
    """Floors, on plans drawn in the same way and cut as small as they can be."""
    random = Random(3)
    cut = lists_cut = admitting = 0
    for _ in range(60):
        plan = widened(worlds.plan(random), random)
        if access_filter(plan) is None:
            continue
        parts = assert_split_exactly(plan, smallest_budget(plan), shards, payloads)
        cut += len(parts) > 1
        lists_cut += len(parts) > 1 and all(len(grant.allow) == 1 for grant in plan.grants)
        admitting += any(worlds.admits(plan, made) for made in payloads)
    assert (cut > 30, lists_cut > 3, admitting > 25) == (True, True, True), (cut, lists_cut, admitting)
