"""A person's token that is not good is refused over HTTP with one message, whatever is wrong with it."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest

from rag.identity.tokens import LEEWAY_S
from tests.api.conftest import SECRET, Bearers

MARGIN_S = 30


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "ann", "aud": "ringfence", "tenant": "acme", "exp": int(time.time()) + 60} | changes


def signed(*, key: bytes = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims())
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


async def shown(client: httpx.AsyncClient, bearers: Bearers, *tokens: str) -> httpx.Response:
    headers = [("Authorization", f"Bearer {bearers.assistant}")]
    return await client.get("/api/v1/me", headers=headers + [("X-Ringfence-Person-Token", token) for token in tokens])


async def test_every_token_that_is_not_good_is_refused_alike(client: httpx.AsyncClient, bearers: Bearers) -> None:
    now = int(time.time())
    bad = {
        "expired": signed(exp=now - LEEWAY_S - MARGIN_S),
        "not yet": signed(nbf=now + LEEWAY_S + MARGIN_S),
        "audience": signed(aud="another-service"),
        "tenant": signed(tenant="globex"),
        "none": unsigned(),
        "another secret": signed(key=b"t" * 32),
        "another algorithm": signed(key=SECRET * 2, algorithm="HS512"),
        "garbage": "a.b.c",
    }
    answers = {name: await shown(client, bearers, token) for name, token in bad.items()}
    assert {name for name, answer in answers.items() if answer.status_code != 401} == set()
    assert len({answer.json()["detail"] for answer in answers.values()}) == 1
    good = await shown(client, bearers, signed())
    assert good.json()["person"] == "user:ann"


@pytest.mark.parametrize("skew", [{"exp": -LEEWAY_S / 2}, {"nbf": LEEWAY_S / 2}], ids=["behind", "ahead"])
async def test_clocks_may_differ_a_little(skew: dict[str, float], client: httpx.AsyncClient, bearers: Bearers) -> None:
    times = {name: int(time.time() + seconds) for name, seconds in skew.items()}
    assert (await shown(client, bearers, signed(**times))).status_code == 200


async def test_two_tokens_are_no_token(client: httpx.AsyncClient, bearers: Bearers) -> None:
    answer = await shown(client, bearers, signed(), signed(sub="bob"))
    assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_header")
