"""Ownership of a data folder: one process at a time, however that process ends."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rag.db.folder import DataFolder
from rag.errors import Conflict

OWN_AND_WAIT = """
import sys
from pathlib import Path
from rag.db.folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
folder.own()
folder.announce("http://127.0.0.1:9")
print("owned", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_owner(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_AND_WAIT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_is_owned_once_and_free_again_after_release(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.try_own()
    assert folder.owner() is not None
    folder.release()
    assert folder.owner() is None
    assert DataFolder(tmp_path).try_own()


def test_another_process_cannot_own_a_used_folder_and_learns_whom_to_ask(tmp_path: Path, other_owner) -> None:
    folder = DataFolder(tmp_path)
    assert not folder.try_own()
    owner = folder.owner()
    assert owner is not None
    assert (owner.pid, owner.url) == (other_owner.pid, "http://127.0.0.1:9")
    with pytest.raises(Conflict, match=f"process {other_owner.pid} serving http://127.0.0.1:9"):
        folder.own()


def test_a_killed_owner_leaves_the_folder_free(tmp_path: Path, other_owner) -> None:
    other_owner.send_signal(signal.SIGKILL)
    other_owner.wait()
    folder = DataFolder(tmp_path)
    assert folder.owner() is None
    assert folder.try_own()


def test_the_operator_key_is_made_once_and_readable_by_its_user_only(tmp_path: Path) -> None:
    key = DataFolder(tmp_path).operator_key()
    assert DataFolder(tmp_path).operator_key() == key
    assert len(key) >= 40
    assert stat.S_IMODE((tmp_path / "operator.key").stat().st_mode) == 0o600


def test_an_emptied_operator_key_is_refused_rather_than_accepted(tmp_path: Path) -> None:
    (tmp_path / "operator.key").write_text("")
    with pytest.raises(Conflict, match="not a key"):
        DataFolder(tmp_path).operator_key()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Conflict, match="cannot be used"):
        DataFolder(tmp_path / "file" / "below")


@pytest.mark.parametrize("file", ["owner.lock", "operator.key"])
def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path, file: str) -> None:
    """A folder in the file's place stands for a missing right, which nothing is refused to the administrator for."""
    folder = DataFolder(tmp_path)
    (tmp_path / file).mkdir()
    use = folder.try_own if file == "owner.lock" else folder.operator_key
    with pytest.raises(Conflict, match=r"cannot be used: .*RINGFENCE_DATA_DIR"):
        use()
