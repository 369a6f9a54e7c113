"""From what went wrong to HTTP: the one table, in three dialects.

Paths below `/v1` answer as OpenAI does, so that its client libraries raise the classes their users expect; those
below `/scim` answer with SCIM's errors; everything else answers with RFC 9457 problems. Callers get the code and our
own words; causes go to the log.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from policies.rules import InvalidRule
from policies.store import PolicyError
from rag.api.logs import log
from rag.errors import Limited, PolicyUnreadable, RingfenceError, Unavailable

PROBLEM = "application/problem+json"
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
FAILED = "Something went wrong on our side. The request id finds it in the service's log."


@dataclass(frozen=True, slots=True)
class Mapped:
    """HTTP status, and the `type` that OpenAI's errors carry."""

    status: int
    kind: str


TABLE: Mapping[str, Mapped] = {
    "invalid_request": Mapped(400, "invalid_request_error"),
    "unknown_parameter": Mapped(400, "invalid_request_error"),
    "unauthenticated": Mapped(401, "authentication_error"),
    "denied": Mapped(403, "permission_error"),
    "not_administered": Mapped(403, "permission_error"),
    "not_found": Mapped(404, "invalid_request_error"),
    "method_not_allowed": Mapped(405, "invalid_request_error"),
    "body_too_slow": Mapped(408, "invalid_request_error"),
    "conflict": Mapped(409, "invalid_request_error"),
    "canary_exposed": Mapped(409, "invalid_request_error"),
    "history_incomplete": Mapped(409, "invalid_request_error"),
    "edit_conflict": Mapped(412, "invalid_request_error"),
    "body_too_large": Mapped(413, "invalid_request_error"),
    "unsupported_media_type": Mapped(415, "invalid_request_error"),
    "host_not_allowed": Mapped(421, "invalid_request_error"),
    "validation_failed": Mapped(422, "invalid_request_error"),
    "invalid_edit": Mapped(422, "invalid_request_error"),
    "precondition_required": Mapped(428, "invalid_request_error"),
    "rate_limited": Mapped(429, "rate_limit_error"),
    "client_left": Mapped(499, "invalid_request_error"),
    "internal": Mapped(500, "server_error"),
    "damaged": Mapped(500, "server_error"),
    "unavailable": Mapped(503, "server_error"),
    "policy_unreadable": Mapped(503, "server_error"),
    "index_unavailable": Mapped(503, "server_error"),
    "generator_unavailable": Mapped(503, "server_error"),
    "audit_unavailable": Mapped(503, "server_error"),
}
"""By code. A finer code that is not listed (`person_required`) takes the row of its class (`denied`)."""

_SAID_BY_POLICIES = frozenset(
    {"invalid_edit", "not_administered", "edit_conflict", "canary_exposed", "history_incomplete", "not_found"}
)
"""Codes of `policies` whose messages are for whoever administers the policy: only she can cause them."""

_FIELD = re.compile(r"[A-Za-z_]{1,32}")

_BY_STATUS: Mapping[int, str] = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
}


class ClientLeft(RingfenceError):
    """The caller closed the connection: nobody reads this, but the work must stop and the log must say so."""

    code = "client_left"

    def __init__(self) -> None:
        super().__init__("The caller left before the answer was finished.")


def mapped(error: RingfenceError) -> Mapped:
    """The row of an error: its own code's, else that of the nearest class with a listed code."""
    codes = [error.code, *(str(vars(cls).get("code", "")) for cls in type(error).__mro__)]
    return next(TABLE[code] for code in codes if code in TABLE)


def error_object(error: RingfenceError, *, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object, as it also stands in a stream."""
    return {"error": {"message": error.message, "type": mapped(error).kind, "param": param, "code": error.code}}


def known(error: Exception) -> RingfenceError:
    """An error of ours for any exception; of one that is not ours, only that it happened.

    What callers send is parsed where it is read. An invalid rule or label that gets here was stored.
    """
    if isinstance(error, RingfenceError):
        return error
    if isinstance(error, ClientDisconnect):
        return ClientLeft()
    if isinstance(error, PolicyError) and error.code in _SAID_BY_POLICIES:
        return RingfenceError(str(error), code=error.code)
    if isinstance(error, SQLAlchemyError):
        return Unavailable("The database did not answer as it should. Retrying may help; `ringfence doctor` checks it.")
    if isinstance(error, PolicyError | InvalidRule):
        return PolicyUnreadable("The access policy could not be read, so nothing was answered. Retrying may help.")
    return RingfenceError(FAILED)


def respond(path: str, error: RingfenceError, request_id: str, *, param: str | None = None) -> Response:
    """The response for an error in the dialect of `path`."""
    row = mapped(error)
    headers = _headers(error)
    if speaks_openai(path):
        return JSONResponse(error_object(error, param=param), row.status, headers)
    if path.startswith("/scim/"):
        # RFC 7644, section 3.12: what provisioning clients understand. The code is ours, beside what they know.
        found = {"schemas": [SCIM_ERROR], "status": str(row.status), "detail": error.message, "code": error.code}
        return JSONResponse(found, row.status, headers, media_type="application/scim+json")
    problem = {
        "type": f"urn:ringfence:error:{error.code}",
        "title": error.code.replace("_", " "),
        "status": row.status,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
    }
    return JSONResponse(problem, row.status, headers, media_type=PROBLEM)


def speaks_openai(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def install(app: FastAPI) -> None:
    """Answer every error of `app` in its dialect; none by the framework's own words, which echo input."""
    app.add_exception_handler(RingfenceError, _on_known)
    for others in (PolicyError, InvalidRule, SQLAlchemyError, ClientDisconnect):
        app.add_exception_handler(others, _on_known)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


def request_id_of(request: Request) -> str:
    return str(request.scope.get("ringfence.request_id", ""))


async def _on_known(request: Request, cause: Exception) -> Response:
    error = known(cause)
    row = mapped(error)
    if row.status >= 500:
        log.warning("request_failed", code=error.code, cause=type(cause.__cause__ or cause).__name__)
    request.scope["ringfence.code"] = error.code
    response = respond(request.url.path, error, request_id_of(request), param=getattr(error, "param", None))
    challenge = request.scope.get("ringfence.challenge")
    if challenge is not None and error.code == "unauthenticated":
        response.headers["WWW-Authenticate"] = challenge
    return response


async def _on_validation(request: Request, cause: Exception) -> Response:
    """Names the fields and what is wrong with them. The offending values, which pydantic would add, stay out."""
    found = cause.errors() if isinstance(cause, RequestValidationError) else []
    inner = [{**item, "loc": item["loc"][1:]} for item in found]
    code = "validation_failed"
    if speaks_openai(request.url.path):
        unknown = found and found[0]["type"] == "extra_forbidden"
        code = "unknown_parameter" if unknown else "invalid_request"
    request.scope["ringfence.code"] = code
    error = RingfenceError(f"The request does not have the expected form. {problems_of(inner)}", code=code)
    return respond(request.url.path, error, request_id_of(request), param=_path(inner[0]) if inner else None)


def problems_of(found: Sequence[Mapping[str, Any]]) -> str:
    """What pydantic found wrong, without the values that it found."""
    return "; ".join(f"{_path(item) or 'body'}: {_wording(item['type'], item['msg'])}" for item in found[:5])


def _path(item: Mapping[str, Any]) -> str:
    return ".".join(map(_field, item["loc"]))


def _field(part: object) -> str:
    # The name of a field that is not ours is the caller's own text. A mistyped one is still told.
    return str(part) if isinstance(part, int) or _FIELD.fullmatch(str(part)) else "(a field that is not known here)"


def _wording(kind: str, message: str) -> str:
    # Messages of our own validators and of the JSON parser may quote what was sent; the standard ones do not.
    if kind == "extra_forbidden":
        return "is not known here"
    return "is not valid" if kind in ("value_error", "assertion_error", "json_invalid") else message


async def _on_http(request: Request, cause: Exception) -> Response:
    status = cause.status_code if isinstance(cause, HTTPException) else 500
    code = _BY_STATUS.get(status, "invalid_request" if status < 500 else "internal")
    words = {
        "not_found": "There is nothing at this address.",
        "method_not_allowed": "This address does not take that method.",
        "body_too_large": "The request body is larger than this service takes (service.body_bytes_max).",
        "body_too_slow": "The request body did not arrive in time (service.body_timeout_s).",
        "unsupported_media_type": "Send JSON with Content-Type: application/json.",
        "internal": FAILED,
    }
    request.scope["ringfence.code"] = code
    error = RingfenceError(words.get(code, "The request cannot be read."), code=code)
    return respond(request.url.path, error, request_id_of(request))


def _headers(error: RingfenceError) -> dict[str, str]:
    if isinstance(error, Limited):
        return {"Retry-After": str(max(1, ceil(error.retry_after_s)))}
    if error.code == "unauthenticated":
        return {"WWW-Authenticate": "Bearer"}
    if error.code == "body_too_slow":
        return {"Connection": "close"}
    return {}
