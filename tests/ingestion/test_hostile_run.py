"""A folder full of hostile files: the honest one beside them is read, nothing is written, nothing is quoted."""

import json
import logging
from pathlib import Path

import pytest

from evals.hostile.files import hostile_files
from ingestion.parse.confine import Limits
from ingestion.parse.sandbox import Sandbox
from ingestion.pipeline import ingest
from ingestion.report import Change
from ingestion.sources.folder import FolderSource
from rag.db.engine import Database
from tests.ingestion.worlds import TENANT, parts_on, write_folder


def everything_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_a_folder_of_hostile_files_is_gone_through_without_harm(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ingestion")
    folder = tmp_path / "docs"
    folder.mkdir()
    write_folder(
        folder, {"ringfence.yaml": "department: company\nlevel: internal\n", "honest.md": "# Hours\n\nEleven."}
    )
    files = list(hostile_files(seed=11, count=26, without=("bomb",)))
    for file in files:
        (folder / file.name).write_bytes(file.data)
    before = everything_below(tmp_path)

    with Sandbox(Limits(4, 1, 1_500_000_000, 100_000)) as sandbox:
        report = await ingest(FolderSource(folder, "docs"), TENANT, parts_on(database, sandbox))

    changed = {one.path: one.change for one in report.outcomes}
    assert changed["honest.md"] is Change.NEW
    seen = {path.partition("/")[0] for path in [*changed, *(one.path for one in report.skipped)]}
    unprintable = [file for file in files if file.name not in seen]
    assert len(unprintable) <= len(report.skipped)
    assert everything_below(tmp_path) == before
    told = caplog.text + json.dumps([one.as_json() for one in report.outcomes])
    assert not [file for file in files if file.canary in told]
