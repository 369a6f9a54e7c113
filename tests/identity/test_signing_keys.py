"""Keys are the provider's of now: rotation is followed, silence is borne for a while, and nothing else is believed."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

from rag.errors import Unauthenticated, Unavailable
from rag.identity.issuers import Issuer
from rag.identity.signing_keys import DOCUMENT_BYTES_MAX, ProviderUnreachable, SigningKeys
from rag.issuer_settings import IssuerSettings
from tests.identity.provider import Provider, running

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's, of the library it stands on

FRESH_S, RETRY_S, OFFLINE_S = 300, 30, 3600


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer(provider: Provider, clock: Clock) -> Any:
    settings = provider.settings(keys_fresh_s=FRESH_S, keys_retry_s=RETRY_S, offline_s=OFFLINE_S)
    async with httpx.AsyncClient(trust_env=False) as client:
        yield Issuer(settings, SigningKeys(settings, client, clock=clock))


async def test_keys_are_fetched_once_while_they_are_fresh(provider: Provider, issuer: Issuer, clock: Clock) -> None:
    token = provider.access_token("ann")
    provider.fetched.clear()
    for _ in range(3):
        await issuer.verify(token)
        clock.now += FRESH_S / 3 - 1
    assert provider.fetched == ["/.well-known/openid-configuration", "/jwks"]
    clock.now += 10
    await issuer.verify(token)
    assert provider.fetched.count("/jwks") == 2


async def test_a_new_key_is_found_at_once_and_the_old_one_is_forgotten(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    before = provider.access_token("ann")
    await issuer.verify(before)
    provider.rotate_keys()
    after = provider.access_token("ann")
    clock.now += RETRY_S
    await issuer.verify(after)
    with pytest.raises(Unauthenticated):
        await issuer.verify(before)


async def test_unknown_keys_cannot_make_the_service_ask_again_and_again(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    token = provider.access_token("ann")
    await issuer.verify(token)
    provider.fetched.clear()
    clock.now += RETRY_S
    for number in range(12):
        with pytest.raises(Unauthenticated):
            await issuer.verify(provider.sign({"sub": "ann"}, kid=f"made-up-{number}"))
    assert provider.fetched.count("/jwks") == 1
    await issuer.verify(token)


async def test_a_silent_provider_is_borne_until_its_keys_are_too_old(
    provider: Provider, issuer: Issuer, clock: Clock
) -> None:
    token = provider.access_token("ann")
    await issuer.verify(token)
    provider.stop()
    for age in (FRESH_S, OFFLINE_S - FRESH_S - 1):
        clock.now += age
        await issuer.verify(token)
    clock.now += 1
    with pytest.raises(Unavailable) as refusal:
        await issuer.verify(token)
    assert refusal.value.code == "identity_provider_unavailable"
    provider.start()
    clock.now += RETRY_S
    await issuer.verify(token)


async def test_nobody_is_let_in_before_the_keys_were_ever_had(provider: Provider, issuer: Issuer, clock: Clock) -> None:
    token = provider.access_token("ann")
    provider.stop()
    with pytest.raises(Unavailable):
        await issuer.verify(token)
    provider.start()
    with pytest.raises(Unavailable):
        await issuer.verify(token)
    clock.now += RETRY_S
    await issuer.verify(token)


async def test_a_token_without_a_key_id_is_checked_with_the_only_key(provider: Provider, issuer: Issuer) -> None:
    body = {"iss": provider.url, "sub": "ann", "aud": "ringfence", "client_id": "browser", "exp": time.time() + 60}
    await issuer.verify(provider.sign(body, kid=None))
    with pytest.raises(Unauthenticated):
        await issuer.verify(provider.sign(body, kid=""))


@dataclass
class Scripted:
    """A server that says what a test puts into `answers`: path to status and body."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    url: str = ""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = script.answers.get(self.path, (404, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
                body = b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield script
    server.shutdown()
    thread.join(5)
    server.server_close()


PUBLIC = RSAAlgorithm.to_jwk(generate_private_key(65537, 2048).public_key(), as_dict=True)


def _rsa(**changes: Any) -> dict[str, Any]:
    return {**PUBLIC, **changes}


async def keys_of(script: Scripted, **settings: Any) -> int:
    given = {"name": "corp", "issuer": script.url, "audience": ["x"], "tenant": "acme", **settings}
    async with httpx.AsyncClient(trust_env=False) as client:
        return len(await SigningKeys(IssuerSettings.model_validate(given), client).fetch())


def discovery(script: Scripted, **changes: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"issuer": script.url, "jwks_uri": f"{script.url}/keys", **changes}).encode()


DISCOVERY = "/.well-known/openid-configuration"


async def test_keys_are_where_the_issuers_own_document_says_or_where_the_settings_do(scripted: Scripted) -> None:
    scripted.answers = {DISCOVERY: discovery(scripted), "/keys": (200, json.dumps({"keys": [_rsa()]}).encode())}
    assert await keys_of(scripted) == 1
    del scripted.answers[DISCOVERY]
    assert await keys_of(scripted, jwks_url=f"{scripted.url}/keys") == 1
    with pytest.raises(ProviderUnreachable):
        await keys_of(scripted)


async def test_a_document_that_is_another_issuers_or_leads_elsewhere_is_not_followed(scripted: Scripted) -> None:
    keys = (200, json.dumps({"keys": [_rsa()]}).encode())
    scripted.answers = {"/keys": keys, "/moved": (302, f"{scripted.url}/keys".encode())}
    for wrong in (
        {"issuer": scripted.url + "/"},
        {"issuer": None},
        {"jwks_uri": "http://keys.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
        {"jwks_uri": f"{scripted.url}/moved"},
    ):
        scripted.answers[DISCOVERY] = discovery(scripted, **wrong)
        with pytest.raises(ProviderUnreachable):
            await keys_of(scripted)
    scripted.answers[DISCOVERY] = discovery(scripted)
    assert await keys_of(scripted) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [7]}',
        b"\xff",
        b"[" * 100_000,
        b'{"keys": [' + b" " * DOCUMENT_BYTES_MAX + b"]}",
    ],
    ids=["empty", "list", "no keys", "none", "number", "not text", "deep", "long"],
)
async def test_what_is_no_set_of_keys_is_not_taken_for_one(body: bytes, scripted: Scripted) -> None:
    scripted.answers["/keys"] = (200, body)
    with pytest.raises(ProviderUnreachable):
        await keys_of(scripted, jwks_url=f"{scripted.url}/keys")


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"d": "AQAB"},
        {"n": "AQAB"},
        {"kty": "EC", "crv": "secp256k1"},
        {"kty": 7},
    ],
    ids=str,
)
async def test_a_key_that_signatures_cannot_be_checked_with_is_left_out(
    changes: dict[str, Any], scripted: Scripted
) -> None:
    url = f"{scripted.url}/keys"
    scripted.answers["/keys"] = (200, json.dumps({"keys": [_rsa(kid="good"), _rsa(kid="bad", **changes)]}).encode())
    assert await keys_of(scripted, jwks_url=url) == 1


async def test_two_keys_of_one_name_are_neither(scripted: Scripted) -> None:
    settings = IssuerSettings(
        name="corp", issuer=scripted.url, audience=("x",), tenant="acme", jwks_url=f"{scripted.url}/keys"
    )
    scripted.answers["/keys"] = (200, json.dumps({"keys": [_rsa(kid="a"), _rsa(kid="a"), _rsa(kid="b")]}).encode())
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = SigningKeys(settings, client)
        await keys.get("b", "RS256")
        for missing in ("a", "c", None):
            with pytest.raises(Unauthenticated):
                await keys.get(missing, "RS256")
        with pytest.raises(Unauthenticated):
            await keys.get("b", "ES256")
