"""DESIGN section 6: nothing a caller says about who somebody is counts unless signed, or spoken by a key that may."""

import time
from dataclasses import replace

import jwt
import pytest

from rag.domain import PrincipalSource
from rag.errors import Denied, Misuse, NotFound, Unauthenticated
from rag.identity.authenticate import IdentityParts, authenticate, identify
from rag.identity.credentials import Credentials
from tests.identity.conftest import OPERATOR, SECRET, MakeKey


def token(**changes: object) -> str:
    payload = {"sub": "ann", "aud": "ringfence", "tenant": "acme", "exp": int(time.time()) + 60, **changes}
    return jwt.encode(payload, SECRET, algorithm="HS256")


def bearing(bearer: str, **rest: object) -> Credentials:
    return Credentials(authorization=(f"Bearer {bearer}",), **rest)  # type: ignore[arg-type]


async def test_a_persons_key_is_that_person_and_nobody_else(parts: IdentityParts, make: MakeKey) -> None:
    key = await make("user:ann")
    principal = await authenticate(bearing(key.bearer), parts)
    assert (principal.tenant, principal.person, principal.assistant) == ("acme", "user:ann", None)
    assert principal.source is PrincipalSource.API_KEY
    for attempt in ({"person": ("bob",)}, {"person": ("ann",)}, {"person_token": (token(),)}):
        with pytest.raises(Denied) as refusal:
            await authenticate(bearing(key.bearer, **attempt), parts)
        assert refusal.value.code == "may_not_name_people"


async def test_an_assistant_without_a_person_is_told_so(parts: IdentityParts, make: MakeKey) -> None:
    key = await make("assistant:helpdesk", may_name_people=True)
    with pytest.raises(Denied) as refusal:
        await authenticate(bearing(key.bearer), parts)
    assert refusal.value.code == "person_required"


async def test_an_assistant_with_a_signed_token_acts_for_its_person(parts: IdentityParts, make: MakeKey) -> None:
    key = await make("assistant:helpdesk")
    principal = await authenticate(bearing(key.bearer, person_token=(token(groups=["finance"]),)), parts)
    assert (principal.person, principal.assistant) == ("user:ann", "assistant:helpdesk")
    assert principal.groups == {"group:finance"}
    assert principal.source is PrincipalSource.SIGNED_TOKEN
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(key.bearer, person_token=(token(tenant="other"),)), parts)
    with pytest.raises(Misuse) as refusal:
        await authenticate(bearing(key.bearer, person_token=(token(),)), replace(parts, tokens=None))
    assert refusal.value.code == "person_tokens_not_configured"


async def test_only_a_key_with_the_right_names_people(parts: IdentityParts, make: MakeKey) -> None:
    may, may_not = await make("assistant:helpdesk", may_name_people=True), await make("assistant:helpdesk")
    for name in ("ann", "user:ann"):
        principal = await authenticate(bearing(may.bearer, person=(name,)), parts)
        assert (principal.person, principal.assistant) == ("user:ann", "assistant:helpdesk")
        assert principal.source is PrincipalSource.NAMED_BY_KEY
    with pytest.raises(Denied) as refusal:
        await authenticate(bearing(may_not.bearer, person=("ann",)), parts)
    assert refusal.value.code == "may_not_name_people"
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(may.bearer, person=("nobody",)), parts)


@pytest.mark.parametrize(
    "name", ["", "ann, bob", "group:finance", "assistant:helpdesk", "user:", "a\u0000b", "ann;role"]
)
async def test_what_is_not_a_persons_name_is_misuse(name: str, parts: IdentityParts, make: MakeKey) -> None:
    key = await make("assistant:helpdesk", may_name_people=True)
    with pytest.raises(Misuse) as refusal:
        await authenticate(bearing(key.bearer, person=(name,)), parts)
    assert refusal.value.code == "invalid_person"
    assert "bob" not in refusal.value.message


async def test_contradicting_or_repeated_headers_are_refused(parts: IdentityParts, make: MakeKey) -> None:
    key = await make("assistant:helpdesk", may_name_people=True)
    wrong = {
        "ambiguous_person": bearing(key.bearer, person=("ann",), person_token=(token(),)),
        "duplicate_header": bearing(key.bearer, person=("ann", "ann")),
    }
    for code, credentials in wrong.items():
        with pytest.raises(Misuse) as refusal:
            await authenticate(credentials, parts)
        assert refusal.value.code == code
    for twice in (
        Credentials(authorization=(f"Bearer {key.bearer}",) * 2, person=("ann",)),
        bearing(key.bearer, person_token=(token(), token())),
    ):
        with pytest.raises(Misuse):
            await authenticate(twice, parts)


async def test_a_key_cannot_choose_its_tenant_or_assistant(parts: IdentityParts, make: MakeKey) -> None:
    for key in (await make("user:ann"), await make("assistant:helpdesk", may_name_people=True)):
        for extra in ({"tenant": ("other",)}, {"tenant": ("acme",)}, {"assistant": ("other",)}):
            with pytest.raises(Denied) as refusal:
                await authenticate(bearing(key.bearer, **extra), parts)
            assert refusal.value.code == "may_not_name_tenant"


async def test_missing_and_wrong_keys_get_one_message(parts: IdentityParts, make: MakeKey) -> None:
    key = await make("user:ann")
    messages = set()
    for authorization in (
        (),
        ("",),
        ("Bearer ",),
        (f"Basic {key.bearer}",),
        (key.bearer,),
        ("Bearer rf_0000000000000000_" + "0" * 64,),
        (f"Bearer {key.bearer}x",),
        ("Bearer " + OPERATOR,),
        ("Bearer é",),
    ):
        with pytest.raises(Unauthenticated) as refusal:
            await authenticate(Credentials(authorization=authorization), parts)
        messages.add((refusal.value.code, refusal.value.message))
    assert len(messages) == 1
    assert (await authenticate(Credentials(authorization=(f"bearer {key.bearer}",)), parts)).person == "user:ann"


async def test_the_operator_names_anybody_but_from_this_machine_only(parts: IdentityParts) -> None:
    headers = {"tenant": ("acme",), "person": ("ann",)}
    principal = await authenticate(bearing(OPERATOR, loopback=True, **headers), parts)
    assert (principal.tenant, principal.person, principal.source) == ("acme", "user:ann", PrincipalSource.OPERATOR)
    with_assistant = bearing(OPERATOR, loopback=True, assistant=("helpdesk",), **headers)
    assert (await authenticate(with_assistant, parts)).assistant == "assistant:helpdesk"
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(OPERATOR, **headers), parts)
    with pytest.raises(Unauthenticated):
        await authenticate(bearing(OPERATOR, loopback=True, **headers), replace(parts, operator_key=None))
    with pytest.raises(Denied):
        await authenticate(bearing(OPERATOR, loopback=True, tenant=("acme",)), parts)
    with pytest.raises(Misuse) as refusal:
        await authenticate(bearing(OPERATOR, loopback=True, person=("ann",)), parts)
    assert refusal.value.code == "tenant_required"
    with pytest.raises(NotFound):
        await authenticate(bearing(OPERATOR, loopback=True, tenant=("acme",), person=("anna",)), parts)


async def test_credentials_are_in_no_repr(parts: IdentityParts, make: MakeKey) -> None:
    key = await make("assistant:helpdesk")
    shown = (
        repr(bearing(key.bearer, person_token=(token(),)))
        + repr(parts)
        + repr(await identify(bearing(key.bearer), parts))
    )
    assert key.bearer not in shown
    assert OPERATOR not in shown
    assert token()[:20] not in shown
