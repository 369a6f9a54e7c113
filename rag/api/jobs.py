"""Jobs over HTTP, for administrators: have a configured source read again, watch, stop, try again.

A source is named, never a place: what the service's machine may read is the operator's to say (`ingestion.sources`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from rag.api.caller import Administrator, tenant_of
from rag.api.cursors import CURSOR_CHARS_MAX, cursor_before, number_of
from rag.api.job_events import SendText, send_events
from rag.api.parts import AppParts, state_of
from rag.api.policy.preconditions import retry_of
from rag.api.schemas import read_body
from rag.api.streams import EventStream
from rag.db.job_table import SYNC, JobState
from rag.db.jobs import Jobs, JobView, NewJob
from rag.errors import NotFound
from rag.identity.credentials import Bearer

_PAGE_MAX = 100
_NUMBER_MAX = 2**63 - 1

router = APIRouter(prefix="/api/v1/jobs")


class JobRequest(BaseModel):
    """What is to be done: a source brought up to date. `allow_empty` removes all documents of one that is empty,
    `moved` those that only the earlier place had of one that is another place now.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    kind: Literal["sync"] = "sync"
    source: str = Field(min_length=1, max_length=128, description="Its name in the setting ingestion.sources.")
    allow_empty: bool = False
    moved: bool = False


@router.post("", operation_id="create_job")
async def create_job(request: Request, bearer: Administrator) -> Response:
    """Queue the reading of a source of the caller's tenant."""
    parts, tenant = state_of(request).parts, tenant_of(bearer)
    wanted = await read_body(request, JobRequest)
    retry = retry_of(request, "jobs", await request.body())
    configured = parts.settings.ingestion.sources.get(wanted.source)
    if configured is None or configured.tenant != tenant:
        # Of another tenant's sources not even the names are told.
        raise NotFound("There is no such source in ingestion.sources for this tenant.")
    payload = {"allow_empty": wanted.allow_empty, "moved": wanted.moved}
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
    state: Annotated[list[JobState] | None, Query(max_length=len(JobState))] = None,
    cursor: Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE_MAX)] = 20,
) -> Response:
    """The newest first; with `state`, parts of others too. `next` leads to older ones; null at the end."""
    before = None if cursor is None else number_of(cursor, _NUMBER_MAX)
    async with state_of(request).parts.database.reading() as session:
        # One more than is shown tells whether there are any beyond.
        found = await Jobs(session).listed(tenant_of(bearer), states=state or (), before=before, limit=limit + 1)
    shown = found[:limit]
    following = cursor_before(shown[-1].row.number) if len(found) > limit else None
    return JSONResponse({"jobs": [view.as_json() for view in shown], "next": following})


@router.get("/{job}", operation_id="get_job")
async def get_job(request: Request, bearer: Administrator, job: str) -> Response:
    """One job, with how far it is and what became of its documents, in numbers."""
    return JSONResponse((await _view(state_of(request).parts, tenant_of(bearer), job)).as_json())


@router.get("/{job}/events", operation_id="job_events")
async def job_events(request: Request, bearer: Administrator, job: str) -> Response:
    """The job, at once and whenever it has changed, until all of it has ended, or for ten minutes.

    The caller is verified anew before each event: a key that was revoked ends the stream.
    """
    parts, tenant = state_of(request).parts, tenant_of(bearer)
    await _view(parts, tenant, job)

    async def write(send: SendText) -> None:
        await send_events(request, bearer, lambda: _view(parts, tenant, job), send)

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
        view = await act(Jobs(session), tenant_of(bearer))
        await _record(parts, session, bearer, job, change)
    return JSONResponse(view.as_json())


async def _view(parts: AppParts, tenant: str, job: str) -> JobView:
    async with parts.database.reading() as session:
        return await Jobs(session).get(tenant, job)


async def _record(parts: AppParts, session: AsyncSession, bearer: Bearer, job: str, change: str) -> None:
    body: Mapping[str, Any] = {"key": bearer.id, "subject": bearer.subject, "job": job, "change": change}
    await parts.audit.append(session, tenant_of(bearer), "job", body)
