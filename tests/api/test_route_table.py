"""Who may call what: every route against every kind of caller, from one file that a person can review."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi.routing import iter_route_contexts

from rag.api.app import create_app
from rag.api.parts import AppParts
from tests.api.conftest import Bearers

TABLE: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "route_table.yaml").read_text())


def headers_of(who: str, bearers: Bearers) -> dict[str, str]:
    naming = {"X-Ringfence-Person": "ann"}
    operator = {"Authorization": f"Bearer {bearers.operator}", "X-Ringfence-Tenant": "acme", **naming}
    return {
        "nobody": {},
        "wrong_key": {"Authorization": "Bearer rf_0123456789abcdef_" + "0" * 64},
        "person": {"Authorization": f"Bearer {bearers.person}"},
        "assistant": {"Authorization": f"Bearer {bearers.assistant}"},
        "named": {"Authorization": f"Bearer {bearers.naming_assistant}", **naming},
        "named_unasked": {"Authorization": f"Bearer {bearers.assistant}", **naming},
        "administrator": {"Authorization": f"Bearer {bearers.administrator}"},
        "operator": operator,
        "operator_far": {**operator, "X-Forwarded-For": "203.0.113.9"},
    }[who]


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line["route"])
async def test_each_caller_gets_what_the_table_says(
    line: dict[str, Any], client: httpx.AsyncClient, bearers: Bearers
) -> None:
    method, pattern = line["route"].split()
    got = {}
    for who in line["expect"]:
        response = await client.request(
            method, line.get("path", pattern), headers=headers_of(who, bearers), json=line.get("body")
        )
        body = response.json() if response.status_code >= 400 else {}
        code = body.get("code") or body.get("error", {}).get("code")
        got[who] = f"{response.status_code} {code}" if code else response.status_code
    assert got == line["expect"]


@pytest.mark.parametrize(
    "line", [line for line in TABLE if line["route"].startswith("POST")], ids=lambda line: line["route"]
)
async def test_a_stranger_is_refused_before_her_body_is_looked_at(
    line: dict[str, Any], client: httpx.AsyncClient
) -> None:
    method, path = line["route"].split()
    response = await client.request(method, path, content=b"{not json", headers={"Content-Type": "text/plain"})
    assert response.status_code == 401


def test_the_table_lists_every_route_and_no_other(parts: AppParts) -> None:
    routes = {
        f"{method} {context.path}"
        for context in iter_route_contexts(create_app(parts).routes)
        for method in context.methods or ()
        if method != "HEAD"
    }
    assert routes == {line["route"] for line in TABLE}


def test_every_line_of_the_table_speaks_of_every_caller() -> None:
    callers = [set(line["expect"]) for line in TABLE]
    assert all(found == callers[0] for found in callers)
