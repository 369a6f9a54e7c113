"""Settings of traces. A part of `rag.settings`. Without an endpoint nothing is traced and nothing is sent."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class TelemetrySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    otlp_endpoint: str | None = Field(
        None,
        description="Where traces are sent by OTLP over HTTP, for example http://collector:4318/v1/traces. Default: "
        "nothing is traced.",
    )
    headers: SecretStr | None = Field(
        None, description="Headers of those requests as name=value, separated by commas: for a key of the collector."
    )
    sample_ratio: float = Field(1.0, ge=0, le=1, description="Share of the traces that are kept.")
    service_name: str = Field(
        "ringfence", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name of this service in the traces."
    )
    trust_traceparent: bool = Field(
        False,
        description="Go on with the trace that a caller's `traceparent` header names, and keep it if she says so. Only "
        "behind a proxy that sets it: callers could otherwise join others' traces, or have everything traced.",
    )
    queue_spans: int = Field(
        2048, ge=64, description="Finished spans that wait to be sent; above it they are dropped, never waited for."
    )
    timeout_s: float = Field(5.0, gt=0, description="One request to the collector, and the last one at the end.")

    @field_validator("otlp_endpoint")
    @classmethod
    def _an_address_without_secrets(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("must be an address like http://collector:4318/v1/traces")
        if "@" in address.netloc or address.query:
            raise ValueError("must not hold a user, password or key: those go into telemetry.headers")
        return endpoint

    @field_validator("headers")
    @classmethod
    def _pairs(cls, headers: SecretStr | None) -> SecretStr | None:
        if headers is not None:
            _pairs_of(headers.get_secret_value())
        return headers

    @property
    def header_pairs(self) -> dict[str, str]:
        """`headers`, by name."""
        return {} if self.headers is None else _pairs_of(self.headers.get_secret_value())


def _pairs_of(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(name.strip() and between and value.strip().isprintable() for name, between, value in pairs):
        raise ValueError("must be name=value pairs, separated by commas")
    return {name.strip(): value.strip() for name, _, value in pairs}
