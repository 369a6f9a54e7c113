"""`ringfence audit`: an auditor needs a file and a public key; the operator finds, hands out and lets go."""

import asyncio
import json
import shutil
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag.audit.record import NO_PREVIOUS, AuditRecord, canonical, record_digest
from rag.audit.sealing import seal
from rag.audit.store import AuditRecords
from rag.db.engine import open_database
from rag.privacy.receipts import open_signer
from rag.settings import load_settings
from tests.api.test_cli import run

TENANT = ("--tenant", "acme")
CHUNK: Mapping[str, Any] = {"document": "doc_1", "version": "ver_1", "chunk": "chk_1"}
BODIES: list[tuple[str, Mapping[str, Any]]] = [
    ("question", {"person": "user:ann", "assistant": "assistant:desk", "denied": False, "considered": [CHUNK]}),
    ("answer", {"person": "user:ann", "shown": [CHUNK]}),
    ("question", {"person": "user:bea", "denied": True, "considered": []}),
    ("denied", {"key": "k1", "subject": "assistant:desk", "code": "wrong_audience", "person": "user:eve"}),
    ("passage_refused", {"person": "user:bea", "document": "doc_1"}),
    ("policy_edit", {"author": "operator:root", "reason": "doc_10"}),
]


@pytest.fixture
def data_dir(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose log has a record for each of six days, the newest of today."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copyfile(migrated_file, folder / "ringfence.db")
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(folder))

    async def fill() -> None:
        database = await open_database(f"sqlite+aiosqlite:///{folder / 'ringfence.db'}")
        previous = NO_PREVIOUS
        async with database.unit_of_work() as session:
            for number, (kind, body) in enumerate(BODIES, start=1):
                at, written = datetime.now(UTC) - timedelta(days=len(BODIES) - number), canonical(body)
                digest = record_digest("acme", number, at, kind, written, previous)
                await AuditRecords(session).insert(AuditRecord("acme", number, at, kind, written, previous, digest))
                previous = digest
        await database.close()

    asyncio.run(fill())
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A data folder that does not exist: the auditor has no installation."""
    return tmp_path / "nothing"


def shown(capsys: pytest.CaptureFixture[str], *filters: str) -> list[int]:
    return [one["sequence"] for one in json.loads(run(capsys, "audit", "show", *TENANT, *filters, "--json"))]


def day(back: int) -> str:
    return (datetime.now(UTC) - timedelta(days=back)).strftime("%Y-%m-%d")


@pytest.mark.usefixtures("data_dir")
def test_records_are_found_by_who_what_when_and_whether_they_were_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == [1, 2, 3, 4, 5, 6]
    assert shown(capsys, "--limit", "2") == [5, 6]
    assert shown(capsys, "--person", "ann") == [1, 2]
    assert shown(capsys, "--person", "operator:root") == [6]
    assert shown(capsys, "--document", "doc_1") == [1, 2, 5]
    assert shown(capsys, "--document", "doc_1", "--person", "user:bea") == [5]
    assert shown(capsys, "--document", "doc_%") == []
    assert shown(capsys, "--kind", "question") == [1, 3]
    assert shown(capsys, "--denied") == [3, 4, 5]
    assert shown(capsys, "--denied", "--limit", "1") == [5]
    assert shown(capsys, "--since", day(1)) == [5, 6]
    assert shown(capsys, "--until", day(3)) == [1, 2]
    assert "wrong_audience" in run(capsys, "audit", "show", *TENANT, "--kind", "denied")
    run(capsys, "audit", "show", *TENANT, "--since", "yesterday", expect=2)


@pytest.mark.parametrize("form", [(), ("--ocsf",)], ids=["own form", "ocsf"])
def test_an_auditor_verifies_a_file_with_the_public_key_alone(
    form: tuple[str, ...], data_dir: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "acme.jsonl"
    run(capsys, "audit", "export", *TENANT, *form, "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = run(capsys, "privacy", "receipts", "key").strip()
    verify = ("audit", "verify", str(file), "--data-dir", str(elsewhere))
    found = json.loads(run(capsys, *verify, "--public-key", key, "--json"))
    assert (found["intact"], found["tenant"], found["checked"], found["covered"]) == (True, "acme", 6, 6)
    run(capsys, *verify, expect=2)
    run(capsys, *verify, "--public-key", key[:-4], expect=2)
    assert "other key" in run(capsys, *verify, "--public-key", f"{'A' * 43}=", expect=1)
    assert not elsewhere.exists()
    assert "Intact: 6 records" in run(capsys, "audit", "verify", str(file))

    content = file.read_bytes()
    file.write_bytes(content.replace(b"user:eve", b"user:ann"))
    assert "Record 4: edited" in run(capsys, *verify, "--public-key", key, expect=1)
    file.write_bytes(content[: len(content) // 2])
    assert "missing" in run(capsys, *verify, "--public-key", key, expect=1)
    run(capsys, "audit", "verify", str(tmp_path / "no such file"), expect=2)


@pytest.mark.usefixtures("data_dir")
def test_an_export_never_replaces_a_file_and_may_go_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text("kept")
    run(capsys, "audit", "export", *TENANT, "--output", str(file), expect=2)
    assert file.read_text() == "kept"
    lines = run(capsys, "audit", "export", *TENANT).splitlines()
    assert len(lines) == 1 + 6 + 1
    run(capsys, "audit", "export", "--tenant", "nobody", expect=1)


@pytest.mark.usefixtures("data_dir")
def test_checkpoints_are_signed_on_demand_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert "records 1 to 6" in run(capsys, "audit", "checkpoint", *TENANT)
    assert json.loads(run(capsys, "audit", "checkpoint", *TENANT, "--json")) == []
    assert "up to 6 (checkpoint 1)" in run(capsys, "audit", "verify", *TENANT)


@pytest.mark.usefixtures("data_dir")
def test_a_batch_with_a_young_record_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "audit", "checkpoint", *TENANT)
    assert json.loads(run(capsys, "audit", "prune", *TENANT, "--older-than", "1", "--json"))["records"] == 0
    assert shown(capsys) == [1, 2, 3, 4, 5, 6]


def test_a_removal_says_what_it_will_remove_removes_it_and_is_recorded(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_sign_the_first(data_dir, 4))
    prune = ("audit", "prune", *TENANT, "--older-than", "1")
    assert "Would remove 4 records" in run(capsys, *prune, "--dry-run")
    assert shown(capsys)[0] == 1
    assert "Removed 4 records, up to number 4" in run(capsys, *prune)
    assert shown(capsys) == [5, 6, 7]
    assert shown(capsys, "--kind", "audit_pruned") == [7]
    assert "Removed by retention: up to 4" in run(capsys, "audit", "verify", *TENANT)
    assert "nothing to remove" in run(capsys, *prune)


async def _sign_the_first(data_dir: Path, count: int) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{data_dir / 'ringfence.db'}")
    async with database.unit_of_work() as session:
        await seal(session, "acme", open_signer(load_settings(data_dir=data_dir)), size=count, most=1)
    await database.close()
