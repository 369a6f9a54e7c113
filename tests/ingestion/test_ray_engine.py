"""`ringfence ingest --engine ray` on a real cluster of several nodes on this machine. `make test-ray` has it."""

import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingestion.cluster.engine import on_ray
from ingestion.cluster.fleet import import_ray
from ingestion.parse.document import Reason
from ingestion.parts import IngestionParts
from ingestion.pipeline import ingest
from ingestion.report import Change, Outcome, Report
from ingestion.sources.folder import FolderSource
from rag.db.engine import Database, open_database
from rag.errors import Misuse
from tests.ingestion.places import DIES, DIES_ONCE, stand_in_place
from tests.ingestion.worlds import AFTER, BEFORE, MASTER, TENANT, make_visible, state, write_folder

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="make test-ray brings Ray"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # Ray's own
]
MANY = {"ringfence.yaml": BEFORE["ringfence.yaml"]} | {
    f"{number:02}.md": f"# Note {number}\n\nAnn Lee wrote {number} lines to bo{number}@acme.example.\n"
    for number in range(24)
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without room for workers, and three nodes with room for one each."""
    ray = import_ray()
    cluster_utils = importlib.import_module("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # else whatever else runs on this machine comes before the workers
        started = cluster_utils.Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(3):
            started.add_node(num_cpus=1)
        ray.init(address=started.address, log_to_driver=False, logging_level="error")
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    return write_folder(root, BEFORE)


def wanting(parts: IngestionParts, workers: int) -> IngestionParts:
    return replace(parts, settings=parts.settings.model_copy(update={"ray_workers": workers}))


async def on_cluster(
    folder: Path, parts: IngestionParts, workers: int, place: Any = stand_in_place, **more: Any
) -> Report:
    wanted = wanting(parts, workers)
    return await ingest(FolderSource(folder, "docs"), TENANT, wanted, engine=on_ray(MASTER, wanted, place), **more)


async def twin(database: Database, tmp_path: Path) -> Database:
    """A second database that holds what the first one does now, the tenant's key among it."""
    with (
        closing(sqlite3.connect(tmp_path / "ringfence.db")) as one,
        closing(sqlite3.connect(tmp_path / "twin.db")) as two,
    ):
        one.backup(two)
    return await open_database(f"sqlite+aiosqlite:///{tmp_path / 'twin.db'}")


async def test_the_tables_hold_what_the_local_engine_writes(
    cluster: Any, folder: Path, parts: IngestionParts, tmp_path: Path
) -> None:
    """New, changed, relabelled, removed, failed and unlabelled documents."""
    await ingest(FolderSource(folder, "docs"), TENANT, parts)
    await make_visible(parts.database, TENANT)
    other = await twin(parts.database, tmp_path)
    write_folder(folder, AFTER)
    try:
        local = await ingest(FolderSource(folder, "docs"), TENANT, parts)
        elsewhere = replace(parts, database=other)
        remote = await on_cluster(folder, elsewhere, 2)
        assert remote.outcomes == local.outcomes
        assert remote.isolation == local.isolation is not None
        assert await state(other) == await state(parts.database)
        again = await on_cluster(folder, elsewhere, 2)
        assert {one.change for one in again.outcomes} == {Change.UNCHANGED, Change.FAILED}
    finally:
        await other.close()


async def test_a_node_that_is_lost_takes_no_document_with_it(
    cluster: Any, folder: Path, parts: IngestionParts, tmp_path: Path
) -> None:
    """One of three nodes is killed in the middle of the run, with its worker and what that was working on."""
    await ingest(FolderSource(folder, "docs"), TENANT, parts)
    other = await twin(parts.database, tmp_path)
    write_folder(folder, MANY)
    told: list[Outcome] = []
    lost = [cluster.add_node(num_cpus=1)]

    def tell(outcome: Outcome) -> None:
        told.append(outcome)
        if len(told) == 4:
            cluster.remove_node(lost.pop(), allow_graceful=False)

    try:
        remote = await on_cluster(folder, parts, 4, tell=tell)
        assert not lost and remote.counts[Change.NEW] == len(MANY) - 1
        local = await ingest(FolderSource(folder, "docs"), TENANT, replace(parts, database=other))
        assert remote.outcomes == local.outcomes
        assert await state(parts.database) == await state(other)
    finally:
        await other.close()


async def test_a_document_is_done_by_another_worker_and_refused_when_it_kills_each(
    cluster: Any, folder: Path, parts: IngestionParts, tmp_path: Path
) -> None:
    write_folder(folder, {**{name: MANY[name] for name in list(MANY)[:4]}, DIES: "Deadly.", DIES_ONCE: "Once."})
    report = await on_cluster(folder, parts, 2, partial(stand_in_place, tmp_path))
    assert {one.path: one.reason for one in report.failures} == {DIES: Reason.CRASHED}
    assert "3 workers were lost" in report.failures[0].sentence
    assert report.counts[Change.NEW] == 4


async def test_a_cluster_whose_nodes_have_other_settings_prepares_nothing(
    cluster: Any, folder: Path, parts: IngestionParts
) -> None:
    differing = replace(parts, masking_digest="another")
    with pytest.raises(Misuse) as caught:
        await on_cluster(folder, differing, 1)
    assert caught.value.code == "engine_differs"
    assert (await state(parts.database))["document"] == []
