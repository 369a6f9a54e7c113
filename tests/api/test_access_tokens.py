"""Access tokens at the door: what they open, what a refusal says, and what a silent provider means."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest

from rag.api.parts import AppParts
from rag.identity.issuers import open_issuers
from rag.issuer_settings import IdentitySettings
from tests.api.administered import code
from tests.api.conftest import Bearers, ScriptedPath, serving
from tests.identity.provider import Provider, running

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's, of the library it stands on


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as started:
        yield started


@pytest.fixture
async def door(provider: Provider, parts: AppParts) -> AsyncIterator[httpx.AsyncClient]:
    """The service, trusting the provider."""
    async with AsyncExitStack() as opened:
        trusted = IdentitySettings(issuers=(provider.settings(groups_claim="groups"),))
        identity = replace(parts.identity, issuers=open_issuers(trusted, opened))
        url = await opened.enter_async_context(serving(replace(parts, identity=identity)))
        client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=10)
        yield await opened.enter_async_context(client)


def bearing(token: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **headers}


async def test_a_person_is_who_her_token_says_and_her_question_is_asked_as_hers(
    provider: Provider, door: httpx.AsyncClient, path: ScriptedPath
) -> None:
    token = provider.access_token("ann", groups=["staff"])
    me = (await door.get("/api/v1/me", headers=bearing(token))).json()
    assert me == {
        "key": "issuer:corp",
        "tenant": "acme",
        "administrator": False,
        "person": "user:corp/ann",
        "groups": ["group:corp/staff"],
        "assistant": None,
        "source": "access_token",
    }
    response = await door.post("/v1/search", json={"query": "leave"}, headers=bearing(token))
    assert response.status_code == 200
    assert path.asked[0][1].person == "user:corp/ann"


async def test_a_token_opens_what_a_persons_key_opens_and_nothing_of_an_administrators(
    provider: Provider, door: httpx.AsyncClient
) -> None:
    token = bearing(provider.access_token("ann", groups=[]))
    assert code(await door.get("/v1/models", headers=token)) == (200, None)
    assert code(await door.post("/api/v1/index/publish", headers=token)) == (403, "administrator_required")
    assert (await door.get("/scim/v2/Users", headers=token)).json()["code"] == "scope_required"
    operators = {**token, "X-Ringfence-Tenant": "globex"}
    assert code(await door.get("/api/v1/me", headers=operators)) == (403, "may_not_name_tenant")


async def test_people_are_provisioned_under_the_names_that_their_tokens_have(
    provider: Provider, parts: AppParts, bearers: Bearers
) -> None:
    """Else nobody who signs in with a token would ever be deactivated."""
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann", "active": False}
    token = bearing(provider.access_token("ann"))
    for settings, provisioned, admitted in (({}, 403, 200), ({"scim_assistant": "assistant:okta"}, 201, 401)):
        async with AsyncExitStack() as opened:
            trusted = IdentitySettings(issuers=(provider.settings(**settings),))
            identity = replace(parts.identity, issuers=open_issuers(trusted, opened))
            url = await opened.enter_async_context(serving(replace(parts, identity=identity)))
            client = await opened.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False, timeout=10))
            created = await client.post("/scim/v2/Users", json=body, headers=bearing(bearers.provisioner))
            assert created.status_code == provisioned
            assert (await client.get("/v1/models", headers=token)).status_code == admitted


async def test_every_token_that_is_refused_gets_the_one_answer(
    provider: Provider, door: httpx.AsyncClient, bearers: Bearers
) -> None:
    fine = provider.access_token("ann", groups=[])
    provider.lifetime_s = -600
    try:
        expired = provider.access_token("ann", groups=[])
    finally:
        provider.lifetime_s = 600
    answers = [
        await door.get("/api/v1/me", headers=bearing(token)) for token in (expired, fine[:-6] + "AAAAAA", "a.b.c", "x")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert (await door.get("/api/v1/me", headers=bearing(fine))).status_code == 200
    held = bearing(bearers.assistant, **{"X-Ringfence-Person-Token": expired})
    assert (await door.get("/api/v1/me", headers=held)).status_code == 401


async def test_an_assistant_asks_for_the_person_whose_token_it_shows(
    provider: Provider, door: httpx.AsyncClient, bearers: Bearers
) -> None:
    headers = bearing(bearers.assistant, **{"X-Ringfence-Person-Token": provider.access_token("ann", groups=[])})
    me = (await door.get("/api/v1/me", headers=headers)).json()
    assert (me["person"], me["assistant"], me["source"]) == ("user:corp/ann", "assistant:helpdesk", "access_token")


async def test_people_of_one_issuer_do_not_use_up_each_others_requests(provider: Provider, parts: AppParts) -> None:
    few = parts.settings.model_copy(
        update={"service": parts.settings.service.model_copy(update={"requests_per_minute": 2})}
    )
    async with AsyncExitStack() as opened:
        trusted = IdentitySettings(issuers=(provider.settings(),))
        identity = replace(parts.identity, issuers=open_issuers(trusted, opened))
        url = await opened.enter_async_context(serving(replace(parts, settings=few, identity=identity)))
        client = await opened.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False, timeout=10))
        ann, bob = (bearing(provider.access_token(name)) for name in ("ann", "bob"))
        statuses = [(await client.get("/v1/models", headers=ann)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await client.get("/v1/models", headers=bob)).status_code == 200


async def test_a_provider_that_was_never_reached_lets_nobody_in_and_says_that_it_is_silent(
    provider: Provider, door: httpx.AsyncClient, bearers: Bearers
) -> None:
    token = provider.access_token("ann", groups=[])
    provider.stop()
    try:
        refused = await door.get("/api/v1/me", headers=bearing(token))
    finally:
        provider.start()
    assert code(refused) == (503, "identity_provider_unavailable")
    assert (await door.get("/api/v1/me", headers=bearing(bearers.person))).status_code == 200
