"""Real documents, real models, real index: what a policy edit says it will do is what people then find."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from policies.check import check
from policies.edits import Edit
from policies.files.policy_file import read_policy_text
from policies.rules import Attributes, Caller
from policies.store import PolicyStore
from rag import cli
from rag.api.composition import open_parts
from rag.api.parts import AppParts
from rag.db.engine import open_database
from rag.db.folder import DataFolder
from rag.db.labels import labels_of
from rag.identity.keys import Scope
from rag.identity.store import ApiKeys
from rag.settings import Settings, load_settings
from tests.api.administered import Speaker
from tests.api.conftest import serving
from tests.api.test_cli import COMMANDS

PEOPLE = ("ann", "bob", "eve")
DOCUMENTS = {
    "sales": ("confidential", "The maximum discount for a customer is 15 percent of the list price."),
    "staff": ("internal", "The canteen opens at noon. A customer may eat there as a guest."),
    "press": ("public", "Every customer may quote the press release."),
    "law": ("restricted", "The customer contract is kept for ten years."),
}
POLICY = """
rules:
  - {subject: role:employee, action: read, department: staff}
  - {subject: role:employee, action: read, level: public}
  - {subject: role:sales, action: read, department: sales}
links:
  - {member: user:ann, parent: role:employee}
  - {member: user:bob, parent: role:employee}
  - {member: user:ann, parent: role:sales}
  - {member: user:bob, parent: group:guests}
  - {member: user:eve, parent: group:guests}
"""
EVE = {"member": "user:eve", "parent": "role:employee"}
EDITS: dict[str, dict[str, Any]] = {
    "a rule for a group": {"add_rules": [{"subject": "group:guests", "action": "read", "level": "internal"}]},
    "a rule for everything": {"add_rules": [{"subject": "user:bob", "action": "read"}]},
    "a denial": {
        "add_rules": [{"subject": "role:employee", "action": "read", "department": "sales", "effect": "deny"}]
    },
    "a member more": {"add_links": [EVE]},
    "a member less": {"remove_links": [{"member": "user:ann", "parent": "role:employee"}]},
    "a role within a role": {"add_links": [{"member": "role:employee", "parent": "role:sales"}]},
    "one gains while another loses": {
        "add_links": [EVE],
        "remove_links": [{"member": "user:bob", "parent": "role:employee"}],
    },
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A data folder with one ingested document for each department."""
    root = tmp_path_factory.mktemp("obeyed")
    for department, (level, text) in DOCUMENTS.items():
        folder = root / "documents" / department
        folder.mkdir(parents=True)
        (folder / "ringfence.yaml").write_text(f"department: {department}\nlevel: {level}\n")
        (folder / "note.md").write_text(f"# Note\n\n{text}\n")
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
            patched.delenv(name)
        patched.setenv("RINGFENCE_DATA_DIR", str(root / "data"))
        patched.chdir(root)
        assert cli.main(["ingest", str(root / "documents"), "--tenant", "acme"], COMMANDS) == 0
        settings = load_settings()
        asyncio.run(_apply(settings))
        yield settings


async def _apply(settings: Settings) -> None:
    file, database = read_policy_text(POLICY, "test"), await open_database(settings.database_url)
    edit = Edit(file.rules_in("acme"), (), file.links_in("acme"))
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply("acme", edit, author="operator:setup", reason="first")
    await database.close()


@pytest.fixture
async def parts(settings: Settings) -> AsyncIterator[AppParts]:
    folder = DataFolder(Path(settings.data_dir))
    folder.own()
    try:
        async with open_parts(settings, folder) as opened:
            yield opened
    finally:
        folder.release()


@pytest.fixture
async def operator(parts: AppParts, settings: Settings) -> AsyncIterator[Speaker]:
    headers = {"Authorization": f"Bearer {DataFolder(settings.data_dir).operator_key()}", "X-Ringfence-Tenant": "acme"}
    async with serving(parts) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        yield Speaker(client, headers)


async def found(operator: Speaker, person: str) -> set[str]:
    """The documents that a real search shows her now."""
    headers = {**operator.headers, "X-Ringfence-Person": person}
    response = await operator.client.post("/v1/search", json={"query": "customer", "limit": 50}, headers=headers)
    assert response.status_code == 200
    return {hit["document"] for hit in response.json()["data"]}


async def allowed(parts: AppParts, person: str) -> set[str]:
    """The documents that the check, on the labels in SQL, lets her read now."""
    async with parts.database.reading() as session:
        snapshot = await parts.desk.parts.snapshots.get(session, "acme")
        labels = await labels_of(session, "acme")
    caller = Caller("acme", f"user:{person}")
    return {one.document for one in labels if check(snapshot, (caller,), "read", one).allowed}


async def everybodys(operator: Speaker, parts: AppParts) -> dict[str, set[str]]:
    now = {person: await found(operator, person) for person in PEOPLE}
    assert now == {person: await allowed(parts, person) for person in PEOPLE}
    return now


@pytest.mark.parametrize("what", EDITS)
async def test_people_gain_and_lose_exactly_the_documents_that_were_foretold(
    what: str, operator: Speaker, parts: AppParts
) -> None:
    before, start = await everybodys(operator, parts), (await operator.get()).json()["epoch"]
    simulation = (await operator.post("/simulate", EDITS[what])).json()["simulation"]
    told = {change["caller"]["subject"]: change for change in simulation["changes"] if change["caller"]["subject"]}
    assert (await operator.edit(**EDITS[what])).json()["simulation"] == simulation
    after = await everybodys(operator, parts)
    assert after != before
    for person in PEOPLE:
        change = told.get(f"user:{person}", {"gained_examples": [], "lost_examples": []})
        gained = {example["document"] for example in change["gained_examples"]}
        lost = {example["document"] for example in change["lost_examples"]}
        assert (after[person] - before[person], before[person] - after[person]) == (gained, lost)
    body, tag = {"to": start, "reason": "back"}, await operator.tag()
    assert (await operator.post("/rollback", body, {"If-Match": tag})).status_code == 200
    assert await everybodys(operator, parts) == before


async def test_a_revocation_is_obeyed_by_every_decision_that_starts_after_it(
    operator: Speaker, parts: AppParts
) -> None:
    """Search, citation link, explanation, list of readers and count: the very next of each."""
    sales: Attributes = next(one for one in await _labels(parts) if one.department == "sales")
    headers = {**operator.headers, "X-Ringfence-Person": "ann"}
    query = {"query": "What is the maximum discount?"}
    hits = (await operator.client.post("/v1/search", json=query, headers=headers)).json()["data"]
    link = next(hit["url"] for hit in hits if hit["document"] == sales.document).partition(":8080")[2]
    assert (await operator.client.get(link, headers=headers)).status_code == 200
    assert await _rights(operator, sales.document) == (True, True, 3)

    saved = await operator.edit(remove_links=[{"member": "user:ann", "parent": "role:sales"}])
    assert sales.document not in await found(operator, "ann")
    assert (await operator.client.get(link, headers=headers)).status_code == 404
    assert await _rights(operator, sales.document) == (False, False, 2)

    body = {"add_links": [{"member": "user:ann", "parent": "role:sales"}], "reason": "back"}
    assert (await operator.post("/edits", body, {"If-Match": saved.headers["etag"]})).status_code == 200
    assert sales.document in await found(operator, "ann")
    assert await _rights(operator, sales.document) == (True, True, 3)


async def test_leaving_a_group_at_the_identity_provider_is_obeyed_on_the_next_question(
    operator: Speaker, parts: AppParts
) -> None:
    """SCIM: the provider says that she left, and the very next search shows nothing of the group's."""
    sales = next(one.document for one in await _labels(parts) if one.department == "sales")
    await operator.edit(add_rules=[{"subject": "group:sellers", "action": "read", "department": "sales"}])
    async with parts.database.unit_of_work() as session:
        keys, now = ApiKeys(session), datetime.now(UTC)
        okta = await keys.create(tenant="acme", subject="assistant:okta", now=now, scopes={Scope.SCIM})
        own = await keys.create(tenant="acme", subject="user:bob", now=now)
    provider = {"Authorization": f"Bearer {okta.bearer}"}

    async def said(method: str, path: str, kind: str, **body: Any) -> dict[str, Any]:
        schema = f"urn:ietf:params:scim:{kind}"
        response = await operator.client.request(
            method, f"/scim/v2/{path}", json={"schemas": [schema], **body}, headers=provider
        )
        assert response.is_success, response.text
        return dict(response.json()) if response.content else {}

    bob = (await said("POST", "Users", "schemas:core:2.0:User", userName="bob"))["id"]
    group = await said("POST", "Groups", "schemas:core:2.0:Group", displayName="sellers", members=[{"value": bob}])
    assert sales in await found(operator, "bob")
    leave = [{"op": "remove", "path": f'members[value eq "{bob}"]'}]
    await said("PATCH", f"Groups/{group['id']}", "api:messages:2.0:PatchOp", Operations=leave)
    assert sales not in await found(operator, "bob")
    assert await found(operator, "bob") == await allowed(parts, "bob") != set()

    mine = {"Authorization": f"Bearer {own.bearer}"}
    asked = {"json": {"query": "customer"}, "headers": mine}
    assert (await operator.client.post("/v1/search", **asked)).status_code == 200
    await said("DELETE", f"Users/{bob}", "schemas:core:2.0:User")
    assert (await operator.client.post("/v1/search", **asked)).status_code == 401
    await said("POST", "Users", "schemas:core:2.0:User", userName="bob")
    assert (await operator.client.post("/v1/search", **asked)).status_code == 200


async def _labels(parts: AppParts) -> list[Attributes]:
    async with parts.database.reading() as session:
        return await labels_of(session, "acme")


async def _rights(operator: Speaker, document: str) -> tuple[bool, bool, int]:
    """Whether ann may read it by the explanation and by the list of readers, and how many documents she may read."""
    explained = (await operator.post("/explain", {"person": "ann", "document": document})).json()["found"][0]
    readers = (await operator.get("/who", document=document)).json()["found"][0]["readers"]
    total = (await operator.post("/what", {"person": "ann"})).json()["total"]
    return explained["decision"]["allowed"], "user:ann" in {one["caller"]["subject"] for one in readers}, total
