"""Settings of reading documents: what is read, how much, by what, and from where. A part of `rag.settings`."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rag.hidden_content import HiddenAction, HiddenKind
from rag.issuer_settings import secure_url


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(_Part):
    """A source that jobs may read, and the one tenant whose documents it holds: a folder, or one of a file's."""

    tenant: str = Field(min_length=1, max_length=128)
    folder: Path | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "SourceSettings":
        if (self.folder is None) == (self.file is None):
            raise ValueError("give either folder, or file (a file of sources, which has one of this name)")
        return self


class IngestionSettings(_Part):
    file_bytes_max: int = Field(50_000_000, ge=1, description="Larger files are reported, not read.")
    text_chars_max: int = Field(5_000_000, ge=1, description="More extracted text than this is refused.")
    parse_wall_s: float = Field(60.0, gt=0, description="Wall time of one document's parser process.")
    parse_cpu_s: int = Field(40, ge=1, description="CPU time of the same.")
    parse_memory_bytes: int = Field(1_500_000_000, ge=100_000_000, description="Address space of the same.")
    ocr: Literal["none", "rapidocr", "docling"] = Field(
        "none",
        description="What recognises the text of PDF pages that have none. rapidocr comes with its models by "
        "`pip install '.[ocr]'`; nothing is downloaded when it runs. docling is a docling-serve of your own at "
        "docling_url, which gets a picture of each such page. A change reads all documents again.",
    )
    docling_url: str | None = Field(
        None, description="The docling-serve, for example http://127.0.0.1:5001. Required with ocr=docling."
    )
    docling_api_key: SecretStr | None = Field(None, description="Its key (DOCLING_SERVE_API_KEY), if it wants one.")
    docling_transport: Literal["tls", "plain"] = Field(
        "tls",
        description="plain lets pictures of pages and the key go over a network in the clear, as between containers on "
        "one machine. To this machine itself they may anyway.",
    )
    ocr_pages_max: int = Field(200, ge=1, le=5000, description="Pages of one document that are recognised at most.")
    ocr_wall_s: float = Field(
        120.0, gt=0, description="Wall time of the process, or of the service, that recognises one page."
    )
    ocr_cpu_s: int = Field(40, ge=1, description="CPU time of the process; a full page takes some 5 s.")
    ocr_memory_bytes: int = Field(4_000_000_000, ge=1_000_000_000, description="Address space of the same.")
    chunk_tokens: int = Field(200, ge=32, le=256, description="Longest chunk in tokens of the embedder.")
    in_flight: int = Field(
        3,
        ge=1,
        le=64,
        description="Documents that one run prepares at once. What is written is the same; memory grows with it.",
    )
    ray_workers: int = Field(
        2, ge=1, le=1024, description="Workers of `ringfence ingest --engine ray`, each with one CPU and the models."
    )
    hidden: dict[HiddenKind, HiddenAction] = Field(
        {},
        description="index, drop or quarantine, by kind of hidden content (hidden_sheet, hidden_row, hidden_column, "
        "hidden_slide, speaker_note, comment, tracked_deletion, invisible_text); drop where nothing is said. "
        "A label file of the source can say otherwise.",
    )
    sources: dict[str, SourceSettings] = Field(
        {},
        description="By name, what administrators may have read by a job (`POST /api/v1/jobs`): the tenant whose it "
        "is, and a folder, or a file of sources that has one of this name.",
    )
    worker_host: str = Field("127.0.0.1", description="Where `ringfence worker` answers on its port.")
    worker_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="`ringfence worker`: /livez and /metrics, to whoever reaches it. Default: none.",
    )
    injection: Literal["flag", "quarantine"] = Field(
        "flag",
        description="What is done with a document that speaks to a model: flag tells, quarantine keeps it from all "
        "readers until `ringfence documents release`. A change reads all documents again.",
    )

    @field_validator("docling_api_key")
    @classmethod
    def _no_key(cls, key: SecretStr | None) -> SecretStr | None:
        """An empty variable is none: compose files give one for what is not set."""
        said = "" if key is None else key.get_secret_value().strip()
        if not (said.isascii() and said.isprintable()):
            raise ValueError("docling_api_key goes into a header: printable ASCII on one line")
        return SecretStr(said) if said else None

    @model_validator(mode="after")
    def _page_service(self) -> "IngestionSettings":
        if self.docling_url is None:
            if self.ocr == "docling":
                raise ValueError("ocr=docling needs docling_url, the address of the docling-serve")
            return self
        plain = self.docling_transport == "plain"
        if not secure_url(re.sub("^http:", "https:", self.docling_url) if plain else self.docling_url):
            raise ValueError(
                "docling_url is the address of a service without user, query and fragment: https, or http to this "
                "machine; docling_transport=plain allows http to another one"
            )
        return self
