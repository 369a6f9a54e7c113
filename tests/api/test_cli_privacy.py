"""`ringfence privacy` erase, rotate-key and receipts, on a data folder with really ingested documents."""

import asyncio
import io
import json
import os
import re
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select, update

from rag import cli
from rag.db.engine import Database, open_database
from rag.db.tables import VaultKeyRow, VaultRow
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import existing_tenant_keys
from rag.privacy.vault import Vault
from rag.settings import Settings
from tests.api.test_cli import COMMANDS, run
from tests.copies import bytes_written, copy_folder

T = TypeVar("T")
TENANT = ("--tenant", "acme")
SECRETS = ("Margaret Ellison", "Ellison", "margaret.ellison@acme.example")
REST = ("Bob Stone", "bob.stone@acme.example")
FILES = {
    "ringfence.yaml": "department: company\nlevel: internal\n",
    "letter.md": "# Letter\n\nMargaret Ellison signed the lease. Write to margaret.ellison@acme.example.\n",
    "minutes.md": "# Minutes\n\nPresent: Margaret Ellison and Bob Stone (bob.stone@acme.example).\n",
}


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after `ringfence ingest`, with its index: made once."""
    place = tmp_path_factory.mktemp("privacy")
    for name, content in FILES.items():
        (place / "docs").mkdir(exist_ok=True)
        (place / "docs" / name).write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("RINGFENCE_DATA_DIR", str(place / "data"))
        assert cli.main(["ingest", str(place / "docs"), *TENANT], COMMANDS) == 0
    return place / "data"


@pytest.fixture
def data_dir(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    copy_folder(ingested, tmp_path / "data")
    yield tmp_path / "data"


def on_database(data_dir: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    async def opened() -> T:
        database = await open_database(f"sqlite+aiosqlite:///{data_dir / 'ringfence.db'}")
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(opened())


def originals(data_dir: Path) -> set[str]:
    """Everything that the vault gives back, with the keys as the folder holds them now."""

    async def work(database: Database) -> set[str]:
        async with database.reading() as session:
            keys = await existing_tenant_keys(session, "acme", open_keys(Settings(data_dir=data_dir)))
            tokens = list(await session.scalars(select(VaultRow.token)))
            return set((await Vault("acme", keys.vault).open(session, tokens)).values())

    return on_database(data_dir, work)


def sealed(data_dir: Path) -> set[bytes]:
    async def work(database: Database) -> set[bytes]:
        async with database.reading() as session:
            return set(await session.scalars(select(VaultRow.sealed)))

    return on_database(data_dir, work)


def every_byte(data_dir: Path) -> bytes:
    """Of every file below the folder: database, write-ahead log, index shards, keys. Long runs of zeros are cut."""
    files = [path for path in sorted(data_dir.rglob("*")) if path.is_file()]
    return b"\0".join(re.sub(rb"\0{256,}", bytes(256), bytes_written(path)) for path in files)


def erase(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int = 0) -> dict[str, Any]:
    options = *TENANT, "--reason", "request 17", "--yes", "--json"
    printed = run(capsys, "privacy", "erase", *options, *arguments, expect=expect)
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_after_an_erasure_no_file_of_the_folder_gives_the_person_back(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {*SECRETS, *REST} <= originals(data_dir)
    before = sealed(data_dir)
    erased = erase(capsys, "--value", "margaret ellison", "--value", SECRETS[2])
    assert (len(erased["documents"]), erased["scrubbed"]) == (2, True)
    left = originals(data_dir)
    assert set(REST) <= left and not left & {*SECRETS, "Margaret"}
    stored, kept = every_byte(data_dir), sealed(data_dir)
    assert kept < before and all(one in stored for one in kept)
    assert not [one for one in before - kept if one in stored]
    for value in (*SECRETS, "Margaret", "margaret"):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            assert value.encode(encoding) not in stored
    assert any(data_dir.rglob("segments")), "the index is among the files"


def test_pruning_destroys_what_no_document_refers_to_in_every_file_and_needs_a_yes(
    ingested: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ingested.parent / "docs", tmp_path / "docs")
    (tmp_path / "docs" / "minutes.md").unlink()
    sources = {one["source"] for one in json.loads(run(capsys, "documents", "list", *TENANT, "--json"))["documents"]}
    run(capsys, "ingest", str(tmp_path / "docs"), *TENANT, "--source", sources.pop(), "--moved")
    prune = "privacy", "prune", *TENANT
    assert cli.main(prune, COMMANDS) == 2
    assert "--yes" in capsys.readouterr().err
    seen = json.loads(run(capsys, *prune, "--dry-run", "--json"))
    assert (seen["kinds"], seen["scrubbed"]) == ({"EMAIL_ADDRESS": 1, "PERSON": 3}, None)
    before = sealed(data_dir)
    assert set(REST) <= originals(data_dir), "the minutes are gone, and nothing has looked for what they left"
    done = json.loads(run(capsys, *prune, "--yes", "--json"))
    assert done == seen | {"dry_run": False, "scrubbed": True}
    assert set(SECRETS) <= originals(data_dir) and not originals(data_dir) & {*REST, "Bob", "Stone"}
    gone = before - sealed(data_dir)
    assert len(gone) == 4 and not [one for one in gone if one in every_byte(data_dir)]
    last = json.loads(run(capsys, "audit", "show", *TENANT, "--json"))[-1]
    assert (last["kind"], last["body"]["originals"]) == ("vault_pruned", 4)
    assert "0 originals" in run(capsys, *prune, "--yes")


def test_a_source_that_is_read_again_does_not_bring_her_back(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = next(one["token"] for one in erase(capsys, "--value", SECRETS[0])["erased"] if one["why"] == "named")
    (tmp_path / "again").mkdir()
    for name, content in FILES.items():
        (tmp_path / "again" / name).write_text(content + "\nDr Margaret Ellison spoke.\n" * (name != "ringfence.yaml"))
    run(capsys, "ingest", str(tmp_path / "again"), *TENANT)
    assert not [value for value in originals(data_dir) if "ellison" in value.casefold() and "@" not in value]
    assert token.encode() in every_byte(data_dir), "masked to the same token as before"
    assert set(REST) <= originals(data_dir)


def test_a_dry_run_shows_what_would_go_and_changes_nothing(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = originals(data_dir)
    shown = json.loads(run(capsys, "privacy", "erase", *TENANT, "--value", "Margaret Ellison", "--dry-run", "--json"))
    assert (shown["dry_run"], shown["receipt"], len(shown["documents"]), len(shown["chunks"])) == (True, None, 2, 2)
    printed = run(capsys, "privacy", "erase", *TENANT, "--value", "Margaret Ellison", "--dry-run")
    assert shown["erased"][0]["token"] in printed and "2 documents" in printed
    assert "Ellison" not in printed
    assert originals(data_dir) == held


def test_it_asks_before_it_erases(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["privacy", "erase", *TENANT, "--reason", "17", "--value", "Bob Stone"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cli.main(command, COMMANDS) == 1
    assert "Nobody can undo it" in capsys.readouterr().err
    assert "Bob Stone" in originals(data_dir)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert cli.main(command, COMMANDS) == 0
    assert "Bob Stone" not in originals(data_dir)
    assert json.loads(capsys.readouterr().out)["reason"] == "17", "the receipt alone is data"


def test_a_list_is_erased_and_what_is_not_found_is_named_by_line(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Bob Stone\n\nNobody Known\n")
    assert erase(capsys, "--list", str(names), expect=3)["missing"] == ["line 3"]
    again = erase(capsys, "--list", str(names), expect=3)
    assert (list(again["erased_before"]), again["receipt"], again["scrubbed"]) == (["line 1"], None, True)
    assert "Nobody" not in run(capsys, "privacy", "erase", *TENANT, "--value", "Nobody Known", "--dry-run", expect=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--yes",),
        ("--value", " ", "--reason", "17", "--yes"),
        ("--value", "Bob Stone", "--yes"),
        ("--value", "Bob Stone", "--reason", "asked by Bob Stone", "--yes"),
        ("--list", "absent.txt", "--reason", "17", "--yes"),
        ("--list", "data/operator.bin", "--reason", "17", "--yes"),
    ],
)
def test_misuse_of_erase_is_told_and_erases_nothing(
    arguments: tuple[str, ...], data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_dir / "operator.bin").write_bytes(b"\xff\xfe\x00")
    run(capsys, "privacy", "erase", *TENANT, *arguments, expect=2)
    run(capsys, "privacy", "receipts", "verify", "data/operator.bin", expect=2)
    run(capsys, "privacy", "erase", "--tenant", "acne", "--value", "Bob Stone", "--dry-run", expect=1)
    assert "Bob Stone" in originals(data_dir)


def test_the_receipt_is_kept_recorded_and_verifies_without_the_installation(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(capsys, "privacy", "erase", *TENANT, "--reason", "17", "--yes", "--value", "Bob Stone")
    key, receipt = run(capsys, "privacy", "receipts", "key").strip(), tmp_path / "receipt.json"
    receipt.write_text(printed)
    facts = json.loads(printed)
    assert run(capsys, "privacy", "receipts", "show", facts["id"], *TENANT) == printed
    assert json.loads(run(capsys, "privacy", "receipts", "list", *TENANT, "--json")) == [facts]
    record = json.loads(run(capsys, "audit", "show", *TENANT, "--json"))[-1]
    assert (record["kind"], record["body"]["receipt"]) == ("erasure", facts["id"])
    assert stat.S_IMODE((data_dir / "signing.key").stat().st_mode) == 0o600
    assert "Valid" in run(capsys, "privacy", "receipts", "verify", str(receipt))
    shutil.rmtree(data_dir)
    verify = ("privacy", "receipts", "verify", str(receipt), "--public-key", key)
    assert json.loads(run(capsys, *verify, "--json"))["valid"] is True
    assert not data_dir.exists()
    receipt.write_text(printed.replace('"documents":1', '"documents":2'))
    run(capsys, *verify, expect=1)


def test_the_vaults_key_is_replaced_and_everything_opens_as_before(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held, before = originals(data_dir), sealed(data_dir)
    plan = json.loads(run(capsys, "privacy", "rotate-key", *TENANT, "--dry-run", "--json"))
    assert (plan["generation"], plan["entries"]) == (1, len(held))
    done = json.loads(run(capsys, "privacy", "rotate-key", *TENANT, "--json"))
    assert (done["generation"], done["resealed"], done["complete"], done["failed"]) == (2, len(held), True, [])
    assert originals(data_dir) == held
    stored = every_byte(data_dir)
    assert not [one for one in before if one in stored]
    assert json.loads(run(capsys, "audit", "show", *TENANT, "--json"))[-1]["kind"] == "vault_key_rotated"
    assert "generation: 3" in run(capsys, "privacy", "rotate-key", *TENANT)


def test_an_entry_that_does_not_open_is_named_and_the_exit_code_says_partly(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def break_one(database: Database) -> str:
        async with database.unit_of_work() as session:
            token = (await session.scalars(select(VaultRow.token))).first()
            await session.execute(update(VaultRow).where(VaultRow.token == token).values(sealed=b"x" * 40))
            return str(token)

    token = on_database(data_dir, break_one)
    assert json.loads(run(capsys, "privacy", "rotate-key", *TENANT, "--json", expect=3))["failed"] == [token]


def test_the_master_key_of_the_folder_is_replaced_in_two_commands(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "privacy", "rotate-key", *TENANT)
    held, old = originals(data_dir), open_keys(Settings(data_dir=data_dir)).id
    plan = json.loads(run(capsys, "privacy", "rotate-key", "--master", "--dry-run", "--json"))
    assert (plan["new_key"], plan["waiting"], plan["known"]) == (True, 2, [old])
    done = json.loads(run(capsys, "privacy", "rotate-key", "--master", "--json"))
    assert (done["rewrapped"], done["known"]) == (2, [done["master_key"], old])
    assert done["master_key"] != old
    again = json.loads(run(capsys, "privacy", "rotate-key", "--master", "--forget-previous", "--yes", "--json"))
    assert (again["rewrapped"], again["known"]) == (0, [done["master_key"]])
    assert open_keys(Settings(data_dir=data_dir)).ids == (done["master_key"],)
    assert originals(data_dir) == held

    async def ids(database: Database) -> set[str]:
        async with database.reading() as session:
            return set(await session.scalars(select(VaultKeyRow.master_key_id)))

    assert on_database(data_dir, ids) == {done["master_key"]}


def test_a_master_key_of_the_environment_is_replaced_by_its_owner(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says what to do, and does nothing while only one key is known."""
    held, name = originals(data_dir), "RINGFENCE_PRIVACY__MASTER_KEY"
    present = (data_dir / "master.key").read_text().strip()
    monkeypatch.setenv(name, present)
    assert cli.main(["privacy", "rotate-key", "--master"], COMMANDS) == 2
    assert "Put a new key before it" in capsys.readouterr().err
    new = "A" * 42 + "E="
    monkeypatch.setenv(name, f"{new} {present}")
    assert json.loads(run(capsys, "privacy", "rotate-key", "--master", "--json"))["rewrapped"] == 1
    run(capsys, "privacy", "rotate-key", "--master", "--forget-previous", "--yes", expect=2)
    monkeypatch.delenv(name)
    (data_dir / "master.key").write_text(f"{new}\n")
    assert originals(data_dir) == held
    (data_dir / "master.key").write_text(f"{present}\n")
    assert "Restore the original master key" in failing(capsys, "privacy", "rotate-key", *TENANT)


@pytest.mark.parametrize("command", [("erase",), ("rotate-key",), ("receipts", "verify")])
def test_each_command_explains_itself(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "ringfence privacy" in run(capsys, "privacy", *command, "--help")


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(arguments, COMMANDS) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("--forget-previous", *TENANT), ("--tenant", "two words")])
def test_misuse_of_rotate_key_is_told(
    arguments: tuple[str, ...], data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "privacy", "rotate-key", *arguments, expect=2)
