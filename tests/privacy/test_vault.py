"""Originals in and out of the vault, on a real database."""

import pytest
from alembic import command
from sqlalchemy import Connection, func, select, update

from policies.tenancy import bind
from rag.db.engine import Database, open_database
from rag.db.migrate import alembic_config
from rag.db.tables import VaultRow
from rag.errors import Damaged
from rag.privacy.keys import VaultKeys
from rag.privacy.vault import Vault, VaultValue

ANN = VaultValue("<PERSON_AAAAAAAAAAAAAAAA>", "PERSON", "Ann Lee")
BOB = VaultValue("<PERSON_BBBBBBBBBBBBBBBB>", "PERSON", "Bob Stone")
KEY = VaultKeys.of(b"\x05" * 32)


async def test_stored_values_are_given_back_and_unknown_tokens_are_left_out(database: Database) -> None:
    vault = Vault("acme", KEY)
    async with database.unit_of_work() as session:
        await vault.store(session, [ANN, BOB])
    async with database.reading() as session:
        opened = await vault.open(session, [ANN.token, "<PERSON_CCCCCCCCCCCCCCCC>"])
        assert opened == {ANN.token: "Ann Lee"}
        assert await vault.known(session, [BOB.token, "x"]) == {BOB.token}


async def test_storing_again_changes_nothing(database: Database) -> None:
    vault = Vault("acme", KEY)
    async with database.unit_of_work() as session:
        await vault.store(session, [ANN])
        before = (await session.scalars(select(VaultRow.sealed))).all()
    async with database.unit_of_work() as session:
        await vault.store(session, [ANN, VaultValue(ANN.token, "PERSON", "ANN LEE")])
        assert (await session.scalars(select(VaultRow.sealed))).all() == before


async def test_many_values_are_stored_and_opened(database: Database) -> None:
    values = [VaultValue(f"<PERSON_{number:016}>", "PERSON", f"Name {number}") for number in range(2_500)]
    vault = Vault("acme", KEY)
    async with database.unit_of_work() as session:
        await vault.store(session, values)
        assert await session.scalar(select(func.count()).select_from(VaultRow)) == len(values)
        opened = await vault.open(session, [value.token for value in values])
    assert opened == {value.token: value.original for value in values}


async def test_erased_value_is_gone_for_ever(database: Database) -> None:
    vault = Vault("acme", KEY)
    async with database.unit_of_work() as session:
        await vault.store(session, [ANN, BOB])
        assert list(await vault.erase(session, [ANN.token])) == [ANN.token]
        assert await vault.erase(session, [ANN.token]) == {}
        assert await vault.open(session, [ANN.token, BOB.token]) == {BOB.token: "Bob Stone"}


async def test_tenants_do_not_see_each_other(database: Database) -> None:
    async with database.unit_of_work() as session:
        await Vault("acme", KEY).store(session, [ANN])
        assert await Vault("globex", KEY).open(session, [ANN.token]) == {}
        assert await Vault("acme", KEY).open(session, [ANN.token]) == {ANN.token: "Ann Lee"}


@pytest.mark.parametrize("change", ["tenant", "token", "entity", "bytes"])
async def test_entry_that_was_moved_or_changed_does_not_open(database: Database, change: str) -> None:
    """Bound to tenant, token and entity: whoever can write the table cannot make one value appear as another."""
    tenant, token = "acme", ANN.token
    async with database.unit_of_work() as session:
        await Vault("acme", KEY).store(session, [ANN])
        sealed = await session.scalar(select(VaultRow.sealed))
        assert sealed is not None
        if change == "tenant":
            tenant = "globex"
            await session.execute(update(VaultRow).values(tenant=tenant))
        elif change == "token":
            token = BOB.token
            await session.execute(update(VaultRow).values(token=token))
        elif change == "entity":
            await session.execute(update(VaultRow).values(entity="SECRET"))
        else:
            await session.execute(update(VaultRow).values(sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])))
        with pytest.raises(Damaged, match="vault_entry") as refused:
            await Vault(tenant, KEY).open(session, [token])
    assert "Ann" not in refused.value.message


async def test_nothing_readable_is_stored(database: Database) -> None:
    async with database.unit_of_work() as session:
        await Vault("acme", KEY).store(session, [ANN])
        sealed = await session.scalar(select(VaultRow.sealed))
    assert sealed is not None and b"Ann" not in sealed
    assert "Ann" not in repr(ANN) and "Ann" not in repr(Vault("acme", KEY))


async def test_entries_from_before_there_were_generations_open_after_the_upgrade(database_url: str) -> None:
    def downgrade(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")

    bind("acme")
    before = await open_database(database_url)
    async with before.unit_of_work() as session:
        await Vault("acme", KEY).store(session, [ANN])
        await (await session.connection()).run_sync(downgrade)
    await before.close()
    after = await open_database(database_url)
    async with after.reading() as session:
        assert await Vault("acme", KEY).open(session, [ANN.token]) == {ANN.token: "Ann Lee"}
    await after.close()
