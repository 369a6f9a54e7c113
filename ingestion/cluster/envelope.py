"""What a run and its workers hand each other, sealed.

Ray keeps what is handed over in the memory of its nodes, writes it to their disks when that is full, and sends it over
the network in clear. So all of it is encrypted with a key of the run, which reaches a worker only as the master key
wraps it: a worker has the master key from its own settings, as every other process of ours. Whoever has it could read
the vault anyway; whoever has it not can neither read a document here nor hand in one that would be unpickled.
"""

import io
import pickle
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag.errors import Damaged
from rag.privacy.keys import KEY_BYTES, NONCE_BYTES, KeySource, Wrapped, joined

_OWNER = "#ingest"
"""Whose the key of a run is, for the source that wraps it: no tenant's name has this character."""


class Envelope:
    """Seals values of one run. `about` is bound into each: what was sealed for one thing does not open as another."""

    def __init__(self, key: bytes, left_out: Mapping[type, str] | None = None) -> None:
        """Values of the types `left_out` do not travel: whoever opens an envelope says what stands in their place."""
        self._cipher = AESGCM(key)
        self._left_out = left_out or {}

    def __repr__(self) -> str:
        return "Envelope()"

    def seal(self, about: str, value: object) -> bytes:
        """Nonce and ciphertext."""
        written = io.BytesIO()
        _Pickler(written, self._left_out).dump(value)
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, written.getvalue(), joined(about))

    def open(self, about: str, sealed: bytes, given: Mapping[str, object] | None = None) -> Any:
        """What was sealed about this. Nothing is unpickled that was not sealed with the key.

        Raises:
            Damaged: it was sealed with another key or about something else, or was changed.
        """
        try:
            plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], joined(about))
        except (InvalidTag, ValueError):
            raise Damaged(
                "What a worker was handed, or handed in, was not sealed by this run. Nothing of it was used; see who "
                "else has access to the Ray cluster.",
                code="engine_damaged",
            ) from None
        return _Unpickler(io.BytesIO(plain), given or {}).load()


async def new_key(source: KeySource) -> tuple[bytes, Wrapped]:
    """The key of a run, and as it may be handed to Ray."""
    key = secrets.token_bytes(KEY_BYTES)
    return key, await source.wrap(_OWNER, key)


async def opened_key(source: KeySource, wrapped: Wrapped) -> bytes:
    """The key of a run.

    Raises:
        Damaged: the source does not have the master key that wrapped it.
    """
    return await source.unwrap(_OWNER, wrapped)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, left_out: Mapping[type, str]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._left_out = left_out

    def persistent_id(self, value: Any) -> str | None:
        return self._left_out.get(type(value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, given: Mapping[str, object]) -> None:
        super().__init__(file)
        self._given = given

    def persistent_load(self, name: Any) -> object:
        return self._given[name]
