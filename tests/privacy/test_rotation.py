"""Keys are replaced while services run; killed anywhere and run again, the result is the same."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database, open_database
from rag.db.tables import TenantKeyRow, VaultKeyRow, VaultRow
from rag.errors import Conflict, Damaged, NotFound
from rag.privacy.key_sources import KeyRing
from rag.privacy.keys import MasterKey, existing_tenant_keys, tenant_keys, vault_owner
from rag.privacy.rewrap import Rewrapped, require_unused, rewrap, wrapped_by
from rag.privacy.rotation import Standing, VaultRotation, rotate_vault, vault_standing
from rag.privacy.vault import Vault, VaultValue
from tests.privacy.people import MASTER, NOW, PEOPLE, TENANT, World, found_world, values

NEW = MasterKey.of(b"\x02" * 32, "new")
BOTH = KeyRing((NEW, MASTER))


class Records:
    """What was recorded in the transactions that end or change something."""

    def __init__(self) -> None:
        self.vault: list[VaultRotation] = []
        self.master: list[tuple[str, str, int]] = []

    async def rotated(self, session: AsyncSession, done: VaultRotation) -> None:
        self.vault.append(done)

    async def rewrapped(self, session: AsyncSession, tenant: str, key: str, number: int) -> None:
        self.master.append((tenant, key, number))


async def rotated(database: Database, records: Records | None = None) -> VaultRotation:
    return await rotate_vault(database, TENANT, MASTER, (records or Records()).rotated)


async def rewrapped(database: Database, records: Records | None = None) -> Rewrapped:
    return await rewrap(database, BOTH, (records or Records()).rewrapped, lambda done, total: None)


async def pairs(session: AsyncSession, key: Any, value: Any) -> dict[Any, Any]:
    return {one: other for one, other in await session.execute(select(key, value))}


async def many(world: World, number: int) -> list[VaultValue]:
    added = [VaultValue(f"<PERSON_{n:016}>", "PERSON", f"Name {n}") for n in range(number)]
    async with world.database.unit_of_work() as session:
        await world.vault.store(session, added)
    return added


async def test_a_rotated_vault_opens_as_before_under_a_new_key(any_database: Database) -> None:
    world, records = await found_world(any_database), Records()
    added = await many(world, 1_100)
    expected = {value.token: value.original for value in (*values(world), *added)}
    async with any_database.reading() as session:
        before = await pairs(session, VaultRow.token, VaultRow.sealed)
    done = await rotated(any_database, records)
    assert (done.generation, done.resealed, done.complete) == (2, len(expected), True)
    assert records.vault == [done]
    assert await world.originals(*expected) == expected
    async with any_database.reading() as session:
        after = await pairs(session, VaultRow.token, VaultRow.sealed)
        assert await vault_standing(session, TENANT) == Standing(TENANT, 2, False, len(expected), 0)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())


async def test_each_rotation_is_a_generation_of_its_own_and_the_older_key_is_destroyed(any_database: Database) -> None:
    world = await found_world(any_database)
    assert [(await rotated(any_database)).generation for _ in range(3)] == [2, 3, 4]
    async with any_database.reading() as session:
        assert list(await session.scalars(select(VaultKeyRow.generation))) == [4]
    assert (await world.originals(world.token("Ann Lee"))) == {world.token("Ann Lee"): "Ann Lee"}


async def test_tokens_words_and_digests_do_not_change(any_database: Database) -> None:
    world = await found_world(any_database)
    await rotated(any_database)
    async with any_database.reading() as session:
        keys = await existing_tenant_keys(session, TENANT, MASTER)
    assert (keys.tokens, keys.words, keys.digests) == (world.keys.tokens, world.keys.words, world.keys.digests)


async def test_a_process_that_opened_its_keys_before_a_rotation_reads_and_writes_on(any_database: Database) -> None:
    """An ingestion that runs for hours holds the keys it began with."""
    world = await found_world(any_database)
    old, new = world.vault, world.value("Dana Frost")
    await rotated(any_database)
    async with any_database.unit_of_work() as session:
        await old.store(session, [new])
        assert await old.open(session, [new.token, world.token("Bob")]) == {
            new.token: "Dana Frost",
            world.token("Bob"): "Bob",
        }
        assert await session.scalar(select(VaultRow.generation).where(VaultRow.token == new.token)) == 2


async def test_a_rotation_that_was_begun_is_joined_and_what_is_stored_meanwhile_has_the_new_key(
    any_database: Database,
) -> None:
    world, seen = await found_world(any_database), list[tuple[int, int]]()
    await many(world, 600)
    late, wrapped = world.value("Dana Frost"), await MASTER.wrap(vault_owner(TENANT, 2), b"\x07" * 32)
    begun = VaultKeyRow(
        tenant=TENANT, generation=2, master_key_id=MASTER.id, wrapped=wrapped.data, complete=False, created_at=NOW
    )
    async with any_database.unit_of_work() as session:
        session.add(begun)
        await session.flush()
        await world.vault.store(session, [late])
        standing = await vault_standing(session, TENANT)
    assert (standing.rotating, standing.entries - standing.waiting) == (True, 1)
    assert await world.originals(late.token, world.token("Bob")) == {
        late.token: "Dana Frost",
        world.token("Bob"): "Bob",
    }
    done = await rotate_vault(any_database, TENANT, MASTER, Records().rotated, lambda *at: seen.append(at))
    assert (done.generation, done.complete, done.resealed) == (2, True, standing.waiting)
    assert seen == [(0, standing.waiting), (500, standing.waiting), (standing.waiting, standing.waiting)]
    async with any_database.reading() as session:
        assert set(await session.scalars(select(VaultRow.generation))) == {2}


async def test_an_entry_that_does_not_open_keeps_its_key_and_is_named(any_database: Database) -> None:
    world, broken = await found_world(any_database), ""
    await rotated(any_database)
    async with any_database.unit_of_work() as session:
        broken = world.token("Bob Lee")
        await session.execute(update(VaultRow).where(VaultRow.token == broken).values(sealed=b"\x00" * 40))
    done = await rotated(any_database)
    assert (done.complete, done.unreadable) == (False, (broken,))
    async with any_database.reading() as session:
        assert sorted(await session.scalars(select(VaultKeyRow.generation))) == [2, 3]
    async with any_database.unit_of_work() as session:
        await world.vault.erase(session, [broken])
    assert (await rotated(any_database)).complete
    async with any_database.reading() as session:
        assert list(await session.scalars(select(VaultKeyRow.generation))) == [3]


async def test_a_tenant_without_keys_is_not_given_any(database: Database) -> None:
    with pytest.raises(NotFound, match="nobody"):
        await rotate_vault(database, "nobody", MASTER, Records().rotated)


async def test_a_missing_or_moved_vault_key_is_a_clear_error_without_values(database: Database) -> None:
    world = await found_world(database)
    await rotated(database)
    async with database.unit_of_work() as session:
        await session.execute(update(VaultKeyRow).values(generation=3))
        await session.execute(update(VaultRow).values(generation=3))
    with pytest.raises(Damaged, match="vault_key") as moved:
        await world.originals(world.token("Ann Lee"))
    async with database.unit_of_work() as session:
        await session.execute(update(VaultRow).values(generation=7))
    with pytest.raises(Damaged, match="generation 7") as missing:
        await world.originals(world.token("Ann Lee"))
    assert missing.value.code == "vault_key_missing"
    assert "Ann" not in moved.value.message + missing.value.message


async def test_every_data_key_is_wrapped_by_the_new_master_key_and_the_old_one_can_go(any_database: Database) -> None:
    world, records = await found_world(any_database), Records()
    await rotated(any_database)
    async with any_database.unit_of_work() as session:
        other = await tenant_keys(session, "globex", MASTER)
        assert await wrapped_by(session) == {MASTER.id: 3}
    done = await rewrapped(any_database, records)
    assert (done.master_key, done.rewrapped, done.failed) == (NEW.id, 3, ())
    assert records.master == [(TENANT, NEW.id, 2), ("globex", NEW.id, 1)]
    async with any_database.unit_of_work() as session:
        await require_unused(session, NEW.id)
        assert (await existing_tenant_keys(session, "globex", NEW)) == other
        keys = await existing_tenant_keys(session, TENANT, NEW)
        assert keys.tokens == world.keys.tokens
        token = world.token("Ann Lee")
        assert await Vault(TENANT, keys.vault).open(session, [token]) == {token: "Ann Lee"}
    assert (await rewrapped(any_database)).rewrapped == 0


async def test_a_master_key_that_is_still_needed_is_not_given_up(any_database: Database) -> None:
    await found_world(any_database)
    async with any_database.unit_of_work() as session:
        with pytest.raises(Conflict, match=MASTER.id):
            await require_unused(session, NEW.id)
        await require_unused(session, MASTER.id)


async def test_a_key_that_no_master_key_opens_is_named_and_stops_no_other(any_database: Database) -> None:
    await found_world(any_database)
    async with any_database.unit_of_work() as session:
        await tenant_keys(session, "globex", MasterKey.of(b"\x09" * 32, "lost"))
    done = await rewrapped(any_database)
    assert done.rewrapped == 1
    assert [owner for owner, _ in done.failed] == ["globex"]
    assert "Restore the original master key" in done.failed[0][1]
    async with any_database.reading() as session:
        held = await pairs(session, TenantKeyRow.tenant, TenantKeyRow.master_key_id)
    assert held[TENANT] == NEW.id != held["globex"]


STEPS = {"vault": 20, "master": 6, "erase": 12}
"""At so many statements and commits each is killed, at least."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> dict[str, Any]:
    """What `killed_upkeep.py` says of each. One process for all: most of its time it imports."""
    folder = tmp_path_factory.mktemp("killed")
    for what in STEPS:
        (folder / what).mkdir()
        start = shutil.copyfile(migrated_file, folder / what / "start.db")
        asyncio.run(filled(start, rotate=what == "master"))
    command = [sys.executable, "-m", "tests.privacy.killed_upkeep", str(folder), *STEPS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


async def filled(path: Path, *, rotate: bool) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    await many(await found_world(database), 12)
    if rotate:
        await rotated(database)
    await database.close()


@pytest.mark.timeout(600)  # the first one waits for all, on a machine that may be busy
@pytest.mark.parametrize("what", STEPS)
async def test_killed_at_any_statement_and_run_again_gives_what_an_uninterrupted_run_gives(
    what: str, killed: dict[str, Any], database: Database
) -> None:
    world, result = await found_world(database), killed[what]
    state = result["state"]
    assert result["different"] == []
    assert result["kills"] >= STEPS[what]
    assert len(state["originals"]) == 12 + len(values(world)) - (3 if what == "erase" else 0)
    if what == "erase":
        assert state["receipts"] == 1
        assert not {"Cleo Quist", "Cleo", "Quist"} & set(state["originals"])
    else:
        assert set(PEOPLE) < set(state["originals"])
        assert state["keys"] == [[2, 1, MASTER.id if what == "vault" else NEW.id]]
