"""Settings: flag > environment (`RINGFENCE_...`) > file > default. Read once at a door, then passed as values.

The file is `ringfence.toml` in the working directory, or the one named by `RINGFENCE_CONFIG`.
Nested settings are written with two underscores in the environment: `RINGFENCE_GENERATOR__BASE_URL`.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from rag.errors import Misuse
from rag.feedback_settings import FeedbackSettings
from rag.ingestion_settings import IngestionSettings
from rag.invalid import problems
from rag.issuer_settings import IdentitySettings
from rag.limit_settings import LimitSettings
from rag.telemetry_settings import TelemetrySettings

_PASSWORD_IN_URL = re.compile(
    r"(?<=://)([^:/?#@]*):.*@|(?<=[?&])([a-z_]*(?:password|secret|token|key)=)[^&#]*", re.IGNORECASE
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Part):
    url: str | None = Field(
        None, description="SQLAlchemy URL with an async driver. Default: SQLite in the data folder.", repr=False
    )
    pool_size: int = Field(15, ge=2, le=1000, description="Postgres: connections of one process, at most.")
    pool_timeout_s: float = Field(
        10.0, gt=0, description="Postgres: how long to wait for one of them; then the answer is 503."
    )
    statement_timeout_s: float = Field(
        60.0, ge=0, description="Postgres: one statement of a service or a command; 0: no limit. Migrations have none."
    )


class IndexSettings(_Part):
    kind: Literal["embedded", "server"] = Field("embedded", description="Qdrant engine in process, or a Qdrant server.")
    url: str | None = Field(
        None, description="Qdrant server, for example http://qdrant:6333. Required with kind=server."
    )
    api_key: SecretStr | None = Field(None, description="Key of the Qdrant server.")
    ca_file: Path | None = Field(
        None, description="PEM of who signed the server's certificate, for an https `url`. Default: the public ones."
    )
    timeout_s: float = Field(5.0, gt=0, description="One call to the server.")
    shards: int = Field(
        1,
        ge=1,
        le=256,
        description="Server: shards of a new collection. Each counts by itself how rare a word is; more than one only "
        "where a tenant is too large for a node.",
    )
    replicas: int = Field(
        1, ge=1, le=32, description="Server: copies of each shard of a new collection, on nodes of their own."
    )
    write_consistency: int = Field(
        1,
        ge=1,
        le=32,
        description="Server: copies that must have taken a write; with fewer of them alive nothing is written. At most "
        "`replicas`.",
    )
    candidates: int = Field(40, ge=1, le=1000, description="Hits asked of each branch (dense, lexical) before fusion.")
    conditions_max: int = Field(
        400, ge=10, description="Filter conditions of one search; above it the search is split and merged."
    )

    @model_validator(mode="after")
    def _writable(self) -> "IndexSettings":
        if self.write_consistency > self.replicas:
            raise ValueError(
                f"write_consistency is {self.write_consistency} with replicas at {self.replicas}: nothing could be "
                "written. Raise RINGFENCE_INDEX__REPLICAS or lower RINGFENCE_INDEX__WRITE_CONSISTENCY"
            )
        return self


class EmbeddingSettings(_Part):
    model: str = Field("all-MiniLM-L6-v2", description="Bundled model, or the path of a sentence-transformers folder.")
    sha256: str | None = Field(None, description="Digest of a folder's manifest; required when `model` is a path.")
    batch: int = Field(
        8,
        ge=1,
        le=1024,
        description="Texts per forward pass in float32. On one core, sentences take 1.7 times as long one by one, and "
        "chunks 1.4 times as long by 32, filled up to the longest.",
    )
    precision: Literal["float32", "int8"] = Field(
        "float32",
        description="Arithmetic of the model. int8 takes less than half the processor time where there is VNNI; its "
        "vectors are others, so an index is of one or the other. It is made when loaded, of the same verified files.",
    )
    threads: int | None = Field(None, ge=1, description="CPU threads of the model. Default: all cores.")


class PrivacySettings(_Part):
    master_key: SecretStr | None = Field(
        None,
        description="32 bytes as base64; wraps each tenant's data key. Several, separated by spaces: the first wraps, "
        "the others still open. Default: a file.",
    )
    master_key_file: Path | None = Field(
        None, description="File with the same, one a line. Default: master.key in the data folder, made once."
    )
    # Not dumped: how receipts are signed does not change how a text is masked.
    signing_key: SecretStr | None = Field(
        None, exclude=True, description="32 bytes as base64: the Ed25519 key that signs receipts. Default: a file."
    )
    signing_key_file: Path | None = Field(
        None,
        exclude=True,
        description="File with the signing key. Default: signing.key in the data folder, made once.",
    )
    profile: Literal["accurate", "fast"] = Field(
        "accurate",
        description="accurate finds names in any case and addresses; fast does without its model and finds less.",
    )
    leave: tuple[str, ...] = Field(
        ("PLACE", "TITLE", "WEB_ADDRESS"),
        description="Kinds that are found but not masked: by themselves they lead to nobody, and texts are searched by "
        "them.",
    )
    language: Literal["en"] = Field("en", description="Language of the recognizers.")
    score_threshold: float = Field(0.35, ge=0, le=1, description="Recognizer results below it are not masked.")
    employee_id_pattern: str = Field(
        r"(?:E|EE|EMP|EMPL|STAFF|MF)-?\d{3,8}", description="Regular expression of an employee number of your company."
    )
    customer_id_pattern: str | None = Field(
        None, description="Regular expression of a customer number of your company. Default: only behind such words."
    )

    @field_validator("leave")
    @classmethod
    def _never_left(cls, leave: tuple[str, ...]) -> tuple[str, ...]:
        if {"SECRET", "LITERAL"} & set(leave):
            raise ValueError("SECRET and LITERAL are always masked: no secret may pass, and no text may forge a token")
        return leave


class GeneratorSettings(_Part):
    kind: Literal["extractive", "openai", "local"] = Field(
        "extractive",
        description="extractive needs no model; openai is a compatible server (vLLM); local is a small one in process.",
    )
    base_url: str | None = Field(
        None,
        description="Root of the OpenAI-compatible API, ending in /v1. Required with kind=openai. Several servers of "
        "the same model, separated by spaces, share the work and stand in for each other.",
    )
    api_key: SecretStr | None = Field(None, description="Key of the model server.")
    model: str | None = Field(None, description="Model name at the server. Required with kind=openai.")
    connect_timeout_s: float = Field(3.0, gt=0, description="Opening a connection to the model server.")
    first_token_timeout_s: float = Field(30.0, gt=0, description="Queueing and prefill, all attempts together.")
    token_timeout_s: float = Field(10.0, gt=0, description="Between two pieces of a stream.")
    attempts: int = Field(
        3, ge=1, le=10, description="Rounds over the servers before the first token, with jittered back-off between."
    )
    health_interval_s: float = Field(
        5.0, gt=0, description="Between two health checks of a server; one that fails gets no new questions."
    )
    breaker_failures: int = Field(
        5, ge=1, description="Failures of a server in a row after which it is left alone for breaker_open_s."
    )
    breaker_open_s: float = Field(15.0, gt=0, description="How long; then a single question tries it again.")
    structured_output: bool = Field(
        False,
        description="Hold answers to sentences that end with the number of a given passage, by vLLM's structured "
        "outputs.",
    )
    max_tokens: int = Field(512, ge=16, le=8192, description="Longest answer.")
    context_chars: int = Field(12000, ge=500, description="Characters of passages in one prompt.")
    answer_threshold: float = Field(
        0.50,
        ge=-1,
        le=1,
        description="Sentence support below it is 'not found'. Calibrated by `ringfence eval abstention`.",
    )
    unsupported: Literal["remove", "mark"] = Field(
        "remove",
        description="What becomes of a model's sentence that no passage supports: it is left out, or, beside supported "
        "ones, shown with [unsupported] behind it if nothing else speaks against it.",
    )
    support_model: str = Field(
        "none",
        description="A second check of supported sentences, which can only reject: none, or the path of a "
        "sentence-transformers CrossEncoder folder.",
    )
    support_sha256: str | None = Field(
        None, description="Digest of that folder's manifest; required when `support_model` is a path."
    )
    support_threshold: float = Field(0.5, ge=0, le=1, description="Sentences that it scores below are rejected.")

    @property
    def base_urls(self) -> tuple[str, ...]:
        """`base_url` by server, each once, without the slash at its end."""
        return tuple(dict.fromkeys(url.rstrip("/") for url in (self.base_url or "").split()))


class ServiceSettings(_Part):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    question_chars_max: int = Field(4000, ge=1, description="Longest question.")
    body_bytes_max: int = Field(1_000_000, ge=1000, description="Longest request body.")
    connections_max: int = Field(
        1000, ge=1, description="Connections at once in one process; to those above it the answer is 503."
    )
    head_timeout_s: float = Field(10.0, gt=0, description="A caller must have sent the head of a request by then.")
    body_timeout_s: float = Field(30.0, gt=0, description="The same for the whole body; then the answer is 408.")
    reader_timeout_s: float = Field(
        60.0, gt=0, description="A caller who takes nothing of an answer for so long is cut off. On Linux."
    )
    passages: int = Field(6, ge=1, le=50, description="Chunks that reach the generator.")
    neighbours: int = Field(
        0,
        ge=0,
        le=3,
        description="Chunks on either side of each of them that reach it too, where they fit and may be read.",
    )
    requests_per_minute: int = Field(120, ge=1, description="Per key.")
    public_url: str | None = Field(
        None, description="Root of the service as callers see it, for links in citations. Default: from host and port."
    )
    mcp_hosts: tuple[str, ...] = Field(
        (),
        description="Other host names by which agents reach /mcp, such as a Kubernetes service's. Known are those of "
        "public_url, host and this machine; requests by any other are refused (DNS rebinding).",
    )
    docs: bool = Field(False, description="Serve the API description at /openapi.json.")
    metrics_open: bool = Field(
        False, description="Answer /metrics to anybody. Default: to this machine, and to administrators' keys."
    )
    jwt_secret: SecretStr | None = Field(
        None,
        description="HS256 secret (at least 32 bytes) for tokens that name the person an assistant acts for.",
    )
    jwt_public_key_file: Path | None = Field(
        None, description="PEM of an RS256, ES256 or EdDSA key for the same tokens."
    )
    jwt_issuer: str | None = Field(None, description="Required `iss` of those tokens.")
    jwt_audience: str = Field("ringfence", description="Required `aud` of those tokens.")


class Settings(BaseSettings):
    """All settings. Frozen; unknown names in the file are refused."""

    model_config = SettingsConfigDict(
        env_prefix="RINGFENCE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        toml_file="ringfence.toml",
    )

    data_dir: Path = Field(Path("ringfence-data"), description="Folder of the embedded database, index and keys.")
    database: DatabaseSettings = DatabaseSettings()
    index: IndexSettings = IndexSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    privacy: PrivacySettings = PrivacySettings()
    generator: GeneratorSettings = GeneratorSettings()
    service: ServiceSettings = ServiceSettings()
    limits: LimitSettings = LimitSettings()
    identity: IdentitySettings = IdentitySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    ingestion: IngestionSettings = IngestionSettings()
    feedback: FeedbackSettings = FeedbackSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = Path(os.environ.get("RINGFENCE_CONFIG", "ringfence.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'ringfence.db'}"


def load_settings(**flags: Any) -> Settings:
    """Read settings; `flags` are the values given on the command line and win.

    Raises:
        Misuse: an unknown name or a value of the wrong kind; the message names it, never a secret's value.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as cause:
        raise Misuse(
            f"The settings cannot be used: {problems(cause, 'settings')}. `ringfence doctor` lists what is known.",
            code="bad_settings",
        ) from None


def origins(settings: Settings, **flags: Any) -> list[tuple[str, str, str]]:
    """Each leaf setting as (name, printable value, origin); secrets are shown as set or not set."""
    path = Path(os.environ.get("RINGFENCE_CONFIG", "ringfence.toml"))
    sources: list[tuple[str, dict[str, Any]]] = [
        ("flag", InitSettingsSource(Settings, {k: v for k, v in flags.items() if v is not None})()),
        ("environment", EnvSettingsSource(Settings)()),
        (f"file {path}", TomlConfigSettingsSource(Settings, path)()),
    ]
    rows: list[tuple[str, str, str]] = []

    def visit(part: BaseModel, trail: tuple[str, ...]) -> None:
        for name in type(part).model_fields:
            value = getattr(part, name)
            here = (*trail, name)
            if isinstance(value, BaseModel):
                visit(value, here)
                continue
            shown = "set" if isinstance(value, SecretStr) else "not set" if value is None else _printable(value)
            origin = next((label for label, data in sources if _holds(data, here)), "default")
            rows.append((".".join(here), shown, origin))

    visit(settings, ())
    return rows


def _printable(value: object) -> str:
    """A setting without the password that a URL may carry: what `doctor` prints is pasted into tickets."""
    return _PASSWORD_IN_URL.sub(lambda found: f"{found[1]}:***@" if found[2] is None else f"{found[2]}***", str(value))


def _holds(data: Any, trail: tuple[str, ...]) -> bool:
    for name in trail:
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True
