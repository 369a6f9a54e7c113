"""What a key must be meant for, route by route. A route that does not stand here is open to the operator alone."""

from collections.abc import Mapping

from fastapi import Request

from rag.identity.credentials import Bearer
from rag.identity.keys import Scope

_READING = frozenset({Scope.ASK, Scope.SEARCH})
_POLICY = frozenset({Scope.POLICY})

SCOPES: Mapping[str, frozenset[Scope]] = {
    "create_chat_completion": frozenset({Scope.ASK}),
    "search": frozenset({Scope.SEARCH}),
    "list_models": _READING,
    "retrieve_model": _READING,
    "open_passage": _READING,
    "mcp": _READING,
    "unmask": frozenset({Scope.UNMASK}),
    "feedback": frozenset({Scope.ASK}),
    "policy": _POLICY,
    "export_policy": _POLICY,
    "policy_history": _POLICY,
    "policy_diff": _POLICY,
    "replace_policy": _POLICY,
    "roll_policy_back": _POLICY,
    "edit_policy": _POLICY,
    "simulate": _POLICY,
    "explain": _POLICY,
    "who": _POLICY,
    "what": _POLICY,
    "me": frozenset(Scope),
    "scim": frozenset({Scope.SCIM}),
    "publish": frozenset({Scope.PUBLISH}),
    "compare_indexes": frozenset(),  # It asks for whomever it is told to: the operator's alone.
    "create_job": frozenset({Scope.JOBS}),
    "list_jobs": frozenset({Scope.JOBS}),
    "get_job": frozenset({Scope.JOBS}),
    "job_events": frozenset({Scope.JOBS}),
    "retry_job": frozenset({Scope.JOBS}),
    "cancel_job": frozenset({Scope.JOBS}),
    "metrics": frozenset({Scope.METRICS}),
}
"""By operation id: any one of these scopes is enough."""

TOOL_SCOPES: Mapping[str, frozenset[Scope]] = {
    "ask": frozenset({Scope.ASK}),
    "search": frozenset({Scope.SEARCH}),
}
"""The same by tool of `/mcp`. A tool that does not stand here is open to the operator alone."""


def admits(request: Request, bearer: Bearer) -> bool:
    """Whether the caller's key is meant for the route that the request came to."""
    operation = getattr(request.scope.get("route"), "operation_id", None)
    wanted = SCOPES.get(operation or "", frozenset())
    return bearer.operator or any(bearer.may_be_used_for(scope) for scope in wanted)


def admits_tool(tool: str, bearer: Bearer) -> bool:
    """Whether the caller's key is meant for a tool of `/mcp`."""
    return bearer.operator or any(bearer.may_be_used_for(scope) for scope in TOOL_SCOPES.get(tool, frozenset()))
