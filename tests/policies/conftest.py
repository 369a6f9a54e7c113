"""Where the policy commands of a test work."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, migrated_file: Path) -> Path:
    """The test's own folder with a migrated database: to migrate a new one takes longer than most commands do."""
    shutil.copyfile(migrated_file, tmp_path / "ringfence.db")
    return tmp_path
