"""What goes wrong in a call, as agents are told: our code and our words, never an exception's."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, CallToolResult, TextContent
from pydantic import ValidationError
from starlette.requests import Request

from rag.api.errors import FAILED, known, mapped, request_id_of
from rag.api.logs import log, log_crash
from rag.errors import Limited, Misuse, RingfenceError


def refused(request: Request, cause: Exception) -> CallToolResult:
    """The result of a tool call that failed: `code: message` to read, and in `_meta` what a program goes by."""
    error = _noted(request, cause)
    about: dict[str, Any] = {
        "code": error.code,
        "status": mapped(error).status,
        "request_id": request_id_of(request),
    }
    if isinstance(error, Limited):
        about["retry_after_s"] = error.retry_after_s
    text = TextContent(text=f"{error.code}: {error.message}")
    return CallToolResult(content=[text], is_error=True, _meta={"ringfence": about})


def protocol_error(request: Request, cause: Exception) -> MCPError:
    """The same where the protocol has no results that are errors: reading a resource."""
    error = _noted(request, cause)
    code = INVALID_PARAMS if isinstance(error, Misuse) else INTERNAL_ERROR
    return MCPError(code=code, message=error.message, data={"code": error.code})


async def contain(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Around every message: an exception that nobody expected is logged by its type, and not told.

    The SDK would answer with its text.
    """
    try:
        return await call_next(ctx)
    except MCPError as refusal:
        if refusal.error.code == METHOD_NOT_FOUND:
            # Its data repeats what was asked for.
            raise MCPError(code=METHOD_NOT_FOUND, message=refusal.error.message) from None
        raise
    except ValidationError:
        raise
    except Exception as cause:  # noqa: BLE001 - whatever it was, the caller gets a clean error
        log_crash(cause)
        raise MCPError(code=INTERNAL_ERROR, message=FAILED) from None


def _noted(request: Request, cause: Exception) -> RingfenceError:
    error = known(cause)
    if mapped(error).status >= 500:
        if error.code == RingfenceError.code and not isinstance(cause, RingfenceError):
            log_crash(cause)
        log.warning("request_failed", code=error.code, cause=type(cause.__cause__ or cause).__name__)
    request.scope["ringfence.code"] = error.code
    return error
