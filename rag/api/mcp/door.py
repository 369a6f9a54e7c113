"""`/mcp`: the Model Context Protocol over streamable HTTP, for agents.

The caller is known, and the person she names, before anything is read; every request proves both anew. What is refused
there is an HTTP status; what is refused within a tool is a result that says so.
"""

from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.shared.auth import ProtectedResourceMetadata
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import AnyHttpUrl, ValidationError

from rag.api.caller import NamedPrincipal, VerifiedBearer
from rag.api.mcp.call import Call
from rag.api.mcp.server import ProtocolResponse
from rag.api.parts import AppParts, state_of
from rag.api.schemas import require_json
from rag.errors import Denied, NotFound, RingfenceError

MCP_PATH = "/mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource"


def say_where_tokens_are_from(request: Request) -> None:
    """Let a refusal for want of credentials name the document that lists who issues them (RFC 9728)."""
    parts = state_of(request).parts
    if any(parts.identity.issuers):
        url = f"{parts.public_url}{METADATA_PATH}{MCP_PATH}"
        request.scope["ringfence.challenge"] = f'Bearer resource_metadata="{url}"'


router = APIRouter()


@router.post(MCP_PATH, operation_id="mcp", dependencies=[Depends(say_where_tokens_are_from)])
async def mcp(request: Request, bearer: VerifiedBearer, principal: NamedPrincipal) -> Response:
    """One JSON-RPC message of an agent, answered by itself: there are no sessions."""
    state = state_of(request)
    require_json(request)
    await _refuse_other_sites(request, state.parts)
    body = await request.body()
    malformed = _malformed(body)
    if malformed is not None:
        request.scope["ringfence.code"] = "invalid_request"
        return malformed
    return ProtocolResponse(Call(request, state, bearer, principal), body)


async def protected_resource(request: Request) -> Response:
    """Where agents get access tokens for `/mcp` (RFC 9728); nothing where no issuer is configured."""
    parts = state_of(request).parts
    servers = [AnyHttpUrl(issuer.settings.issuer) for issuer in parts.identity.issuers]
    if not servers:
        raise NotFound("No issuer of access tokens is configured (identity.issuers): use a key.")
    scopes = sorted({scope for issuer in parts.identity.issuers if (scope := issuer.settings.required_scope)})
    metadata = ProtectedResourceMetadata(
        resource=AnyHttpUrl(f"{parts.public_url}{MCP_PATH}"),
        authorization_servers=servers,
        scopes_supported=scopes or None,
        resource_name="Ringfence",
    )
    return JSONResponse(metadata.model_dump(mode="json", exclude_none=True))


# Where RFC 9728 puts the document of a resource with a path, and where clients look that know the host alone.
for path, name in ((f"{METADATA_PATH}{MCP_PATH}", "mcp_metadata"), (METADATA_PATH, "root_metadata")):
    router.add_api_route(path, protected_resource, methods=["GET"], operation_id=name)


async def _refuse_other_sites(request: Request, parts: AppParts) -> None:
    """Refuse what a web page of another site sends, also by a name that it made point to this machine."""
    refusal = await TransportSecurityMiddleware(_known_names(parts)).validate_request(request)
    if refusal is None:
        return
    if refusal.status_code == 403:
        raise Denied("Web pages of other sites may not call this.", code="origin_not_allowed")
    raise RingfenceError(
        "This service is not known by the host name of the request: set service.public_url, or name it in "
        "service.mcp_hosts.",
        code="host_not_allowed",
    )


def _known_names(parts: AppParts) -> TransportSecuritySettings:
    service, public = parts.settings.service, urlsplit(parts.public_url)
    loopback = ("127.0.0.1", "localhost", "[::1]")
    listening = f"[{service.host}]" if ":" in service.host else service.host
    named = {public.netloc, listening, *service.mcp_hosts, *loopback}
    origins = [f"{public.scheme}://{public.netloc}", *(f"http://{host}" for host in loopback)]
    return TransportSecuritySettings(
        allowed_hosts=[form for host in sorted(named) for form in (host, f"{host}:*")],
        allowed_origins=[*origins, *(f"http://{host}:*" for host in loopback)],
    )


def _malformed(body: bytes) -> Response | None:
    """The refusal of what is no message, or several: the SDK's would repeat what was sent."""
    try:
        jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError as cause:
        if cause.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            problem = ErrorData(code=PARSE_ERROR, message="The body is not JSON.")
        else:
            problem = ErrorData(code=INVALID_REQUEST, message="The body is not one JSON-RPC message.")
        error = JSONRPCError(jsonrpc="2.0", id=None, error=problem)
        return JSONResponse(error.model_dump(mode="json", by_alias=True, exclude_unset=True), 400)
    return None
