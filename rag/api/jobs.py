"""Jobs over HTTP, for administrators: have a configured source read again, watch, stop, try again.

A source is named, never a place: what the service's machine may read is the operator's to say (`ingestion.sources`).
"""

import asyncio
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from rag.api.caller import Administrator
from rag.api.completions import event
from rag.api.errors import known
from rag.api.parts import AppParts, state_of
from rag.api.policy.preconditions import retry_of
from rag.api.schemas import read_body
from rag.api.streams import EventStream
from rag.db.job_table import SYNC, JobState
from rag.db.jobs import Jobs, JobView, NewJob
from rag.errors import Misuse, NotFound, RingfenceError
from rag.identity.credentials import Bearer

EVENTS_S_MAX = 600.0
"""A stream that is still open then is closed; whoever still may, opens another."""
EVERY_S = 0.5
QUIET_S = 15.0
"""A comment is sent after so long, lest a proxy take a quiet stream for a dead one."""
_PAGE_MAX = 100
_CURSOR = re.compile(rb"before:([1-9][0-9]{0,18})")

router = APIRouter(prefix="/api/v1/jobs")


class JobRequest(BaseModel):
    """What is to be done: a source brought up to date. `allow_empty` removes all documents of one that is empty."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    kind: Literal["sync"] = "sync"
    source: str = Field(min_length=1, max_length=128, description="Its name in the setting ingestion.sources.")
    allow_empty: bool = False


@router.post("", operation_id="create_job")
async def create_job(request: Request, bearer: Administrator) -> Response:
    """Queue the reading of a source of the caller's tenant."""
    parts, tenant = state_of(request).parts, _tenant(bearer)
    wanted = await read_body(request, JobRequest)
    retry = retry_of(request, "jobs", await request.body())
    configured = parts.settings.ingestion.sources.get(wanted.source)
    if configured is None or configured.tenant != tenant:
        # Of another tenant's sources not even the names are told.
        raise NotFound("There is no such source in ingestion.sources for this tenant.")
    payload = {"allow_empty": wanted.allow_empty}
    new = NewJob(tenant, SYNC, wanted.source, payload, idempotency_key=None if retry is None else retry.key)
    async with parts.database.unit_of_work() as session:
        jobs = Jobs(session)
        row, is_new = await jobs.enqueue(new)
        if is_new:
            await _record(parts, session, bearer, row.id, "queued")
        view = await jobs.get(tenant, row.id)
    return JSONResponse(view.as_json())


@router.get("", operation_id="list_jobs")
async def list_jobs(
    request: Request,
    bearer: Administrator,
    state: Annotated[list[JobState] | None, Query(max_length=5)] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE_MAX)] = 20,
) -> Response:
    """The newest first; with `state`, parts of others too. `next` leads to older ones; null at the end."""
    before = None if cursor is None else _number_of(cursor)
    async with state_of(request).parts.database.reading() as session:
        # One more than is shown tells whether there are any beyond.
        found = await Jobs(session).listed(_tenant(bearer), states=state or (), before=before, limit=limit + 1)
    shown = found[:limit]
    following = _cursor_before(shown[-1].row.number) if len(found) > limit else None
    return JSONResponse({"jobs": [view.as_json() for view in shown], "next": following})


@router.get("/{job}", operation_id="get_job")
async def get_job(request: Request, bearer: Administrator, job: str) -> Response:
    """One job, with how far it is and what became of its documents, in numbers."""
    return JSONResponse((await _view(state_of(request).parts, _tenant(bearer), job)).as_json())


@router.get("/{job}/events", operation_id="job_events")
async def job_events(request: Request, bearer: Administrator, job: str) -> Response:
    """The job, at once and whenever it has changed, until all of it has ended, or for ten minutes."""
    parts, tenant = state_of(request).parts, _tenant(bearer)
    first = await _view(parts, tenant, job)

    async def write(send: Callable[[str], Awaitable[None]]) -> None:
        await _send_changes(first, lambda: _view(parts, tenant, job), send)

    return EventStream(write, stop=lambda: None)


@router.post("/{job}/retry", operation_id="retry_job")
async def retry_job(request: Request, bearer: Administrator, job: str) -> Response:
    """Queue it again, as far as it is dead or was cancelled."""
    return await _changed(request, bearer, job, "retried", lambda jobs, tenant: jobs.retry(tenant, job))


@router.post("/{job}/cancel", operation_id="cancel_job")
async def cancel_job(request: Request, bearer: Administrator, job: str) -> Response:
    """Stop it. What it has made visible stays."""
    return await _changed(request, bearer, job, "cancelled", lambda jobs, tenant: jobs.cancel(tenant, job))


async def _changed(
    request: Request, bearer: Bearer, job: str, change: str, act: Callable[[Jobs, str], Awaitable[JobView]]
) -> Response:
    parts = state_of(request).parts
    async with parts.database.unit_of_work() as session:
        view = await act(Jobs(session), _tenant(bearer))
        await _record(parts, session, bearer, job, change)
    return JSONResponse(view.as_json())


async def _send_changes(
    first: JobView, look: Callable[[], Awaitable[JobView]], send: Callable[[str], Awaitable[None]]
) -> None:
    view, told, spoken, until = first, "", time.monotonic(), time.monotonic() + EVENTS_S_MAX
    while True:
        shown = view.as_json()
        if (written := json.dumps(shown, sort_keys=True)) != told:
            await send(event(shown, name="job"))
            told, spoken = written, time.monotonic()
        elif time.monotonic() - spoken > QUIET_S:
            await send(": still at it\n\n")
            spoken = time.monotonic()
        if view.settled or time.monotonic() > until:
            return
        await asyncio.sleep(EVERY_S)
        try:
            view = await look()
        except (RingfenceError, SQLAlchemyError) as cause:
            error = known(cause)
            await send(event({"code": error.code, "detail": error.message}, name="error"))
            return


async def _view(parts: AppParts, tenant: str, job: str) -> JobView:
    async with parts.database.reading() as session:
        return await Jobs(session).get(tenant, job)


async def _record(parts: AppParts, session: AsyncSession, bearer: Bearer, job: str, change: str) -> None:
    body: Mapping[str, Any] = {"key": bearer.id, "subject": bearer.subject, "job": job, "change": change}
    await parts.audit.append(session, _tenant(bearer), "job", body)


def _tenant(bearer: Bearer) -> str:
    if bearer.tenant is None:
        raise Misuse("Say which tenant: X-Ringfence-Tenant.", code="tenant_required")
    return bearer.tenant


def _cursor_before(number: int) -> str:
    return urlsafe_b64encode(f"before:{number}".encode()).decode()


def _number_of(cursor: str) -> int:
    try:
        found = _CURSOR.fullmatch(urlsafe_b64decode(cursor.encode("ascii")))
    except ValueError:
        found = None
    if found is None or int(found[1]) > 2**63 - 1:
        raise Misuse("The cursor is not one that this service gave.", code="invalid_cursor")
    return int(found[1])
