"""API keys: `rf_<id>_<secret>`. The secret has 256 random bits, is shown once and is kept only as a SHA-256 digest.

A slow password hash would add nothing: there is no guessing 256 bits, and every request would pay for it.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from policies.rules import InvalidRule, plain_name, subject_name
from rag.domain import digest_of
from rag.errors import Misuse

LAST_USED_EVERY = timedelta(minutes=1)
"""`last_used_at` is written at most this often: reading a key must not cost a write each time."""

_BEARER = re.compile(r"rf_([0-9a-f]{16})_([0-9a-f]{64})")
_LABEL = re.compile(r"[\w .,:@/+-]{0,128}")


class Scope(StrEnum):
    """What a key may be used for. It never opens more than the policy and the key's own rights do."""

    ASK = "ask"
    SEARCH = "search"
    UNMASK = "unmask"
    POLICY = "policy"
    PUBLISH = "publish"
    METRICS = "metrics"
    SCIM = "scim"
    JOBS = "jobs"


USUAL = frozenset(Scope) - {Scope.SCIM, Scope.JOBS}
"""What a key may be used for if nothing else is said, and what a person's token may."""
FOR_ADMINISTRATORS = frozenset({Scope.PUBLISH, Scope.METRICS, Scope.JOBS})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential of one tenant, for one person (`user:ann`) or one assistant (`assistant:helpdesk`)."""

    id: str
    tenant: str
    subject: str
    label: str
    may_name_people: bool
    administrator: bool
    scopes: frozenset[Scope]
    replaces: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def assistant(self) -> bool:
        return self.subject.startswith("assistant:")

    def usable_at(self, now: datetime) -> bool:
        """Neither revoked nor expired. The moment of expiry itself is expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and the only copy of its bearer string there will ever be."""

    key: ApiKey
    bearer: str = field(repr=False)
    secret_digest: str = field(repr=False)


def make_key(
    *,
    tenant: str,
    subject: str,
    now: datetime,
    label: str = "",
    may_name_people: bool = False,
    administrator: bool = False,
    scopes: Iterable[Scope] | None = None,
    replaces: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """A fresh key, not yet stored. `scopes` default to the usual ones.

    Raises:
        Misuse: a malformed tenant, subject or label, an expiry in the past, a person's key that may name others, or
            scopes that do not go with its other rights.
    """
    try:
        plain_name(tenant, "tenant")
        subject_name(subject, kinds=("user", "assistant"))
    except InvalidRule as cause:
        raise Misuse(f"The key cannot be made: {cause}.") from cause
    if not _LABEL.fullmatch(label):
        raise Misuse("A key's label is at most 128 letters, digits, spaces and _ . , : @ / + -.")
    if may_name_people and not subject.startswith("assistant:"):
        raise Misuse("Only an assistant's key may name people: a person speaks for herself.")
    if expires_at is not None and expires_at <= now:
        raise Misuse("The key would already be expired. Give an expiry in the future.")
    wanted = _scopes(scopes, subject, may_name_people=may_name_people, administrator=administrator)
    identifier, secret = secrets.token_hex(8), secrets.token_hex(32)
    key = ApiKey(
        id=identifier,
        tenant=tenant,
        subject=subject,
        label=label,
        may_name_people=may_name_people,
        administrator=administrator,
        scopes=wanted,
        replaces=replaces,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    return NewKey(key, f"rf_{identifier}_{secret}", secret_digest(identifier, secret))


def _scopes(
    scopes: Iterable[Scope] | None, subject: str, *, may_name_people: bool, administrator: bool
) -> frozenset[Scope]:
    if scopes is None:
        return USUAL
    wanted = frozenset(scopes)
    if not wanted:
        raise Misuse("A key without a scope opens nothing. Leave the scopes out for the usual ones.")
    if wanted & FOR_ADMINISTRATORS and wanted != USUAL and not administrator:
        raise Misuse("The scopes publish, metrics and jobs are administrators': add the right, or leave them out.")
    alone = wanted == {Scope.SCIM} and not may_name_people and not administrator
    if Scope.SCIM in wanted and not (alone and subject.startswith("assistant:")):
        # What writes memberships must not read by them: a provisioning key that leaks opens no document.
        raise Misuse("The scope scim is for an assistant's key that has no other scope and no other right.")
    return wanted


def split_bearer(bearer: str) -> tuple[str, str] | None:
    """The id and the secret of a bearer string, or None if it is not one of ours."""
    match = _BEARER.fullmatch(bearer)
    return None if match is None else (match[1], match[2])


def secret_digest(identifier: str, secret: str) -> str:
    """What is stored. It covers the id too, so that one row's digest is worth nothing in another row."""
    return digest_of(("api-key", identifier, secret)).hex()


def same_digest(stored: str, presented: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(stored.encode(), presented.encode())
