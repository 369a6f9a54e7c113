"""Keys: master keys of the installation, one data key per tenant, one derived key per purpose.

    master key ── wraps ─┬─> data key of a tenant ── HKDF ─┬─> tokens, words, digests   (never change)
                         │                                 └─> vault, generation 1
                         └─> vault key of generation 2, 3, ...

A master key is never stored beside what it wraps, and none need be in this process: `KeySource` is the port.

What may change, and what not. A *master key* changes by wrapping the same data keys again. A *vault key* changes by
sealing every original again; each entry names its generation, so both open meanwhile. The keys of tokens, words and
digests stay for as long as the tenant: tokens stand in stored documents, words in the index, digests in ids. Other
tokens mean that every document is made again from its source, in a tenant of its own name.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.statements import insert_if_absent, table_of
from rag.db.tables import TenantKeyRow, VaultKeyRow
from rag.errors import Damaged, NotFound

KEY_BYTES = 32
NONCE_BYTES = 12
FIRST_GENERATION = 1


def joined(*parts: str | bytes) -> bytes:
    """The parts, each preceded by its length: no two lists of parts give the same bytes."""
    raw = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(8, "big") + part for part in raw)


def keyed_digest(key: bytes, *parts: str | bytes) -> bytes:
    """HMAC-SHA256 over the parts."""
    return hmac.digest(key, joined(*parts), "sha256")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it may be stored: `data` opens only with the master key `master_key_id`."""

    master_key_id: str
    data: bytes = field(repr=False)


class KeySource(Protocol):
    """Wraps and unwraps data keys. The port for a key management service: the master key's bytes may be elsewhere.

    `owner` says whose data key it is; a source binds it into the wrapping, so that a wrapped key that was moved to
    another row does not unwrap.
    """

    @property
    def id(self) -> str:
        """The master key that new wraps use: at most 32 characters that give nothing away."""
        ...

    @property
    def origin(self) -> str:
        """Where the keys come from, in words for an operator."""
        ...

    async def wrap(self, owner: str, data_key: bytes) -> Wrapped:
        """Wrap with the newest master key.

        Raises:
            Unavailable: a remote source did not answer.
        """
        ...

    async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
        """The data key.

        Raises:
            Damaged: `wrong_master_key` where the source does not have that master key; `tenant_key_damaged` where
                the wrapped bytes are not what it made for this owner. Both name ids, never keys.
            Unavailable: a remote source did not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key in this process: the simplest `KeySource`."""

    id: str
    origin: str
    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, key: bytes, origin: str) -> "MasterKey":
        return cls(derive(key, "master key id", 16).hex(), origin, key)

    async def wrap(self, owner: str, data_key: bytes) -> Wrapped:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Wrapped(self.id, nonce + AESGCM(self._key).encrypt(nonce, data_key, self._bound_to(owner)))

    async def unwrap(self, owner: str, wrapped: Wrapped) -> bytes:
        if wrapped.master_key_id != self.id:
            raise wrong_master_key(owner, wrapped, f"{self.origin} holds {self.id}")
        nonce, ciphertext = wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:]
        try:
            return AESGCM(self._key).decrypt(nonce, ciphertext, self._bound_to(owner))
        except (InvalidTag, ValueError):
            raise Damaged(
                f"The wrapped data key of tenant {owner!r} was changed in the database. Restore the tables tenant_key "
                "and vault_key from a backup; without it the originals cannot be opened.",
                code="tenant_key_damaged",
            ) from None

    def _bound_to(self, owner: str) -> bytes:
        return joined("tenant key", self.id, owner)


def wrong_master_key(owner: str, wrapped: Wrapped, held: str) -> Damaged:
    """The error of a source that does not have the master key; `held` says which it has."""
    return Damaged(
        f"The data key of tenant {owner!r} was wrapped by master key {wrapped.master_key_id}, but {held}. "
        "Restore the original master key; without it the originals cannot be opened.",
        code="wrong_master_key",
    )


def vault_owner(tenant: str, generation: int) -> str:
    """The owner of a later vault key: no tenant's name has this character."""
    return f"{tenant}#vault.{generation}"


@dataclass(frozen=True, slots=True)
class Generation:
    """One of the keys of a tenant's vault. `wrapped` is None for the first, and where the key is missing."""

    number: int
    wrapped: Wrapped | None = None


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """What seals a tenant's originals. Later generations are opened when they are first met."""

    first: bytes = field(repr=False)
    marks: bytes = field(repr=False)
    """Key of the digests that remember what was erased."""
    _source: KeySource | None = field(default=None, repr=False, compare=False)
    _opened: dict[Generation, AESGCM] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, data_key: bytes, source: KeySource | None = None) -> "VaultKeys":
        return cls(derive(data_key, "vault"), derive(data_key, "erased"), source)

    async def cipher(self, tenant: str, generation: Generation) -> AESGCM:
        """The cipher of a generation.

        Raises:
            Damaged: its key is missing, or does not unwrap.
        """
        if generation not in self._opened:
            self._opened[generation] = AESGCM(await self._key(tenant, generation))
        return self._opened[generation]

    async def _key(self, tenant: str, generation: Generation) -> bytes:
        if generation.number == FIRST_GENERATION:
            return self.first
        if generation.wrapped is None or self._source is None:
            raise Damaged(
                f"The vault key of tenant {tenant!r}, generation {generation.number}, is missing. Restore table "
                "vault_key from a backup; without it the originals sealed with it cannot be opened.",
                code="vault_key_missing",
            )
        return await self._source.unwrap(vault_owner(tenant, generation.number), generation.wrapped)


async def newest_generation(session: AsyncSession, tenant: str) -> Generation:
    """What this transaction has to seal with."""
    columns = select(VaultKeyRow.generation, VaultKeyRow.master_key_id, VaultKeyRow.wrapped)
    statement = columns.where(VaultKeyRow.tenant == tenant).order_by(VaultKeyRow.generation.desc()).limit(1)
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        return Generation(FIRST_GENERATION)
    return Generation(found.generation, Wrapped(found.master_key_id, found.wrapped))


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """A tenant's keys, one per purpose, so that none can be used to learn another."""

    tokens: bytes = field(repr=False)
    words: bytes = field(repr=False)
    digests: bytes = field(repr=False)
    vault: VaultKeys = field(repr=False)

    @classmethod
    def of(cls, data_key: bytes, source: KeySource | None = None) -> "TenantKeys":
        tokens, words, digests = (derive(data_key, purpose) for purpose in ("tokens", "words", "digests"))
        return cls(tokens, words, digests, VaultKeys.of(data_key, source))


def derive(key: bytes, purpose: str, length: int = KEY_BYTES) -> bytes:
    """A key for one purpose; none of them tells another, nor the key it came from."""
    return HKDF(hashes.SHA256(), length, salt=None, info=b"ringfence/1/" + purpose.encode()).derive(key)


async def tenant_keys(session: AsyncSession, tenant: str, source: KeySource) -> TenantKeys:
    """The keys of a tenant; its data key is created in this session's transaction if there is none.

    A key made in a session that is not committed is gone with it, so read the row again in the next one.

    Raises:
        Damaged: the source has not the master key that wrapped the tenant's key.
        Unavailable: a remote source did not answer.
    """
    wrapped = await _stored_key(session, tenant)
    if wrapped is None:
        new = await source.wrap(tenant, secrets.token_bytes(KEY_BYTES))
        now = datetime.now(UTC)
        row = {"tenant": tenant, "master_key_id": new.master_key_id, "wrapped": new.data, "created_at": now}
        await session.execute(insert_if_absent(session, table_of(TenantKeyRow)), [row])
        # Another process may have been first: what the table holds is the key.
        wrapped = await _stored_key(session, tenant) or new
    return TenantKeys.of(await source.unwrap(tenant, wrapped), source)


async def existing_tenant_keys(session: AsyncSession, tenant: str, source: KeySource) -> TenantKeys:
    """The same for a tenant that has keys already: nothing is made.

    Raises:
        NotFound: it has none.
    """
    wrapped = await _stored_key(session, tenant)
    if wrapped is None:
        raise NotFound(f"Tenant {tenant!r} has no keys: nothing was ever stored for it. Check the name.")
    return TenantKeys.of(await source.unwrap(tenant, wrapped), source)


async def _stored_key(session: AsyncSession, tenant: str) -> Wrapped | None:
    columns = select(TenantKeyRow.master_key_id, TenantKeyRow.wrapped)
    found = (await session.execute(columns.where(TenantKeyRow.tenant == tenant))).one_or_none()
    return None if found is None else Wrapped(found.master_key_id, found.wrapped)
