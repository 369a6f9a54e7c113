"""From the headers of a call to a principal. Nothing else of a call is believed, least of all its body.

a person's key          -> that person
a person's access token -> that person, through the program that the token was given to, if it is not her own
an assistant's key      -> that assistant, for the person in a signed token or in her access token
                           (`X-Ringfence-Person-Token`), or, if the key may name people, in `X-Ringfence-Person`
the operator's key      -> from this machine only: the tenant, person and assistant that the headers name

Whoever her identity provider deactivated or removed is nobody, however she is named.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from policies.tenancy import every_tenant, within
from rag.db.engine import Database
from rag.domain import Principal, PrincipalSource
from rag.errors import Denied, Misuse, NotFound, Unauthenticated, Unavailable
from rag.identity.credentials import (
    Bearer,
    Credentials,
    assistant_of,
    bearer_of,
    one,
    operators_tenant,
    person_of,
)
from rag.identity.issuers import Issuers
from rag.identity.keys import LAST_USED_EVERY, ApiKey
from rag.identity.scim.store import standing
from rag.identity.store import ApiKeys
from rag.identity.token_claims import TokenClaims
from rag.identity.tokens import PersonClaims, TokenVerifier

OPERATOR_ID = "operator"

PersonKnown = Callable[[str, str], Awaitable[bool]]
"""Tenant and subject: whether the policy of this moment mentions her."""


@dataclass(frozen=True, slots=True)
class IdentityParts:
    """`operator_key` is None where the service has no local data folder; `tokens` where no key is configured."""

    database: Database
    tokens: TokenVerifier | None
    operator_key: str | None = field(repr=False)
    knows: PersonKnown
    issuers: Issuers = field(default_factory=lambda: Issuers({}))


async def authenticate(credentials: Credentials, parts: IdentityParts) -> Principal:
    """The principal of a call.

    Raises:
        Unauthenticated: no, unknown, expired or revoked credentials, or a token that is not valid here.
        Denied: a valid key that says nothing about the person (`person_required`) or may not say it.
        Misuse: headers that are given twice or contradict each other.
    """
    bearer = await identify(credentials, parts)
    return required(await name_person(bearer, credentials, parts))


def required(principal: Principal | None) -> Principal:
    """The principal, or the refusal of a call that names nobody."""
    if principal is None:
        raise Denied(
            "This key is an assistant's: say for whom it acts, with a signed X-Ringfence-Person-Token "
            "or, if the key may name people, X-Ringfence-Person.",
            code="person_required",
        )
    return principal


async def identify(credentials: Credentials, parts: IdentityParts) -> Bearer:
    """Verify the key or the access token of a call. See `authenticate` for what is raised."""
    bearer = bearer_of(credentials.authorization)
    if parts.operator_key is not None and hmac.compare_digest(bearer.encode(), parts.operator_key.encode()):
        if not credentials.loopback:
            raise Unauthenticated()
        return Bearer(OPERATOR_ID, operators_tenant(credentials), None)
    issuer = parts.issuers.find(bearer)
    if issuer is not None:
        claims = await issuer.verify(bearer)
        return Bearer(f"issuer:{claims.issuer}", claims.tenant, None, await _counting(claims, parts))
    now = datetime.now(UTC)
    try:
        # Whose a key is, it says itself, once it is found.
        with every_tenant():
            async with parts.database.reading() as session:
                key = await ApiKeys(session).find_by_bearer(bearer, now=now)
                if key is not None and not key.assistant:
                    await standing(session, key.tenant, key.subject, frozenset())
    except SQLAlchemyError as cause:
        raise Unavailable("The keys could not be read. Retrying may help; `ringfence doctor` checks why.") from cause
    if key is None:
        raise Unauthenticated()
    await _note_use(key, now, parts.database)
    return Bearer(key.id, key.tenant, key)


async def name_person(bearer: Bearer, credentials: Credentials, parts: IdentityParts) -> Principal | None:
    """The person a verified key speaks for in this call; None where it names nobody.

    Raises what `authenticate` raises, but for a missing person.
    """
    named = one(credentials.person, "X-Ringfence-Person")
    token = one(credentials.person_token, "X-Ringfence-Person-Token")
    if named is not None and token is not None:
        raise Misuse(
            "Give X-Ringfence-Person-Token or X-Ringfence-Person, not both: they could name two people.",
            code="ambiguous_person",
        )
    if bearer.operator:
        return await _operators_principal(bearer, credentials, named, token, parts)
    if credentials.tenant or credentials.assistant:
        raise Denied(
            "X-Ringfence-Tenant and X-Ringfence-Assistant are the local operator's: a key has its own of both.",
            code="may_not_name_tenant",
        )
    if bearer.key is not None and bearer.key.assistant:
        return await _persons_assistant(bearer.key, named, token, parts)
    if named is not None or token is not None:
        raise Denied("This credential is a person's and speaks for her alone.", code="may_not_name_people")
    if bearer.token is not None:
        held = bearer.token
        return Principal(held.tenant, held.person, held.groups, held.assistant, PrincipalSource.ACCESS_TOKEN)
    if bearer.key is None:
        raise Unauthenticated()
    return Principal(bearer.key.tenant, bearer.key.subject, frozenset(), None, PrincipalSource.API_KEY)


async def _persons_assistant(
    key: ApiKey, named: str | None, token: str | None, parts: IdentityParts
) -> Principal | None:
    if token is not None:
        return await _tokens_person(key, token, parts)
    if named is None:
        return None
    if not key.may_name_people:
        raise Denied(
            "This key may not name people: send a signed X-Ringfence-Person-Token.", code="may_not_name_people"
        )
    person = person_of(named)
    if not await parts.knows(key.tenant, person):
        raise Unauthenticated()
    await _groups_that_count(key.tenant, person, frozenset(), parts)
    return Principal(key.tenant, person, frozenset(), key.subject, PrincipalSource.NAMED_BY_KEY)


async def _tokens_person(key: ApiKey, token: str, parts: IdentityParts) -> Principal:
    issuer = parts.issuers.find(token)
    if issuer is not None:
        held = await issuer.verify(token)
        # A token that was given to another program carries that program's limits, which this key's do not include.
        if held.tenant != key.tenant or held.assistant not in (None, key.subject):
            raise Unauthenticated()
        claims = PersonClaims(held.person, held.groups)
        source = PrincipalSource.ACCESS_TOKEN
    elif parts.tokens is not None:
        claims = parts.tokens.verify(token, tenant=key.tenant)
        source = PrincipalSource.SIGNED_TOKEN
    else:
        raise Misuse(
            "This service knows nobody who signs such a token. Set service.jwt_secret or service.jwt_public_key_file, "
            "or name its issuer in identity.issuers.",
            code="person_tokens_not_configured",
        )
    groups = await _groups_that_count(key.tenant, claims.person, claims.groups, parts)
    return Principal(key.tenant, claims.person, groups, key.subject, source)


async def _counting(claims: TokenClaims, parts: IdentityParts) -> TokenClaims:
    groups = await _groups_that_count(claims.tenant, claims.person, claims.groups, parts)
    return replace(claims, groups=groups)


async def _groups_that_count(tenant: str, person: str, groups: frozenset[str], parts: IdentityParts) -> frozenset[str]:
    """See `rag.identity.scim.store.standing`."""
    try:
        with within(tenant):
            async with parts.database.reading() as session:
                return await standing(session, tenant, person, groups)
    except SQLAlchemyError as cause:
        raise Unavailable("Who may be let in could not be read. Retrying may help.") from cause


async def _operators_principal(
    bearer: Bearer, credentials: Credentials, named: str | None, token: str | None, parts: IdentityParts
) -> Principal | None:
    if token is not None:
        raise Misuse("The local operator names people with X-Ringfence-Person.", code="invalid_person")
    if named is None:
        return None
    if bearer.tenant is None:
        raise Misuse("Say which tenant: X-Ringfence-Tenant.", code="tenant_required")
    person = person_of(named)
    if not await parts.knows(bearer.tenant, person):
        raise NotFound(
            # Not repeated: it is a name, and what was named may be anybody's.
            f"The policy of tenant {bearer.tenant!r} does not mention the person that was named. "
            "`ringfence policy list` shows whom it does.",
            code="person_unknown",
        )
    assistant = one(credentials.assistant, "X-Ringfence-Assistant")
    try:
        await _groups_that_count(bearer.tenant, person, frozenset(), parts)
    except Unauthenticated as cause:
        raise Denied("The identity provider deactivated or removed this person.", code="person_disabled") from cause
    return Principal(
        bearer.tenant,
        person,
        frozenset(),
        None if assistant is None else assistant_of(assistant),
        PrincipalSource.OPERATOR,
    )


async def _note_use(key: ApiKey, now: datetime, database: Database) -> None:
    """`last_used_at` is for people who tidy up keys: failing to write it must not refuse a valid caller."""
    if key.last_used_at is not None and now - key.last_used_at < LAST_USED_EVERY:
        return
    try:
        with within(key.tenant):
            async with database.unit_of_work() as session:
                await ApiKeys(session).touch(key.id, now=now)
    except SQLAlchemyError:
        return
