"""Signed receipts: what an erasure made unreadable, in a form that anybody can verify without this installation.

A receipt is one JSON object. Its Ed25519 signature is over the canonical spelling (keys sorted, no spaces, ASCII) of
all fields but `signature`, so a receipt that was printed prettily still verifies. It holds tokens, ids and numbers;
never a value.
"""

import base64
import binascii
import json
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.tables import ReceiptRow
from rag.errors import Damaged, Misuse, NotFound
from rag.privacy.key_files import create_once, decode_key, read_key_file
from rag.settings import Settings

FORMAT = "ringfence erasure receipt 1"
SIGNING_KEY_FILE = "signing.key"
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True, slots=True)
class Signer:
    """The signing key of the installation. `public_key` is its other half, as base64."""

    public_key: str
    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> "Signer":
        private = Ed25519PrivateKey.from_private_bytes(key)
        return cls(base64.b64encode(private.public_key().public_bytes_raw()).decode("ascii"), private)

    def sign(self, facts: Mapping[str, Any]) -> str:
        """The receipt of the facts: canonical JSON, with the public key and the signature."""
        body = {**facts, "format": FORMAT, "public_key": self.public_key}
        return canonical({**body, "signature": self.sign_for(FORMAT, canonical(body).encode("ascii"))})

    def sign_for(self, purpose: str, message: bytes) -> str:
        """The signature, as base64, of a message for one purpose: it is none of the same message for another."""
        return base64.b64encode(self._key.sign(f"{purpose}\n".encode("ascii") + message)).decode("ascii")


def open_signer(settings: Settings) -> Signer:
    """The signing key: from the setting, else its file, else `signing.key` in the data folder, made on first use.

    Raises:
        Misuse: it is not 32 bytes in base64, a named file is missing, or others may read the one of the data folder.
    """
    found = find_signer(settings)
    if found is None:
        create_once(settings.data_dir / SIGNING_KEY_FILE)
        return open_signer(settings)
    return found


def find_signer(settings: Settings) -> Signer | None:
    """The same without making one: None where there is none yet."""
    privacy = settings.privacy
    if privacy.signing_key is not None:
        name = "RINGFENCE_PRIVACY__SIGNING_KEY"
        return Signer.of(decode_key(privacy.signing_key.get_secret_value(), name))
    named = privacy.signing_key_file
    path = named or settings.data_dir / SIGNING_KEY_FILE
    if named is None and not path.exists():
        return None
    return Signer.of(decode_key(read_key_file(path, private=named is None, code="bad_signing_key"), str(path)))


def canonical(body: Mapping[str, Any]) -> str:
    """The one spelling of a receipt."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def verify_receipt(text: str, public_key: str) -> dict[str, Any]:
    """The facts of a receipt that the holder of the public key's other half signed, unchanged.

    Raises:
        Misuse: the text is no receipt, or the public key is none.
        Damaged: another key signed it, or it was changed.
    """
    body = _parsed(text)
    if not _PUBLIC_KEY.fullmatch(public_key):
        raise Misuse("The public key is 32 bytes as base64; `ringfence privacy receipts key` prints this one's.")
    if body.get("public_key") != public_key:
        raise Damaged("The receipt was signed with another key than the one given.", code="receipt_of_other_key")
    signature = body.pop("signature", None)
    try:
        raw = base64.b64decode(signature, validate=True) if isinstance(signature, str) else b""
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key)).verify(raw, _signed_bytes(body))
    except (InvalidSignature, binascii.Error, ValueError):
        raise Damaged("The receipt was changed after it was signed.", code="receipt_changed") from None
    return body


def new_receipt_id() -> str:
    return f"rcp_{secrets.token_hex(16)}"


class Receipts:
    """The kept receipts of one tenant. Takes a session; never commits."""

    def __init__(self, session: AsyncSession, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    async def add(self, receipt: str, issued_at: datetime, text: str) -> None:
        row = {"tenant": self._tenant, "id": receipt, "issued_at": issued_at, "body": text}
        await self._session.execute(insert(ReceiptRow).values(row))

    async def get(self, receipt: str) -> str:
        """The receipt as it was signed.

        Raises:
            NotFound: the tenant has none with this id.
        """
        mine = ReceiptRow.tenant == self._tenant, ReceiptRow.id == receipt
        found = await self._session.scalar(select(ReceiptRow.body).where(*mine))
        if found is None:
            raise NotFound(f"Tenant {self._tenant!r} has no receipt {receipt!r}; `privacy receipts list` shows them.")
        return found

    async def all(self) -> list[str]:
        """Every receipt, oldest first."""
        statement = select(ReceiptRow.body).where(ReceiptRow.tenant == self._tenant)
        return list(await self._session.scalars(statement.order_by(ReceiptRow.issued_at, ReceiptRow.id)))


@dataclass(frozen=True, slots=True)
class Signers:
    """How many receipts of the installation each public key signed, and which one signed the newest."""

    newest: str
    by_key: Counter[str]


async def signers_of_all(session: AsyncSession) -> Signers:
    """Who signed the receipts of all tenants, as they say; one that is damaged counts for the key named ""."""
    keys = [_key_of(text) for text in await session.scalars(select(ReceiptRow.body).order_by(ReceiptRow.issued_at))]
    return Signers(keys[-1] if keys else "", Counter(keys))


def _key_of(text: str) -> str:
    try:
        return str(_parsed(text).get("public_key", ""))
    except Misuse:
        return ""


def _signed_bytes(body: Mapping[str, Any]) -> bytes:
    return f"{FORMAT}\n{canonical(body)}".encode("ascii")


def _parsed(text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a field stands twice")
        return dict(pairs)

    try:
        body = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise Misuse("This is not an erasure receipt: one JSON object as `ringfence privacy erase` prints it.")
    return body
