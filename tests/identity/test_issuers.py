"""RFC 9068 and OpenID Connect Discovery, against a real provider: each refusal has the same token, accepted."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.rules import InvalidRule
from rag.errors import Misuse, Unauthenticated
from rag.identity.issuers import open_issuers
from rag.identity.token_claims import TokenClaims, name_of
from rag.issuer_settings import IdentitySettings, IssuerSettings
from tests.identity.provider import Provider, running

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's, of the library it stands on


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as started:
        yield started


def claims(provider: Provider, **changes: Any) -> dict[str, Any]:
    """What the provider puts into a token; numbers of seconds from now for times."""
    whole = {
        "iss": provider.url, "sub": "ann", "aud": "ringfence", "client_id": "browser", "iat": -5, "exp": 600, **changes,
    }  # fmt: skip
    now = int(time.time())
    return {n: now + v if n in ("iat", "exp", "nbf") and isinstance(v, int) else v for n, v in whole.items()}


async def verified(provider: Provider, token: str, **settings: Any) -> TokenClaims:
    async with AsyncExitStack() as opened:
        issuers = open_issuers(IdentitySettings(issuers=(provider.settings(**settings),)), opened)
        issuer = issuers.find(token)
        if issuer is None:
            raise Unauthenticated()
        return await issuer.verify(token)


async def refused(provider: Provider, token: str, **settings: Any) -> None:
    with pytest.raises(Unauthenticated):
        await verified(provider, token, **settings)


async def test_who_signs_in_at_the_provider_is_known_below_the_issuers_name(provider: Provider) -> None:
    token = provider.access_token("ann", groups=["staff", "Finance Team"])
    assert await verified(provider, token, groups_claim="groups") == TokenClaims(
        "corp", "acme", "user:corp/ann", frozenset({"group:corp/staff", "group:corp/Finance+20Team"}), None
    )


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"aud": "another"}, {"aud": ["another", "ringfence"]}),
        ({"aud": None}, {}),
        ({"iss": "https://elsewhere.example"}, {}),
        ({"exp": -60}, {"exp": -10}),
        ({"exp": None}, {}),
        ({"exp": "tomorrow"}, {}),
        ({"nbf": 60}, {"nbf": 10}),
        ({"iat": 120}, {"iat": 10}),
        ({"sub": None}, {}),
        ({"sub": 7}, {}),
        ({"sub": ""}, {}),
        ({"sub": "x" * 200}, {"sub": "x" * 100}),
        ({"client_id": None}, {"client_id": None, "azp": "browser"}),
        ({"azp": "other"}, {"azp": "browser"}),
    ],
    ids=str,
)
async def test_only_a_token_for_this_service_and_this_time_is_accepted(
    wrong: dict[str, Any], right: dict[str, Any], provider: Provider
) -> None:
    await verified(provider, provider.sign(claims(provider, **right)))
    await refused(provider, provider.sign(claims(provider, **wrong)))


async def test_the_providers_own_lifetime_and_audience_are_obeyed(provider: Provider) -> None:
    other = "another-service"
    provider.lifetime_s = -120
    try:
        expired = provider.access_token("ann")
        provider.lifetime_s, provider.audience = 600, other
        foreign = provider.access_token("ann")
    finally:
        provider.lifetime_s, provider.audience = 600, "ringfence"
    await refused(provider, expired)
    await refused(provider, foreign)
    await verified(provider, foreign, audience=[other])


async def test_a_signature_must_be_the_providers_by_an_algorithm_that_is_allowed(provider: Provider) -> None:
    """RFC 8725, 2.1: `none`, a public key taken for a secret, and a key that the token brings itself."""
    fine = claims(provider)
    await verified(provider, provider.sign(fine))
    await verified(provider, provider.sign(fine, algorithm="PS256"))
    await refused(provider, provider.sign(fine, algorithm="PS256"), algorithms=["RS256"])
    head = {"typ": "at+jwt", "kid": provider.key_id}
    await refused(provider, jwt.encode(fine, None, algorithm="none", headers=head))
    await refused(provider, _signed_with_the_public_key(fine, provider))
    stranger = Provider()
    stranger.start()
    try:
        await refused(provider, stranger.sign(fine, kid=provider.key_id))
        own = {"jwk": {"kty": "RSA"}, "jku": f"{stranger.url}/jwks", "kid": stranger.key_id}
        await refused(provider, stranger.sign(fine, **own))
    finally:
        stranger.stop()
    signed = provider.sign(fine)
    await refused(provider, signed[:-8] + ("A" * 8 if not signed.endswith("A" * 8) else "B" * 8))
    await refused(provider, provider.sign(fine, crit=["exp"], exp=1))


def _signed_with_the_public_key(payload: dict[str, Any], provider: Provider) -> str:
    # The library refuses to do this, so it is done by hand, as an attacker would.
    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "at+jwt", "kid": provider.key_id}) + b"." + part(payload)
    seal = hmac.new(provider.public_pem, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(seal).rstrip(b"=")).decode()


async def test_an_id_token_is_no_access_token(provider: Provider) -> None:
    """Both are signed with one key, and here they are for one audience."""
    provider.audience = "browser"
    try:
        both = provider.sign_in("ann")
    finally:
        provider.audience = "ringfence"
    allowed = {"audience": ["browser"]}
    await verified(provider, both["access_token"], **allowed)
    with_client = jwt.decode(both["id_token"], options={"verify_signature": False}) | {"azp": "browser"}
    await refused(provider, both["id_token"], **allowed)
    await refused(provider, provider.sign(with_client, typ="JWT"), **allowed)
    del with_client["at_hash"]
    await verified(provider, provider.sign(with_client, typ="JWT"), **allowed)


@pytest.mark.parametrize(
    ("header", "body", "accepted"),
    [
        ("at+jwt", {}, True),
        ("application/at+jwt", {}, True),
        ("JWT", {}, True),
        (None, {}, True),
        ("logout+jwt", {}, False),
        ("secevent+jwt", {}, False),
        ("JWT", {"typ": "Bearer", "nonce": "n"}, True),
        ("JWT", {"typ": "ID"}, False),
        ("JWT", {"typ": "Refresh"}, False),
        ("JWT", {"token_use": "access"}, True),
        ("JWT", {"token_use": "id"}, False),
        ("JWT", {"nonce": "n"}, False),
        ("at+jwt", {"events": {}}, False),
        ("at+jwt", {"cnf": {"jkt": "x"}}, False),
        ("JWT", {"idtyp": "app"}, False),
        ("JWT", {"idtyp": "user"}, True),
    ],
)
async def test_what_shows_that_it_is_another_kind_of_token_is_refused(
    header: str | None, body: dict[str, Any], accepted: bool, provider: Provider
) -> None:
    token = provider.sign(claims(provider, **body), typ=header)
    await (verified if accepted else refused)(provider, token)
    strictly = accepted and header is not None and header.endswith("at+jwt")
    await (verified if strictly else refused)(provider, token, token_type="at+jwt")


async def test_a_required_scope_must_be_granted(provider: Provider) -> None:
    for granted in ({"scope": "openid ask"}, {"scp": ["ask"]}, {"scp": "ask"}):
        await verified(provider, provider.sign(claims(provider, **granted)), required_scope="ask")
    for missing in ({}, {"scope": "asking"}, {"scope": 7}, {"scp": {"ask": True}}):
        await refused(provider, provider.sign(claims(provider, **missing)), required_scope="ask")


@pytest.mark.parametrize(
    ("held", "assistant"),
    [
        ({}, None),
        ({"client_id": "helpdesk"}, "assistant:corp/helpdesk"),
        ({"client_id": "mapped"}, "assistant:help"),
        ({"act": {"sub": "helpdesk"}}, "assistant:corp/helpdesk"),
        ({"client_id": "helpdesk", "act": {"sub": "helpdesk"}}, "assistant:corp/helpdesk"),
    ],
)
async def test_a_token_that_a_program_holds_acts_through_that_program(
    held: dict[str, Any], assistant: str | None, provider: Provider
) -> None:
    """RFC 8693, 4.1. The rights are those of both, so the program is never left out."""
    found = await verified(provider, provider.sign(claims(provider, **held)), assistants={"mapped": "assistant:help"})
    assert (found.person, found.assistant) == ("user:corp/ann", assistant)


@pytest.mark.parametrize(
    "held",
    [
        {"client_id": "helpdesk", "act": {"sub": "another"}},
        {"act": {"sub": "helpdesk", "act": {"sub": "another"}}},
        {"act": {"sub": "helpdesk", "iss": "https://elsewhere.example"}},
        {"act": {}},
        {"act": "helpdesk"},
        {"act": None, "client_id": "ann"},
    ],
    ids=str,
)
async def test_more_than_one_program_or_none_that_is_named_is_refused(held: dict[str, Any], provider: Provider) -> None:
    await refused(provider, provider.sign(claims(provider, **held)))


async def test_groups_are_taken_from_the_claim_that_is_configured_and_from_no_other(provider: Provider) -> None:
    nested = claims(provider, realm_access={"roles": ["staff"]}, groups=["other"])
    token = provider.sign(nested)
    assert (await verified(provider, token)).groups == frozenset()
    assert (await verified(provider, token, groups_claim=["realm_access", "roles"])).groups == {"group:corp/staff"}
    assert (await verified(provider, token, groups_claim="missing", groups_required=False)).groups == frozenset()
    await refused(provider, token, groups_claim="missing")
    for unusable in ("staff", [7], ["x"] * 501, {"a": 1}):
        await refused(provider, provider.sign(claims(provider, groups=unusable)), groups_claim="groups")
    overage = claims(provider, groups=["staff"], _claim_names={"groups": "src1"})
    await refused(provider, provider.sign(overage), groups_claim="groups")


async def test_the_tenant_is_the_configured_one_or_that_of_a_claim(provider: Provider) -> None:
    by_claim = {"tenant": None, "tenant_claim": "org"}
    assert (await verified(provider, provider.sign(claims(provider, org="globex")), **by_claim)).tenant == "globex"
    for wrong in ({}, {"org": "two words"}, {"org": ["globex"]}):
        await refused(provider, provider.sign(claims(provider, **wrong)), **by_claim)


async def test_a_subject_may_be_another_claim(provider: Provider) -> None:
    token = provider.sign(claims(provider, oid="7f3a"))
    assert (await verified(provider, token, subject_claim="oid")).person == "user:corp/7f3a"
    await refused(provider, token, subject_claim="employee")


VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)


@given(one=VALUES, other=VALUES)
def test_two_subjects_are_never_one_person(one: str, other: str) -> None:
    issuer = _settings("corp")
    assert (name_of("user", one, issuer) == name_of("user", other, issuer)) == (one == other)


@given(one=VALUES, other=VALUES)
def test_two_issuers_never_name_the_same_person(one: str, other: str) -> None:
    assert name_of("user", one, _settings("corp")) != name_of("user", other, _settings("corp-2"))


def _settings(name: str) -> IssuerSettings:
    return IssuerSettings(name=name, issuer=f"https://{name}.example", audience=("ringfence",), tenant="acme")


def test_an_unscoped_issuer_names_people_as_they_are_and_refuses_what_no_policy_can_name() -> None:
    plain = _settings("corp").model_copy(update={"scoped_names": False})
    assert name_of("user", "ann@acme.example", plain) == "user:ann@acme.example"
    for unusable in ("auth0|ann", "", "Ann Smith", "user:ann"):
        with pytest.raises(InvalidRule):
            name_of("user", unusable, plain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": None},
        {"tenant_claim": "org"},
        {"issuer": "http://login.example"},
        {"jwks_url": "ftp://127.0.0.1/keys"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"audience": []},
        {"offline_s": 10},
        {"name": "Corp"},
    ],
    ids=str,
)
def test_settings_that_would_weaken_the_check_are_refused(wrong: dict[str, Any]) -> None:
    fine: dict[str, Any] = {"name": "corp", "issuer": "https://a.example", "audience": ["x"], "tenant": "acme"}
    IssuerSettings.model_validate(fine)
    with pytest.raises(ValueError, match="validation error"):
        IssuerSettings.model_validate({**fine, **wrong})


def test_issuers_that_could_name_the_same_person_are_refused() -> None:
    one, other = _settings("one"), _settings("other")
    assert len(IdentitySettings(issuers=(one, other)).issuers) == 2
    plain = one.model_copy(update={"scoped_names": False})
    for pair in ((plain, other), (one, one), (one, other.model_copy(update={"issuer": one.issuer}))):
        with pytest.raises(ValueError, match="issuers"):
            IdentitySettings(issuers=pair)


async def test_an_assistants_name_in_the_settings_must_be_one() -> None:
    wrong = _settings("corp").model_copy(update={"assistants": {"helpdesk": "user:ann"}})
    async with AsyncExitStack() as opened:
        with pytest.raises(Misuse, match="corp"):
            open_issuers(IdentitySettings(issuers=(wrong,)), opened)


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c", "....", "é.é.é", "rf_0_0", "." * 20_000, "eyJhbGciOiJub25lIn0.e30."]
)
async def test_what_is_no_token_belongs_to_no_issuer(text: str, provider: Provider) -> None:
    async with AsyncExitStack() as opened:
        issuers = open_issuers(IdentitySettings(issuers=(provider.settings(),)), opened)
        assert issuers.find(text) is None
        assert issuers.find(provider.sign(claims(provider))) is not None
