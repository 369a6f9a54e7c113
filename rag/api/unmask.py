"""Giving back what single tokens of a document stand for, to whom the policy of that moment lets see it."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from rag.api.caller import RequiredPrincipal
from rag.api.parts import state_of
from rag.api.schemas import read_body
from rag.api.streams import unless_left
from rag.query.unmasking import TOKENS_MAX

router = APIRouter(prefix="/api/v1/privacy")

TOKEN_CHARS_MAX = 80


class UnmaskRequest(BaseModel):
    """Which tokens of which document. Tokens may be written without their brackets."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    document: str = Field(min_length=1, max_length=64)
    tokens: list[str] = Field(min_length=1, max_length=TOKENS_MAX, repr=False)


@router.post("/unmask", operation_id="unmask")
async def unmask(request: Request, principal: RequiredPrincipal) -> Response:
    """The originals that the caller's person may see. A 404 says that there are none, whatever the reason."""
    wanted = await read_body(request, UnmaskRequest)
    tokens = [token[:TOKEN_CHARS_MAX] for token in wanted.tokens]
    given = await unless_left(
        request.receive, state_of(request).parts.path.give_back(wanted.document, tokens, principal)
    )
    request.scope["ringfence.log"] |= {"given_back": len(given.values), "withheld": len(given.withheld)}
    record = {"document": given.document, "values": dict(given.values), "withheld": list(given.withheld)}
    return JSONResponse(record)
