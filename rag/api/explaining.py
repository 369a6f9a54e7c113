"""`?explain=1`: who may have an answer explained.

It takes what the policy's own questions take: a key of the scope `policy`, and the right to administer something, of
the person and of the assistant that calls for her. The local operator may have any answer explained. What is shown is
decided document by document in `rag.query.explanation`.
"""

from typing import Annotated

from fastapi import Depends, Query, Request

from policies.administration import Administrator
from rag.api.caller import RequiredPrincipal, VerifiedBearer, record_denial
from rag.api.parts import AppParts, state_of
from rag.api.policy.authority import administers_something
from rag.domain import Principal
from rag.errors import Denied
from rag.identity.authenticate import OPERATOR_ID
from rag.identity.keys import Scope
from rag.query.account import Account, Reader


async def wished_account(
    request: Request,
    bearer: VerifiedBearer,
    principal: RequiredPrincipal,
    explain: Annotated[bool, Query(description="Explain the answer. For administrators.")] = False,
) -> Account | None:
    """What the path is to fill; None where nothing is to be explained.

    Raises:
        Denied: `administrator_required`. Recorded first; nothing was asked.
        PolicyUnreadable: it cannot be told.
    """
    if not explain:
        return None
    parts = state_of(request).parts
    if bearer.operator:
        return operators_account()
    if not bearer.may_be_used_for(Scope.POLICY) or not await _administers(parts, principal):
        await record_denial(parts, bearer, "administrator_required", person=principal.person)
        raise Denied(
            "Answers are explained to those who administer the policy, with a key of the scope `policy`. Ask without "
            "`explain`.",
            code="administrator_required",
        )
    return Account(Reader(Administrator(principal.person, principal.callers), bearer.id))


def operators_account() -> Account:
    """Of the local operator, who owns the installation."""
    return Account(Reader(Administrator(OPERATOR_ID, None), OPERATOR_ID))


WishedAccount = Annotated[Account | None, Depends(wished_account)]


async def _administers(parts: AppParts, principal: Principal) -> bool:
    async with parts.desk.parts.reading() as session:
        snapshot = await parts.snapshots.get(session, principal.tenant)
    return await administers_something(snapshot, principal)
