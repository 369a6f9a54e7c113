"""RFC 8725 (best practice for JSON web tokens): the attacks it lists, each with its permitted twin."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from rag.errors import Misuse, Unauthenticated
from rag.identity.tokens import TokenVerifier, open_verifier
from rag.settings import ServiceSettings
from tests.identity.conftest import SECRET


def claims(**changes: Any) -> dict[str, Any]:
    """A valid token's claims with `changes`: None leaves one out, a timedelta is counted from now."""
    whole = {"sub": "ann", "aud": "ringfence", "tenant": "acme", "exp": timedelta(minutes=10), **changes}
    return {name: _from_now(value) for name, value in whole.items() if value is not None}


def _from_now(value: Any) -> Any:
    return int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value


def signed(payload: dict[str, Any], **headers: Any) -> str:
    return jwt.encode(payload, SECRET, algorithm="HS256", headers=headers or None)


def verifier(*, issuer: str | None = None) -> TokenVerifier:
    return TokenVerifier(SECRET, "HS256", audience="ringfence", issuer=issuer)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_valid_token_names_its_person_and_groups() -> None:
    token = signed(claims(groups=["finance", "group:board", "not a name"]))
    named = verifier().verify(token, tenant="acme")
    assert named.person == "user:ann"
    assert named.groups == {"group:finance", "group:board"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"exp": timedelta(hours=-1)},
        {"exp": None},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "assistant:helpdesk"},
        {"sub": "ann, bob"},
        {"tenant": "other"},
        {"tenant": None},
        {"nbf": timedelta(hours=1)},
        {"groups": "finance"},
        {"groups": [1]},
        {"groups": [f"g{n}" for n in range(501)]},
        {"hasgroups": True},
        {"_claim_names": {"groups": "src1"}},
    ],
    ids=lambda wrong: ",".join(f"{k}={str(v)[:20]}" for k, v in wrong.items()),
)
def test_a_token_with_a_wrong_or_missing_claim_names_nobody(wrong: dict[str, Any]) -> None:
    verifier().verify(signed(claims()), tenant="acme")
    with pytest.raises(Unauthenticated):
        verifier().verify(signed(claims(**wrong)), tenant="acme")


def test_the_issuer_is_required_once_it_is_configured() -> None:
    strict = verifier(issuer="https://id.acme.example")
    assert strict.verify(signed(claims(iss="https://id.acme.example")), tenant="acme").person == "user:ann"
    for other in ("https://evil.example", None):
        with pytest.raises(Unauthenticated):
            strict.verify(signed(claims(iss=other)), tenant="acme")


def test_a_token_without_signature_is_refused() -> None:
    for algorithm in ("none", "None", "NONE"):
        head = b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        with pytest.raises(Unauthenticated):
            verifier().verify(f"{head}.{b64(json.dumps(claims()).encode())}.", tenant="acme")


def test_a_token_made_for_another_purpose_is_refused() -> None:
    assert verifier().verify(signed(claims(), typ="JWT"), tenant="acme")
    with pytest.raises(Unauthenticated):
        verifier().verify(signed(claims(), typ="logout+jwt"), tenant="acme")


@pytest.mark.parametrize("garbage", ["", "a.b.c", "é.é.é", "x" * 20_000, "..", "null"])
def test_garbage_is_refused_like_any_other_token(garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier().verify(garbage, tenant="acme")


def test_a_changed_or_foreign_signature_is_refused() -> None:
    head, body, _ = signed(claims()).split(".")
    foreign = b64(hmac.digest(b"another secret of thirty-two byte", f"{head}.{body}".encode(), hashlib.sha256))
    with pytest.raises(Unauthenticated):
        verifier().verify(f"{head}.{body}.{foreign}", tenant="acme")
    other_body = b64(json.dumps(claims(sub="bob")).encode())
    with pytest.raises(Unauthenticated):
        verifier().verify(f"{head}.{other_body}.{signed(claims()).split('.')[2]}", tenant="acme")


PRIVATE = {
    "RS256": lambda: generate_rsa(public_exponent=65537, key_size=2048),
    "ES256": lambda: generate_ec(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


def pem_file(tmp_path: Path, private: Any) -> Path:
    path = tmp_path / "issuer.pem"
    path.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_the_configured_public_key_decides_the_algorithm(algorithm: str, tmp_path: Path) -> None:
    """Key confusion: an HS256 token whose secret is the text of the public key."""
    private = PRIVATE[algorithm]()
    path = pem_file(tmp_path, private)
    opened = open_verifier(ServiceSettings(jwt_public_key_file=path))
    assert opened is not None
    assert opened.algorithm == algorithm
    assert opened.verify(jwt.encode(claims(), private, algorithm=algorithm), tenant="acme").person == "user:ann"
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = b64(json.dumps(claims()).encode())
    confused = b64(hmac.digest(path.read_bytes(), f"{head}.{body}".encode(), hashlib.sha256))
    with pytest.raises(Unauthenticated):
        opened.verify(f"{head}.{body}.{confused}", tenant="acme")


def test_settings_that_cannot_verify_safely_stop_the_start(tmp_path: Path) -> None:
    good = pem_file(tmp_path, PRIVATE["EdDSA"]())
    assert open_verifier(ServiceSettings()) is None
    assert open_verifier(ServiceSettings(jwt_secret=SecretStr("s" * 32))) is not None
    weak, curve, private = tmp_path / "weak.pem", tmp_path / "curve.pem", tmp_path / "private.pem"
    small = generate_rsa(public_exponent=65537, key_size=1024)  # noqa: S505 - the weak key that must be refused
    weak.write_bytes(small.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    p384 = generate_ec(SECP384R1()).public_key()
    curve.write_bytes(p384.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for wrong in (
        ServiceSettings(jwt_secret=SecretStr("s" * 31)),
        ServiceSettings(jwt_secret=SecretStr("s" * 32), jwt_public_key_file=good),
        ServiceSettings(jwt_public_key_file=tmp_path / "absent.pem"),
        ServiceSettings(jwt_public_key_file=weak),
        ServiceSettings(jwt_public_key_file=curve),
        ServiceSettings(jwt_public_key_file=private),
    ):
        with pytest.raises(Misuse):
            open_verifier(wrong)
