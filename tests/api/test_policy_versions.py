"""The policy as a whole: replaced by a file, and rolled back; for who administers all of it."""

import pytest

from rag.db.engine import Database
from tests.api.administered import EPOCH, Speaker, code, hr, records

FILE = """
rules:
  - {subject: user:ada, action: administer}
  - {subject: role:hr-reader, action: read, department: hr, level: internal}
links:
  - {member: user:bob, parent: role:hr-reader}
"""
CASES = """
documents:
  handbook: {department: hr, level: internal}
cases:
  - {who: user:bob, action: read, document: handbook, expected: EXPECTED, why: Readers read.}
"""


async def lines(who: Speaker) -> tuple[set[str], set[str]]:
    shown = (await who.get()).json()
    return {rule["id"] for rule in shown["rules"]}, {link["member"] for link in shown["links"]}


async def test_a_policy_that_is_put_is_then_the_policy(ada: Speaker, database: Database) -> None:
    response = await ada.put(FILE, {"If-Match": await ada.tag()}, reason="a new start")
    assert (response.json()["stored"], response.json()["epoch"]) == (True, EPOCH + 1)
    rules, members = await lines(ada)
    assert (len(rules), members) == (2, {"user:bob"})
    assert response.headers["etag"] == await ada.tag()
    (record,) = await records(database, "policy_edit")
    assert (record["rules_removed"], record["links_added"], record["links_removed"]) == (4, 1, 2)


async def test_an_exported_policy_that_is_put_back_changes_nothing(ada: Speaker) -> None:
    exported = await ada.get("/export")
    again = await ada.put(exported.text, {"If-Match": exported.headers["etag"]}, reason="the same")
    assert (again.json()["stored"], again.json()["epoch"], again.json()["simulation"]) == (False, EPOCH, None)
    assert again.headers["etag"] == exported.headers["etag"]
    await ada.put(FILE, {"If-Match": exported.headers["etag"]}, reason="another")
    await ada.put(exported.text, {"If-Match": await ada.tag()}, reason="back")
    assert (await ada.get("/export")).text.splitlines()[1:] == exported.text.splitlines()[1:]


async def test_a_put_of_an_older_version_does_not_undo_what_others_did(ada: Speaker) -> None:
    tag = await ada.tag()
    await ada.edit(add_rules=[hr()])
    before = await lines(ada)
    assert code(await ada.put(FILE, {"If-Match": tag}, reason="late")) == (412, "edit_conflict")
    assert await lines(ada) == before


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("rules: [", "the body"),
        ("rules: [{subject: ann, action: read}]", "rules.0: subject 'ann'"),
        ("rule: []", "rule"),
        ("rules: &a []\nlinks: *a", "the body"),
        (FILE + CASES.replace("EXPECTED", "deny"), "1 of its cases fail, the first: Readers read."),
        ("links: [{member: role:a, parent: role:b}, {member: role:b, parent: role:a}]", "circle"),
    ],
)
async def test_a_file_that_is_no_policy_or_fails_its_own_cases_is_refused(file: str, told: str, ada: Speaker) -> None:
    before = await lines(ada)
    refused = await ada.put(file, {"If-Match": '"acme:1"'}, reason="x")
    assert code(refused) == (422, "invalid_edit")
    assert told in refused.json()["detail"]
    assert await lines(ada) == before
    held = await ada.put(FILE + CASES.replace("EXPECTED", "allow"), {"If-Match": '"acme:1"'}, reason="x")
    assert held.status_code == 200


async def test_a_file_must_be_sent_as_yaml_and_with_a_reason(ada: Speaker) -> None:
    sent = {"If-Match": '"acme:1"'}
    as_json = await ada.put("{}", {**sent, "Content-Type": "application/json"}, reason="x")
    assert code(as_json) == (415, "unsupported_media_type")
    assert code(await ada.put(FILE, sent)) == (422, "invalid_edit")
    assert code(await ada.put(FILE, sent, reason="two\nlines")) == (422, "validation_failed")
    assert (await ada.put(FILE, sent, reason="a reason")).status_code == 200


async def test_the_refusal_of_a_file_names_no_line_that_its_sender_does_not_administer(dora: Speaker) -> None:
    for dry_run in (True, False):
        refused = await dora.put(FILE, {"If-Match": '"acme:1"'}, reason="x", dry_run=dry_run)
        assert code(refused) == (403, "not_administered")
        assert "finance" not in refused.text


async def test_an_emptied_policy_locks_everybody_out_but_the_operator(ada: Speaker, operator: Speaker) -> None:
    assert (await ada.put("rules: []", {"If-Match": '"acme:1"'}, reason="x")).status_code == 200
    assert code(await ada.get()) == (403, "not_administered")
    back = await operator.post("/rollback", {"to": 1, "reason": "y"}, {"If-Match": '"acme:2"'})
    assert back.status_code == 200
    assert (await ada.get()).status_code == 200


async def test_a_rollback_is_a_new_version_with_the_old_lines(ada: Speaker, dora: Speaker) -> None:
    before = await lines(ada)
    await ada.edit(add_rules=[hr()])
    await ada.put(FILE, {"If-Match": await ada.tag()}, reason="other")
    request = {"to": EPOCH, "reason": "a mistake"}
    tried = (await ada.post("/rollback", {"to": EPOCH}, dry_run=True)).json()
    assert tried["stored"] is False
    response = await ada.post("/rollback", request, {"If-Match": await ada.tag()})
    assert (response.json()["stored"], response.json()["epoch"]) == (True, EPOCH + 3)
    assert response.json()["simulation"] == tried["simulation"]
    assert await lines(ada) == before
    assert code(await dora.post("/rollback", request, {"If-Match": '"acme:4"'})) == (403, "not_administered")


async def test_a_rollback_on_an_outdated_version_or_to_a_missing_one_changes_nothing(ada: Speaker) -> None:
    await ada.edit(add_rules=[hr()])
    before = await lines(ada)
    body = {"to": EPOCH, "reason": "back"}
    assert code(await ada.post("/rollback", body, {"If-Match": '"acme:1"'})) == (412, "edit_conflict")
    for to in (EPOCH + 2, 2**31 - 1):
        missing = await ada.post("/rollback", {**body, "to": to}, {"If-Match": '"acme:2"'})
        assert code(missing) == (409, "history_incomplete")
    for to in (-1, 2**31, "1", None):
        malformed = await ada.post("/rollback", {**body, "to": to}, {"If-Match": '"acme:2"'})
        assert code(malformed) == (422, "validation_failed")
    assert await lines(ada) == before


async def test_a_rollback_or_file_sent_again_is_made_once(ada: Speaker) -> None:
    await ada.edit(add_rules=[hr()])
    back = ({"to": EPOCH, "reason": "back"}, {"If-Match": '"acme:2"', "Idempotency-Key": "k-1"})
    assert (await ada.post("/rollback", *back)).json()["repeated"] is False
    assert (await ada.post("/rollback", *back)).json()["repeated"] is True
    file = {"If-Match": '"acme:3"', "Idempotency-Key": "k-2"}
    assert (await ada.put(FILE, file, reason="x")).json()["repeated"] is False
    assert (await ada.put(FILE, file, reason="x")).json()["repeated"] is True
    assert code(await ada.put(FILE, file, reason="y")) == (409, "idempotency_key_reused")
    assert code(await ada.put(FILE, {**file, "Idempotency-Key": "k-1"}, reason="x")) == (409, "idempotency_key_reused")
    assert await ada.tag() == '"acme:4"'


async def test_a_rollback_to_an_exposing_version_needs_the_same_word(ada: Speaker, database: Database) -> None:
    canary = {"subject": "user:bob", "action": "read", "department": "hr", "level": "restricted"}
    await ada.edit(add_rules=[canary], expose_canaries=True)
    await ada.edit(remove_rules=[canary])
    body, headers = {"to": EPOCH + 1, "reason": "back"}, {"If-Match": await ada.tag()}
    assert code(await ada.post("/rollback", body, headers)) == (409, "canary_exposed")
    assert (await ada.post("/rollback", body | {"expose_canaries": True}, headers)).status_code == 200
    assert (await records(database, "policy_edit"))[-1]["canaries_exposed"] == ["doc_trap"]
