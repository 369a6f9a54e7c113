"""What a call says about its caller, and the credential that it was verified to hold.

Every header is read here, once. One that is given twice is refused: two readers might each believe another one.
"""

from dataclasses import dataclass, field

from policies.rules import InvalidRule, plain_name, subject_name
from rag.errors import Misuse, Unauthenticated
from rag.identity.keys import USUAL, ApiKey, Scope
from rag.identity.token_claims import TokenClaims
from rag.identity.tokens import person_name


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call says about its caller: every value of each header, so that duplicates are seen."""

    authorization: tuple[str, ...] = field(default=(), repr=False)
    person: tuple[str, ...] = ()
    person_token: tuple[str, ...] = field(default=(), repr=False)
    tenant: tuple[str, ...] = ()
    assistant: tuple[str, ...] = ()
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Bearer:
    """A verified key or access token; with neither it is the operator, whose `tenant` her call names, if any."""

    id: str
    tenant: str | None
    key: ApiKey | None
    token: TokenClaims | None = None

    @property
    def operator(self) -> bool:
        return self.key is None and self.token is None

    @property
    def administrator(self) -> bool:
        return self.operator or (self.key is not None and self.key.administrator)

    @property
    def subject(self) -> str | None:
        """Whose the credential is, as the policy names it; None for the operator."""
        if self.token is not None:
            return self.token.person
        return None if self.key is None else self.key.subject

    @property
    def counted_as(self) -> str:
        """Whose requests count together: one key's, or one person's through one program."""
        if self.token is None:
            return self.id
        return f"{self.id} {self.token.tenant} {self.token.person} {self.token.assistant}"

    def may_be_used_for(self, scope: Scope) -> bool:
        if self.operator:
            return True
        return scope in (USUAL if self.key is None else self.key.scopes)


def operators_tenant(credentials: Credentials) -> str | None:
    tenant = one(credentials.tenant, "X-Ringfence-Tenant")
    try:
        return None if tenant is None else plain_name(tenant, "tenant")
    except InvalidRule as cause:
        raise Misuse("X-Ringfence-Tenant is not a tenant's name.", code="invalid_tenant") from cause


def bearer_of(values: tuple[str, ...]) -> str:
    value = one(values, "Authorization")
    scheme, _, bearer = (value or "").partition(" ")
    if scheme.lower() != "bearer" or not bearer.strip():
        raise Unauthenticated()
    return bearer.strip()


def one(values: tuple[str, ...], header: str) -> str | None:
    if len(values) > 1:
        raise Misuse(f"The header {header} is given {len(values)} times; give it once.", code="duplicate_header")
    return values[0] if values else None


def person_of(value: str) -> str:
    try:
        return person_name(value)
    except InvalidRule as cause:
        raise Misuse("X-Ringfence-Person is not a person's name.", code="invalid_person") from cause


def assistant_of(value: str) -> str:
    try:
        return subject_name(value if ":" in value else f"assistant:{value}", kinds=("assistant",))
    except InvalidRule as cause:
        raise Misuse("X-Ringfence-Assistant is not an assistant's name.", code="invalid_assistant") from cause
