"""Why, who and what over HTTP: the same answers as the policy gives, about documents that the asker administers."""

from typing import Any

import pytest

from policies.rules import Rule
from policies.wording import rule_id
from tests.api.administered import RULES, Speaker, code

READER: Rule = RULES[3]


async def explained(who: Speaker, **body: Any) -> dict[str, Any]:
    response = await who.post("/explain", {"person": "ann", "document": "doc_handbook", **body})
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


async def test_an_explanation_names_the_deciding_rule_and_the_path_to_it(ada: Speaker) -> None:
    answer = await explained(ada)
    (document,) = answer["found"]
    (verdict,) = document["callers"]
    assert (answer["tenant"], answer["action"], answer["document"]) == ("acme", "read", "doc_handbook")
    assert document["decision"]["allowed"] is True
    assert verdict["decision"]["rule"]["id"] == rule_id(READER)
    assert verdict["path"]["names"] == ["user:ann", "role:hr-reader"]


async def test_a_refusal_is_explained_by_the_rules_that_came_nearest(ada: Speaker) -> None:
    (document,) = (await explained(ada, document="doc_wages"))["found"]
    assert document["decision"]["allowed"] is False
    nearest = {near["rule"]["subject"]: near["failed"] for near in document["callers"][0]["nearest"]}
    assert [failure["column"] for failure in nearest["role:hr-reader"]] == ["level"]
    assert [failure["column"] for failure in nearest["role:hr-head"]] == ["subject"]


async def test_of_the_rules_that_came_near_she_is_told_those_she_administers(dora: Speaker, ada: Speaker) -> None:
    async def near(who: Speaker) -> set[str]:
        (document,) = (await explained(who, document="doc_wages"))["found"]
        return {near["rule"]["subject"] for near in document["callers"][0]["nearest"]}

    assert await near(dora) == {"role:hr-reader"}
    assert await near(ada) > {"role:hr-reader", "role:finance-reader"}


async def test_what_is_asked_about_counts_with_its_groups_and_its_assistant(ada: Speaker) -> None:
    assert (await ada.edit(add_links=[{"member": "group:staff", "parent": "role:hr-reader"}])).status_code == 200
    alone = await explained(ada, person="user:bob")
    in_group = await explained(ada, person="bob", groups=["staff", "group:other"])
    through = await explained(ada, person="bob", groups=["staff"], assistant="helpdesk")
    allowed = [answer["found"][0]["decision"]["allowed"] for answer in (alone, in_group, through)]
    assert allowed == [False, True, False]
    assert [verdict["subject"] for verdict in through["found"][0]["callers"]] == ["user:bob", "assistant:helpdesk"]


async def test_who_may_read_a_document_is_told_with_the_way_they_come_by_it(ada: Speaker) -> None:
    answer = (await ada.get("/who", document="doc_handbook")).json()
    (document,) = answer["found"]
    (reader,) = document["readers"]
    assert (reader["caller"]["subject"], reader["rule"]["id"]) == ("user:ann", rule_id(READER))
    assert reader["path"]["names"] == ["user:ann", "role:hr-reader"]
    (wages,) = (await ada.get("/who", document="doc_wages")).json()["found"]
    assert wages["readers"] == []
    (edited,) = (await ada.get("/who", document="doc_wages", action="administer")).json()["found"]
    assert {reader["caller"]["subject"] for reader in edited["readers"]} == {"user:ada", "user:dora"}


async def test_what_a_person_may_read_is_counted_within_what_the_asker_administers(ada: Speaker, dora: Speaker) -> None:
    await ada.edit(add_links=[{"member": "user:ann", "parent": "role:finance-reader"}])
    whole = (await ada.post("/what", {"person": "ann"})).json()
    part = (await dora.post("/what", {"person": "ann"})).json()
    assert (whole["total"], whole["by_department"]) == (2, {"finance": 1, "hr": 1})
    assert (part["total"], part["by_department"]) == (1, {"hr": 1})
    assert {example["document"] for example in part["examples"]} == {"doc_handbook"}
    assert part["callers"] == ["user:ann"]
    nothing = (await ada.post("/what", {"person": "ann", "assistant": "helpdesk"})).json()
    assert (nothing["total"], nothing["callers"]) == (0, ["user:ann", "assistant:helpdesk"])


@pytest.mark.parametrize(
    "body",
    [
        {"person": "a n n"},
        {"person": "role:hr-reader"},
        {"person": "ann", "action": "look"},
        {"person": "ann", "assistant": "user:ann"},
        {"person": "ann", "groups": ["role:hr-reader"]},
        {"person": "ann", "groups": "staff"},
        {"person": "ann", "tenant": "globex"},
        {"person": "x" * 161},
        {},
    ],
)
async def test_a_question_that_names_no_person_or_action_is_refused(body: dict[str, Any], ada: Speaker) -> None:
    assert code(await ada.post("/what", body)) == (422, "validation_failed")
    assert code(await ada.post("/explain", {"document": "doc_wages", **body})) == (422, "validation_failed")
    assert (await ada.post("/what", {"person": "ann"})).status_code == 200


async def test_an_unknown_action_on_a_document_is_refused(ada: Speaker) -> None:
    assert code(await ada.get("/who", document="doc_wages", action="look")) == (422, "validation_failed")
    assert code(await ada.get("/who")) == (422, "validation_failed")
    assert (await ada.get("/who", document="doc_wages", action="unmask:PERSON")).status_code == 200
