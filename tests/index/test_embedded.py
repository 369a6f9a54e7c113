"""What is particular to the engine in process: folders, owners, kills."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from policies.plan import Clause, Conditions, Grant
from policies.rules import Attributes, Level
from rag.domain import SparseVector
from rag.errors import Conflict, Damaged, IndexUnavailable
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.index.payload import INTEGERS, KEYWORDS, payload_of
from rag.index.store import Point
from tests.index.worlds import chunk

EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)
PLAN = Conditions("acme", 1, (Grant("user:ann", (EVERYTHING,), (), frozenset({"user:ann"}), frozenset()),))


def opened(folder: Path, *, dim: int = 4) -> EmbeddedStore:
    return open_embedded(folder, tenant="acme", dim=dim, conditions_max=400)


def points(count: int) -> list[Point]:
    of = Attributes(tenant="acme", document="d1", department="sales", level=Level.PUBLIC)
    payload = payload_of(of, version="v1", attribute_version=1, policy_epoch=1)
    words = SparseVector(np.array([1], np.uint32), np.array([1], np.float32))
    return [Point(chunk(n), np.ones(4, np.float32), words, payload) for n in range(count)]


@pytest.mark.parametrize("batches", [1, 6])
def test_acknowledged_points_survive_a_kill(tmp_path: Path, batches: int) -> None:
    """kill -9 right after the n-th acknowledgement, while the next batch is being written."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.index.writer", str(tmp_path / "shard")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    acknowledged = 0
    for _ in range(batches):
        acknowledged = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait(timeout=30)
    writer.stdout.close()
    asyncio.run(_holds(tmp_path / "shard", acknowledged))


async def _holds(folder: Path, acknowledged: int) -> None:
    """At least the acknowledged points, and it can be written again."""
    store = opened(folder)
    assert await store.count(PLAN) >= acknowledged > 0
    await store.upsert(points(acknowledged + 100))
    assert await store.count(PLAN) >= acknowledged + 100
    await store.close()


async def test_a_shard_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first = opened(tmp_path / "shard")
    with pytest.raises(Conflict):
        opened(tmp_path / "shard")
    await first.close()
    await opened(tmp_path / "shard").close()


async def test_a_shard_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    """Killed while making it: what lies in the unfinished folder is not taken for a shard."""
    unfinished = tmp_path / "shard.new"
    unfinished.mkdir()
    (unfinished / "edge_config.json").write_text("{")
    store = opened(tmp_path / "shard")
    assert not unfinished.exists()
    await store.upsert(points(3))
    assert await store.count(PLAN) == 3
    await store.close()


async def test_every_payload_key_that_filters_use_has_its_index_before_the_first_point(tmp_path: Path) -> None:
    store = opened(tmp_path / "shard")
    assert set(store._shard.info().payload_schema) == {*KEYWORDS, *INTEGERS}
    await store.close()


async def test_vectors_of_another_size_are_named_as_damage(tmp_path: Path) -> None:
    store = opened(tmp_path / "shard")
    await store.upsert(points(1))
    await store.close()
    with pytest.raises(Damaged, match="5 numbers"):
        opened(tmp_path / "shard", dim=5)
    await opened(tmp_path / "shard", dim=4).close()


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard" / "edge_config.json").write_text("{")
    with pytest.raises(Damaged, match="acme"):
        opened(tmp_path / "shard")


async def test_a_closed_store_is_unavailable_not_empty(tmp_path: Path) -> None:
    store = opened(tmp_path / "shard")
    await store.upsert(points(1))
    await store.close()
    with pytest.raises(IndexUnavailable):
        await store.count(PLAN)


async def test_closing_waits_for_the_write_in_flight(tmp_path: Path) -> None:
    store = opened(tmp_path / "shard")
    written = asyncio.create_task(store.upsert(points(200)))
    await asyncio.sleep(0)
    await asyncio.gather(written, store.close(), return_exceptions=True)
    store = opened(tmp_path / "shard")
    assert await store.count(PLAN) in (0, 200)
    await store.close()


async def test_room_of_deleted_points_is_taken_back_on_opening(tmp_path: Path) -> None:
    """And nothing that was not deleted is lost by it."""
    store = opened(tmp_path / "shard")
    await store.upsert(points(3000))
    await store.delete([chunk(n) for n in range(2000)])
    await store.close()
    for _ in range(2):
        store = opened(tmp_path / "shard")
        assert await store.count(PLAN) == 1000
        assert set(store._shard.info().payload_schema) == {*KEYWORDS, *INTEGERS}
        await store.close()
