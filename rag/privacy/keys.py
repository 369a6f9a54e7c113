"""Keys: one master key per installation, one data key per tenant, one derived key per purpose.

    master key ── wraps ──> data key of a tenant ── HKDF ──> tokens | words | digests | vault

The master key is never stored beside what it wraps in the database. A tenant's data key is created once, when
the tenant is first used, and exists in the database only wrapped.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import TenantKeyRow
from rag.errors import Damaged, Misuse
from rag.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12
MASTER_KEY_FILE = "master.key"


def joined(*parts: str | bytes) -> bytes:
    """The parts, each preceded by its length: no two lists of parts give the same bytes."""
    raw = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(8, "big") + part for part in raw)


def keyed_digest(key: bytes, *parts: str | bytes) -> bytes:
    """HMAC-SHA256 over the parts."""
    return hmac.new(key, joined(*parts), hashlib.sha256).digest()


def insert_if_absent(session: AsyncSession, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that leaves an existing row as it is, in the dialect of the session."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps the tenants' data keys. `id` may be shown and stored: it does not give the key away."""

    id: str
    origin: str
    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, key: bytes, origin: str) -> "MasterKey":
        return cls(_derive(key, "master key id", 16).hex(), origin, key)

    def wrap(self, tenant: str, data_key: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, data_key, joined("tenant key", self.id, tenant))

    def unwrap(self, tenant: str, master_key_id: str, wrapped: bytes) -> bytes:
        """The tenant's data key.

        Raises:
            Damaged: another master key wrapped it, or the stored bytes were changed.
        """
        if master_key_id != self.id:
            raise Damaged(
                f"The data key of tenant {tenant!r} was wrapped by master key {master_key_id}, but {self.origin} holds "
                f"{self.id}. Restore the original master key; without it the originals cannot be opened.",
                code="wrong_master_key",
            )
        try:
            associated = joined("tenant key", self.id, tenant)
            return AESGCM(self._key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):
            raise Damaged(
                f"The wrapped data key of tenant {tenant!r} was changed in the database. Restore table tenant_key "
                "from a backup; without it the originals cannot be opened.",
                code="tenant_key_damaged",
            ) from None


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """A tenant's keys, one per purpose, so that none can be used to learn another."""

    tokens: bytes = field(repr=False)
    words: bytes = field(repr=False)
    digests: bytes = field(repr=False)
    vault: bytes = field(repr=False)

    @classmethod
    def of(cls, data_key: bytes) -> "TenantKeys":
        tokens, words, digests, vault = (_derive(data_key, p) for p in ("tokens", "words", "digests", "vault"))
        return cls(tokens, words, digests, vault)


def _derive(key: bytes, purpose: str, length: int = KEY_BYTES) -> bytes:
    return HKDF(hashes.SHA256(), length, salt=None, info=b"ringfence/1/" + purpose.encode()).derive(key)


def open_keys(settings: Settings) -> MasterKey:
    """The master key: from the setting, else its file, else `master.key` in the data folder, made on first use.

    Raises:
        Misuse: the setting or file does not hold 32 bytes in base64, a named file is missing, or the file in the
            data folder may be read by others.
    """
    privacy = settings.privacy
    if privacy.master_key is not None:
        name = "RINGFENCE_PRIVACY__MASTER_KEY"
        return MasterKey.of(_decode(privacy.master_key.get_secret_value(), name), name)
    if privacy.master_key_file is not None:
        return _read(privacy.master_key_file)
    path = settings.data_dir / MASTER_KEY_FILE
    _create_once(path)
    if path.stat().st_mode & 0o077:
        raise Misuse(f"The master key {path} may be read by others. Run `chmod 600 {path}`.", code="bad_master_key")
    return _read(path)


def _create_once(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and the second of two processes fails instead of replacing the first.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> MasterKey:
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as cause:
        raise Misuse(
            f"The master key file {path} cannot be read ({type(cause).__name__}). It holds 32 bytes as base64; "
            "`openssl rand -base64 32` makes one.",
            code="bad_master_key",
        ) from None
    return MasterKey.of(_decode(text, str(path)), str(path))


def _decode(text: str, origin: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise Misuse(
            f"{origin} does not hold 32 bytes as base64; `openssl rand -base64 32` makes a key.", code="bad_master_key"
        )
    return key


async def tenant_keys(session: AsyncSession, tenant: str, master: MasterKey) -> TenantKeys:
    """The keys of a tenant; its data key is created in this session's transaction if there is none.

    A key made in a session that is not committed is gone with it, so read the row again in the next one.

    Raises:
        Damaged: the master key is not the one that wrapped the tenant's key.
    """
    statement = select(TenantKeyRow.master_key_id, TenantKeyRow.wrapped).where(TenantKeyRow.tenant == tenant)
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        row = {
            "tenant": tenant,
            "master_key_id": master.id,
            "wrapped": master.wrap(tenant, secrets.token_bytes(KEY_BYTES)),
            "created_at": datetime.now(UTC),
        }
        table = TenantKeyRow.__table__
        assert isinstance(table, Table)  # noqa: S101 - narrows SQLAlchemy's FromClause for the type checker
        await session.execute(insert_if_absent(session, table), [row])
        # Another process may have been first: what the table holds is the key.
        found = (await session.execute(statement)).one()
    return TenantKeys.of(master.unwrap(tenant, found.master_key_id, found.wrapped))
