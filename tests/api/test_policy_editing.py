"""Edits over HTTP: whole or not at all, on the version that was seen, once, and never without their record."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from rag.db.engine import Database
from tests.api.administered import EPOCH, Speaker, code, hr, records

LINK = {"member": "user:bob", "parent": "role:hr-reader"}
CANARY = {"subject": "user:bob", "action": "read", "department": "hr", "level": "restricted"}


async def standing(who: Speaker) -> tuple[int, set[str], set[tuple[str, str]]]:
    shown = (await who.get()).json()
    rules, links = shown["rules"], shown["links"]
    return shown["epoch"], {rule["id"] for rule in rules}, {(link["member"], link["parent"]) for link in links}


async def test_a_saved_edit_is_answered_with_what_it_did_and_the_new_tag(ada: Speaker, database: Database) -> None:
    response = await ada.edit(add_rules=[hr(action=["read", "relabel"])], add_links=[LINK])
    saved = response.json()
    assert (saved["stored"], saved["repeated"], saved["dry_run"], saved["epoch"]) == (True, False, False, EPOCH + 1)
    assert [rule["action"] for rule in saved["added_rules"]] == ["read", "relabel"]
    assert saved["simulation"]["gainers"] == 1
    assert response.headers["etag"] == await ada.tag() == f'"acme:{EPOCH + 1}"'
    (record,) = await records(database, "policy_edit")
    assert (record["author"], record["epoch"], record["rules_added"], record["links_added"]) == ("user:ada", 2, 2, 1)


async def test_a_rule_is_removed_by_the_id_it_is_shown_with(ada: Speaker) -> None:
    shown = (await ada.get()).json()["rules"]
    gone = next(rule["id"] for rule in shown if rule["subject"] == "role:hr-head")
    assert (await ada.edit(remove_rules=[gone])).json()["removed_rules"][0]["id"] == gone
    assert gone not in (await standing(ada))[1]
    assert code(await ada.edit(remove_rules=[gone])) == (422, "invalid_edit")


async def test_no_line_of_a_batch_is_stored_when_one_cannot_be(ada: Speaker) -> None:
    before = await standing(ada)
    refused = await ada.edit(add_rules=[hr()], add_links=[{"member": "user:ann", "parent": "role:hr-reader"}])
    assert code(refused) == (422, "invalid_edit")
    assert "already part of the policy" in refused.json()["detail"]
    assert await standing(ada) == before


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"add_rules": [hr(level="top")]}, "add_rules.0.level: level 'top' is unknown"),
        ({"add_rules": [hr(), hr("ann")]}, "add_rules.1: subject 'ann' is not of the form"),
        ({"add_rules": [hr(action="readd")]}, "add_rules.0: action 'readd' is unknown"),
        ({"remove_rules": ["0123456789"]}, "0123456789"),
        ({"remove_rules": [hr(department="h r")]}, "remove_rules.0: department 'h r' must be"),
        ({"add_links": [{"member": "user:a", "parent": "user:b"}]}, "add_links.0: subject 'user:b'"),
        ({"add_links": [{"member": "role:hr-reader", "parent": "role:hr-reader"}]}, "linked to itself"),
        ({}, "adds nothing and removes nothing"),
        ({"add_rules": [hr()], "reason": " "}, "Give a reason"),
        ({"add_rules": [hr()], "reason": "two\nlines"}, "reason: must be one line"),
    ],
)
async def test_a_line_that_cannot_be_is_refused_with_its_place_and_why(
    body: dict[str, Any], told: str, ada: Speaker
) -> None:
    before = await standing(ada)
    response = await ada.edit(**body)
    assert code(response) == (422, "invalid_edit")
    assert told in response.json()["detail"]
    assert await standing(ada) == before


@pytest.mark.parametrize(
    "body",
    [{"rules": []}, {"add_rules": "x"}, {"add_rules": [{"subject": 1}]}, {"remove_rules": [7]}, {"reason": "x" * 1001}],
)
async def test_a_body_of_another_form_is_refused(body: dict[str, Any], ada: Speaker) -> None:
    assert code(await ada.edit(**body)) == (422, "validation_failed")


async def test_of_two_editors_with_the_same_version_one_is_told_to_look_again(ada: Speaker, operator: Speaker) -> None:
    tag = await ada.tag()
    first = ada.edit(tag=tag, add_rules=[hr()])
    second = operator.edit(tag=tag, add_rules=[hr("user:new")])
    answers = await asyncio.gather(first, second)
    assert sorted(map(code, answers)) == [(200, None), (412, "edit_conflict")]
    assert (await standing(ada))[0] == EPOCH + 1
    assert (await ada.edit(add_rules=[hr("user:third")])).status_code == 200


async def test_a_rule_that_somebody_else_removed_meanwhile_is_a_conflict_and_no_mistake(ada: Speaker) -> None:
    tag, rule = await ada.tag(), (await ada.get()).json()["rules"][-1]["id"]
    assert (await ada.edit(tag=tag, remove_rules=[rule])).status_code == 200
    assert code(await ada.edit(tag=tag, remove_rules=[rule])) == (412, "edit_conflict")


@pytest.mark.parametrize(
    "tag", ['"acme:0"', '"acme:2"', '"globex:1"', 'W/"acme:1"', "acme:1", '"1"', '"acme:1", "acme:0"']
)
async def test_a_tag_of_no_present_version_saves_nothing(tag: str, ada: Speaker) -> None:
    assert code(await ada.edit(tag=tag, add_rules=[hr()])) == (412, "edit_conflict")
    assert (await ada.edit(tag='"acme:1"', add_rules=[hr()])).status_code == 200


async def test_nothing_is_saved_without_saying_for_which_version(ada: Speaker) -> None:
    body, yaml = {"add_rules": [hr()], "reason": "because"}, "rules: [{subject: user:ada, action: administer}]"
    assert code(await ada.post("/edits", body)) == (428, "precondition_required")
    assert code(await ada.edit(tag="*", add_rules=[hr()])) == (428, "precondition_required")
    assert code(await ada.post("/rollback", {"to": 0, "reason": "because"})) == (428, "precondition_required")
    assert code(await ada.put(yaml, reason="because")) == (428, "precondition_required")
    assert (await standing(ada))[0] == EPOCH


async def test_a_request_sent_again_is_answered_again_and_made_once(ada: Speaker, database: Database) -> None:
    """Also after the policy moved on, when its tag is long outdated and the rule it removes is gone."""
    shown = (await ada.get()).json()
    edit = {"add_links": [LINK], "remove_rules": [shown["rules"][-1]["id"]], "key": "k-1", "tag": '"acme:1"'}
    first = (await ada.edit(**edit)).json()
    await ada.edit(add_rules=[hr()])
    again = await ada.edit(**edit)
    assert again.json() == first | {"repeated": True, "simulation": None}
    assert again.headers["etag"] == '"acme:2"'
    assert (await standing(ada))[0] == EPOCH + 2
    assert len(await records(database, "policy_edit")) == 2


async def test_a_request_sent_twice_at_once_is_made_once(ada: Speaker) -> None:
    edit = {"add_rules": [hr()], "key": "k-1", "tag": await ada.tag()}
    answers = await asyncio.gather(*(ada.edit(**edit) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert sorted(answer.json()["repeated"] for answer in answers) == [False, True, True]
    assert (await standing(ada))[0] == EPOCH + 1


async def test_a_key_is_good_for_one_request_of_one_person(ada: Speaker, dora: Speaker) -> None:
    assert (await ada.edit(key="k-1", add_rules=[hr()])).status_code == 200
    for other in ({"add_rules": [hr("user:new")]}, {"add_rules": [hr()], "reason": "another"}):
        assert code(await ada.edit(key="k-1", **other)) == (409, "idempotency_key_reused")
    answer = await dora.edit(key="k-1", add_rules=[hr("user:new")])
    assert (answer.status_code, answer.json()["repeated"]) == (200, False)


@pytest.mark.parametrize("key", ["", "x" * 129, "caf\u00e9", "tab\there"])
async def test_a_malformed_key_saves_nothing(key: str, ada: Speaker) -> None:
    headers = {"If-Match": await ada.tag(), "Idempotency-Key": key.encode("latin-1")}
    body = {"add_rules": [hr()], "reason": "because"}
    assert code(await ada.post("/edits", body, headers)) == (400, "invalid_idempotency_key")  # type: ignore[arg-type] # bytes
    assert (await ada.edit(key="x" * 128, add_rules=[hr()])).status_code == 200


async def test_a_dry_run_is_the_simulation_and_stores_nothing(ada: Speaker, database: Database) -> None:
    before = await standing(ada)
    tried = await ada.post("/edits", {"add_rules": [hr()]}, {"Idempotency-Key": "k-1"}, dry_run=True)
    simulated = await ada.post("/simulate", {"add_rules": [hr()]})
    assert tried.json() == simulated.json()
    assert (tried.json()["stored"], tried.json()["dry_run"], tried.json()["epoch"]) == (False, True, EPOCH + 1)
    assert tried.headers["etag"] == await ada.tag()
    assert await standing(ada) == before
    assert await records(database, "policy_edit") == []
    saved = await ada.edit(key="k-1", tag=tried.headers["etag"], add_rules=[hr()])
    assert saved.json()["simulation"] == tried.json()["simulation"]


async def test_what_was_tried_on_an_older_version_is_told_so(ada: Speaker) -> None:
    tag = await ada.tag()
    await ada.edit(add_rules=[hr()])
    assert code(await ada.post("/simulate", {"add_rules": [hr("user:new")]}, {"If-Match": tag})) == (
        412,
        "edit_conflict",
    )
    assert (await ada.post("/simulate", {"add_rules": [hr("user:new")]})).status_code == 200


async def test_a_canary_is_exposed_only_by_saying_so_and_that_is_recorded(ada: Speaker, database: Database) -> None:
    tried = (await ada.post("/simulate", {"add_rules": [CANARY]})).json()["simulation"]["canaries"]
    assert [(one["caller"]["subject"], one["document"]) for one in tried] == [("user:bob", "doc_trap")]
    refused = await ada.edit(add_rules=[CANARY])
    assert code(refused) == (409, "canary_exposed")
    assert [record["code"] for record in await records(database, "denied")] == ["canary_exposed"]
    assert await records(database, "policy_edit") == []
    assert (await ada.edit(add_rules=[CANARY], expose_canaries=True)).status_code == 200
    assert (await records(database, "policy_edit"))[0]["canaries_exposed"] == ["doc_trap"]


async def test_an_edit_that_cannot_be_recorded_is_not_made(ada: Speaker, database: Database) -> None:
    before, tag = await standing(ada), await ada.tag()
    async with database.unit_of_work() as session:
        await session.execute(text("ALTER TABLE audit_record RENAME TO moved"))
    assert code(await ada.edit(tag=tag, add_rules=[hr()])) == (503, "audit_unavailable")
    async with database.unit_of_work() as session:
        await session.execute(text("ALTER TABLE moved RENAME TO audit_record"))
    assert await standing(ada) == before
    assert (await ada.edit(tag=tag, add_rules=[hr()])).status_code == 200


async def test_a_body_longer_than_the_service_takes_is_refused(ada: Speaker) -> None:
    many = [hr(f"user:person-{number}") for number in range(400)]
    assert code(await ada.edit(add_rules=many)) == (413, "body_too_large")
    assert code(await ada.put("#" * 20_001, {"If-Match": '"acme:1"'}, reason="x")) == (413, "body_too_large")
