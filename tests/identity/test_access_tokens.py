"""Access tokens as credentials: a person's own, one that a program holds, and one that an assistant shows for her."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rag.db.engine import Database
from rag.db.provisioned import DisabledPersonRow
from rag.domain import Principal, PrincipalSource
from rag.errors import Denied, Misuse, Unauthenticated
from rag.identity.authenticate import IdentityParts, authenticate, identify
from rag.identity.credentials import Credentials
from rag.identity.issuers import open_issuers
from rag.identity.keys import Scope
from rag.identity.scim.entry import Entry
from rag.identity.scim.store import Directory
from rag.issuer_settings import IdentitySettings
from tests.identity.conftest import OPERATOR, MakeKey
from tests.identity.provider import Provider, running

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's, of the library it stands on

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SettingsOf = Callable[..., Awaitable[IdentityParts]]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as started:
        yield started


@pytest.fixture
async def trusting(provider: Provider, parts: IdentityParts) -> AsyncIterator[SettingsOf]:
    """The parts of a service that trusts the provider, with these of its settings."""
    async with AsyncExitStack() as opened:

        async def made(**changes: Any) -> IdentityParts:
            settings = provider.settings(groups_claim="groups", **changes)
            return replace(parts, issuers=open_issuers(IdentitySettings(issuers=(settings,)), opened))

        yield made


def bearing(bearer: str, **rest: Any) -> Credentials:
    return Credentials(authorization=(f"Bearer {bearer}",), **rest)


async def test_a_person_is_let_in_by_her_own_token(provider: Provider, trusting: SettingsOf) -> None:
    token = provider.access_token("ann", groups=["staff"])
    assert await authenticate(bearing(token), await trusting()) == Principal(
        "acme", "user:corp/ann", frozenset({"group:corp/staff"}), None, PrincipalSource.ACCESS_TOKEN
    )


async def test_a_token_that_a_program_holds_is_the_persons_and_the_programs(
    provider: Provider, trusting: SettingsOf
) -> None:
    """Both must be allowed: `Principal.callers` holds them both."""
    parts = await trusting()
    for held in (
        provider.access_token("ann", client="helpdesk", groups=[]),
        provider.access_token("ann", groups=[], act={"sub": "helpdesk"}),
    ):
        principal = await authenticate(bearing(held), parts)
        assert [caller.subject for caller in principal.callers] == ["user:corp/ann", "assistant:corp/helpdesk"]


async def test_a_token_names_nobody_else_and_administers_nothing(provider: Provider, trusting: SettingsOf) -> None:
    parts = await trusting()
    token = provider.access_token("ann", groups=[])
    await authenticate(bearing(token), parts)
    for headers, code in (
        ({"person": ("bob",)}, "may_not_name_people"),
        ({"person_token": (token,)}, "may_not_name_people"),
        ({"tenant": ("globex",)}, "may_not_name_tenant"),
        ({"assistant": ("other",)}, "may_not_name_tenant"),
    ):
        with pytest.raises(Denied) as refusal:
            await authenticate(bearing(token, **headers), parts)
        assert refusal.value.code == code
    bearer = await identify(bearing(token, loopback=True), parts)
    assert (bearer.operator, bearer.administrator, bearer.subject) == (False, False, "user:corp/ann")
    assert bearer.may_be_used_for(Scope.ASK)
    assert not bearer.may_be_used_for(Scope.SCIM)


async def test_without_an_issuer_in_the_settings_no_token_is_one(provider: Provider, parts: IdentityParts) -> None:
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(provider.access_token("ann", groups=[])), parts)


async def test_an_assistant_shows_the_persons_own_token(
    provider: Provider, trusting: SettingsOf, make: MakeKey
) -> None:
    parts, key = await trusting(assistants={"helpdesk": "assistant:helpdesk"}), await make("assistant:helpdesk")
    for client in ("browser", "helpdesk"):
        token = provider.access_token("ann", client=client, groups=["staff"])
        assert await authenticate(bearing(key.bearer, person_token=(token,)), parts) == Principal(
            "acme", "user:corp/ann", frozenset({"group:corp/staff"}), "assistant:helpdesk", PrincipalSource.ACCESS_TOKEN
        )


async def test_an_assistant_cannot_use_what_was_given_to_another_program_or_in_another_tenant(
    provider: Provider, trusting: SettingsOf, make: MakeKey
) -> None:
    """Its own rights would take the place of the other program's."""
    key = await make("assistant:helpdesk")
    stolen = provider.access_token("ann", client="payroll", groups=[])
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(key.bearer, person_token=(stolen,)), await trusting())
    fine = provider.access_token("ann", groups=[])
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(key.bearer, person_token=(fine,)), await trusting(tenant="globex"))
    await authenticate(bearing(key.bearer, person_token=(fine,)), await trusting())


async def test_tokens_of_nobody_the_service_knows_say_how_to_make_them_known(
    provider: Provider, parts: IdentityParts, make: MakeKey
) -> None:
    key = await make("assistant:helpdesk")
    token = provider.access_token("ann", groups=[])
    with pytest.raises(Misuse) as refusal:
        await authenticate(bearing(key.bearer, person_token=(token,)), replace(parts, tokens=None))
    assert "identity.issuers" in refusal.value.message
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(key.bearer, person_token=(token,)), parts)


@pytest.fixture
async def disabled(database: Database) -> None:
    async with database.unit_of_work() as session:
        for tenant, person in (("acme", "user:ann"), ("acme", "user:corp/ann"), ("globex", "user:corp/bob")):
            session.add(DisabledPersonRow(tenant=tenant, person=person, client="assistant:okta", since=NOW))


async def test_a_disabled_person_is_let_in_by_nothing_and_another_one_is(
    provider: Provider, trusting: SettingsOf, make: MakeKey, disabled: None
) -> None:
    parts = await trusting()
    own, assistant = await make("user:ann"), await make("assistant:helpdesk", may_name_people=True)
    other = await make("user:bob")
    gone, here = (provider.access_token(name, groups=[]) for name in ("ann", "bob"))
    for refused in (
        bearing(own.bearer),
        bearing(gone),
        bearing(assistant.bearer, person=("ann",)),
        bearing(assistant.bearer, person_token=(gone,)),
    ):
        with pytest.raises(Unauthenticated):
            await authenticate(refused, parts)
    for admitted in (
        bearing(other.bearer),
        bearing(here),
        bearing(assistant.bearer, person=("bob",)),
        bearing(assistant.bearer, person_token=(here,)),
    ):
        assert (await authenticate(admitted, parts)).person.endswith("bob")
    operator = {"loopback": True, "tenant": ("acme",)}
    with pytest.raises(Denied) as refusal:
        await authenticate(bearing(OPERATOR, person=("ann",), **operator), parts)
    assert refusal.value.code == "person_disabled"
    assert (await authenticate(bearing(OPERATOR, person=("bob",), **operator), parts)).person == "user:bob"


async def test_of_a_provisioned_group_a_token_says_nothing(
    provider: Provider, trusting: SettingsOf, make: MakeKey, database: Database
) -> None:
    """A token lives for minutes after somebody left; role links say who is in the group now."""
    group = Entry("g1", "Group", "group:corp/finance", "finance", None, True, 1, NOW, NOW)
    async with database.unit_of_work() as session:
        await Directory(session, "acme", "assistant:okta").add(group)
    parts, key = await trusting(), await make("assistant:helpdesk")
    token = provider.access_token("ann", groups=["finance", "staff"])
    for credentials in (bearing(token), bearing(key.bearer, person_token=(token,))):
        assert (await authenticate(credentials, parts)).groups == {"group:corp/staff"}
    elsewhere = await trusting(tenant="globex")
    assert (await authenticate(bearing(token), elsewhere)).groups == {"group:corp/finance", "group:corp/staff"}
