"""What `ringfence doctor` says of the key that signs receipts, and what it says to do."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.db.engine import Database
from rag.errors import Misuse
from rag.privacy.key_files import new_key, read_key_file
from rag.privacy.receipts import Receipts, Signer, open_signer
from rag.settings import Settings
from tests.api.test_cli import run
from tests.api.test_cli_privacy import on_database

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def data_dir(
    tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(migrated_file, tmp_path / "data" / "ringfence.db")
    run(capsys, "keys", "create", "--tenant", "acme", "--subject", "user:ann")
    yield tmp_path / "data"


def sign_receipt(data_dir: Path, signer: Signer, receipt: str = "rcp_1", minute: int = 0) -> None:
    async def work(database: Database) -> None:
        async with database.unit_of_work() as session:
            await Receipts(session, "acme").add(receipt, NOW.replace(minute=minute), signer.sign({"id": receipt}))

    on_database(data_dir, work)


def said(capsys: pytest.CaptureFixture[str], *, expect: int) -> tuple[str, str]:
    checks = json.loads(run(capsys, "doctor", "--json", expect=expect))["checks"]
    (found,) = [check for check in checks if check["check"] == "signing key"]
    assert [check["check"] for check in checks if check["state"] == "failed"] == ["signing key"] * expect
    return found["state"], found["detail"]


def test_before_the_first_receipt_it_is_missing_and_not_made(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, expect=0) == ("look", "it does not exist yet; it is made on first use")
    assert not (data_dir / "signing.key").exists()


def test_the_key_that_signed_all_receipts_is_well(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signer = open_signer(Settings(data_dir=data_dir))
    sign_receipt(data_dir, signer)
    assert said(capsys, expect=0) == ("ok", f"public key {signer.public_key}, 1 receipts signed with it")


def test_a_key_that_is_missing_although_it_signed_is_to_be_restored(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = open_signer(Settings(data_dir=data_dir))
    sign_receipt(data_dir, signer)
    (data_dir / "signing.key").unlink()
    state, detail = said(capsys, expect=1)
    assert state == "failed" and "Restore signing.key from a backup" in detail and signer.public_key in detail
    assert not (data_dir / "signing.key").exists()


def test_another_key_than_that_of_the_newest_receipt_is_told_with_its_public_half(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = open_signer(Settings(data_dir=data_dir))
    sign_receipt(data_dir, signer)
    (data_dir / "signing.key").write_text(new_key())
    state, detail = said(capsys, expect=1)
    assert state == "failed" and "not the key of the newest receipt" in detail and signer.public_key in detail
    sign_receipt(data_dir, open_signer(Settings(data_dir=data_dir)), "rcp_2", minute=1)
    state, detail = said(capsys, expect=0)
    assert state == "look" and detail.startswith("1 of 2 receipts were signed with another key")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda key: key.chmod(stat.S_IRUSR | stat.S_IROTH), "chmod 600"),
        (lambda key: key.write_text("x"), "does not hold 32 bytes"),
        (lambda key: (key.unlink(), key.mkdir(0o700)), "cannot be read (IsADirectoryError)"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_with_what_to_do(
    data_dir: Path, capsys: pytest.CaptureFixture[str], spoil: object, words: str
) -> None:
    open_signer(Settings(data_dir=data_dir))
    assert callable(spoil)
    spoil(data_dir / "signing.key")
    state, detail = said(capsys, expect=1)
    assert state == "failed" and words in detail


def test_a_key_of_another_user_is_told_to_be_given_to_the_one_who_runs_ringfence(tmp_path: Path) -> None:
    key = tmp_path / "signing.key"
    key.write_text(new_key())
    key.chmod(0)
    with somebody_else(), pytest.raises(Misuse, match="chown"):
        read_key_file(key, private=True, code="bad_signing_key")


@contextmanager
def somebody_else() -> Iterator[None]:
    """An administrator may read every file: here, nobody is one."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)
