"""The vault: originals, sealed. The only place where a token can be turned back into what it stands for.

Each entry is AES-256-GCM under the tenant's vault key and bound to tenant, token and entity: an entry moved to
another row does not open. Removing the row makes the token meaningless for ever.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import CursorResult, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import VaultRow
from rag.errors import Damaged
from rag.privacy.keys import NONCE_BYTES, insert_if_absent, joined

T = TypeVar("T")

BATCH = 500
"""Values per statement: below the bound-parameter limits of SQLite and Postgres."""


@dataclass(frozen=True, slots=True)
class VaultValue:
    """A token and what it stands for."""

    token: str
    entity: str
    original: str = field(repr=False)


class Vault:
    """The sealed originals of one tenant. Takes a session; never commits."""

    def __init__(self, tenant: str, key: bytes) -> None:
        self._tenant = tenant
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return f"Vault({self._tenant!r})"

    async def store(self, session: AsyncSession, values: Iterable[VaultValue]) -> None:
        """Keep the values. One that is already held stays as it is, so storing again changes nothing."""
        unique = {value.token: value for value in values}
        held = await self.known(session, unique)
        now = datetime.now(UTC)
        # Sorted, so that two writers take their rows in the same order and cannot lock each other out.
        rows = [self._row(unique[token], now) for token in sorted(unique.keys() - held)]
        table = VaultRow.__table__
        assert isinstance(table, Table)  # noqa: S101 - narrows SQLAlchemy's FromClause for the type checker
        for batch in _batches(rows):
            await session.execute(insert_if_absent(session, table), batch)

    async def open(self, session: AsyncSession, tokens: Collection[str]) -> dict[str, str]:
        """The originals of those tokens that are held; the others are left out.

        Call it for tokens that the reader may see: the vault itself does not decide.

        Raises:
            Damaged: an entry was changed or moved; the message names the token, never the value.
        """
        originals: dict[str, str] = {}
        for batch in _batches(sorted(set(tokens))):
            columns = select(VaultRow.token, VaultRow.entity, VaultRow.sealed)
            rows = await session.execute(columns.where(VaultRow.tenant == self._tenant, VaultRow.token.in_(batch)))
            for token, entity, sealed in rows:
                originals[token] = self._open(token, entity, sealed)
        return originals

    async def known(self, session: AsyncSession, tokens: Collection[str]) -> frozenset[str]:
        """Which of the tokens are held."""
        held: set[str] = set()
        for batch in _batches(sorted(set(tokens))):
            where = VaultRow.tenant == self._tenant, VaultRow.token.in_(batch)
            held.update(await session.scalars(select(VaultRow.token).where(*where)))
        return frozenset(held)

    async def erase(self, session: AsyncSession, token: str) -> bool:
        """Destroy an entry: its token can never be turned back again. False when there was none."""
        where = VaultRow.tenant == self._tenant, VaultRow.token == token
        result = await session.execute(delete(VaultRow).where(*where))
        return isinstance(result, CursorResult) and result.rowcount > 0

    def _row(self, value: VaultValue, now: datetime) -> dict[str, object]:
        nonce = secrets.token_bytes(NONCE_BYTES)
        original = value.original.encode("utf-8", "surrogatepass")
        sealed = nonce + self._cipher.encrypt(nonce, original, self._associated(value.token, value.entity))
        return {
            "tenant": self._tenant,
            "token": value.token,
            "entity": value.entity,
            "sealed": sealed,
            "created_at": now,
        }

    def _open(self, token: str, entity: str, sealed: bytes) -> str:
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            original = self._cipher.decrypt(nonce, ciphertext, self._associated(token, entity))
        except (InvalidTag, ValueError):
            raise Damaged(
                f"The vault entry {token} of tenant {self._tenant!r} was changed in the database. Restore table "
                "vault_entry from a backup, or erase the entry.",
                code="vault_damaged",
            ) from None
        return original.decode("utf-8", "surrogatepass")

    def _associated(self, token: str, entity: str) -> bytes:
        return joined("vault entry", self._tenant, token, entity)


def _batches(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
