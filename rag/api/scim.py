"""SCIM 2.0: identity providers say who is here, and who is in which group.

The protocol is `scim2-server`'s; what it reads and writes is in `rag.identity.scim`. A key with the scope scim is
one client, and sees nothing but what it provisioned itself.
"""

from functools import cache

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from scim2_models import SCIMException
from scim2_server.handler import AsyncScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse
from scim2_server.service import ScimService

from rag.api.caller import VerifiedBearer, record_denial
from rag.api.parts import state_of
from rag.errors import Denied
from rag.identity.scim.dialect import plain_patch
from rag.identity.scim.provider import describe
from rag.identity.scim.storage import DirectoryStorage
from rag.identity.scim.writing import Writer

ROOT = "/scim/v2"

router = APIRouter()


@router.api_route(
    ROOT + "/{path:path}",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    operation_id="scim",
    include_in_schema=False,  # SCIM describes itself, at /Schemas and /ResourceTypes.
)
async def scim(request: Request, bearer: VerifiedBearer, path: str) -> Response:
    """Users, Groups and the discovery endpoints of RFC 7644, for the key of an identity provider."""
    parts = state_of(request).parts
    if bearer.key is None:
        await record_denial(parts, bearer, "provisioning_key_required")
        raise Denied(
            "People are provisioned with a key of its own: `ringfence keys create --scope scim`.",
            code="provisioning_key_required",
        )
    key, service = bearer.key, _service()
    writer = Writer(parts.database, parts.desk, key.tenant, key.subject, key.id)
    issuer = parts.identity.issuers.provisioned_by(key.subject)
    if issuer is None and any(parts.identity.issuers):
        # Under plain names, nobody whom an issuer names would ever be deactivated.
        await record_denial(parts, bearer, "provisioner_unknown")
        raise Denied(
            "It is not said whose people this key provisions: set scim_assistant of one of identity.issuers to its "
            "subject.",
            code="provisioner_unknown",
        )
    handler = AsyncScimHandler(service, DirectoryStorage(service.provider, writer, issuer))
    try:
        answered = await handler.handle(await _asked(request, f"{parts.public_url}{ROOT}", path))
    except SCIMException as refusal:
        answered = service.error_response(refusal)
        request.scope["ringfence.code"] = refusal.scim_type or f"scim_{int(answered.status)}"
    return _response(answered)


@cache
def _service() -> ScimService:
    return ScimService(describe())


async def _asked(request: Request, root: str, path: str) -> ScimRequest:
    body = await request.body()
    return ScimRequest(
        method=request.method,
        base_url=root,
        path=f"/{path}",
        query=dict(request.query_params),
        headers=[(name, value) for name, value in request.headers.items() if name != "authorization"],
        body=plain_patch(body) if request.method == "PATCH" else body,
    )


def _response(answered: ScimResponse) -> Response:
    headers = {name: value for name, value in answered.headers.items() if name.lower() != "content-type"}
    if answered.body is None:
        return Response(None, int(answered.status), headers)
    return JSONResponse(answered.body, int(answered.status), headers, media_type=SCIM_MEDIA_TYPE)
