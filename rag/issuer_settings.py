"""Settings of the OpenID Connect providers whose access tokens are accepted. A part of `rag.settings`."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def secure_url(url: str) -> bool:
    """Whether what comes from this address comes from who it names: https, or http from this machine itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1"))


class IssuerSettings(_Part):
    """One OpenID Connect provider whose access tokens are accepted."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="Short name; stands before its people's names.")
    issuer: str = Field(min_length=1, description="Exact `iss` of its tokens; also where its discovery document is.")
    audience: tuple[str, ...] = Field(min_length=1, description="Accepted `aud`: this service as the issuer knows it.")
    jwks_url: str | None = Field(None, description="Where its keys are. Default: as its discovery document says.")
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"], ...] = (
        Field(("RS256", "PS256", "ES256", "EdDSA"), min_length=1, description="Accepted signatures, asymmetric only.")
    )
    token_type: Literal["at+jwt", "any"] = Field(
        "any",
        description="at+jwt accepts tokens that declare themselves access tokens (RFC 9068) only; any also those that "
        "are not seen to be something else.",
    )
    required_scope: str | None = Field(None, description="Scope that a token must carry.")
    tenant: str | None = Field(None, description="Tenant of all its people. Either this or tenant_claim.")
    tenant_claim: str | tuple[str, ...] | None = Field(
        None, description="Claim that names the tenant; several names are a path."
    )
    subject_claim: str | tuple[str, ...] = Field("sub", description="Claim that names the person; never reassigned.")
    groups_claim: str | tuple[str, ...] | None = Field(
        None, description="Claim that lists her groups. Default: groups come from the policy's role links alone."
    )
    groups_required: bool = Field(
        True, description="Refuse a token without that claim, since a denial for a group left out would not hold."
    )
    scoped_names: bool = Field(
        True,
        description="People are user:<name>/<subject>, so that no two issuers can name the same one. false only where "
        "this is the only issuer.",
    )
    person_clients: tuple[str, ...] = Field(
        (), description="Clients that people use themselves. Any other client is an assistant, with rights of its own."
    )
    assistants: dict[str, str] = Field(
        {}, description="Client id to assistant:<name>. Default: assistant:<issuer name>/<client id>."
    )
    client_claims: tuple[str, ...] = Field(
        ("client_id", "azp", "appid", "cid"), min_length=1, description="Claims that name the client."
    )
    leeway_s: int = Field(30, ge=0, le=120, description="Clocks of issuer and service may differ by this much.")
    timeout_s: float = Field(5.0, gt=0, le=60, description="Fetching its keys, as a whole.")
    keys_fresh_s: float = Field(300.0, gt=0, description="Its keys are fetched again when they are older.")
    keys_retry_s: float = Field(
        30.0, gt=0, description="Shortest time between two fetches, whatever keys the tokens of callers name."
    )
    offline_s: float = Field(
        3600.0, gt=0, description="With its keys older than this, because it cannot be reached, no token is accepted."
    )
    scim_assistant: str | None = Field(
        None, description="Subject of the key that provisions its people by SCIM, for example assistant:okta."
    )
    scim_subject: Literal["userName", "externalId"] = Field(
        "userName", description="Attribute of a SCIM user that equals subject_claim."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if (self.tenant is None) == (self.tenant_claim is None):
            raise ValueError("set one of tenant and tenant_claim")
        if self.offline_s < self.keys_fresh_s or self.keys_fresh_s < self.keys_retry_s:
            raise ValueError("keys_retry_s <= keys_fresh_s <= offline_s must hold")
        for url in (self.issuer, *([] if self.jwks_url is None else [self.jwks_url])):
            if not secure_url(url):
                raise ValueError("issuer and jwks_url must be https, or http on this machine, without ? and #")
        return self


class IdentitySettings(_Part):
    issuers: tuple[IssuerSettings, ...] = Field(
        (), description="OpenID Connect providers; in the environment, as JSON."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for column in ("name", "issuer", "scim_assistant"):
            values = [value for issuer in self.issuers if (value := getattr(issuer, column)) is not None]
            if len(set(values)) < len(values):
                raise ValueError(f"two issuers have the same {column}")
        if len(self.issuers) > 1 and not all(issuer.scoped_names for issuer in self.issuers):
            raise ValueError("with several issuers, each needs scoped_names, or two people could be one")
        return self
