"""Models that a tenant has of her own, from the command line: what each was trained on, and that one goes for good."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from policies.tenancy import within
from rag.db.engine import open_database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import IndexState
from rag.db.tables import AuditRow
from rag.embedding.tuned import TunedModels
from rag.settings import load_settings
from tests.api.test_cli import data_dir
from tests.api.test_cli_index import TENANT, run
from tests.db.index_worlds import two_indexes

__all__ = ["data_dir"]


@pytest.fixture
def models(data_dir: Path) -> TunedModels:
    """Two of acme's, of which the second was made by a command that ended before its card."""
    made = TunedModels(load_settings().data_dir, "acme")
    with made.alone():
        for name in ("tuned-1", "tuned-2"):
            with made.making(name, name) as folder:
                (folder / "model.safetensors").write_bytes(b"weights" * 100_000)
        trained = [{"document": "doc_1", "content_digest": "0"}, {"document": "doc_gone", "content_digest": "0"}]
        made.keep_card("tuned-1", {"at": "2026-05-01T10:00:00+00:00", "documents": trained})
    return made


def index_on(model: Path, *, state: IndexState = IndexState.READY, sha256: str = "0" * 64) -> None:
    """Acme's second index stands on the model, in this state."""

    async def make() -> None:
        database = await open_database(load_settings().database_url)
        await two_indexes(database)
        async with database.unit_of_work() as session:
            row = await IndexChanges(session, "acme").find(2)
            assert row is not None
            row.embedding, row.state = {"model": str(model), "sha256": sha256}, state
        await database.close()

    with within("acme"):
        asyncio.run(make())


def records(kind: str) -> list[Mapping[str, Any]]:
    async def read() -> list[str]:
        database = await open_database(load_settings().database_url)
        async with database.reading() as session:
            found = await session.scalars(select(AuditRow.body).where(AuditRow.kind == kind))
            bodies = list(found)
        await database.close()
        return bodies

    with within("acme"):
        return [json.loads(body) for body in asyncio.run(read())]


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(run(capsys, "models", *TENANT, "--json"))["models"]}


def test_each_is_listed_with_what_it_was_trained_on_and_what_stands_on_it(
    models: TunedModels, capsys: pytest.CaptureFixture[str]
) -> None:
    index_on(models.folder / "tuned-1")
    found = listed(capsys)
    first, second = found["tuned-1"], found["tuned-2"]
    assert (first["at"], first["indexes"], first["megabytes"]) == ("2026-05-01T10:00:00+00:00", [2], 0.7)
    assert first["tuned_on"] == {"documents": 2, "gone": 2}
    assert (second["at"], second["tuned_on"], second["indexes"]) == (None, None, [])
    assert "tuned-1" in run(capsys, "models", *TENANT)
    assert "tuned-1" not in run(capsys, "models", "--tenant", "globex")


def test_one_that_no_index_stands_on_goes_with_its_card_and_is_recorded(
    models: TunedModels, capsys: pytest.CaptureFixture[str]
) -> None:
    found = models.find("tuned-1")
    assert found is not None
    index_on(found.folder, state=IndexState.DROPPED)
    run(capsys, "forget", "tuned-1", "--yes", *TENANT)
    assert models.names() == ["tuned-2"]
    assert not found.folder.exists() and models.card(str(found.folder)) is None
    run(capsys, "forget", "tuned-2", "--yes", *TENANT)
    assert models.names() == []
    assert [(one["name"], one["model"] == found.sha256) for one in records("model_forgotten")] == [
        ("tuned-1", True),
        ("tuned-2", False),
    ]


@pytest.mark.parametrize("state", [IndexState.BUILDING, IndexState.READY, IndexState.RETIRED])
def test_one_that_an_index_stands_on_stays(
    models: TunedModels, capsys: pytest.CaptureFixture[str], state: IndexState
) -> None:
    index_on(models.folder / "tuned-1", state=state)
    assert "drop" in run(capsys, "forget", "tuned-1", "--yes", *TENANT, expect=1)
    assert models.find("tuned-1") is not None and records("model_forgotten") == []


@pytest.mark.parametrize("way", ["relative", "through a link", "a copy"])
def test_one_that_an_index_names_in_another_way_stays(
    models: TunedModels, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.chdir(models.folder)
    (tmp_path / "link").symlink_to(models.folder)
    found = models.find("tuned-1")
    assert found is not None
    named = {"relative": Path("tuned-1"), "through a link": tmp_path / "link" / "tuned-1", "a copy": Path("/srv/copy")}
    index_on(named[way], sha256=found.sha256 if way == "a copy" else "0" * 64)
    run(capsys, "forget", "tuned-1", "--yes", *TENANT, expect=1)
    assert models.find("tuned-1") is not None
    run(capsys, "forget", "tuned-2", "--yes", *TENANT)
    assert models.names() == ["tuned-1"]


@pytest.mark.parametrize(
    ("name", "tenant"), [("tuned-1", "globex"), ("../tuned-1", "acme"), ("", "acme"), ("lock", "acme")]
)
def test_nothing_but_a_model_of_the_tenant_is_removed(
    models: TunedModels, capsys: pytest.CaptureFixture[str], name: str, tenant: str
) -> None:
    before = sorted(models.folder.rglob("*"))
    assert "has no tuned model" in run(capsys, "forget", name, "--yes", "--tenant", tenant, expect=1)
    assert sorted(models.folder.rglob("*")) == before


def test_without_yes_nothing_goes(models: TunedModels, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--yes" in run(capsys, "forget", "tuned-1", *TENANT, expect=2)
    assert models.names() == ["tuned-1", "tuned-2"]
