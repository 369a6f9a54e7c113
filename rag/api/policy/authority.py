"""On whose authority a policy is read or changed over HTTP, and what is recorded of it.

Only the policy itself lets somebody in: the person must administer something by it, and the assistant that calls for
her as well. A key's `administrator` flag opens nothing here. The local operator who names no person owns the
installation and may do everything.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from policies.administration import ADMINISTER, Administrator, NotAdministered
from policies.change import CanaryExposed, may_see_all
from policies.enquiries import NoSuchDocument
from policies.plan import DenyAll
from policies.snapshot import Snapshot
from rag.api.caller import NamedPrincipal, VerifiedBearer, record, record_denial, required_principal, tenant_of
from rag.api.parts import AppParts, state_of
from rag.domain import Principal
from rag.identity.authenticate import OPERATOR_ID
from rag.identity.credentials import Bearer
from rag.query.decide import plan_of


@dataclass(frozen=True, slots=True)
class Authority:
    """Somebody who administers something of `tenant`. `snapshot` is the policy that let her in."""

    parts: AppParts
    bearer: Bearer
    tenant: str
    administrator: Administrator
    snapshot: Snapshot

    @property
    def person(self) -> str | None:
        """None for the operator who names nobody."""
        return None if self.administrator.callers is None else self.administrator.name

    def require_all(self) -> None:
        """Raises NotAdministered unless she administers the whole tenant."""
        if not may_see_all(self.snapshot, self.administrator):
            raise NotAdministered(f"{self.administrator.name} does not administer the whole of tenant {self.tenant}.")

    @asynccontextmanager
    async def refusals_recorded(self) -> AsyncIterator[None]:
        """What the policy refuses in here is recorded before it is answered."""
        try:
            yield
        except (NotAdministered, CanaryExposed, NoSuchDocument) as refusal:
            await record_denial(self.parts, self.bearer, refusal.code, person=self.person)
            raise

    async def record_read(self, what: str, **about: str) -> None:
        """Record that rights were shown to her: `what` kind of answer, and ids of what it was about.

        Raises:
            AuditUnavailable: then the answer must not be given.
        """
        through = [caller.subject for caller in (self.administrator.callers or ())[1:]]
        body = {"key": self.bearer.id, "reader": self.administrator.name, "through": through, "what": what, **about}
        await record(self.parts, self.tenant, "policy_read", body)


async def required_authority(request: Request, bearer: VerifiedBearer, principal: NamedPrincipal) -> Authority:
    """Whoever administers something by the policy of this moment.

    Raises:
        NotAdministered: she, or the assistant that calls for her, administers nothing. Recorded first.
        Denied: a program's key that says nothing about the person. Recorded first.
        Misuse: the operator named no tenant.
        PolicyUnreadable: it cannot be told.
    """
    tenant = tenant_of(bearer)
    if principal is None and not bearer.operator:
        principal = await required_principal(request, bearer, None)
    parts = state_of(request).parts
    async with parts.desk.parts.reading() as session:
        snapshot = await parts.desk.parts.snapshots.get(session, tenant)
    if principal is None:
        return Authority(parts, bearer, tenant, Administrator(OPERATOR_ID, None), snapshot)
    authority = Authority(parts, bearer, tenant, Administrator(principal.person, principal.callers), snapshot)
    async with authority.refusals_recorded():
        await _require_something(snapshot, principal)
    return authority


async def administers_something(snapshot: Snapshot, principal: Principal) -> bool:
    """Whether there is any document that the person, and the assistant that calls for her, administer.

    Raises:
        IndexUnavailable: `plan_too_large`, as `plan_of`.
    """
    return not isinstance(await asyncio.to_thread(plan_of, snapshot, principal, ADMINISTER), DenyAll)


async def _require_something(snapshot: Snapshot, principal: Principal) -> None:
    if not await administers_something(snapshot, principal):
        by = "" if principal.assistant is None else f" through {principal.assistant}"
        raise NotAdministered(f"{principal.person} administers nothing of tenant {principal.tenant}{by}.")


RequiredAuthority = Annotated[Authority, Depends(required_authority)]
