"""Signed tokens that name the person an assistant acts for.

The algorithm follows from the one key that is configured, never from the token: a token that brings its own
(`none`, or HS256 made with a public key) is refused before its signature is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from policies.rules import InvalidRule, subject_name
from rag.errors import Misuse, Unauthenticated
from rag.settings import ServiceSettings

LEEWAY_S = 30
"""Clocks of issuer and service may differ by this much."""
TOKEN_CHARS_MAX = 16_384
SECRET_BYTES_MIN = 32
RSA_BITS_MIN = 2048
GROUPS_MAX = 500

VerifyingKey: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class PersonClaims:
    """Whom a valid token names: `person` as `user:...`, `groups` as `group:...`."""

    person: str
    groups: frozenset[str]


class TokenVerifier:
    """Verifies tokens against one key and one algorithm. Open with `open_verifier`."""

    def __init__(self, key: VerifyingKey, algorithm: str, *, audience: str, issuer: str | None) -> None:
        self._key = key
        self.algorithm = algorithm
        self._audience = audience
        self._issuer = issuer
        self._required = ["exp", "aud", "sub", "tenant", *(["iss"] if issuer is not None else [])]

    def verify(self, token: str, *, tenant: str) -> PersonClaims:
        """The person named by a token that is valid now, for this service and this tenant.

        Raises:
            Unauthenticated: anything else, without saying what.
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise Unauthenticated()
        try:
            parts = jwt.decode_complete(
                token,
                self._key,
                algorithms=[self.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": self._required, "strict_aud": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as cause:
            raise Unauthenticated() from cause
        # A token made for another purpose (a logout or access token of the same issuer) names nobody here.
        if str(parts["header"].get("typ", "JWT")).upper() != "JWT":
            raise Unauthenticated()
        return _claims(parts["payload"], tenant)


def open_verifier(settings: ServiceSettings) -> TokenVerifier | None:
    """The verifier that the settings describe, or None when no key is configured.

    Raises:
        Misuse: both kinds of key, a short secret, or a file that holds no usable public key.
    """
    secret, path = settings.jwt_secret, settings.jwt_public_key_file
    if secret is not None and path is not None:
        raise Misuse(
            "Both service.jwt_secret and service.jwt_public_key_file are set; set the one your issuer signs with.",
            code="bad_settings",
        )
    if secret is not None:
        raw = secret.get_secret_value().encode()
        if len(raw) < SECRET_BYTES_MIN:
            raise Misuse(f"service.jwt_secret must have at least {SECRET_BYTES_MIN} bytes.", code="bad_settings")
        return TokenVerifier(raw, "HS256", audience=settings.jwt_audience, issuer=settings.jwt_issuer)
    if path is not None:
        key, algorithm = _public_key(path)
        return TokenVerifier(key, algorithm, audience=settings.jwt_audience, issuer=settings.jwt_issuer)
    return None


def _public_key(path: Path) -> tuple[VerifyingKey, str]:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as cause:
        raise Misuse(
            f"service.jwt_public_key_file {path} holds no readable PEM public key ({type(cause).__name__}).",
            code="bad_settings",
        ) from cause
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return key, "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256"
    if isinstance(key, Ed25519PublicKey):
        return key, "EdDSA"
    raise Misuse(
        f"service.jwt_public_key_file {path} must be RSA with at least {RSA_BITS_MIN} bits, P-256 or Ed25519.",
        code="bad_settings",
    )


def _claims(payload: Mapping[str, Any], tenant: str) -> PersonClaims:
    if payload.get("tenant") != tenant:
        raise Unauthenticated()
    try:
        person = person_name(str(payload["sub"]))
    except InvalidRule as cause:
        raise Unauthenticated() from cause
    return PersonClaims(person, _groups(payload))


def person_name(value: str) -> str:
    """`ann` or `user:ann` as `user:ann`.

    Raises:
        InvalidRule: not a person's name.
    """
    return subject_name(value if value.startswith("user:") else f"user:{value}", kinds=("user",))


def _groups(payload: Mapping[str, Any]) -> frozenset[str]:
    """The `groups` claim as `group:` names.

    A claim that says "too many to list" is refused: a deny rule for a group left out would not hold.
    Names outside the policy's alphabet are left out: no rule can be about them.
    """
    overage = payload.get("_claim_names")
    if payload.get("hasgroups") or (isinstance(overage, Mapping) and "groups" in overage):
        raise Unauthenticated()
    claimed = payload.get("groups", [])
    if not isinstance(claimed, list) or len(claimed) > GROUPS_MAX or not all(isinstance(g, str) for g in claimed):
        raise Unauthenticated()
    names: set[str] = set()
    for group in claimed:
        try:
            names.add(subject_name(group if group.startswith("group:") else f"group:{group}", kinds=("group",)))
        except InvalidRule:
            continue
    return frozenset(names)
