"""The vault: originals, sealed. The only place where a token can be turned back into what it stands for.

Each entry is AES-256-GCM under a key of the tenant's vault and bound to tenant, token and entity: an entry moved to
another row does not open. Removing the row makes the token meaningless for ever.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, CursorResult, Row, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.statements import BATCH, batches, insert_if_absent, table_of
from rag.db.tables import VaultKeyRow, VaultRow
from rag.errors import Damaged
from rag.privacy.erased import Erased, marks_of
from rag.privacy.faces import FaceMaker
from rag.privacy.keys import (
    NONCE_BYTES,
    Generation,
    VaultKeys,
    Wrapped,
    joined,
    newest_generation,
)

# With its key in one statement: between two, a rotation could end and take the key of the entry away.
ENTRIES = select(
    VaultRow.token,
    VaultRow.entity,
    VaultRow.generation,
    VaultRow.sealed,
    VaultKeyRow.master_key_id,
    VaultKeyRow.wrapped,
).outerjoin(VaultKeyRow, and_(VaultKeyRow.tenant == VaultRow.tenant, VaultKeyRow.generation == VaultRow.generation))
EntryRow: TypeAlias = Row[str, str, int, bytes, str, bytes]


@dataclass(frozen=True, slots=True)
class VaultValue:
    """A token and what it stands for."""

    token: str
    entity: str
    original: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A token as the vault holds it; `original` is None where the entry does not open."""

    token: str
    original: str | None = field(repr=False)


class Vault:
    """The sealed originals of one tenant. Takes a session; never commits."""

    def __init__(self, tenant: str, keys: VaultKeys) -> None:
        self._tenant = tenant
        self._keys = keys

    def __repr__(self) -> str:
        return f"Vault({self._tenant!r})"

    async def store(self, session: AsyncSession, values: Iterable[VaultValue]) -> frozenset[str]:
        """Keep the values. One that is already held stays as it is, so storing again changes nothing.

        Returns the tokens of values that are not kept because they were erased before: they stay tokens for ever.
        """
        await hold(session, self._tenant, alone=False)
        unique = {value.token: value for value in values}
        held = await self.known(session, unique)
        new = [unique[token] for token in unique.keys() - held]
        refused = await self._refused(session, new)
        generation = await newest_generation(session, self._tenant)
        cipher = await self._keys.cipher(self._tenant, generation)
        now = datetime.now(UTC)
        rows = [
            {
                "tenant": self._tenant,
                "token": value.token,
                "entity": value.entity,
                "generation": generation.number,
                "sealed": seal(cipher, self._tenant, value),
                "created_at": now,
            }
            # Sorted, so that two writers take their rows in the same order and cannot lock each other out.
            for value in sorted(new, key=lambda value: value.token)
            if value.token not in refused
        ]
        for batch in batches(rows):
            await session.execute(insert_if_absent(session, table_of(VaultRow)), batch)
        return refused

    async def open(
        self, session: AsyncSession, tokens: Collection[str], without: Collection[str] = ()
    ) -> dict[str, str]:
        """The originals of those tokens that are held; the others are left out, and so are entities of `without`.

        Call it for tokens that the reader may see: the vault itself does not decide.

        Raises:
            Damaged: an entry was changed or moved, or its key is missing; the message names the token, never the
                value.
        """
        rows = self._rows(session, tokens, VaultRow.entity.not_in(without))
        return {row.token: await open_entry(self._keys, self._tenant, row) async for row in rows}

    async def open_sound(self, session: AsyncSession, tokens: Collection[str]) -> dict[str, str]:
        """The same of those that open; nothing is raised for the others."""
        originals: dict[str, str] = {}
        async for row in self._rows(session, tokens):
            with suppress(Damaged):
                originals[row.token] = await open_entry(self._keys, self._tenant, row)
        return originals

    async def _rows(
        self, session: AsyncSession, tokens: Collection[str], *also: ColumnElement[bool]
    ) -> AsyncIterator[EntryRow]:
        for batch in batches(sorted(set(tokens))):
            where = VaultRow.tenant == self._tenant, VaultRow.token.in_(batch), *also
            for row in (await session.execute(ENTRIES.where(*where))).all():
                yield row

    async def known(self, session: AsyncSession, tokens: Collection[str]) -> frozenset[str]:
        """Which of the tokens are held."""
        held: set[str] = set()
        for batch in batches(sorted(set(tokens))):
            where = VaultRow.tenant == self._tenant, VaultRow.token.in_(batch)
            held.update(await session.scalars(select(VaultRow.token).where(*where)))
        return frozenset(held)

    async def find(self, session: AsyncSession, value: str, faces: FaceMaker) -> dict[str, str]:
        """The tokens that are held for a value, each with its entity. Nothing is opened: tokens are keyed digests."""
        entities = await session.scalars(select(VaultRow.entity).where(VaultRow.tenant == self._tenant).distinct())
        possible = {faces.token(entity, value): entity for entity in entities}
        return {token: possible[token] for token in sorted(await self.known(session, possible))}

    async def entries(self, session: AsyncSession, entity: str) -> AsyncIterator[Entry]:
        """Every entry of a kind, opened one after the other, ordered by token."""
        last = ""
        while True:
            where = VaultRow.tenant == self._tenant, VaultRow.entity == entity, VaultRow.token > last
            statement = ENTRIES.where(*where).order_by(VaultRow.token).limit(BATCH)
            rows = (await session.execute(statement)).all()
            for row in rows:
                try:
                    yield Entry(row.token, await open_entry(self._keys, self._tenant, row))
                except Damaged:
                    yield Entry(row.token, None)
            if len(rows) < BATCH:
                return
            last = rows[-1].token

    async def erase(self, session: AsyncSession, tokens: Collection[str]) -> dict[str, bytes]:
        """Destroy entries: their tokens can never be turned back again. What was sealed of those held, by token.

        The whole of an erasure, with marks and receipt, is `rag.privacy.erasure`.
        """
        sealed: dict[str, bytes] = {}
        for batch in batches(sorted(set(tokens))):
            where = VaultRow.tenant == self._tenant, VaultRow.token.in_(batch)
            rows = await session.execute(select(VaultRow.token, VaultRow.sealed).where(*where).order_by(VaultRow.token))
            sealed.update({token: raw for token, raw in rows})
            await session.execute(delete(VaultRow).where(*where))
        return sealed

    async def forget(self, session: AsyncSession, entities: Collection[str]) -> int:
        """Destroy all entries of these entities, and tell how many there were. For kinds that are redacted now."""
        if not entities:
            return 0
        await hold(session, self._tenant, alone=True)
        where = VaultRow.tenant == self._tenant, VaultRow.entity.in_(entities)
        result = await session.execute(delete(VaultRow).where(*where))
        return result.rowcount if isinstance(result, CursorResult) else 0

    async def _refused(self, session: AsyncSession, values: Collection[VaultValue]) -> frozenset[str]:
        erasures = Erased(session, self._tenant)
        if not values or await erasures.nothing():
            return frozenset()
        marks = {value.token: marks_of(self._keys.marks, value.token, value.entity, value.original) for value in values}
        erased = await erasures.find(frozenset().union(*marks.values()))
        return frozenset(token for token, own in marks.items() if not own.isdisjoint(erased))


async def hold(session: AsyncSession, tenant: str, *, alone: bool) -> None:
    """Until the transaction ends: those who store originals side by side, or `alone` one who erases or rotates.

    So nobody stores what is being erased, or seals with a key that is being put away. On SQLite, a transaction that
    writes is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(joined("vault", tenant)).digest()[:8], signed=True)
        lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
        await session.execute(select(lock(number)))


def seal(cipher: AESGCM, tenant: str, value: VaultValue) -> bytes:
    """Nonce and ciphertext of the original, bound to its row."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    original = value.original.encode("utf-8", "surrogatepass")
    return nonce + cipher.encrypt(nonce, original, _bound_to(tenant, value.token, value.entity))


async def open_entry(keys: VaultKeys, tenant: str, row: EntryRow) -> str:
    """The original of a row of `ENTRIES`.

    Raises:
        Damaged: the entry was changed or moved, or its key is missing; the message names the token, never the value.
    """
    wrapped = None if row.wrapped is None else Wrapped(row.master_key_id, row.wrapped)
    cipher = await keys.cipher(tenant, Generation(row.generation, wrapped))
    nonce, ciphertext = row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:]
    try:
        original = cipher.decrypt(nonce, ciphertext, _bound_to(tenant, row.token, row.entity))
    except (InvalidTag, ValueError):
        raise Damaged(
            f"The vault entry {row.token} of tenant {tenant!r} was changed in the database. Restore table "
            "vault_entry from a backup, or erase the entry.",
            code="vault_damaged",
        ) from None
    return original.decode("utf-8", "surrogatepass")


def _bound_to(tenant: str, token: str, entity: str) -> bytes:
    return joined("vault entry", tenant, token, entity)
