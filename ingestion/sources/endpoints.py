"""Addresses of sources that are asked over a network, and the secrets that they are asked with."""

import ipaddress
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rag.errors import Misuse

SECRET_BYTES_MAX = 16 * 1024
Transport = Literal["tls", "plain"]


class SecretPlace(BaseModel):
    """Where a secret is: `{env: NAME}` or `{file: PATH}`. It never stands in the configuration itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str = Field("", max_length=256)
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("a secret is never written here: say {env: NAME} or {file: PATH}")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> "SecretPlace":
        if bool(self.env) == (self.file is not None):
            raise ValueError("name one place of the secret: env or file")
        return self

    def read(self) -> str:
        """The secret, without the line end of its file.

        Raises:
            Misuse: there is none.
        """
        if self.file is None:
            if secret := os.environ.get(self.env, ""):
                return secret
            raise Misuse(f"The environment variable {self.env} of the source is not set.", code="source_secret")
        try:
            secret = self.file.read_bytes()[:SECRET_BYTES_MAX].decode().strip()
        except (OSError, UnicodeDecodeError) as cause:
            raise Misuse(f"The secret of the source in {self.file} cannot be read.", code="source_secret") from cause
        if not secret:
            raise Misuse(f"The file {self.file} of the source's secret is empty.", code="source_secret")
        return secret


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def normalised(url: str) -> str:
    """The address as it is always written: a host in small letters, no usual port, no slash at its end, no secret."""
    return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")


def require_address(url: str, transport: Transport) -> str:
    """The address without a slash at its end. Plain HTTP only where it was said, or stays on this machine.

    Raises:
        ValueError: no such address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not the address of a service")
    if parts.username or parts.password:
        raise ValueError("a secret does not stand in an address; name its place")
    if parts.scheme == "http" and transport != "plain" and not is_loopback(parts.hostname):
        raise ValueError(f"{url!r} would be asked in the clear; use https, or say `transport: plain`")
    return url.rstrip("/")
