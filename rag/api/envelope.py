"""What surrounds every request: an id, a size limit, safe headers, one log line, and no crash that talks.

Plain ASGI, because a response that streams must pass through piece by piece.
"""

import asyncio
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.errors import FAILED, ClientLeft, respond
from rag.api.logs import log, log_crash
from rag.api.metrics import Metrics
from rag.errors import RingfenceError
from rag.settings import ServiceSettings
from rag.telemetry.names import ERROR_TYPE, HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, REQUEST_ID
from rag.telemetry.tracing import NO_TRACING, Span, Tracing

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Answers depend on who asks and on the policy of the moment: nothing in between may keep them.
    "Cache-Control": "no-store",
}
PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds by machines: their spans would bury the others."""
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


class Envelope:
    """Wraps the application; see the module."""

    def __init__(self, app: ASGIApp, *, service: ServiceSettings, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
        scope["ringfence.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        sender = _Sender(send, request_id)
        tracing = NO_TRACING if scope["path"] in PROBES else self._tracing
        with tracing.request(_method(scope), Headers(scope=scope).get("traceparent")) as span:
            structlog.contextvars.bind_contextvars(**span.ids)
            try:
                await self._answer(scope, receive, sender)
            finally:
                self._record(scope, sender.status, time.perf_counter() - started, span)

    async def _answer(self, scope: Scope, receive: Receive, sender: "_Sender") -> None:
        path, request_id = str(scope["path"]), str(scope["ringfence.request_id"])
        refusal = _refusal(Headers(scope=scope), self._service)
        if refusal is not None:
            scope["ringfence.code"] = refusal.code
            response = respond(path, refusal, request_id)
            if refusal.code == "invalid_request":
                response.headers["Connection"] = "close"  # Nobody knows where the next request begins.
            await response(scope, receive, sender)
            return
        try:
            await self._app(scope, _limited(receive, self._service), sender)
        except Exception as cause:  # noqa: BLE001 - the outermost door: whatever it was, the caller gets a clean error
            log_crash(cause)
            scope["ringfence.code"] = "internal"
            if sender.status == 0:
                await respond(path, RingfenceError(FAILED), request_id)(scope, receive, sender)

    def _record(self, scope: Scope, status: int, seconds: float, span: Span) -> None:
        # The route's pattern, not the path: a path holds ids, and any text a caller cares to send.
        route = getattr(scope.get("route"), "path", "unknown")
        method = _method(scope)
        code = str(scope.get("ringfence.code", ""))
        self._metrics.request(route=route, method=method, status=status, code=code, seconds=seconds)
        span.rename(f"{method} {route}")
        span.tell(
            {HTTP_METHOD: method, HTTP_ROUTE: route, HTTP_STATUS: status, REQUEST_ID: scope["ringfence.request_id"]}
        )
        if 400 <= status < 500 or code == ClientLeft.code:
            # What callers do wrong is no error of this service; that an answer broke off is one.
            span.tell({ERROR_TYPE: code})
        elif code or status >= 500:
            span.fail(code or str(status))
        log.info(
            "request",
            route=route,
            method=method,
            status=status,
            code=code,
            ms=round(seconds * 1000, 1),
            **scope.get("ringfence.log", {}),
        )


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


class _Sender:
    """Passes messages on, adding our headers to the first and remembering the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _limited(receive: Receive, service: ServiceSettings) -> Receive:
    """`receive`, but a body that grows too long, whatever length it had declared, or comes too slowly is refused."""
    received, complete = 0, False
    # From the first look at the body on: what comes before, the caller's rights among it, is not her time.
    deadline: float | None = None

    async def counted() -> Message:
        nonlocal received, complete, deadline
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + service.body_timeout_s
        try:
            async with asyncio.timeout_at(None if complete else deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > service.body_bytes_max:
                raise HTTPException(413)
        return message

    return counted


def _refusal(headers: Headers, service: ServiceSettings) -> RingfenceError | None:
    """What can be told of a body before any of it is read."""
    if "content-length" in headers and "transfer-encoding" in headers:
        # RFC 9112, section 6.1: whoever stands in between may have taken the other one of two lengths.
        return RingfenceError("The length of the body is given in two ways.", code="invalid_request")
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > service.body_bytes_max:
        return RingfenceError(
            "The request body is larger than this service takes (service.body_bytes_max).", code="body_too_large"
        )
    return None
