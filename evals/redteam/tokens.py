"""Tokens that name a person, and forgeries of them: by the name of what is wrong with each."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

AUDIENCE = "ringfence"
_HOUR = 3600


class Forger:
    """Makes tokens for the person `keeper` of tenant `acme`; only `valid` is signed and meant as it must be."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._made: Mapping[str, Callable[[], str]] = {
            "valid": self._signed,
            "without_algorithm": self._without_algorithm,
            "algorithm_in_capitals": lambda: self._without_algorithm("NONE"),
            "other_secret": lambda: self._signed(secret="o" * 32),
            "empty_secret": self._empty_secret,
            "expired": lambda: self._signed(exp=int(time.time()) - _HOUR),
            "not_yet": lambda: self._signed(nbf=int(time.time()) + _HOUR),
            "without_expiry": lambda: self._signed(exp=None),
            "other_audience": lambda: self._signed(aud="payroll"),
            "other_tenant": lambda: self._signed(tenant="rival"),
            "without_tenant": lambda: self._signed(tenant=None),
            "for_another_purpose": lambda: self._signed(headers={"typ": "logout+jwt"}),
            "own_key_inside": self._own_key_inside,
            "key_from_a_file": lambda: self._signed(secret="", headers={"kid": "../../../../dev/null"}),
            "other_algorithm": lambda: self._signed(algorithm="HS512"),
            "changed_afterwards": self._changed_afterwards,
            "groups_too_many_to_list": lambda: self._signed(hasgroups=True),
            "a_group_as_person": lambda: self._signed(sub="group:vault"),
        }

    def __call__(self, name: str) -> str:
        return self._made[name]()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._made)

    def _claims(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        usual = {"sub": "keeper", "tenant": "acme", "aud": AUDIENCE, "exp": int(time.time()) + _HOUR}
        return {name: value for name, value in (usual | dict(changes)).items() if value is not None}

    def _signed(
        self,
        secret: str | None = None,
        algorithm: str = "HS256",
        headers: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        key = self._secret if secret is None else secret
        if not key:
            return self._empty_secret(headers)
        return jwt.encode(self._claims(changes), key, algorithm=algorithm, headers=dict(headers or {}))

    def _without_algorithm(self, spelled: str = "none") -> str:
        return f"{_part({'alg': spelled, 'typ': 'JWT'})}.{_part(self._claims({}))}."

    def _empty_secret(self, headers: Mapping[str, Any] | None = None) -> str:
        # What a verifier would accept that reads its key from an empty file. PyJWT refuses to sign so.
        digest = jwt.get_algorithm_by_name("HS256")
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', **(headers or {})})}.{_part(self._claims({}))}"
        return f"{signed}.{_text(digest.sign(signed.encode(), b''))}"

    def _own_key_inside(self) -> str:
        own = "m" * 32
        key = {"kty": "oct", "k": _text(own.encode()), "alg": "HS256"}
        return self._signed(secret=own, headers={"jwk": key, "jku": "https://attacker.example/keys.json"})

    def _changed_afterwards(self) -> str:
        head, _, signature = self._signed(sub="eve").split(".")
        return f"{head}.{_part(self._claims({}))}.{signature}"


def _part(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
