"""Who calls: dependencies of the routes. All of them run before a body is read or a response is started."""

from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError

from policies.tenancy import bind
from rag.api.parts import AppParts, state_of
from rag.api.scopes import admits
from rag.audit.record import AuditBody
from rag.domain import Principal
from rag.errors import AuditUnavailable, Denied, Misuse, Unauthenticated
from rag.identity.authenticate import identify, name_person, required
from rag.identity.credentials import Bearer, Credentials

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def credentials_of(request: Request) -> Credentials:
    """Every value of each header that identity is taken from."""
    headers = request.headers
    return Credentials(
        authorization=tuple(headers.getlist("authorization")),
        person=tuple(headers.getlist("x-ringfence-person")),
        person_token=tuple(headers.getlist("x-ringfence-person-token")),
        tenant=tuple(headers.getlist("x-ringfence-tenant")),
        assistant=tuple(headers.getlist("x-ringfence-assistant")),
        loopback=is_loopback(request),
    )


def is_loopback(request: Request) -> bool:
    """True for a caller on this machine itself; a proxy on this machine that speaks for another is none."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def verified_bearer(request: Request) -> Bearer:
    """The caller's key or access token, verified, counted against its rate, and meant for this route."""
    state = state_of(request)
    bearer = await identify(credentials_of(request), state.parts.identity)
    if bearer.tenant is not None:
        bind(bearer.tenant)
    state.rates.take_key(bearer.counted_as)
    request.scope["ringfence.log"] = {"key": bearer.id, "tenant": bearer.tenant}
    if not admits(request, bearer):
        await record_denial(state.parts, bearer, "scope_required")
        raise Denied(
            "This key may not be used for this. `ringfence keys list` shows its scopes.", code="scope_required"
        )
    return bearer


async def named_principal(request: Request, bearer: Annotated[Bearer, Depends(verified_bearer)]) -> Principal | None:
    """The person the call is for; None where it names nobody. A refusal is recorded before it is given."""
    parts = state_of(request).parts
    try:
        return await name_person(bearer, credentials_of(request), parts.identity)
    except (Denied, Unauthenticated) as refusal:
        await record_denial(parts, bearer, refusal.code)
        raise


async def required_principal(
    request: Request,
    bearer: Annotated[Bearer, Depends(verified_bearer)],
    principal: Annotated[Principal | None, Depends(named_principal)],
) -> Principal:
    """The person the call is for, counted against her rate and that of the assistant."""
    state = state_of(request)
    try:
        person = required(principal)
    except Denied as refusal:
        await record_denial(state.parts, bearer, refusal.code)
        raise
    state.rates.take_principal(person)
    return person


async def administrator(request: Request, bearer: Annotated[Bearer, Depends(verified_bearer)]) -> Bearer:
    """The caller's key, if it is the operator's or an administrator's."""
    if not bearer.administrator:
        await record_denial(state_of(request).parts, bearer, "administrator_required")
        raise Denied("Only the operator and administrators' keys may do this.", code="administrator_required")
    return bearer


async def still_administrator(request: Request, bearer: Bearer) -> None:
    """Verify the credential of an answer that is still being given.

    Raises:
        Unauthenticated: it was revoked or has expired, or stands for somebody else now.
        Denied: it may not be used for this any more. Recorded first.
    """
    parts = state_of(request).parts
    now = await identify(credentials_of(request), parts.identity)
    if (now.id, now.tenant) != (bearer.id, bearer.tenant):
        raise Unauthenticated()
    if not now.administrator or not admits(request, now):
        await record_denial(parts, now, "administrator_required")
        raise Denied("This key may not be used for this any more.", code="administrator_required")


def tenant_of(bearer: Bearer) -> str:
    """The tenant that a call is about. Raises `Misuse` where the operator names none."""
    if bearer.tenant is None:
        raise Misuse("Say which tenant: X-Ringfence-Tenant.", code="tenant_required")
    return bearer.tenant


async def record_denial(parts: AppParts, bearer: Bearer, code: str, *, person: str | None = None) -> None:
    """Write a refusal into the tenant's audit log; `person` is whom the call was for, where that is known.

    Raises:
        AuditUnavailable: it cannot be written.
    """
    if bearer.tenant is None:
        return
    body = {"key": bearer.id, "subject": bearer.subject, "code": code}
    await record(parts, bearer.tenant, "denied", body if person is None else body | {"person": person})


async def record(parts: AppParts, tenant: str, kind: str, body: AuditBody) -> None:
    """Write into the tenant's audit log; raises `AuditUnavailable` if that fails: then nothing may be answered."""
    try:
        async with parts.database.unit_of_work() as session:
            await parts.audit.append(session, tenant, kind, body)
    except SQLAlchemyError as cause:
        raise AuditUnavailable(
            "The call could not be recorded, so it is not answered. Retry; `ringfence doctor` checks the log."
        ) from cause


VerifiedBearer = Annotated[Bearer, Depends(verified_bearer)]
NamedPrincipal = Annotated[Principal | None, Depends(named_principal)]
RequiredPrincipal = Annotated[Principal, Depends(required_principal)]
Administrator = Annotated[Bearer, Depends(administrator)]
