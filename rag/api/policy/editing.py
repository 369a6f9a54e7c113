"""Changing the policy: line by line, as a whole, or back to what it was. Everything can be tried out first.

What is stored needs `If-Match`, so that nobody undoes what she has not seen. A request with an `Idempotency-Key` is
carried out once, however often it is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from policies.change import repeated
from policies.desk import Outcome, Wish
from policies.diff import edit_between
from policies.edits import InvalidEdit
from policies.files.edit_file import EditFile
from policies.history import Retry
from policies.shapes import outcome_json
from policies.store import EditConflict
from rag.api.policy.answers import answered
from rag.api.policy.authority import Authority, RequiredAuthority
from rag.api.policy.bodies import EditBody, Reason, RollbackBody, read_lines, read_yaml
from rag.api.policy.lines import edit_of, lines_of_file
from rag.api.policy.preconditions import expected_epoch, retry_of
from rag.api.policy.reading import require_past
from rag.errors import Conflict

DryRun = Annotated[bool, Query(description="Say what it would do, and store nothing.")]

router = APIRouter(prefix="/api/v1/policy")


@router.post("/edits", operation_id="edit_policy")
async def edit(request: Request, authority: RequiredAuthority, dry_run: DryRun = False) -> Response:
    """Add and remove lines, all of them or none."""
    expected = expected_epoch(request, authority.tenant, required=not dry_run)
    body = await read_lines(request, EditBody)
    retry = None if dry_run else retry_of(request, "edits", await request.body())
    return await _carried_out(
        authority,
        Wish(body.reason, dry_run, body.expose_canaries, expected, retry),
        lambda wish: _edit(authority, body, wish),
    )


@router.post("/simulate", operation_id="simulate")
async def simulate(request: Request, authority: RequiredAuthority) -> Response:
    """Who would gain and who would lose which documents by these lines. Stores nothing."""
    expected = expected_epoch(request, authority.tenant, required=False)
    body = await read_lines(request, EditFile)
    wish = Wish(dry_run=True, expected_epoch=expected)
    return await _carried_out(authority, wish, lambda wish: _edit(authority, body, wish))


@router.put("", operation_id="replace_policy")
async def replace(
    request: Request,
    authority: RequiredAuthority,
    reason: Annotated[Reason, Query()] = "",
    dry_run: DryRun = False,
    expose_canaries: Annotated[bool, Query()] = False,
) -> Response:
    """The policy becomes exactly the policy file in the body. For who administers the whole tenant."""
    tenant = authority.tenant
    async with authority.refusals_recorded():
        # Otherwise the lines that her file leaves out would be named to her in the refusal.
        authority.require_all()
    expected = expected_epoch(request, tenant, required=not dry_run)
    raw = await read_yaml(request)
    rules, links = await asyncio.to_thread(lines_of_file, raw, tenant)
    retry = None if dry_run else retry_of(request, "replace", raw, reason, str(expose_canaries))
    return await _carried_out(
        authority,
        Wish(reason, dry_run, expose_canaries, expected, retry),
        lambda wish: authority.parts.desk.edit(
            tenant,
            lambda old_rules, old_links: edit_between(old_rules, old_links, rules, links),
            authority.administrator,
            wish,
        ),
    )


@router.post("/rollback", operation_id="roll_policy_back")
async def roll_back(request: Request, authority: RequiredAuthority, dry_run: DryRun = False) -> Response:
    """Make the policy what it was at an earlier epoch. For who administers the whole tenant."""
    async with authority.refusals_recorded():
        authority.require_all()
    expected = expected_epoch(request, authority.tenant, required=not dry_run)
    body = await read_lines(request, RollbackBody)
    require_past(authority, body.to)
    retry = None if dry_run else retry_of(request, "rollback", await request.body())
    return await _carried_out(
        authority,
        Wish(body.reason, dry_run, body.expose_canaries, expected, retry),
        lambda wish: authority.parts.desk.roll_back(authority.tenant, body.to, authority.administrator, wish),
    )


async def _edit(authority: Authority, lines: EditFile, wish: Wish) -> Outcome:
    if wish.expected_epoch not in (None, authority.snapshot.epoch):
        # Before ids are looked up: one that is gone since then is no mistake of hers.
        raise EditConflict(
            f"The policy of tenant {authority.tenant!r} is at version {authority.snapshot.epoch}, the edit was made "
            f"for version {wish.expected_epoch}. Read it again and repeat the edit."
        )
    made = await asyncio.to_thread(edit_of, lines, authority)
    return await authority.parts.desk.edit(authority.tenant, lambda *_: made, authority.administrator, wish)


async def _carried_out(authority: Authority, wish: Wish, attempt: Callable[[Wish], Awaitable[Outcome]]) -> Response:
    """The answer to an edit, with the tag of the version that it led to, or that it was tried out on."""
    if not wish.dry_run and not wish.reason:
        raise InvalidEdit("Give a reason for the edit: it stays in the history.")
    async with authority.refusals_recorded():
        outcome = await _once(authority, wish, attempt)
    epoch = outcome.epoch
    if not outcome.stored and outcome.simulation is not None:
        await authority.record_read("simulate")
        epoch -= 1
    tenant = authority.tenant
    return await answered(lambda: outcome_json(tenant, outcome, dry_run=wish.dry_run), tag=(tenant, epoch))


async def _once(authority: Authority, wish: Wish, attempt: Callable[[Wish], Awaitable[Outcome]]) -> Outcome:
    """The outcome of the attempt, or of the same request that was carried out before.

    Raises:
        Conflict: the key was used for another request (`idempotency_key_reused`).
    """
    if wish.retry is None:
        return await attempt(wish)
    earlier = await _earlier(authority, wish.retry)
    if earlier is not None:
        return earlier
    try:
        return await attempt(wish)
    except EditConflict:
        # Two of the same request at the same time: the slower one must not be told that it lost.
        overtaken = await _earlier(authority, wish.retry)
        if overtaken is None:
            raise
        return overtaken


async def _earlier(authority: Authority, retry: Retry) -> Outcome | None:
    try:
        async with authority.parts.desk.parts.reading() as session:
            found = await repeated(session, authority.tenant, authority.administrator, retry)
    except EditConflict as cause:
        raise Conflict(str(cause), code="idempotency_key_reused") from cause
    return None if found is None else Outcome(found.edit, found.epoch, stored=True, repeated=True)
