"""For those who run the service: who am I, publish, health, metrics."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from rag.api.caller import (
    Administrator,
    NamedPrincipal,
    VerifiedBearer,
    administrator,
    is_loopback,
    tenant_of,
    verified_bearer,
)
from rag.api.logs import log
from rag.api.parts import state_of

router = APIRouter()


@router.get("/api/v1/me", operation_id="me")
async def me(bearer: VerifiedBearer, principal: NamedPrincipal) -> Response:
    """Whom the service takes the caller for. `person` is null where an assistant's call names nobody."""
    return JSONResponse(
        {
            "key": bearer.id,
            "tenant": bearer.tenant,
            "administrator": bearer.administrator,
            "person": None if principal is None else principal.person,
            "groups": [] if principal is None else sorted(principal.groups),
            "assistant": _assistant_of(bearer, principal),
            "source": None if principal is None else principal.source.value,
        }
    )


@router.post("/api/v1/index/publish", operation_id="publish")
async def publish(request: Request, bearer: Administrator) -> Response:
    """Make visible what was ingested into the caller's tenant; the operator names it in `X-Ringfence-Tenant`."""
    tenant = tenant_of(bearer)
    counts = await state_of(request).parts.publish(tenant)
    request.scope["ringfence.log"] |= dict(counts)
    return JSONResponse({"tenant": tenant, **counts})


@router.get("/livez", operation_id="livez")
async def livez() -> Response:
    """The process answers. Says nothing about the parts it stands on."""
    return JSONResponse({"live": True})


@router.get("/readyz", operation_id="readyz")
async def readyz(request: Request) -> Response:
    """Whether every part answers; 503 and which one, by kind, if not."""
    results: dict[str, bool] = {}
    for name, check in state_of(request).parts.checks.items():
        try:
            await check()
        except Exception as cause:  # noqa: BLE001 - whatever is wrong with a part, the answer is "not ready"
            log.warning("not_ready", part=name, error=type(cause).__name__)
            results[name] = False
        else:
            results[name] = True
    ready = all(results.values())
    return JSONResponse({"ready": ready, "parts": results}, 200 if ready else 503)


async def may_see_metrics(request: Request) -> None:
    """Counters show how much is asked and refused: for this machine, administrators, or all if so set."""
    if state_of(request).parts.settings.service.metrics_open or is_loopback(request):
        return
    await administrator(request, await verified_bearer(request))


@router.get("/metrics", operation_id="metrics")
async def metrics(request: Request, _allowed: Annotated[None, Depends(may_see_metrics)]) -> Response:
    """Counters in Prometheus' text format."""
    return Response(await state_of(request).parts.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _assistant_of(bearer: VerifiedBearer, principal: NamedPrincipal) -> str | None:
    if principal is not None:
        return principal.assistant
    return bearer.key.subject if bearer.key is not None and bearer.key.assistant else None
