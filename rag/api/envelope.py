"""What surrounds every request: an id, a size limit, safe headers, one log line, and no crash that talks.

Plain ASGI, because a response that streams must pass through piece by piece.
"""

import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.errors import FAILED, respond
from rag.api.logs import log, log_crash
from rag.api.metrics import Metrics
from rag.errors import RingfenceError

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Answers depend on who asks and on the policy of the moment: nothing in between may keep them.
    "Cache-Control": "no-store",
}
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


class Envelope:
    """Wraps the application; see the module."""

    def __init__(self, app: ASGIApp, *, body_bytes_max: int, metrics: Metrics) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._metrics = metrics

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
        try:
            await self._answer(scope, receive, sender)
        finally:
            self._record(scope, sender.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, sender: "_Sender") -> None:
        path, request_id = str(scope["path"]), str(scope["ringfence.request_id"])
        if _declared_length(scope) > self._body_bytes_max:
            scope["ringfence.code"] = "body_too_large"
            error = RingfenceError(
                "The request body is larger than this service takes (service.body_bytes_max).", code="body_too_large"
            )
            await respond(path, error, request_id)(scope, receive, sender)
            return
        try:
            await self._app(scope, _limited(receive, self._body_bytes_max), sender)
        except Exception as cause:  # noqa: BLE001 - the outermost door: whatever it was, the caller gets a clean error
            log_crash(cause)
            scope["ringfence.code"] = "internal"
            if sender.status == 0:
                await respond(path, RingfenceError(FAILED), request_id)(scope, receive, sender)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's pattern, not the path: a path holds ids, and any text a caller cares to send.
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        code = str(scope.get("ringfence.code", ""))
        self._metrics.request(route=route, method=method, status=status, code=code, seconds=seconds)
        log.info(
            "request",
            route=route,
            method=method,
            status=status,
            code=code,
            ms=round(seconds * 1000, 1),
            **scope.get("ringfence.log", {}),
        )


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


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive`, but a body that grows beyond `limit` is refused, whatever length it had declared."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
        return message

    return counted


def _declared_length(scope: Scope) -> int:
    declared: Any = Headers(scope=scope).get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0
