"""From the claims of a verified access token to the names of the policy.

With `scoped_names` (the default), everybody an issuer names stands below the issuer's own short name:

    sub "ann" of issuer corp          -> user:corp/ann
    group "Finance Team"              -> group:corp/Finance+20Team
    client "helpdesk"                 -> assistant:corp/helpdesk, unless `assistants` says otherwise

Characters that the policy's names do not have are written as `+` and two hexadecimal digits, and so is `+` itself:
two values never become one name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.rules import InvalidRule, plain_name, subject_name
from rag.errors import Unauthenticated
from rag.issuer_settings import IssuerSettings

GROUPS_MAX = 500
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@/-")
_MISSING = object()
_OVERAGE = ("hasgroups", "_claim_names", "_claim_sources")
"""Claims that say "there are more groups than fit": a denial for one of those left out would not hold."""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Whom a verified access token names. `assistant` is the program it was given to, None for a person's own."""

    issuer: str
    tenant: str
    person: str
    groups: frozenset[str]
    assistant: str | None


def claims_of(payload: Mapping[str, Any], issuer: IssuerSettings) -> TokenClaims:
    """The names in a verified payload.

    Raises:
        Unauthenticated: it does not name exactly one person of one tenant, acting through at most one assistant.
    """
    try:
        return TokenClaims(
            issuer=issuer.name,
            tenant=_tenant(payload, issuer),
            person=name_of("user", _text(payload, issuer.subject_claim), issuer),
            groups=_groups(payload, issuer),
            assistant=_assistant(payload, issuer),
        )
    except InvalidRule as cause:
        raise Unauthenticated() from cause


def name_of(kind: str, value: str, issuer: IssuerSettings | None) -> str:
    """The policy's name for what an issuer calls `value`; without an issuer, or an unscoped one, the value itself.

    Raises:
        InvalidRule: it cannot be a name: empty, too long, or with characters that only a scoped name can have.
    """
    if issuer is None or not issuer.scoped_names:
        return subject_name(f"{kind}:{value}", kinds=(kind,))
    if not value:
        raise InvalidRule("an empty value names nobody")
    return subject_name(f"{kind}:{issuer.name}/{_escaped(value)}", kinds=(kind,))


def _escaped(value: str) -> str:
    # A lone surrogate is no text; encoding it fails, and so does the name.
    try:
        raw = value.encode()
    except UnicodeEncodeError as cause:
        raise InvalidRule("a value that is not Unicode names nobody") from cause
    return "".join(chr(byte) if byte in _KEPT else f"+{byte:02X}" for byte in raw)


def _tenant(payload: Mapping[str, Any], issuer: IssuerSettings) -> str:
    if issuer.tenant_claim is None:
        return plain_name(issuer.tenant or "", "tenant")
    return plain_name(_text(payload, issuer.tenant_claim), "tenant")


def _groups(payload: Mapping[str, Any], issuer: IssuerSettings) -> frozenset[str]:
    """Groups that no policy can name (too long) are left out: no rule can be about them."""
    if issuer.groups_claim is None:
        return frozenset()
    if any(payload.get(name) for name in _OVERAGE):
        raise Unauthenticated()
    claimed = _at(payload, issuer.groups_claim)
    if claimed is _MISSING and not issuer.groups_required:
        return frozenset()
    if not isinstance(claimed, list) or len(claimed) > GROUPS_MAX or not all(isinstance(g, str) for g in claimed):
        raise Unauthenticated()
    return frozenset(_nameable(claimed, issuer))


def _nameable(claimed: list[str], issuer: IssuerSettings) -> Iterator[str]:
    for group in claimed:
        try:
            yield name_of("group", group, issuer)
        except InvalidRule:
            continue


def _assistant(payload: Mapping[str, Any], issuer: IssuerSettings) -> str | None:
    """The one program that holds the token: its actor (RFC 8693), or the client it was given to.

    Raises:
        Unauthenticated: no client, two different programs, a chain of actors, or a program's token for itself.
    """
    clients = {payload[name] for name in issuer.client_claims if isinstance(payload.get(name), str)}
    if len(clients) != 1 or payload["sub"] in clients:
        raise Unauthenticated()
    programs = {client for client in clients if client not in issuer.person_clients}
    if "act" in payload:
        programs.add(_actor(payload["act"], issuer))
    if len(programs) > 1:
        raise Unauthenticated()
    return next((assistant_of(program, issuer) for program in programs), None)


def _actor(act: object, issuer: IssuerSettings) -> str:
    # Earlier actors stand nested in it. Their limits would have to hold as well, and only one program's can.
    if not isinstance(act, Mapping) or "act" in act or act.get("iss", issuer.issuer) != issuer.issuer:
        raise Unauthenticated()
    return _text(act, "sub")


def assistant_of(client: str, issuer: IssuerSettings) -> str:
    """The policy's name for a client of the issuer.

    Raises:
        InvalidRule: it cannot be a name.
    """
    mapped = issuer.assistants.get(client)
    if mapped is not None:
        return subject_name(mapped, kinds=("assistant",))
    return name_of("assistant", client, issuer)


def _text(payload: Mapping[str, Any], path: str | tuple[str, ...]) -> str:
    found = _at(payload, path)
    if not isinstance(found, str):
        raise Unauthenticated()
    return found


def _at(payload: Mapping[str, Any], path: str | tuple[str, ...]) -> object:
    found: object = payload
    for name in (path,) if isinstance(path, str) else path:
        if not isinstance(found, Mapping) or name not in found:
            return _MISSING
        found = found[name]
    return found
