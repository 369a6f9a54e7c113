"""Folders of parser processes: what a killed process leaves is removed by the next, what is in use is not."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ingestion.parse.empty_folder import PREFIX, EmptyFolder

HOLDING = """
import sys
from ingestion.parse.empty_folder import EmptyFolder
folder = EmptyFolder()
print(folder.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of this test, for it and the processes that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def folders(temporary: Path) -> set[str]:
    return {str(folder) for folder in temporary.iterdir()}


def test_what_a_killed_process_leaves_is_removed_by_the_next_and_what_is_in_use_is_not(temporary: Path) -> None:
    command = [sys.executable, "-c", HOLDING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        ours = EmptyFolder()
        assert folders(temporary) == {theirs, ours.name}
        other.kill()
        other.wait(30)
        assert folders(temporary) == {theirs, ours.name}, "nobody has looked yet"
        second = EmptyFolder()
    assert folders(temporary) == {ours.name, second.name}
    ours.close()
    ours.close()
    second.close()
    assert folders(temporary) == set()


def test_what_is_not_an_empty_folder_is_left_alone(temporary: Path) -> None:
    full, file, link = (temporary / f"{PREFIX}{name}" for name in ("full", "file", "link"))
    full.mkdir()
    (full / "kept.txt").write_text("x")
    file.write_text("x")
    (temporary / "elsewhere").mkdir()
    link.symlink_to(temporary / "elsewhere")
    before = folders(temporary)
    EmptyFolder().close()
    assert folders(temporary) == before


def test_nothing_can_be_put_into_it(temporary: Path) -> None:
    folder = EmptyFolder()
    assert Path(folder.name).stat().st_mode & 0o777 == 0o500
    folder.close()
