"""Sets of labels: known from the first write to the next start, and left aside where they are too many."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge

from policies.plan import Conditions, plan
from policies.rules import Attributes, Caller, Level, Rule
from policies.snapshot import Snapshot
from rag.domain import SparseVector, content_id
from rag.index import label_sets
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.index.filter import access_filter
from rag.index.label_sets import LabelSets
from rag.index.payload import LABELS_KEY, payload_of
from rag.index.shard import open_shard
from rag.index.store import Payload, Point
from rag.index.tree import AnyOf, size

ANN = Caller("acme", "user:ann")
OPEN = Attributes("acme", "doc_1", "hr", Level.INTERNAL)
CLOSED = replace(OPEN, document="doc_2", department="legal")


def reader(*rules: Rule) -> Conditions:
    compiled = plan(Snapshot("acme", 1, rules, ()), [ANN])
    assert isinstance(compiled, Conditions)
    return compiled


HR = reader(Rule("user:ann", "acme", "read", department="hr"))


def payload(of: Attributes) -> Payload:
    return payload_of(of, version="v", attribute_version=1, policy_epoch=1)


def point(number: int, of: Attributes) -> Point:
    nothing = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
    chunk = content_id("chk", number.to_bytes(16, "big"))
    return Point(chunk, np.array([1.0, 0.0], np.float32), nothing, payload(of))


def open_at(folder: Path) -> EmbeddedStore:
    return open_embedded(folder, tenant="acme", dim=2, conditions_max=400)


def test_a_tangle_of_rules_becomes_one_condition_on_labels_and_one_on_the_epoch() -> None:
    sets = LabelSets()
    sets.add([payload(OPEN), payload(CLOSED), payload(replace(OPEN, document="doc_3"))])
    tangled = reader(
        *(Rule("user:ann", "acme", "read", "hr", frozenset({f"t{n}"})) for n in range(20)),
        Rule("user:ann", "acme", "read", "hr", owner="self"),
        Rule("user:ann", "acme", "read", "hr", level=Level.INTERNAL),
    )
    whole, by_sets = access_filter(tangled), sets.filter_of(tangled)
    assert whole is not None
    assert by_sets is not None
    assert (size(whole) > 20, size(by_sets)) == (True, 2)
    assert AnyOf(LABELS_KEY, (str(payload(OPEN)[LABELS_KEY]),)) in by_sets.must


def test_a_set_that_is_written_later_is_known_to_a_plan_that_was_asked_before() -> None:
    sets = LabelSets()
    sets.add([payload(CLOSED)])
    assert sets.filter_of(HR) is None
    sets.add([payload(OPEN)])
    assert sets.filter_of(HR) is not None


async def test_the_sets_of_an_index_are_known_after_a_restart(tmp_path: Path) -> None:
    store = open_at(tmp_path / "shard")
    await store.upsert([point(1, OPEN), point(2, CLOSED)])
    await store.close()
    store = open_at(tmp_path / "shard")
    assert await store.count(HR) == 1
    await store.set_payload({point(2, CLOSED).chunk: payload(replace(CLOSED, department="hr", tags=frozenset({"t"})))})
    assert await store.count(HR) == 2
    await store.close()


async def test_too_many_sets_are_left_to_the_filter_of_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_sets, "LABEL_SETS_MAX", 5)
    store = open_at(tmp_path / "shard")
    owned = [replace(OPEN, owner=f"user:u{n}") for n in range(9)]
    await store.upsert([point(number, of) for number, of in enumerate([*owned, CLOSED])])
    assert not store._label_sets.usable
    assert await store.count(HR) == 9
    await store.close()


async def test_an_index_of_an_older_release_is_made_anew(tmp_path: Path) -> None:
    """It holds nothing that the database does not; the next start of its owner fills it."""
    folder = tmp_path / "shard"
    store = open_at(folder)
    await store.upsert([point(1, OPEN)])
    await store.close()
    shard = open_shard(folder, tenant="acme", dim=2)
    shard.update(edge.UpdateOperation.delete_field_index(LABELS_KEY))
    shard.flush()
    shard.close()
    store = open_at(folder)
    assert await store.points() == 0
    await store.upsert([point(1, OPEN)])
    assert await store.count(HR) == 1
    await store.close()
