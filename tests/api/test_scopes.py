"""What a key is meant for is all that it is used for, whatever else its owner may do."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from rag.api.app import create_app
from rag.api.caller import verified_bearer
from rag.api.operations import may_see_metrics
from rag.api.parts import AppParts
from rag.api.scopes import SCOPES
from rag.db.engine import Database
from rag.identity.keys import Scope
from rag.identity.store import ApiKeys
from tests.api.administered import code, records

REQUESTS = {
    "create_chat_completion": ("POST", "/v1/chat/completions"),
    "search": ("POST", "/v1/search"),
    "list_models": ("GET", "/v1/models"),
    "mcp": ("POST", "/mcp"),
    "unmask": ("POST", "/api/v1/privacy/unmask"),
    "policy": ("GET", "/api/v1/policy"),
    "publish": ("POST", "/api/v1/index/publish"),
    "list_jobs": ("GET", "/api/v1/jobs"),
    "scim": ("GET", "/scim/v2/Users"),
    "me": ("GET", "/api/v1/me"),
}


def dependencies(dependant: Dependant) -> Iterator[Callable[..., object] | None]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from dependencies(inner)


def test_every_route_that_knows_its_caller_says_what_a_key_must_be_meant_for(parts: AppParts) -> None:
    known = {verified_bearer, may_see_metrics}
    asked = {
        route.operation_id
        for context in iter_route_contexts(create_app(parts).routes)
        if isinstance(route := context.route, APIRoute) and known & set(dependencies(route.dependant))
    }
    assert len(asked) > 15
    assert asked == set(SCOPES)


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.METRICS])
async def test_a_key_with_one_scope_reaches_that_scopes_routes_alone(
    scope: Scope, client: httpx.AsyncClient, database: Database
) -> None:
    administrator = scope in (Scope.PUBLISH, Scope.JOBS)
    async with database.unit_of_work() as session:
        new = await ApiKeys(session).create(
            tenant="acme",
            subject="assistant:okta" if scope is Scope.SCIM else "user:ada",
            now=datetime.now(UTC),
            administrator=administrator,
            scopes={scope},
        )
    refused = set()
    for operation, (method, path) in REQUESTS.items():
        body = None if method == "GET" else {}
        response = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {new.bearer}"})
        if "scope_required" in response.text:
            assert response.status_code == 403
            refused.add(operation)
    assert refused == {operation for operation in REQUESTS if scope not in SCOPES[operation]}
    assert {denial["code"] for denial in await records(database, "denied")} >= {"scope_required"}


async def test_metrics_from_elsewhere_need_their_scope(client: httpx.AsyncClient, database: Database) -> None:
    async with database.unit_of_work() as session:
        keys, now = ApiKeys(session), datetime.now(UTC)
        may = await keys.create(tenant="acme", subject="user:root", now=now, administrator=True, scopes={Scope.METRICS})
        may_not = await keys.create(
            tenant="acme", subject="user:root", now=now, administrator=True, scopes={Scope.PUBLISH}
        )
    far = {"X-Forwarded-For": "203.0.113.9"}
    answers = [
        await client.get("/metrics", headers={"Authorization": f"Bearer {key.bearer}", **far}) for key in (may, may_not)
    ]
    assert [code(answer) for answer in answers] == [(200, None), (403, "scope_required")]
