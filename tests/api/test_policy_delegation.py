"""Nobody changes more than she administers: a department's administrator, and whoever calls through an assistant."""

from dataclasses import replace
from typing import Any

import pytest

from policies.rules import Attributes, Level, Rule
from policies.wording import rule_id
from rag.db.engine import Database
from tests.api.administered import Speaker, code, document_row, hr, records
from tests.api.conftest import Bearers

Body = dict[str, Any]


def link(parent: str, member: str = "user:bob") -> dict[str, str]:
    return {"member": member, "parent": parent}


WITHIN: dict[str, Body] = {
    "a rule of her department": {"add_rules": [hr()]},
    "up to her own level": {"add_rules": [hr(level="confidential")]},
    "one document of her department": {"add_rules": [hr(document="doc_handbook")]},
    "unmasking there": {"add_rules": [hr(action="unmask:PERSON")]},
    "administration of a part of hers": {"add_rules": [hr(action="administer")]},
    "a member of a role that has no more": {"add_links": [link("role:hr-reader")]},
    "taking a member out of such a role": {"remove_links": [link("role:hr-reader", "user:ann")]},
    "taking away a rule of her department": {"remove_rules": [hr("role:hr-reader")]},
}
BEYOND: dict[str, Body] = {
    "another department": {"add_rules": [hr(department="finance")]},
    "every department": {"add_rules": [hr(department="*")]},
    "a level above hers": {"add_rules": [hr(level="restricted")]},
    "administration beyond hers": {"add_rules": [hr(action="administer", level="secret")]},
    "administration of everything, for herself": {"add_rules": [{"subject": "user:dora", "action": "administer"}]},
    "a denial, which covers every level": {"add_rules": [hr(level="secret", effect="deny")]},
    "a member of a role with more": {"add_links": [link("role:hr-head")]},
    "a member of another department's role": {"add_links": [link("role:finance-reader")]},
    "a member of a group with which others share": {"add_links": [link("group:both")]},
    "a way into a compartment": {"add_links": [link("compartment:merger")]},
    "a way into a group that opens one": {"add_links": [link("group:merger")]},
    "a way out of a compartment": {"remove_links": [link("compartment:merger", "group:merger")]},
    "taking away a rule about more": {"remove_rules": [hr("role:hr-head", level="restricted")]},
    "her own limits": {"remove_rules": [{"subject": "user:ada", "action": "administer"}]},
    "something within, together with something beyond": {"add_rules": [hr(), hr(department="finance")]},
}


@pytest.mark.parametrize("what", WITHIN)
async def test_a_departments_administrator_changes_what_lies_within(what: str, dora: Speaker, ada: Speaker) -> None:
    tried = await dora.post("/simulate", WITHIN[what])
    saved = await dora.edit(**WITHIN[what])
    assert (tried.status_code, saved.status_code) == (200, 200)
    (newest, _) = (await ada.get("/history")).json()["revisions"]
    assert (newest["epoch"], newest["author"]) == (2, "user:dora")


@pytest.mark.parametrize("what", BEYOND)
async def test_she_changes_nothing_beyond_and_is_told_nothing_of_it(
    what: str, dora: Speaker, ada: Speaker, database: Database
) -> None:
    body, tag = BEYOND[what], await ada.tag()
    refused = [
        await dora.post("/simulate", body),
        await dora.post("/edits", body, dry_run=True),
        await dora.edit(**body, expose_canaries=True),
    ]
    assert [code(one) for one in refused] == [(403, "not_administered")] * 3
    assert [record["person"] for record in await records(database, "denied")] == ["user:dora"] * 3
    assert await ada.tag() == tag
    if what != "her own limits":
        assert (await ada.edit(**body, expose_canaries=True)).status_code == 200


async def test_an_id_of_a_rule_that_she_does_not_administer_names_no_rule(dora: Speaker, ada: Speaker) -> None:
    """Neither whether it exists nor what it says: the answer is that for an id of nothing."""
    hidden = rule_id(Rule("role:finance-reader", "acme", "read", "finance", level=Level.INTERNAL))
    refused = await dora.edit(remove_rules=[hidden])
    nothing = await dora.edit(remove_rules=["0123456789"])
    assert code(refused) == code(nothing) == (422, "invalid_edit")
    assert refused.json()["detail"].replace(hidden, "X") == nothing.json()["detail"].replace("0123456789", "X")
    assert (await ada.edit(remove_rules=[hidden])).status_code == 200


async def test_she_cannot_expose_a_canary_even_where_she_administers_it(
    dora: Speaker, ada: Speaker, database: Database
) -> None:
    bait = Attributes("acme", "doc_bait", "hr", Level.CONFIDENTIAL, frozenset({"canary"}))
    async with database.unit_of_work() as session:
        session.add(document_row(bait))
    rule = hr(level="confidential")
    for expose in (False, True):
        assert code(await dora.edit(add_rules=[rule], expose_canaries=expose)) == (409, "canary_exposed")
    assert (await ada.edit(add_rules=[rule], expose_canaries=True)).status_code == 200


async def test_she_is_told_about_the_documents_of_her_part_only(dora: Speaker, ada: Speaker) -> None:
    everything = {"remove_rules": [hr("role:hr-reader")], "add_rules": [hr(level="confidential")]}
    hers = (await dora.post("/simulate", everything)).json()["simulation"]
    all_of_it = (await ada.post("/simulate", everything)).json()["simulation"]
    assert (hers["documents"], all_of_it["documents"]) == (2, 4)
    shown = {example["document"] for change in hers["changes"] for example in change["gained_examples"]}
    assert shown == {"doc_handbook", "doc_wages"}


@pytest.fixture
def through_editor(dora: Speaker, bearers: Bearers) -> dict[str, Speaker]:
    """dora and ada, each through an assistant that may administer hr up to internal."""

    def named(person: str) -> Speaker:
        return replace(dora, headers={"Authorization": f"Bearer {bearers.editor}", "X-Ringfence-Person": person})

    return {name: named(name) for name in ("dora", "ada", "ann")}


async def test_an_assistant_narrows_what_a_person_may_change(
    through_editor: dict[str, Speaker], dora: Speaker, ada: Speaker
) -> None:
    beyond = {"dora": hr(level="confidential"), "ada": hr(department="finance")}
    for name, person in (("dora", dora), ("ada", ada)):
        assert code(await through_editor[name].edit(add_rules=[beyond[name]])) == (403, "not_administered")
        assert (await person.edit(add_rules=[beyond[name]])).status_code == 200
        assert (await through_editor[name].edit(add_rules=[hr(f"user:new-{name}")])).status_code == 200
    assert (await through_editor["ada"].get()).json()["whole"] is False


async def test_a_person_does_not_borrow_the_rights_of_her_assistant(through_editor: dict[str, Speaker]) -> None:
    assert code(await through_editor["ann"].edit(tag='"acme:1"', add_rules=[hr()])) == (403, "not_administered")


async def test_the_record_of_an_edit_names_the_person_and_what_she_came_through(
    through_editor: dict[str, Speaker], ada: Speaker, database: Database
) -> None:
    await through_editor["ada"].edit(add_rules=[hr()])
    assert (await ada.get("/history")).json()["revisions"][0]["author"] == "user:ada"
    (record,) = await records(database, "policy_edit")
    assert (record["author"], record["through"]) == ("user:ada", ["assistant:editor"])
    looked = (await records(database, "policy_read"))[0]
    assert (looked["reader"], looked["through"]) == ("user:ada", ["assistant:editor"])
