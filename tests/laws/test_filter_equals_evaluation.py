"""The filter admits exactly what the plan says, in the real engine, with payload indexes and without.

The evaluator in `tests.index.worlds` is the other spelling of `policies.plan`. Equality of plans with Casbin's
own enforcer is a law of the policy room; together they tie the vector search to Casbin.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import qdrant_edge as edge
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from policies.plan import Conditions
from rag.errors import IndexUnavailable
from rag.index.filter import AnyOf, AtMost, Beyond, Every, Node, Some, access_filter, access_of, size
from rag.index.payload import INTEGERS, KEYWORDS
from rag.index.points import chunk_id, point_id
from rag.index.render import edge_filter
from tests.index import worlds

PLANS = 400
CORPUS = 300


class Shard:
    """A shard of the real engine that holds one list of payloads at a time."""

    def __init__(self, folder: Path, *, indexed: bool) -> None:
        vectors = {"dense": edge.EdgeVectorParams(size=2, distance=edge.Distance.Cosine)}
        folder.mkdir()
        self._shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=vectors))
        kinds = ((KEYWORDS, edge.PayloadSchemaType.Keyword), (INTEGERS, edge.PayloadSchemaType.Integer))
        for keys, schema in kinds if indexed else ():
            for key in keys:
                self._shard.update(edge.UpdateOperation.create_field_index(key, schema))
        self._held: list[edge.PointId] = []

    def replace(self, payloads: Sequence[dict[str, Any]]) -> None:
        self._shard.update(edge.UpdateOperation.delete_points(self._held))
        self._held = [point_id(worlds.chunk(number)) for number in range(len(payloads))]
        points = [edge.Point(id_, {"dense": [1.0, 0.5]}, made) for id_, made in zip(self._held, payloads, strict=True)]
        if points:
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def admitted(self, node: Every) -> set[str]:
        """By a vector search, and the same by counting."""
        nearest = edge.Query.Nearest([1.0, 0.0], using="dense")
        found = self._shard.query(edge.QueryRequest(limit=1000, query=nearest, filter=edge_filter(node)))
        assert self._shard.count(edge.CountRequest(exact=True, filter=edge_filter(node))) == len(found)
        return {chunk_id(point.id) for point in found}

    def close(self) -> None:
        self._shard.close()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shard, Shard]]:
    folder = tmp_path_factory.mktemp("shards")
    opened = Shard(folder / "indexed", indexed=True), Shard(folder / "unindexed", indexed=False)
    yield opened
    for shard in opened:
        shard.close()


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


def admitted(shard: Shard, node: Every | None) -> set[str]:
    return set() if node is None else shard.admitted(node)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(0, 16))
@example(Random(1), 0)
def test_the_filter_admits_exactly_what_the_plan_does(shards: tuple[Shard, Shard], random: Random, count: int) -> None:
    """Both directions, on random payloads and plans, an empty index and damaged payloads included."""
    payloads = [worlds.payload(random) for _ in range(count)]
    plan = worlds.plan(random)
    for shard in shards:
        shard.replace(payloads)
        assert admitted(shard, access_filter(plan)) == expected(plan, payloads)


def test_the_filter_agrees_on_many_plans_and_the_parts_of_a_split_agree_with_the_whole(
    shards: tuple[Shard, Shard], corpus: list[dict[str, Any]], plans: list[Conditions], right: list[set[str]]
) -> None:
    """400 plans x 300 payloads x 2 shards, and every tenth plan cut into as many searches as can be."""
    split = 0
    for shard in shards:
        shard.replace(corpus)
        for number, (plan, answer) in enumerate(zip(plans, right, strict=True)):
            assert admitted(shard, access_filter(plan)) == answer
            parts = smallest_parts(plan) if number % 10 == 0 else None
            if parts is not None and len(parts) > 1:
                split += 1
                assert set().union(*(shard.admitted(part) for part in parts)) == answer
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


def rewritten(node: Node, change: Callable[[Node], Node | None]) -> Node | None:
    """The tree with every node replaced by what `change` makes of it; None drops it."""
    match node:
        case Every(must, must_not):
            kept = tuple(part for part in (rewritten(n, change) for n in must) if part is not None)
            kept_not = tuple(part for part in (rewritten(n, change) for n in must_not) if part is not None)
            # Dropped to nothing: everything, as the engine would read it.
            node = Every(kept or (AtMost("epoch", 10**6),), kept_not)
        case Some(alternatives):
            node = Some(tuple(part for part in (rewritten(n, change) for n in alternatives) if part is not None))
        case _:
            pass
    return change(node)


def drop(key: str) -> Callable[[Node], Node | None]:
    return lambda node: None if getattr(node, "key", None) == key else node


def all_tags_as_any(node: Node) -> Node | None:
    if not isinstance(node, Every):
        return node
    tags = [part for part in node.must if isinstance(part, AnyOf) and part.key == "tags"]
    if not tags:
        return node
    rest = tuple(part for part in node.must if part not in tags)
    return replace(node, must=(*rest, AnyOf("tags", tuple(value for part in tags for value in part.values))))


NODE_MUTANTS: dict[str, Callable[[Node], Node | None]] = {
    "seal dropped": drop("acl_schema"),
    "tenant dropped": drop("tenant"),
    "epoch ignored": drop("epoch"),
    "compartments ignored": drop("compartments"),
    "denied shares ignored": drop("denied_shares"),
    "owner ignored": drop("owner"),
    "department ignored": drop("department"),
    "document ignored": drop("document"),
    "tags ignored": drop("tags"),
    "shares ignored": drop("shares"),
    "level ignored": drop("level"),
    "any tag for all tags": all_tags_as_any,
    "empty alternatives": lambda node: None if isinstance(node, Some) else node,
    "< for <= on level": lambda n: AtMost("level", n.value - 1) if isinstance(n, AtMost) and n.key == "level" else n,
    "< for <= on epoch": lambda n: AtMost("epoch", n.value - 1) if isinstance(n, AtMost) and n.key == "epoch" else n,
    "any compartment for all": lambda n: AnyOf("compartments", ("-",)) if isinstance(n, Beyond) else n,
    "denials dropped": lambda node: (
        replace(node, must_not=tuple(part for part in node.must_not if not isinstance(part, Every)))
        if isinstance(node, Every)
        else node
    ),
}


def node_mutant(change: Callable[[Node], Node | None]) -> Callable[[Conditions], Every | None]:
    def mutated(plan: Conditions) -> Every | None:
        node = access_filter(plan)
        changed = None if node is None else rewritten(node, change)
        assert changed is None or isinstance(changed, Every)
        return changed

    return mutated


MUTANTS: dict[str, Callable[[Conditions], Every | None]] = {
    **{name: node_mutant(change) for name, change in NODE_MUTANTS.items()},
    "assistant ignored": lambda plan: access_filter(replace(plan, grants=plan.grants[:1])),
    "person ignored": lambda plan: access_filter(replace(plan, grants=plan.grants[-1:])),
    "first allow clause only": lambda plan: access_filter(
        replace(plan, grants=tuple(replace(grant, allow=grant.allow[:1]) for grant in plan.grants))
    ),
    "closure without groups": lambda plan: access_filter(
        replace(plan, grants=tuple(replace(grant, closure=frozenset({grant.subject})) for grant in plan.grants))
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_filter_is_noticed(
    name: str,
    shards: tuple[Shard, Shard],
    corpus: list[dict[str, Any]],
    plans: list[Conditions],
    right: list[set[str]],
) -> None:
    """Each mutant is told from the right filter within the same plans, and by each shard."""
    for shard in shards:
        shard.replace(corpus)
        noticed = (admitted(shard, MUTANTS[name](plan)) != answer for plan, answer in zip(plans, right, strict=True))
        assert any(noticed), name
