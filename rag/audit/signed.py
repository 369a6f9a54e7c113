"""Statements signed with the installation's Ed25519 key: one JSON object, in one spelling.

The signature is over the format's name, a line break, and the canonical JSON of all fields but `signature`; so a
statement of one format never passes for one of another. Any byte that differs is a difference: another spelling of
the same JSON is refused.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class StatementSigner(Protocol):
    """Holds the installation's key. `public_key` is its other half: 32 bytes as base64."""

    @property
    def public_key(self) -> str: ...

    def sign_for(self, purpose: str, message: bytes) -> str:
        """The signature, as base64, of `message` for this purpose and no other."""


class NotSigned(Exception):
    """`reason` is unreadable, other_key or edited."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def spelled(fields: Mapping[str, Any]) -> str:
    """Canonical JSON: keys sorted, no spaces, ASCII.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sign(purpose: str, facts: Mapping[str, Any], signer: StatementSigner) -> str:
    """The statement of the facts, with the public key and the signature."""
    fields = {**facts, "format": purpose, "public_key": signer.public_key}
    return spelled({**fields, "signature": signer.sign_for(purpose, spelled(fields).encode("ascii"))})


def parsed(text: str) -> dict[str, Any]:
    """The fields of a canonical JSON object.

    Raises:
        NotSigned: it is none, or spelled otherwise.
    """
    try:
        fields = json.loads(text)
        if isinstance(fields, dict) and spelled(fields) == text:
            return fields
    except (ValueError, RecursionError):
        pass
    raise NotSigned("unreadable")


def opened(text: str, purpose: str, keys: Collection[str]) -> dict[str, Any]:
    """The facts of a statement that the holder of one of the keys' other halves signed, unchanged.

    Raises:
        NotSigned: it is no such statement.
    """
    fields = parsed(text)
    if fields.get("format") != purpose:
        raise NotSigned("unreadable")
    public_key, signature = fields.get("public_key"), fields.pop("signature", None)
    if public_key not in keys or not isinstance(public_key, str):
        raise NotSigned("other_key")
    try:
        raw = base64.b64decode(signature, validate=True) if isinstance(signature, str) else b""
        # Base64 has bits to spare: two spellings of one signature would be an edit that nobody sees.
        if base64.b64encode(raw).decode("ascii") != signature:
            raise NotSigned("edited")
        message = f"{purpose}\n{spelled(fields)}".encode("ascii")
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True)).verify(raw, message)
    except (InvalidSignature, binascii.Error, ValueError):
        raise NotSigned("edited") from None
    return fields
