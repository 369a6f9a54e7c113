"""Giving a tenant's vault a new key while services run.

A new generation seals what is stored from now on; the entries of older ones are sealed again, a batch at a time; when
none is left, the older keys are destroyed. Each step is a transaction: killed anywhere and run again, the result is
one rotation. Tokens, words and digests stay (see `rag.privacy.keys`).
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database
from rag.db.statements import table_of
from rag.db.tables import VaultKeyRow, VaultRow
from rag.errors import Damaged
from rag.privacy.keys import (
    FIRST_GENERATION,
    KEY_BYTES,
    KeySource,
    VaultKeys,
    existing_tenant_keys,
    newest_generation,
    vault_owner,
)
from rag.privacy.vault import ENTRIES, VaultValue, hold, open_entry, seal

BATCH = 500
"""Entries of one transaction: some milliseconds, so that other writers hardly wait."""
LISTED_MAX = 100

Observe = Callable[[int, int], None]
"""Told after each transaction how many entries are done, and how many there are in all."""


def unobserved(done: int, total: int) -> None:
    """The observer that looks away."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant's vault stands. `waiting` entries are sealed with an older key than `generation`."""

    tenant: str
    generation: int
    rotating: bool
    entries: int
    waiting: int


@dataclass(frozen=True, slots=True)
class VaultRotation:
    """What a run has done. `unreadable`: the first tokens whose entries do not open; their key is kept."""

    tenant: str
    generation: int
    resealed: int
    complete: bool
    unreadable: tuple[str, ...]


Record = Callable[[AsyncSession, VaultRotation], Awaitable[None]]
"""Called in the transaction that ends a rotation."""


async def vault_standing(session: AsyncSession, tenant: str) -> Standing:
    """How the vault stands; changes nothing."""
    newest = await _newest(session, tenant)
    generation = FIRST_GENERATION if newest is None else newest.generation
    mine = select(func.count()).select_from(VaultRow).where(VaultRow.tenant == tenant)
    entries = await session.scalar(mine) or 0
    waiting = await session.scalar(mine.where(VaultRow.generation < generation)) or 0
    return Standing(tenant, generation, newest is not None and not newest.complete, entries, waiting)


async def rotate_vault(
    database: Database, tenant: str, source: KeySource, record: Record, observe: Observe = unobserved
) -> VaultRotation:
    """Give the tenant's vault a new key, or end a rotation that was begun.

    Raises:
        NotFound: the tenant has no keys yet.
        Damaged: its keys cannot be opened.
    """
    generation = await _begin(database, tenant, source)
    async with database.reading() as session:
        keys = (await existing_tenant_keys(session, tenant, source)).vault
        standing = await vault_standing(session, tenant)
    observe(0, standing.waiting)
    done, unreadable, last = 0, list[str](), ""
    while True:
        batch = await _reseal(database, tenant, keys, last)
        done, last = done + batch.resealed, batch.last
        unreadable += batch.unreadable
        observe(done, max(standing.waiting, done))
        if batch.ended:
            break
    result = VaultRotation(tenant, generation, done, not unreadable, tuple(unreadable[:LISTED_MAX]))
    return result if unreadable else await _end(database, result, record)


async def _begin(database: Database, tenant: str, source: KeySource) -> int:
    """The generation to seal with: that of a rotation which is under way, or else a new one."""
    async with database.unit_of_work() as session:
        await hold(session, tenant, alone=True)
        await existing_tenant_keys(session, tenant, source)
        newest = await _newest(session, tenant)
        if newest is not None and not newest.complete:
            return newest.generation
        generation = (FIRST_GENERATION if newest is None else newest.generation) + 1
        wrapped = await source.wrap(vault_owner(tenant, generation), secrets.token_bytes(KEY_BYTES))
        session.add(
            VaultKeyRow(
                tenant=tenant,
                generation=generation,
                master_key_id=wrapped.master_key_id,
                wrapped=wrapped.data,
                complete=False,
                created_at=datetime.now(UTC),
            )
        )
    return generation


@dataclass(frozen=True, slots=True)
class _Batch:
    resealed: int
    last: str
    ended: bool
    unreadable: tuple[str, ...]


async def _reseal(database: Database, tenant: str, keys: VaultKeys, last: str) -> _Batch:
    """Seal the next entries after token `last` again, in one transaction."""
    async with database.unit_of_work() as session:
        await hold(session, tenant, alone=False)
        newest = await newest_generation(session, tenant)
        cipher = await keys.cipher(tenant, newest)
        where = VaultRow.tenant == tenant, VaultRow.generation < newest.number, VaultRow.token > last
        rows = (await session.execute(ENTRIES.where(*where).order_by(VaultRow.token).limit(BATCH))).all()
        changes, unreadable = list[dict[str, object]](), list[str]()
        for row in rows:
            try:
                value = VaultValue(row.token, row.entity, await open_entry(keys, tenant, row))
            except Damaged:
                unreadable.append(row.token)
            else:
                changes.append({"at_token": row.token, "was": row.sealed, "now": seal(cipher, tenant, value)})
        if changes:
            table = table_of(VaultRow)
            mine = table.c.tenant == tenant, table.c.token == bindparam("at_token"), table.c.sealed == bindparam("was")
            changed = update(table).where(*mine).values(sealed=bindparam("now"), generation=newest.number)
            await (await session.connection()).execute(changed, changes)
    return _Batch(len(changes), rows[-1].token if rows else last, len(rows) < BATCH, tuple(unreadable))


async def _end(database: Database, result: VaultRotation, record: Record) -> VaultRotation:
    """Destroy the older keys, unless an entry still needs one."""
    async with database.unit_of_work() as session:
        await hold(session, result.tenant, alone=True)
        standing = await vault_standing(session, result.tenant)
        if standing.generation != result.generation or not standing.rotating:
            return result  # Another process has ended it.
        if standing.waiting:
            raise Damaged(f"Entries of tenant {result.tenant!r} came in under an older key. Run the command again.")
        mine = VaultKeyRow.tenant == result.tenant
        await session.execute(delete(VaultKeyRow).where(mine, VaultKeyRow.generation < result.generation))
        newest = mine, VaultKeyRow.generation == result.generation
        await session.execute(update(VaultKeyRow).where(*newest).values(complete=True))
        await record(session, result)
    return result


async def _newest(session: AsyncSession, tenant: str) -> VaultKeyRow | None:
    statement = select(VaultKeyRow).where(VaultKeyRow.tenant == tenant).order_by(VaultKeyRow.generation.desc()).limit(1)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()
