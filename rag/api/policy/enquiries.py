"""Why, who and what: questions about rights, for who administers the documents that they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from policies.enquiries import Enquiries, NoSuchDocument
from policies.plan import PlanTooLarge
from policies.rules import Caller, InvalidRule, action_name, plain_name, subject_name
from policies.shapes import explained_json, reach_json, readers_json
from rag.api.policy.answers import answered
from rag.api.policy.authority import RequiredAuthority
from rag.api.policy.bodies import NAME_CHARS_MAX, ExplainBody, WhatBody
from rag.api.schemas import read_body
from rag.errors import IndexUnavailable, RingfenceError

_Name = Annotated[str, Query(max_length=NAME_CHARS_MAX)]

router = APIRouter(prefix="/api/v1/policy")


@router.post("/explain", operation_id="explain")
async def explain(request: Request, authority: RequiredAuthority) -> Response:
    """Why somebody may, or may not, act on a document: the deciding rule and the path to it, or what came nearest."""
    body = await read_body(request, ExplainBody)
    tenant, callers, action = authority.tenant, _callers(authority.tenant, body), _action(body.action)
    async with authority.refusals_recorded():
        document = _document(tenant, body.document)
        found = await Enquiries(authority.parts.desk.parts).explain(
            tenant, authority.administrator, callers, action, document
        )
    await authority.record_read("explain", document=document, person=callers[0].subject)
    return await answered(lambda: _shown(tenant, action) | {"document": document, "found": explained_json(found)})


@router.get("/who", operation_id="who")
async def who(authority: RequiredAuthority, document: _Name, action: _Name = "read") -> Response:
    """Everybody who may act on a document, and through what."""
    tenant, wanted = authority.tenant, _action(action)
    async with authority.refusals_recorded():
        checked = _document(tenant, document)
        found = await Enquiries(authority.parts.desk.parts).who(tenant, authority.administrator, checked, wanted)
    await authority.record_read("who", document=checked)
    return await answered(lambda: _shown(tenant, wanted) | {"document": checked, "found": readers_json(found)})


@router.post("/what", operation_id="what")
async def what(request: Request, authority: RequiredAuthority) -> Response:
    """What somebody may act on, of the documents that the caller administers: counts and examples."""
    body = await read_body(request, WhatBody)
    tenant, callers, action = authority.tenant, _callers(authority.tenant, body), _action(body.action)
    try:
        found = await Enquiries(authority.parts.desk.parts).what(tenant, authority.administrator, callers, action)
    except PlanTooLarge as cause:
        raise IndexUnavailable(f"This cannot be answered: {cause}.", code="plan_too_large") from cause
    await authority.record_read("what", person=callers[0].subject)
    return await answered(
        lambda: _shown(tenant, action) | {"callers": [caller.subject for caller in callers], **reach_json(found)}
    )


def _callers(tenant: str, body: WhatBody) -> tuple[Caller, ...]:
    groups = frozenset(_with_kind("group", name) for name in body.groups)
    with _as_sent():
        person = Caller(tenant, _with_kind("user", body.person), groups)
        if body.assistant is None:
            return (person,)
        assistant = subject_name(_with_kind("assistant", body.assistant), kinds=("assistant",))
        return (person, Caller(tenant, assistant))


def _with_kind(kind: str, name: str) -> str:
    return name if ":" in name else f"{kind}:{name}"


def _action(name: str) -> str:
    with _as_sent():
        return action_name(name)


def _document(tenant: str, name: str) -> str:
    """The name, if it can be one. There is no document of any other, so the answer is the one for no document."""
    try:
        return plain_name(name, "document")
    except InvalidRule as cause:
        raise NoSuchDocument(tenant, name) from cause


def _shown(tenant: str, action: str) -> dict[str, Any]:
    return {"tenant": tenant, "action": action}


@contextmanager
def _as_sent() -> Iterator[None]:
    """What is not a name is the caller's own mistake here: she is told which."""
    try:
        yield
    except InvalidRule as cause:
        raise RingfenceError(
            f"The request does not have the expected form. {cause}.", code="validation_failed"
        ) from cause
