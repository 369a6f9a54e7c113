"""Comparing the live index with the one beside it, in the process that has both open. For the local operator alone."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from rag.api.caller import Administrator, tenant_of
from rag.api.index_requests import ComparisonRequest
from rag.api.parts import state_of
from rag.api.schemas import read_body
from rag.api.streams import unless_left
from rag.query.samples import Asked

router = APIRouter(prefix="/api/v1/index")


@router.post("/compare", operation_id="compare_indexes")
async def compare(request: Request, bearer: Administrator) -> Response:
    """Ask the live index and the one beside it the same questions, each for a person; numbers only are returned."""
    wanted = await read_body(request, ComparisonRequest)
    comparing = state_of(request).parts.compare_indexes(
        tenant_of(bearer),
        author=wanted.author,
        questions=[Asked(one.question, tuple(one.documents)) for one in wanted.questions],
        people=wanted.people,
        sample=wanted.sample,
        allowed=wanted.allow_missing,
    )
    return JSONResponse(dict(await unless_left(request.receive, comparing)))
