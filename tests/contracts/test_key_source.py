"""What every source of master keys promises, on each of them: a setting, a file, several keys, a service elsewhere."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.db.engine import Database
from rag.errors import Damaged, Misuse, Unavailable
from rag.privacy.key_files import create_once, keep_first, put_first
from rag.privacy.key_sources import KeyFile, KeyRing, Remembered, ring_of
from rag.privacy.keys import KeySource, MasterKey, Wrapped, tenant_keys
from rag.privacy.rotation import rotate_vault
from rag.privacy.vault import Vault, VaultValue
from tests.contracts.remote_keys import HttpKeys, key_service

FIRST, SECOND = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
KINDS = ("key", "setting", "file", "service", "remembered service")


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeySource]:
    if request.param == "key":
        yield MasterKey.of(b"\x01" * 32, "test")
    elif request.param == "setting":
        yield ring_of(f"{FIRST} {SECOND}", "test")
    elif request.param == "file":
        (tmp_path / "keys").write_text(f"{FIRST}\n{SECOND}\n")
        yield KeyFile(tmp_path / "keys")
    else:
        with key_service(first=b"\x01" * 32) as url:
            asking = HttpKeys(url, "first")
            yield Remembered(asking) if request.param == "remembered service" else asking


async def test_what_was_wrapped_unwraps(source: KeySource) -> None:
    wrapped = await source.wrap("acme", b"k" * 32)
    assert wrapped.master_key_id == source.id
    assert 0 < len(source.id) <= 32 and source.origin
    assert b"k" * 32 not in wrapped.data
    assert [await source.unwrap("acme", wrapped) for _ in range(2)] == [b"k" * 32] * 2


async def test_nothing_unwraps_for_another_owner_or_after_a_change(source: KeySource) -> None:
    raw = (await source.wrap("acme", b"k" * 32)).data
    for owner, changed in (("globex", raw), ("acme", raw[:-1] + bytes([raw[-1] ^ 1])), ("acme", b"")):
        with pytest.raises(Damaged, match=f"tenant_key.*|{owner}") as refused:
            await source.unwrap(owner, Wrapped(source.id, changed))
        assert refused.value.code == "tenant_key_damaged"
        assert "kkk" not in refused.value.message


async def test_a_master_key_that_it_does_not_have_is_named(source: KeySource) -> None:
    with pytest.raises(Damaged, match="f00d") as refused:
        await source.unwrap("acme", Wrapped("f00d", b"x" * 60))
    assert refused.value.code == "wrong_master_key"


async def test_no_key_is_in_its_repr(source: KeySource) -> None:
    await source.unwrap("acme", await source.wrap("acme", b"k" * 32))
    assert "AQEB" not in repr(source) and "\\x01" not in repr(source) and "kkk" not in repr(source)


async def test_a_tenants_vault_works_and_rotates_on_it(source: KeySource, database: Database) -> None:
    async with database.unit_of_work() as session:
        keys = await tenant_keys(session, "acme", source)
        await Vault("acme", keys.vault).store(session, [VaultValue("<PERSON_A>", "PERSON", "Ann Lee")])

    async def record(*_: object) -> None:
        return None

    assert (await rotate_vault(database, "acme", source, record)).complete
    async with database.reading() as session:
        keys = await tenant_keys(session, "acme", source)
        assert await Vault("acme", keys.vault).open(session, ["<PERSON_A>"]) == {"<PERSON_A>": "Ann Lee"}


async def test_the_first_of_several_wraps_and_each_opens_its_own() -> None:
    old, new = MasterKey.of(b"\x01" * 32, "old"), MasterKey.of(b"\x02" * 32, "new")
    ring = KeyRing((new, old))
    assert ring.id == new.id
    assert await ring.unwrap("acme", await old.wrap("acme", b"k" * 32)) == b"k" * 32
    assert (await ring.wrap("acme", b"k" * 32)).master_key_id == new.id
    with pytest.raises(Damaged, match=old.id):
        await KeyRing((new,)).unwrap("acme", await old.wrap("acme", b"k" * 32))


async def test_a_running_process_follows_a_change_of_its_key_file(tmp_path: Path) -> None:
    """What another process wrapped with the new key opens here, and what is wrapped here is wrapped with it."""
    path = tmp_path / "master.key"
    create_once(path)
    service, old = KeyFile(path, private=True), KeyFile(path).id
    wrapped_before = await service.wrap("acme", b"k" * 32)
    new = put_first(path)
    command = KeyFile(path, private=True)
    assert command.ids == (new, old)
    assert await service.unwrap("acme", await command.wrap("acme", b"n" * 32)) == b"n" * 32
    assert (await service.wrap("acme", b"k" * 32)).master_key_id == service.id == new
    assert await service.unwrap("acme", wrapped_before) == b"k" * 32
    keep_first(path, new)
    assert KeyFile(path).ids == (new,)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Misuse, match="not"):
        keep_first(path, old)


async def test_a_file_that_lost_its_keys_is_an_error_and_no_other_key_is_used(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    create_once(path)
    source = KeyFile(path)
    path.write_text("")
    with pytest.raises(Misuse, match="openssl"):
        await source.wrap("acme", b"k" * 32)
    path.unlink()
    with pytest.raises(Misuse, match="cannot be read"):
        await source.wrap("acme", b"k" * 32)


@pytest.mark.parametrize("text", ["", " ", f"{FIRST} {FIRST}", f"{FIRST} short", FIRST[:-4]])
def test_keys_that_are_none_or_stand_twice_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(Misuse) as refused:
        ring_of(text, "the setting")
    assert "the setting" in refused.value.message
    assert FIRST[:8] not in refused.value.message


async def test_a_service_that_is_away_is_unavailable_not_damaged() -> None:
    with key_service(first=b"\x01" * 32) as url:
        source = HttpKeys(url, "first")
        wrapped = await source.wrap("acme", b"k" * 32)
        remembered = Remembered(source)
        assert await remembered.unwrap("acme", wrapped) == b"k" * 32
    with pytest.raises(Unavailable):
        await source.unwrap("acme", wrapped)
    assert await remembered.unwrap("acme", wrapped) == b"k" * 32


async def test_what_is_remembered_ends_with_its_time_and_its_number() -> None:
    now = 0.0
    asked: list[str] = []

    class Counted(MasterKey):
        async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
            asked.append(owner)
            return await super().unwrap(owner, wrapped)

    key = MasterKey.of(b"\x01" * 32, "test")
    source = Remembered(Counted(key.id, key.origin, b"\x01" * 32), lifetime_s=10, kept=2, clock=lambda: now)
    wrapped = {owner: await source.wrap(owner, b"k" * 32) for owner in ("a", "b", "c")}
    for owner in ("a", "a", "b", "c", "a"):
        await source.unwrap(owner, wrapped[owner])
    assert asked == ["a", "b", "c", "a"]
    now = 10.0
    await source.unwrap("a", wrapped["a"])
    assert asked == ["a", "b", "c", "a", "a"]
