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
SHOWN = {"text": "Annual leave is 28 days", "labels": '"department":"hr","level":"confidential"'}
"""What stands in an answer that shows text of the tests' documents, or labels of a confidential one."""
SHOWING = [line for line in TABLE if line["shows"] in SHOWN]
PEOPLE = {
    "person",
    "named",
    "administrator",
    "policy_admin",
    "department_admin",
    "department_named",
    "ignorant_named",
    "operator",
}
"""Callers who are, or act for, a person that the service knows."""


def headers_of(who: str, bearers: Bearers) -> dict[str, str]:
    naming, naming_dora = {"X-Ringfence-Person": "ann"}, {"X-Ringfence-Person": "dora"}
    alone = {"Authorization": f"Bearer {bearers.operator}", "X-Ringfence-Tenant": "acme"}
    operator = {**alone, **naming}
    return {
        "nobody": {},
        "wrong_key": {"Authorization": "Bearer rf_0123456789abcdef_" + "0" * 64},
        "person": {"Authorization": f"Bearer {bearers.person}"},
        "assistant": {"Authorization": f"Bearer {bearers.assistant}"},
        "named": {"Authorization": f"Bearer {bearers.naming_assistant}", **naming},
        "named_unasked": {"Authorization": f"Bearer {bearers.assistant}", **naming},
        "administrator": {"Authorization": f"Bearer {bearers.administrator}"},
        "policy_admin": {"Authorization": f"Bearer {bearers.ada}"},
        "department_admin": {"Authorization": f"Bearer {bearers.dora}"},
        "department_named": {"Authorization": f"Bearer {bearers.editor}", **naming_dora},
        "ignorant_named": {"Authorization": f"Bearer {bearers.naming_assistant}", **naming_dora},
        "provisioner": {"Authorization": f"Bearer {bearers.provisioner}"},
        "operator": operator,
        "operator_alone": alone,
        "operator_far": {**operator, "X-Forwarded-For": "203.0.113.9"},
    }[who]


async def answer(line: dict[str, Any], headers: dict[str, str], client: httpx.AsyncClient) -> httpx.Response:
    method, pattern = line["route"].split()
    path = line.get("path", pattern)
    if "yaml" in line:
        sent = {**headers, "Content-Type": "application/yaml"}
        return await client.request(method, path, headers=sent, content=line["yaml"])
    return await client.request(method, path, headers=headers, json=line.get("body"))


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("line", TABLE, ids=lambda line: line["route"])
async def test_each_caller_gets_what_the_table_says(
    line: dict[str, Any], client: httpx.AsyncClient, bearers: Bearers
) -> None:
    got = {}
    for who in line["expect"]:
        response = await answer(line, headers_of(who, bearers), client)
        body = response.json() if response.status_code >= 400 else {}
        code = body.get("code") or body.get("error", {}).get("code")
        got[who] = f"{response.status_code} {code}" if code else response.status_code
        shown = {kind for kind, sign in SHOWN.items() if sign in response.text}
        if line in SHOWING and not code and not shown:
            got[who] = f"{response.status_code} nothing"
        assert shown <= ({line["shows"]} if response.status_code < 400 else set())
    assert got == line["expect"]


@pytest.mark.parametrize(
    "line", [line for line in TABLE if line["route"].startswith(("POST", "PUT"))], ids=lambda line: line["route"]
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


def test_every_line_says_what_of_documents_it_can_show() -> None:
    assert all(line["shows"] in {*SHOWN, "nothing"} for line in TABLE)


@pytest.mark.parametrize("line", SHOWING, ids=lambda line: line["route"])
def test_what_shows_documents_is_tried_by_a_person_who_may_and_by_one_who_may_not(line: dict[str, Any]) -> None:
    outcomes = [line["expect"][who] for who in PEOPLE]
    assert 200 in outcomes
    assert any(outcome != 200 for outcome in outcomes)
