"""Replacing the master key while services run: every data key that another one wrapped is opened and wrapped again.

Killed anywhere and run again, the result is the same: what is done is not done twice.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, Row, func, select, text, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database
from rag.db.statements import table_of
from rag.db.tables import TenantKeyRow, VaultKeyRow
from rag.errors import Conflict, Damaged
from rag.privacy.keys import FIRST_GENERATION, KeySource, Wrapped, vault_owner

BATCH = 50
"""Keys of one transaction. A remote source is asked before it begins."""

Observe = Callable[[int, int], None]
"""Told after each transaction how many keys are done, and how many there are in all."""

Record = Callable[[AsyncSession, str, str, int], Awaitable[None]]
"""Called in the transaction that changes keys of a tenant, with the tenant, the master key's id and how many."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a run has done. The keys of `failed` owners could not be opened, each for its reason."""

    master_key: str
    rewrapped: int
    failed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Key:
    tenant: str
    generation: int
    wrapped: Wrapped

    @property
    def owner(self) -> str:
        first = self.generation == FIRST_GENERATION
        return self.tenant if first else vault_owner(self.tenant, self.generation)


async def wrapped_by(session: AsyncSession) -> dict[str, int]:
    """How many data keys each master key wraps, by its id."""
    ids = union_all(select(TenantKeyRow.master_key_id), select(VaultKeyRow.master_key_id)).subquery()
    counts = select(ids.c.master_key_id, func.count()).group_by(ids.c.master_key_id).order_by(ids.c.master_key_id)
    return {key: number for key, number in await session.execute(counts)}


async def rewrap(database: Database, source: KeySource, record: Record, observe: Observe) -> Rewrapped:
    """Wrap every data key with the newest master key.

    Raises:
        Unavailable: a remote source did not answer; run it again.
    """
    current, done = source.id, 0
    failed: list[tuple[str, str]] = []
    async with database.reading() as session:
        keys = [key for key in await _keys(session) if key.wrapped.master_key_id != current]
    for start in range(0, len(keys), BATCH):
        anew: list[tuple[_Key, Wrapped]] = []
        for key in keys[start : start + BATCH]:
            try:
                anew.append((key, await source.wrap(key.owner, await source.unwrap(key.owner, key.wrapped))))
            except Damaged as error:
                failed.append((key.owner, error.message))
        async with database.unit_of_work() as session:
            done += await _exchange(session, anew, record)
        observe(min(start + BATCH, len(keys)), len(keys))
    return Rewrapped(current, done, tuple(failed))


async def require_unused(session: AsyncSession, current: str) -> None:
    """Until the transaction ends nobody adds a key, and none needs another master key than `current`.

    Raises:
        Conflict: one does.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("LOCK TABLE tenant_key, vault_key IN SHARE ROW EXCLUSIVE MODE"))
    others = {key: number for key, number in (await wrapped_by(session)).items() if key != current}
    if others:
        named = ", ".join(f"{key} ({number})" for key, number in others.items())
        raise Conflict(f"Data keys are still wrapped by other master keys: {named}. Wrap them again first.")


async def _keys(session: AsyncSession) -> list[_Key]:
    first = select(TenantKeyRow.tenant, TenantKeyRow.master_key_id, TenantKeyRow.wrapped).order_by(TenantKeyRow.tenant)
    later = select(VaultKeyRow.tenant, VaultKeyRow.generation, VaultKeyRow.master_key_id, VaultKeyRow.wrapped).order_by(
        VaultKeyRow.tenant, VaultKeyRow.generation
    )
    keys = [_Key(row.tenant, FIRST_GENERATION, _wrapped(row)) for row in await session.execute(first)]
    return keys + [_Key(row.tenant, row.generation, _wrapped(row)) for row in await session.execute(later)]


def _wrapped(row: Row[*tuple[Any, ...]]) -> Wrapped:
    return Wrapped(row.master_key_id, row.wrapped)


async def _exchange(session: AsyncSession, anew: Sequence[tuple[_Key, Wrapped]], record: Record) -> int:
    """Put the new wrapping in the place of the old one, where that still stands."""
    changed: Counter[tuple[str, str]] = Counter()
    for key, wrapped in anew:
        row = TenantKeyRow if key.generation == FIRST_GENERATION else VaultKeyRow
        table = table_of(row)
        where = [table.c.tenant == key.tenant, table.c.wrapped == key.wrapped.data]
        if row is VaultKeyRow:
            where.append(table.c.generation == key.generation)
        new = update(table).where(*where).values(master_key_id=wrapped.master_key_id, wrapped=wrapped.data)
        result = await session.execute(new)
        if isinstance(result, CursorResult) and result.rowcount:
            changed[key.tenant, wrapped.master_key_id] += 1
    for (tenant, master_key), number in sorted(changed.items()):
        await record(session, tenant, master_key, number)
    return changed.total()
