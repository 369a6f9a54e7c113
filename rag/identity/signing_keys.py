"""The keys an OpenID Connect provider signs with: fetched, kept for a while, and replaced when it rotates them.

    fetched less than `keys_fresh_s` ago        used
    older, and the provider answers             replaced
    older, and it does not                      used until `offline_s`, then nothing of this provider is accepted
    a token names a key that is not among them  fetched again, at most every `keys_retry_s`

Nothing a token says leads to an address: keys come from the configured provider, or not at all.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from rag.errors import Unauthenticated, Unavailable
from rag.issuer_settings import IssuerSettings, secure_url

DOCUMENT_BYTES_MAX = 512_000
KEYS_MAX = 100
RSA_BITS_MIN = 2048
_DISCOVERY = "/.well-known/openid-configuration"

_log = logging.getLogger(__name__)

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key. `algorithm` is the only one it may be used with, where its issuer says so."""

    id: str | None
    algorithm: str | None
    public: PublicKey

    def fits(self, algorithm: str) -> bool:
        """Whether a signature of this algorithm can be this key's."""
        return self.algorithm in (None, algorithm) and algorithm in _algorithms_of(self.public)


class ProviderUnreachable(Exception):
    """The provider's keys could not be fetched: what went wrong, for the log and the doctor."""


class SigningKeys:
    """The keys of one issuer. `client` follows no redirects; `clock` gives seconds and never goes back."""

    def __init__(
        self, issuer: IssuerSettings, client: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    async def get(self, key_id: str | None, algorithm: str) -> PublicKey:
        """The key that a token names. A token that names none is checked with the only key there is, if it is one.

        Raises:
            Unauthenticated: the issuer has no such key.
            Unavailable: its keys are too old to be trusted and it does not answer.
        """
        await self._refresh_stale()
        found = self._find(key_id, algorithm)
        if found is None:
            async with self._fetching:
                # Whoever fetched while we waited may have brought it.
                found = self._find(key_id, algorithm)
                if found is None:
                    await self._try_to_fetch()
                    found = self._find(key_id, algorithm)
        if found is None:
            raise Unauthenticated()
        return found

    async def fetch(self) -> tuple[SigningKey, ...]:
        """Ask the provider now.

        Raises:
            ProviderUnreachable: no answer, or not one that can be used.
        """
        try:
            async with asyncio.timeout(self._issuer.timeout_s):
                url = self._issuer.jwks_url or await self._discovered()
                return _usable(await self._document(url))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as cause:
            raise ProviderUnreachable(f"{type(cause).__name__}: {cause}"[:300]) from cause

    async def _refresh_stale(self) -> None:
        if self._age() < self._issuer.keys_fresh_s:
            return
        if self._age() < self._issuer.offline_s and self._fetching.locked():
            return
        async with self._fetching:
            if self._age() >= self._issuer.keys_fresh_s:
                await self._try_to_fetch()
        if self._age() >= self._issuer.offline_s:
            raise Unavailable(
                "The identity provider does not answer and its keys are too old to be trusted, so nobody can be "
                "recognised by it. Retry; `ringfence doctor` checks it.",
                code="identity_provider_unavailable",
            )

    async def _try_to_fetch(self) -> None:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < self._issuer.keys_retry_s:
            return
        self._tried_at = now
        try:
            self._keys = await self.fetch()
        except ProviderUnreachable as cause:
            _log.warning("identity_provider_unreachable issuer=%s cause=%s", self._issuer.name, cause)
            return
        # Counted from before the request: what the provider withdrew meanwhile must not look younger than it is.
        self._fetched_at = now

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _find(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        if key_id is None:
            return self._keys[0].public if len(self._keys) == 1 and self._keys[0].fits(algorithm) else None
        named = [key for key in self._keys if key.id == key_id]
        # Two keys of one name: which of them the issuer means cannot be told.
        return named[0].public if len(named) == 1 and named[0].fits(algorithm) else None

    async def _discovered(self) -> str:
        found = await self._document(self._issuer.issuer.rstrip("/") + _DISCOVERY)
        if found.get("issuer") != self._issuer.issuer:
            raise ValueError("the discovery document is another issuer's")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not secure_url(url):
            raise ValueError("the discovery document names no https jwks_uri")
        return url

    async def _document(self, url: str) -> Mapping[str, Any]:
        raw = bytearray()
        async with self._client.stream("GET", url, headers={"Accept": "application/json"}) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > DOCUMENT_BYTES_MAX:
                    raise ValueError(f"longer than {DOCUMENT_BYTES_MAX} bytes")
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return found


def _usable(document: Mapping[str, Any]) -> tuple[SigningKey, ...]:
    """The keys of a JWK set that signatures can be checked with; others (for encryption, symmetric) are left out.

    Raises:
        ValueError: there are none.
    """
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise ValueError("not a JWK set")
    keys = tuple(key for item in listed if isinstance(item, dict) and (key := _signing_key(item)) is not None)
    if not keys:
        raise ValueError("no key in it can be used")
    return keys


def _signing_key(item: dict[str, Any]) -> SigningKey | None:
    operations = item.get("key_ops")
    if item.get("use", "sig") != "sig" or (operations is not None and "verify" not in operations):
        return None
    # A key that is published with its private half is anybody's; a symmetric one verifies what its reader forged.
    if item.get("kty") not in ("RSA", "EC", "OKP") or "d" in item:
        return None
    key_id, algorithm = item.get("kid"), item.get("alg")
    try:
        public = jwt.PyJWK(item).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey) or not _algorithms_of(public):
        return None
    return SigningKey(
        key_id if isinstance(key_id, str) else None, algorithm if isinstance(algorithm, str) else None, public
    )


def _algorithms_of(key: PublicKey) -> frozenset[str]:
    if isinstance(key, RSAPublicKey):
        families = ("RS", "PS") if key.key_size >= RSA_BITS_MIN else ()
        return frozenset(f"{family}{bits}" for family in families for bits in (256, 384, 512))
    if isinstance(key, EllipticCurvePublicKey):
        curves = {SECP256R1: "ES256", SECP384R1: "ES384"}
        return frozenset(name for curve, name in curves.items() if isinstance(key.curve, curve))
    return frozenset({"EdDSA"})
