"""The web application, put together from its parts. `rag.api.composition` makes the real ones."""

from fastapi import FastAPI

from rag.api import chat, errors, feedback, indexes, jobs, operations, passage, scim, unmask
from rag.api.description.document import describe
from rag.api.envelope import Envelope
from rag.api.limits import RequestRates
from rag.api.mcp import door
from rag.api.parts import AppParts, AppState
from rag.api.policy import editing, enquiries, reading
from rag.api.queue import AnswerQueue


def create_app(parts: AppParts) -> FastAPI:
    """An application on `parts`, which the caller opened and closes."""
    service = parts.settings.service
    app = FastAPI(
        title="Ringfence",
        docs_url=None,  # Its page loads scripts from another host.
        openapi_url="/openapi.json" if service.docs else None,
        redoc_url=None,
        # The framework's own log records carry exception messages, and its spans carry query strings.
        telemetry={
            "logs": False,
            "tracing": False,
            "metrics": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    queue = AnswerQueue(parts.settings.limits, parts.metrics.queue_wait.observe)
    parts.metrics.watch_queue(waiting=lambda: queue.waiting, working=lambda: queue.working)
    app.state.ringfence = AppState(parts, RequestRates(parts.settings), queue)
    app.add_middleware(Envelope, service=service, metrics=parts.metrics, tracing=parts.tracing)
    errors.install(app)
    for room in (chat, passage, unmask, feedback, operations, indexes, jobs, reading, editing, enquiries, scim, door):
        app.include_router(room.router)
    app.openapi = describe(app)  # type: ignore[method-assign] # FastAPI's own way to change it
    return app
