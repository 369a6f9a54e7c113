"""The master key and what it wraps."""

import base64
import stat
from pathlib import Path

import pytest

from rag.db.engine import Database
from rag.errors import Damaged, Misuse, NotFound
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import MasterKey, Wrapped, existing_tenant_keys, keyed_digest, tenant_keys
from rag.settings import PrivacySettings, Settings

KEY = base64.b64encode(bytes(range(32))).decode()


def settings(tmp_path: Path, **privacy: object) -> Settings:
    return Settings(data_dir=tmp_path / "data", privacy=PrivacySettings.model_validate(privacy))


def test_master_key_of_the_data_folder_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    first = open_keys(settings(tmp_path)).id
    path = tmp_path / "data" / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_keys(settings(tmp_path)).id == first
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


def test_master_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    open_keys(settings(tmp_path))
    path = tmp_path / "data" / "master.key"
    path.chmod(0o644)
    with pytest.raises(Misuse, match="chmod 600"):
        open_keys(settings(tmp_path))
    path.chmod(0o600)
    open_keys(settings(tmp_path))


def test_setting_wins_over_file_and_file_over_data_folder(tmp_path: Path) -> None:
    named = tmp_path / "named.key"
    named.write_text(base64.b64encode(b"\x07" * 32).decode() + "\n")
    from_setting = open_keys(settings(tmp_path, master_key=KEY, master_key_file=named))
    from_file = open_keys(settings(tmp_path, master_key_file=named))
    assert from_setting.id == MasterKey.of(bytes(range(32)), "x").id
    assert from_file.id == MasterKey.of(b"\x07" * 32, "x").id
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"x" * 31).decode(), KEY + "!", "é"])
def test_master_key_that_is_not_32_bytes_of_base64_is_refused(tmp_path: Path, text: str) -> None:
    named = tmp_path / "named.key"
    named.write_text(text, "utf-8")
    with pytest.raises(Misuse, match="openssl rand"):
        open_keys(settings(tmp_path, master_key_file=named))


def test_missing_key_file_is_refused_not_created(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        open_keys(settings(tmp_path, master_key_file=tmp_path / "absent.key"))


async def test_tenant_key_is_the_same_in_every_session_and_different_per_tenant(database: Database) -> None:
    master = MasterKey.of(b"\x01" * 32, "test")
    async with database.unit_of_work() as session:
        first = await tenant_keys(session, "acme", master)
    async with database.unit_of_work() as session:
        assert await tenant_keys(session, "acme", master) == first
        assert await tenant_keys(session, "globex", master) != first


async def test_wrong_master_key_says_what_to_do(database: Database) -> None:
    async with database.unit_of_work() as session:
        await tenant_keys(session, "acme", MasterKey.of(b"\x01" * 32, "test"))
    async with database.unit_of_work() as session:
        with pytest.raises(Damaged, match="Restore the original master key") as refused:
            await tenant_keys(session, "acme", MasterKey.of(b"\x02" * 32, "other.key"))
    assert refused.value.code == "wrong_master_key"
    assert "other.key" in refused.value.message


async def test_wrapped_key_opens_only_for_its_tenant_and_unchanged() -> None:
    master = MasterKey.of(b"\x01" * 32, "test")
    wrapped = await master.wrap("acme", b"k" * 32)
    assert await master.unwrap("acme", wrapped) == b"k" * 32
    raw = wrapped.data
    for tenant, changed in (("globex", raw), ("acme", raw[:-1] + bytes([raw[-1] ^ 1])), ("acme", b"")):
        with pytest.raises(Damaged, match="tenant_key"):
            await master.unwrap(tenant, Wrapped(master.id, changed))


async def test_keys_of_a_tenant_that_was_never_seen_are_not_made_by_upkeep(database: Database) -> None:
    master = MasterKey.of(b"\x01" * 32, "test")
    async with database.unit_of_work() as session:
        made = await tenant_keys(session, "acme", master)
        assert await existing_tenant_keys(session, "acme", master) == made
        with pytest.raises(NotFound, match="acne"):
            await existing_tenant_keys(session, "acne", master)


def test_keys_are_not_in_repr() -> None:
    key = b"\x41" * 32
    assert "AAAA" not in repr(MasterKey.of(key, "test"))


def test_digest_keeps_its_parts_apart() -> None:
    """("ab", "c") and ("a", "bc") must not collide."""
    assert keyed_digest(b"k", "ab", "c") != keyed_digest(b"k", "a", "bc")
    assert keyed_digest(b"k", "a", "b") == keyed_digest(b"k", b"a", "b")
