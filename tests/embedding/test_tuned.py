"""A tuned model stands whole or not at all, beside its card, in a folder of its tenant's own."""

import os
import stat
from pathlib import Path

import pytest

from rag.embedding.manifest import folder_manifest
from rag.embedding.tuned import TunedModels
from rag.errors import Conflict, Damaged


@pytest.fixture
def models(tmp_path: Path) -> TunedModels:
    return TunedModels(tmp_path, "acme")


def save(models: TunedModels, name: str = "tuned-1", weights: bytes = b"weights") -> None:
    with models.making(name, f"some model {name}") as folder:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(weights)


def test_a_model_stands_with_a_manifest_whose_digest_loads_it(models: TunedModels) -> None:
    with models.alone():
        assert models.find("tuned-1") is None
        save(models)
    found = models.find("tuned-1")
    assert found is not None
    manifest = folder_manifest(found.folder, found.sha256)
    manifest.verify(found.folder)
    assert manifest.name == "some model tuned-1"
    assert set(manifest.files) == {"1_Pooling/config.json", "model.safetensors"}


def test_nobody_else_reads_it_or_its_card(models: TunedModels, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with models.alone():
            save(models)
            models.keep_card("tuned-1", {"documents": []})
    finally:
        os.umask(before)
    modes = {
        path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("models/**/*")
    }
    assert len(modes) == 8
    for name, mode in modes.items():
        assert mode == (0o700 if (tmp_path / name).is_dir() else 0o600), name
    assert stat.S_IMODE((tmp_path / "models").stat().st_mode) == 0o700


def test_what_fails_while_it_is_made_leaves_nothing(models: TunedModels) -> None:
    with models.alone():
        with pytest.raises(RuntimeError), models.making("tuned-1", "x") as folder:
            (folder / "model.safetensors").write_bytes(b"half")
            raise RuntimeError
        with pytest.raises(Damaged), models.making("tuned-1", "x") as folder:
            (folder / "model.bin").write_bytes(b"a pickle")
        assert models.find("tuned-1") is None
        assert [path.name for path in models.folder.iterdir()] == ["lock"]
        save(models)
    assert models.find("tuned-1") is not None


def test_what_a_killed_process_left_is_removed_by_the_next(models: TunedModels) -> None:
    with models.alone():
        save(models)
    left = models.folder / ".making-left"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    (models.folder / ".making-tuned-1.json").write_text("{")
    with models.alone():
        assert sorted(path.name for path in models.folder.iterdir()) == ["lock", "tuned-1"]


def test_two_cannot_make_models_of_one_tenant_at_once(models: TunedModels, tmp_path: Path) -> None:
    with models.alone():
        with pytest.raises(Conflict, match="running"), TunedModels(tmp_path, "acme").alone():
            pass
        with TunedModels(tmp_path, "globex").alone():
            pass
    with TunedModels(tmp_path, "acme").alone():
        pass


def test_a_card_belongs_to_one_model_of_one_tenant(models: TunedModels, tmp_path: Path) -> None:
    with models.alone():
        save(models)
        models.keep_card("tuned-1", {"documents": [{"document": "doc_1"}]})
    model = str(models.folder / "tuned-1")
    assert models.card(model) == {"documents": [{"document": "doc_1"}]}
    assert TunedModels(tmp_path, "globex").card(model) is None
    assert (models.trained_on("doc_1"), models.trained_on("doc_2")) == (1, 0)
    assert TunedModels(tmp_path, "globex").trained_on("doc_1") == 0
    assert models.card("all-MiniLM-L6-v2") is None
    (models.folder / "tuned-1.json").write_text("{")
    with pytest.raises(Damaged, match="tuned-1"):
        models.card(model)
    models.discard("tuned-1")
    assert models.find("tuned-1") is None and models.card(model) is None
    assert [path.name for path in models.folder.iterdir()] == ["lock"]


def test_tenants_with_names_like_paths_have_folders_side_by_side(tmp_path: Path) -> None:
    folders = {TunedModels(tmp_path, name).folder for name in ("acme", "acme/../globex", "globex", "a/b")}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path / "models"}
