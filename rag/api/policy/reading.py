"""The policy as it stands and as it came to be, for who administers it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from policies.files.export import export_policy
from policies.history import HistoryIncomplete
from policies.shapes import edit_json, policy_json, revision_json
from rag.api.cursors import CURSOR_CHARS_MAX, cursor_before, number_of
from rag.api.policy.answers import answered
from rag.api.policy.authority import Authority, RequiredAuthority
from rag.api.policy.bodies import EPOCH_MAX, Epoch
from rag.api.policy.preconditions import etag

YAML = "application/yaml"
_PAGE_MAX = 100

router = APIRouter(prefix="/api/v1/policy")


@router.get("", operation_id="policy")
async def policy(authority: RequiredAuthority) -> Response:
    """The lines that the caller administers; `whole` says whether that is all of them."""
    tenant = authority.tenant
    visible = await authority.parts.desk.visible(tenant, authority.administrator)
    await authority.record_read("policy")
    return await answered(lambda: policy_json(tenant, visible), tag=(tenant, visible.epoch))


@router.get("/export", operation_id="export_policy")
async def export(authority: RequiredAuthority) -> Response:
    """The whole policy as a policy file, which `PUT /api/v1/policy` reads back exactly."""
    tenant = authority.tenant
    async with authority.refusals_recorded():
        authority.require_all()
    visible = await authority.parts.desk.visible(tenant, authority.administrator)
    await authority.record_read("export")
    text = await asyncio.to_thread(export_policy, visible.rules, visible.links, tenant=tenant, epoch=visible.epoch)
    return Response(text, media_type=YAML, headers={"ETag": etag(tenant, visible.epoch)})


@router.get("/history", operation_id="policy_history")
async def history(
    authority: RequiredAuthority,
    cursor: Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE_MAX)] = 20,
) -> Response:
    """The edits, newest first, each with its author and reason. `next` leads to older ones; null at the end."""
    before = None if cursor is None else number_of(cursor, EPOCH_MAX)
    desk = authority.parts.desk
    async with authority.refusals_recorded():
        # One more than is shown tells whether there are any beyond.
        found = await desk.history(authority.tenant, authority.administrator, before=before, limit=limit + 1)
    await authority.record_read("history")
    shown = found[:limit]
    following = cursor_before(shown[-1].epoch) if len(found) > limit else None
    return await answered(
        lambda: {
            "tenant": authority.tenant,
            "revisions": [revision_json(revision) for revision in shown],
            "next": following,
        }
    )


@router.get("/diff", operation_id="policy_diff")
async def diff(
    authority: RequiredAuthority, old: Annotated[Epoch, Query()], new: Annotated[Epoch, Query()]
) -> Response:
    """What leads from the policy of one epoch to that of another, in either direction."""
    async with authority.refusals_recorded():
        authority.require_all()
        require_past(authority, old, new)
        edit = await authority.parts.desk.diff(authority.tenant, authority.administrator, old, new)
    await authority.record_read("diff")
    return await answered(lambda: {"tenant": authority.tenant, "old": old, "new": new, **edit_json(edit)})


def require_past(authority: Authority, *epochs: int) -> None:
    """Raises HistoryIncomplete for an epoch that the policy has not come to yet: there is nothing to look up."""
    latest = authority.snapshot.epoch
    for epoch in epochs:
        if epoch > latest:
            raise HistoryIncomplete(
                f"The policy of tenant {authority.tenant!r} is at version {latest}; there is no version {epoch} yet."
            )
