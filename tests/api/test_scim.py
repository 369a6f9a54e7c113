"""SCIM 2.0 (RFC 7643, RFC 7644) over a real socket: who leaves a group, or the company, is out on the next question."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from policies.edits import Edit
from policies.rules import Caller, RoleLink, Rule
from policies.store import PolicyStore, SnapshotCache
from rag.db.engine import Database
from rag.identity.keys import Scope
from rag.identity.store import ApiKeys
from tests.api.administered import records

USER, GROUP = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group"
EXTENSION = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
RULES = (Rule("group:finance", "acme", "read", "finance"), Rule("user:ann", "acme", "read", "press"))

NewKey = Callable[..., Awaitable[str]]


@pytest.fixture
def new_key(database: Database) -> NewKey:
    async def made(subject: str, *scopes: Scope, tenant: str = "acme") -> str:
        async with database.unit_of_work() as session:
            keys = ApiKeys(session)
            new = await keys.create(tenant=tenant, subject=subject, now=datetime.now(UTC), scopes=scopes or None)
        return new.bearer

    return made


@dataclass(frozen=True)
class Provisioner:
    """An identity provider's SCIM client."""

    http: httpx.AsyncClient
    bearer: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.bearer}", "Content-Type": "application/scim+json", **headers}
        return await self.http.request(method, f"/scim/v2{path}", json=body, headers=sent)

    async def person(self, called: str, **attributes: Any) -> str:
        response = await self.ask("POST", "/Users", {"schemas": [USER], "userName": called, **attributes})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def group(self, name: str, *members: str, **attributes: Any) -> str:
        listed = [{"value": member} for member in members]
        body = {"schemas": [GROUP], "displayName": name, "members": listed, **attributes}
        response = await self.ask("POST", "/Groups", body)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)


@pytest.fixture
async def okta(client: httpx.AsyncClient, new_key: NewKey, database: Database) -> Provisioner:
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply("acme", Edit(RULES), author="operator:setup", reason="first")
    return Provisioner(client, await new_key("assistant:okta", Scope.SCIM))


async def held(database: Database, person: str = "user:ann") -> set[str]:
    """What the policy of this moment puts the person into."""
    async with database.reading() as session:
        snapshot = await SnapshotCache().get(session, "acme")
    return set(snapshot.closure(Caller("acme", person))) - {person}


async def admitted(client: httpx.AsyncClient, bearer: str) -> int:
    return (await client.get("/v1/models", headers={"Authorization": f"Bearer {bearer}"})).status_code


NOT_KEPT = {
    ("check_add_attribute", EXTENSION): "of people, nothing is kept that decides about no right",
    ("check_replace_attribute", EXTENSION): "likewise",
    ("check_add_attribute", "members"): "a member's display is her name",
    ("check_replace_attribute", "members"): "likewise",
    ("check_remove_attribute", "active"): "nobody is let in again by what is left out",
}
"""Checks of scim2-tester that this server does not pass on purpose, and why."""


async def test_the_server_keeps_to_the_rfcs(url: str, okta: Provisioner) -> None:
    """Every check of scim2-tester, which finds out by itself what the server says it can do."""

    def checked() -> list[Any]:
        headers = {"Authorization": f"Bearer {okta.bearer}"}
        with httpx2.Client(base_url=f"{url}/scim/v2", headers=headers, trust_env=False, timeout=30) as http:
            # Apart, because it tidies up after each check everything that it ever made.
            return [
                result
                for tag in ("discovery", "misc", "crud", "patch:add", "patch:remove", "patch:replace")
                for result in check_server(SyncSCIMClient(http), include_tags={tag})
            ]

    results = await asyncio.to_thread(checked)
    bad = {
        (result.title, str((result.data or {}).get("urn"))): result.reason
        for result in results
        if result.status not in (Status.SUCCESS, Status.SKIPPED)
    }
    assert {check: reason for check, reason in bad.items() if check not in NOT_KEPT} == {}
    assert set(NOT_KEPT) <= set(bad)
    assert sum(result.status is Status.SUCCESS for result in results) > 50


async def test_joining_and_leaving_a_group_is_what_the_policy_says_next(okta: Provisioner, database: Database) -> None:
    ann = await okta.person("ann")
    group = await okta.group("finance")
    assert await held(database) == set()
    joined = await okta.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": ann}]})
    assert joined.status_code == 204
    assert await held(database) == {"group:finance"}
    left = await okta.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{ann}"]'})
    assert left.status_code == 204
    assert await held(database) == set()
    edits = await records(database, "policy_edit")
    assert [(edit["author"], edit["links_added"], edit["links_removed"]) for edit in edits] == [
        ("scim:okta", 1, 0),
        ("scim:okta", 0, 1),
    ]


@pytest.mark.parametrize(
    "leave",
    [
        {"op": "Remove", "path": "members", "value": [{"value": "ANN"}]},
        {"op": "remove", "path": "members"},
        {"op": "Replace", "path": "members", "value": []},
        {"op": "replace", "value": {"members": []}},
    ],
    ids=["as Entra says it", "all", "replaced", "replaced without a path"],
)
async def test_every_way_of_saying_that_she_left_is_obeyed(
    leave: dict[str, Any], okta: Provisioner, database: Database
) -> None:
    ann = await okta.person("ann")
    group = await okta.group("finance", ann)
    assert await held(database) == {"group:finance"}
    said = {**leave, "value": [{"value": ann}]} if leave["op"] == "Remove" else leave
    assert (await okta.patch(f"/Groups/{group}", said)).status_code == 204
    assert await held(database) == set()


async def test_a_put_that_leaves_her_out_takes_her_out(okta: Provisioner, database: Database) -> None:
    ann, bob = await okta.person("ann"), await okta.person("bob")
    group = await okta.group("finance", ann, bob)
    body = {"schemas": [GROUP], "displayName": "finance", "members": [{"value": bob}]}
    assert (await okta.ask("PUT", f"/Groups/{group}", body)).status_code == 200
    assert await held(database) == set()
    assert await held(database, "user:bob") == {"group:finance"}


async def test_whoever_is_deactivated_is_let_in_by_nothing_until_she_is_active_again(
    okta: Provisioner, database: Database, client: httpx.AsyncClient, new_key: NewKey
) -> None:
    own, helper = await new_key("user:ann"), await new_key("user:bob")
    ann = await okta.person("ann")
    await okta.group("finance", ann)
    for active, status, groups in ((False, 401, set()), (True, 200, {"group:finance"})):
        changed = await okta.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": active})
        assert changed.status_code == 204
        assert (await admitted(client, own), await held(database)) == (status, groups)
        assert await admitted(client, helper) == 200


async def test_whoever_is_removed_stays_out_even_where_rules_name_her(
    okta: Provisioner, database: Database, client: httpx.AsyncClient, new_key: NewKey
) -> None:
    own = await new_key("user:ann")
    ann = await okta.person("ann")
    await okta.group("finance", ann)
    assert await admitted(client, own) == 200
    assert (await okta.ask("DELETE", f"/Users/{ann}")).status_code == 204
    assert (await admitted(client, own), await held(database)) == (401, set())
    assert (await okta.ask("GET", f"/Users/{ann}")).status_code == 404
    await okta.person("ann")
    assert (await admitted(client, own), await held(database)) == (200, set())


async def test_a_new_name_takes_the_memberships_along_and_the_old_name_out(
    okta: Provisioner, database: Database, client: httpx.AsyncClient, new_key: NewKey
) -> None:
    old, new = await new_key("user:ann"), await new_key("user:anna")
    ann = await okta.person("ann")
    await okta.group("finance", ann)
    renamed = await okta.patch(f"/Users/{ann}", {"op": "replace", "path": "userName", "value": "anna"})
    assert renamed.status_code == 204
    assert (await held(database), await held(database, "user:anna")) == (set(), {"group:finance"})
    assert (await admitted(client, old), await admitted(client, new)) == (401, 200)


async def test_a_group_within_a_group_passes_on_and_a_removed_one_does_not(
    okta: Provisioner, database: Database
) -> None:
    inner = await okta.group("treasury", await okta.person("ann"))
    outer = await okta.group("finance", inner)
    assert await held(database) == {"group:treasury", "group:finance"}
    circle = await okta.patch(f"/Groups/{inner}", {"op": "add", "path": "members", "value": [{"value": outer}]})
    assert (circle.status_code, circle.json()["scimType"]) == (400, "invalidValue")
    assert (await okta.ask("DELETE", f"/Groups/{inner}")).status_code == 204
    assert await held(database) == set()


async def test_links_that_people_made_stay_theirs_outside_of_provisioned_groups(
    okta: Provisioner, database: Database
) -> None:
    links = (RoleLink("user:ann", "role:staff", "acme"), RoleLink("assistant:helpdesk", "group:finance", "acme"))
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply("acme", Edit((), (), links), author="operator:setup", reason="by hand")
    ann = await okta.person("ann")
    group = await okta.group("finance", ann)
    assert (await okta.ask("DELETE", f"/Groups/{group}")).status_code == 204
    assert await held(database) == {"role:staff"}
    assert await held(database, "assistant:helpdesk") == {"group:finance"}


async def test_only_what_decides_about_rights_is_kept(okta: Provisioner, database: Database) -> None:
    """Names, addresses and telephone numbers of people have no use here."""
    private = {
        "name": {"givenName": "Annabel", "familyName": "Quist"},
        "displayName": "Annabel Quist",
        "emails": [{"value": "quist@acme.example", "type": "work", "primary": True}],
        "phoneNumbers": [{"value": "+44 20 7946 0000", "type": "work"}],
        "externalId": "00u1",
        "active": True,
    }
    ann = await okta.person("ann", **private)
    changed = await okta.patch(f"/Users/{ann}", {"op": "replace", "path": "name.familyName", "value": "Quist-Bell"})
    assert changed.status_code == 204
    shown = (await okta.ask("GET", f"/Users/{ann}")).json()
    assert {name: shown.get(name) for name in ("userName", "externalId", "active")} == {
        "userName": "ann",
        "externalId": "00u1",
        "active": True,
    }
    async with database.reading() as session:
        connection = await session.connection()
        stored = await connection.run_sync(lambda sync: "\n".join(sync.connection.driver_connection._conn.iterdump()))
    assert "00u1" in stored
    assert not any(word in stored for word in ("Quist", "quist@", "7946"))


async def test_a_filter_finds_what_it_says(okta: Provisioner) -> None:
    ann = await okta.person("Ann", externalId="e-1")
    await okta.person("bob", externalId="E-1")
    group = await okta.group("finance", ann)

    async def found(kind: str, wanted: str) -> list[str]:
        response = await okta.http.get(
            f"/scim/v2/{kind}", params={"filter": wanted}, headers={"Authorization": f"Bearer {okta.bearer}"}
        )
        assert response.status_code == 200, response.text
        return [resource["id"] for resource in response.json().get("Resources", [])]

    assert await found("Users", 'userName eq "ANN"') == [ann]
    assert await found("Users", 'externalId eq "e-1"') == [ann]
    assert await found("Users", 'userName sw "an" and active eq true') == [ann]
    assert await found("Users", 'userName eq "carl"') == []
    assert await found("Groups", f'displayName eq "Finance" and members eq "{ann}"') == [group]
    assert await found("Groups", 'members eq "nobody"') == []


async def test_a_change_of_what_changed_meanwhile_is_refused(okta: Provisioner) -> None:
    ann = await okta.person("ann")
    tag = (await okta.ask("GET", f"/Users/{ann}")).headers["ETag"]
    change = {"op": "replace", "path": "externalId", "value": "1"}
    assert (await okta.patch(f"/Users/{ann}", change, **{"If-Match": tag})).status_code == 204
    stale = await okta.patch(f"/Users/{ann}", {**change, "value": "2"}, **{"If-Match": tag})
    assert stale.status_code == 412


async def test_writes_at_the_same_time_lose_nobody(okta: Provisioner, database: Database) -> None:
    """Each is told that it was carried out, or to try again; the policy is what the directory says."""
    people = [await okta.person(f"p{number}") for number in range(6)]
    group = await okta.group("finance")

    async def join(person: str) -> None:
        for _ in range(20):
            add = {"op": "add", "path": "members", "value": [{"value": person}]}
            response = await okta.patch(f"/Groups/{group}", add)
            if response.status_code == 204:
                return
            assert response.status_code in (412, 503), response.text
        raise AssertionError("it never got through")

    await asyncio.gather(*(join(person) for person in people))
    assert [await held(database, f"user:p{number}") for number in range(6)] == [{"group:finance"}] * 6
    members = (await okta.ask("GET", f"/Groups/{group}")).json()["members"]
    assert {member["value"] for member in members} == set(people)


async def test_a_membership_that_would_expose_a_canary_is_not_made(
    okta: Provisioner, database: Database, policy: None
) -> None:
    """Here as everywhere: no edit of the policy may open what nobody may ever read."""
    async with database.unit_of_work() as session:
        wide = Edit((Rule("group:auditors", "acme", "read", "hr"),))
        await PolicyStore(session).apply("acme", wide, author="operator:setup", reason="too wide")
    ann = await okta.person("ann")
    refused = await okta.ask(
        "POST", "/Groups", {"schemas": [GROUP], "displayName": "auditors", "members": [{"value": ann}]}
    )
    assert refused.status_code == 403
    assert "group:auditors" not in await held(database)
    assert (await okta.ask("GET", "/Groups")).json()["totalResults"] == 0
    await okta.group("finance", ann)
    assert "group:finance" in await held(database)


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/Users", {"schemas": [USER], "userName": "two words"}, "invalidValue"),
        ("/Users", {"schemas": [USER], "userName": "group:finance"}, "invalidValue"),
        ("/Users", {"schemas": [USER]}, "invalidValue"),
        ("/Users", {"schemas": [USER], "userName": "x" * 600}, "invalidValue"),
        ("/Groups", {"schemas": [GROUP], "displayName": "g", "members": [{"value": "nobody"}]}, "invalidValue"),
        ("/Users", {"schemas": [USER], "userName": "Ann"}, "uniqueness"),
        ("/Users", {"schemas": [USER], "userName": "new", "surprise": 1}, "invalidSyntax"),
    ],
    ids=str,
)
async def test_what_cannot_be_provisioned_is_refused_in_scims_words(
    path: str, body: dict[str, Any], kind: str, okta: Provisioner
) -> None:
    await okta.person("ann")
    response = await okta.ask("POST", path, body)
    assert response.json()["schemas"] == [ERROR]
    assert response.status_code == (409 if kind == "uniqueness" else 400)
    assert response.json().get("scimType") == kind


async def test_two_providers_see_nothing_of_each_other_and_cannot_name_the_same_person(
    okta: Provisioner, client: httpx.AsyncClient, new_key: NewKey, database: Database
) -> None:
    entra = Provisioner(client, await new_key("assistant:entra", Scope.SCIM))
    globex = Provisioner(client, await new_key("assistant:okta", Scope.SCIM, tenant="globex"))
    ann = await okta.person("ann")
    group = await okta.group("finance", ann)
    for other in (entra, globex):
        assert (await other.ask("GET", "/Users")).json()["totalResults"] == 0
        for method, path in (("GET", f"/Users/{ann}"), ("DELETE", f"/Users/{ann}"), ("DELETE", f"/Groups/{group}")):
            assert (await other.ask(method, path)).status_code == 404
        foreign = await other.ask(
            "POST", "/Groups", {"schemas": [GROUP], "displayName": "x", "members": [{"value": ann}]}
        )
        assert foreign.status_code == 400
    taken = await entra.ask("POST", "/Users", {"schemas": [USER], "userName": "ann"})
    assert taken.status_code == 409
    assert (await okta.ask("DELETE", f"/Users/{ann}")).status_code == 204
    assert (await entra.ask("POST", "/Users", {"schemas": [USER], "userName": "ann"})).status_code == 409
    await globex.person("ann")
    await okta.person("ann")


async def test_a_provisioning_key_opens_nothing_else_and_no_other_key_provisions(
    okta: Provisioner, client: httpx.AsyncClient, new_key: NewKey, database: Database
) -> None:
    assert await admitted(client, okta.bearer) == 403
    usual = await new_key("assistant:helpdesk")
    refused = await Provisioner(client, usual).ask("GET", "/Users")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_required")
    assert refused.headers["content-type"] == "application/scim+json"
    assert await admitted(client, usual) == 200
    assert [denial["code"] for denial in await records(database, "denied")] == ["scope_required", "scope_required"]


async def test_nothing_is_stored_where_it_cannot_be_recorded(okta: Provisioner, database: Database) -> None:
    group = await okta.group("finance", await okta.person("ann"))
    assert await held(database) == {"group:finance"}
    async with database.unit_of_work() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("ALTER TABLE audit_record RENAME TO gone")
    failed = await okta.patch(f"/Groups/{group}", {"op": "remove", "path": "members"})
    assert failed.status_code == 503
    assert await held(database) == {"group:finance"}
    async with database.unit_of_work() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("ALTER TABLE gone RENAME TO audit_record")
    assert (await okta.patch(f"/Groups/{group}", {"op": "remove", "path": "members"})).status_code == 204
    assert await held(database) == set()
