"""What a person says about an answer that she got."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from rag.api.caller import RequiredPrincipal
from rag.api.parts import state_of
from rag.api.schemas import read_body
from rag.db.feedback import Reason, Verdict
from rag.query.feedback import Feedback

router = APIRouter(prefix="/api/v1")


class FeedbackRequest(BaseModel):
    """`answer_id` is `ringfence.answer` of the completion. The question is kept only if `keep_question` is true."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    answer_id: str = Field(pattern=r"^[A-Za-z0-9_]{1,64}$")
    verdict: Verdict
    reason: Reason | None = None
    comment: str = Field("", repr=False, description="Kept masked, and only if the installation keeps comments.")
    question: str | None = Field(None, repr=False, description="As it was asked: another one is not kept.")
    keep_question: bool = Field(False, description="She agrees that the question is kept, masked, and reviewed.")


@router.post("/feedback", operation_id="feedback")
async def feedback(request: Request, principal: RequiredPrincipal) -> Response:
    """Say whether an answer was good; said again, it takes the place of what was said before. A 404 says that there is
    no such answer of hers, whatever the reason."""
    body = await read_body(request, FeedbackRequest)
    question = body.question if body.keep_question else None
    given = Feedback(body.answer_id, body.verdict, body.reason, body.comment, question)
    kept = await state_of(request).parts.give_feedback(given, principal)
    request.scope["ringfence.log"] |= {"verdict": given.verdict.value, "changed": kept.changed}
    return JSONResponse(
        {
            "answer_id": given.answer,
            "verdict": given.verdict.value,
            "reason": None if given.reason is None else given.reason.value,
            "changed": kept.changed,
            "comment_kept": kept.comment,
            "question_kept": kept.question,
        }
    )
