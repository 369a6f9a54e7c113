"""Access tokens of OpenID Connect providers (RFC 9068, and the providers that came before it).

Which provider a token is checked against follows from its `iss`; everything else follows from that provider's
settings, never from the token. Only asymmetric algorithms are accepted, so a public key is never a secret.
"""

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any

import httpx
import jwt

from policies.rules import InvalidRule, plain_name, subject_name
from rag.errors import Misuse, Unauthenticated
from rag.identity.signing_keys import SigningKeys
from rag.identity.token_claims import TokenClaims, claims_of
from rag.issuer_settings import IdentitySettings, IssuerSettings

TOKEN_CHARS_MAX = 16_384
KEY_ID_CHARS_MAX = 256
_ACCESS_TOKEN = ("at+jwt", "application/at+jwt")
_UNDECLARED = ("jwt", "application/jwt")
_OF_ID_TOKENS = ("at_hash", "c_hash", "s_hash")
_NOT_BEARER = ("events", "cnf")
"""Claims of tokens that are no bearer's: security events and logouts, and tokens bound to a key of their holder."""


class Issuer:
    """One provider: its settings and its keys."""

    def __init__(self, settings: IssuerSettings, keys: SigningKeys) -> None:
        self.settings = settings
        self.keys = keys

    async def verify(self, token: str) -> TokenClaims:
        """Whom an access token names that is valid now, for this service.

        Raises:
            Unauthenticated: anything else, without saying what.
            Unavailable: the provider's keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in self.settings.algorithms or "crit" in header:
                raise Unauthenticated()
            if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= KEY_ID_CHARS_MAX):
                raise Unauthenticated()
            key = await self.keys.get(key_id, algorithm)
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=list(self.settings.audience),
                issuer=self.settings.issuer,
                leeway=self.settings.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as cause:
            raise Unauthenticated() from cause
        if not (_is_access_token(header, payload, self.settings) and _has_scope(payload, self.settings)):
            raise Unauthenticated()
        return claims_of(payload, self.settings)


class Issuers:
    """All providers that are configured. Open with `open_issuers`."""

    def __init__(self, issuers: Mapping[str, Issuer]) -> None:
        self._by_iss = MappingProxyType(dict(issuers))

    def find(self, token: str) -> Issuer | None:
        """The provider that a token says it is from, which nothing follows from yet; None if it is no known one's."""
        if not looks_like_token(token):
            return None
        try:
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return self._by_iss.get(claimed) if isinstance(claimed, str) else None

    def provisioned_by(self, assistant: str) -> IssuerSettings | None:
        """The settings of the provider whose people this assistant provisions."""
        found = (issuer.settings for issuer in self._by_iss.values())
        return next((settings for settings in found if settings.scim_assistant == assistant), None)

    def __iter__(self) -> Iterator[Issuer]:
        return iter(self._by_iss.values())


def looks_like_token(bearer: str) -> bool:
    """Whether this can be a signed token: three parts, and no longer than any is."""
    return bearer.count(".") == 2 and len(bearer) <= TOKEN_CHARS_MAX


def open_issuers(settings: IdentitySettings, opened: AsyncExitStack) -> Issuers:
    """The providers of the settings. Their keys are fetched when the first token comes.

    Raises:
        Misuse: a name in the settings is none of the policy's.
    """
    if not settings.issuers:
        return Issuers({})
    for issuer in settings.issuers:
        _require_names(issuer)
    # A proxy of the company's may stand before providers elsewhere, whose answers TLS vouches for. Plain http is for
    # this machine, and nothing may stand in between.
    client = httpx.AsyncClient(follow_redirects=False, mounts={"http://": None})
    opened.push_async_callback(client.aclose)
    return Issuers({issuer.issuer: Issuer(issuer, SigningKeys(issuer, client)) for issuer in settings.issuers})


def _require_names(issuer: IssuerSettings) -> None:
    try:
        if issuer.tenant is not None:
            plain_name(issuer.tenant, "tenant")
        for name in (*issuer.assistants.values(), *filter(None, [issuer.scim_assistant])):
            subject_name(name, kinds=("assistant",))
    except InvalidRule as cause:
        raise Misuse(f"The settings of issuer {issuer.name!r} cannot be used: {cause}.", code="bad_settings") from cause


def _is_access_token(header: Mapping[str, Any], payload: Mapping[str, Any], settings: IssuerSettings) -> bool:
    """Whether it says that it is an access token, or, if the settings allow, does not show that it is something else.

    Providers tell in four ways: the header's `typ` (RFC 9068), a `typ` claim (Keycloak), `token_use` (Cognito), and
    claims that only ID tokens have.
    """
    declared = str(header.get("typ", "JWT")).lower()
    if any(name in payload for name in _NOT_BEARER) or payload.get("idtyp") == "app":
        return False
    if any(name in payload for name in _OF_ID_TOKENS):
        return False
    if declared in _ACCESS_TOKEN:
        return True
    if settings.token_type == "at+jwt" or declared not in _UNDECLARED:  # noqa: S105 - a media type, not a secret
        return False
    kind, use = payload.get("typ"), payload.get("token_use")
    if kind not in (None, "Bearer") or use not in (None, "access"):
        return False
    return kind is not None or use is not None or "nonce" not in payload


def _has_scope(payload: Mapping[str, Any], settings: IssuerSettings) -> bool:
    if settings.required_scope is None:
        return True
    granted = payload.get("scope", payload.get("scp"))
    if isinstance(granted, str):
        granted = granted.split()
    return isinstance(granted, list) and settings.required_scope in granted
