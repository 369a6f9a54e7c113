"""Who gets to the policy's routes, what is recorded of it, and what a refusal gives away."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text

from policies.edits import Edit
from policies.rules import Rule
from policies.store import PolicyStore
from rag.db.engine import Database
from tests.api.administered import EPOCH, ROOT, Speaker, code, hr, records
from tests.api.conftest import Bearers

Call = Callable[[Speaker], Awaitable[httpx.Response]]
CALLS: dict[str, Call] = {
    "policy": lambda who: who.get(),
    "export": lambda who: who.get("/export"),
    "history": lambda who: who.get("/history"),
    "diff": lambda who: who.get("/diff", old=0, new=EPOCH),
    "simulate": lambda who: who.post("/simulate", {"add_rules": [hr()]}),
    "explain": lambda who: who.post("/explain", {"person": "ann", "document": "doc_wages"}),
    "who": lambda who: who.get("/who", document="doc_wages"),
    "what": lambda who: who.post("/what", {"person": "ann"}),
}


@pytest.mark.parametrize("what", CALLS)
async def test_every_look_at_rights_is_recorded_with_ids_and_nothing_else(
    what: str, ada: Speaker, database: Database
) -> None:
    assert (await CALLS[what](ada)).status_code == 200
    (record,) = await records(database, "policy_read")
    about = {
        "explain": {"document": "doc_wages", "person": "user:ann"},
        "who": {"document": "doc_wages"},
        "what": {"person": "user:ann"},
    }
    key = ada.headers["Authorization"].split("_")[1]
    assert key in record.pop("key")
    assert record == {"reader": "user:ada", "through": [], "what": what, **about.get(what, {})}


@pytest.mark.parametrize("what", CALLS)
async def test_a_look_that_cannot_be_recorded_is_not_answered(what: str, ada: Speaker, database: Database) -> None:
    async with database.unit_of_work() as session:
        await session.execute(text("DROP TABLE audit_record"))
    response = await CALLS[what](ada)
    assert code(response) == (503, "audit_unavailable")
    assert "doc_wages" not in response.text


@pytest.mark.parametrize("what", CALLS)
async def test_a_refusal_is_recorded_with_the_person_it_was_given_to(
    what: str, ann: Speaker, database: Database
) -> None:
    assert code(await CALLS[what](ann)) == (403, "not_administered")
    (record,) = await records(database, "denied")
    assert (record["subject"], record["person"], record["code"]) == ("user:ann", "user:ann", "not_administered")
    assert await records(database, "policy_read") == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/edits"),
        ("POST", "/simulate"),
        ("POST", "/rollback"),
        ("POST", "/explain"),
        ("POST", "/what"),
        ("PUT", ""),
    ],
)
async def test_who_administers_nothing_is_refused_before_her_body_is_read(
    method: str, path: str, ann: Speaker, ada: Speaker
) -> None:
    async def send(who: Speaker) -> httpx.Response:
        headers = {**who.headers, "Content-Type": "text/plain", "If-Match": '"acme:1"'}
        return await who.client.request(method, ROOT + path, content=b"{not json", headers=headers)

    assert code(await send(ann)) == (403, "not_administered")
    assert code(await send(ada)) == (415, "unsupported_media_type")


async def test_a_refusal_does_not_tell_whether_a_document_exists(ann: Speaker, dora: Speaker) -> None:
    """Not to who administers nothing, nor to who administers another part of the tenant."""

    async def refusals(who: Speaker, document: str) -> list[tuple[int, str]]:
        found = [await who.get("/who", document=document)]
        found.append(await who.post("/explain", {"person": "ann", "document": document}))
        return [(one.status_code, one.json()["detail"].replace(document, "X")) for one in found]

    for who in (ann, dora):
        missing = await refusals(who, "doc_nothing")
        assert await refusals(who, "doc_budget") == missing
    assert {status for status, _ in await refusals(dora, "doc_budget")} == {404}
    assert (await dora.get("/who", document="doc_wages")).status_code == 200


async def test_a_probe_for_a_document_leaves_a_record(dora: Speaker, database: Database) -> None:
    assert code(await dora.get("/who", document="doc_budget")) == (404, "not_found")
    (record,) = await records(database, "denied")
    assert (record["person"], record["code"]) == ("user:dora", "not_found")


async def test_what_is_not_a_name_of_a_document_is_a_document_that_does_not_exist(ada: Speaker) -> None:
    for name in ("", "a b", "*", "@shared", "\u0000"):
        assert code(await ada.post("/explain", {"person": "ann", "document": name})) == (404, "not_found")


async def test_the_operator_says_which_tenant_and_may_then_do_everything(
    operator: Speaker, client: httpx.AsyncClient, database: Database
) -> None:
    nowhere = replace(operator, headers={"Authorization": operator.headers["Authorization"]})
    assert code(await nowhere.get()) == (400, "tenant_required")
    saved = await operator.edit(add_rules=[hr()])
    assert (saved.status_code, saved.json()["stored"]) == (200, True)
    (record,) = await records(database, "policy_edit")
    assert record["author"] == "operator"
    empty = replace(operator, headers={**operator.headers, "X-Ringfence-Tenant": "globex"})
    assert (await empty.get()).json()["rules"] == []


async def test_the_operator_who_names_a_person_has_her_rights_only(operator: Speaker) -> None:
    as_dora = replace(operator, headers={**operator.headers, "X-Ringfence-Person": "dora"})
    through = replace(as_dora, headers={**as_dora.headers, "X-Ringfence-Assistant": "helpdesk"})
    assert (await as_dora.get()).json()["whole"] is False
    assert code(await as_dora.get("/export")) == (403, "not_administered")
    assert code(await through.get()) == (403, "not_administered")


async def test_rights_to_administer_end_with_the_rule_that_gave_them(ada: Speaker, dora: Speaker) -> None:
    assert (await dora.get()).status_code == 200
    rule = {"subject": "user:dora", "action": "administer", "department": "hr", "level": "confidential"}
    assert (await ada.edit(remove_rules=[rule])).status_code == 200
    assert code(await dora.get()) == (403, "not_administered")
    assert (await ada.get()).status_code == 200


async def test_a_policy_that_cannot_be_read_lets_nobody_in(ada: Speaker, database: Database) -> None:
    assert (await ada.get()).status_code == 200
    async with database.unit_of_work() as session:
        await session.execute(text("DROP TABLE policy_epoch"))
    for call in CALLS.values():
        assert code(await call(ada)) == (503, "policy_unreadable")


async def test_documents_that_cannot_be_read_are_no_crash(ada: Speaker, database: Database) -> None:
    async with database.unit_of_work() as session:
        await session.execute(text("UPDATE document SET department = 'not a name' WHERE id = 'doc_wages'"))
    response = await ada.post("/simulate", {"add_rules": [hr()]})
    assert code(response) == (503, "policy_unreadable")
    assert "not a name" not in response.text
    async with database.unit_of_work() as session:
        await session.execute(text("ALTER TABLE document RENAME TO moved"))
    assert code(await ada.post("/simulate", {"add_rules": [hr()]})) == (503, "unavailable")


async def test_another_tenants_administrator_is_nobody_here(ada: Speaker, bearers: Bearers, database: Database) -> None:
    """Rights are of one tenant: the same name elsewhere has none here, and a key names no tenant."""
    async with database.unit_of_work() as session:
        rule = Rule("user:ann", "globex", "administer")
        await PolicyStore(session).apply("globex", Edit(add_rules=(rule,)), author="operator:setup", reason="first")
    ann = Speaker(ada.client, {"Authorization": f"Bearer {bearers.person}"})
    assert code(await ann.get()) == (403, "not_administered")
    elsewhere = replace(ann, headers={**ann.headers, "X-Ringfence-Tenant": "globex"})
    assert code(await elsewhere.get()) == (403, "may_not_name_tenant")
