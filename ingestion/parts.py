"""What the path of a document needs, as one value, and how it is put together from settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.parse.document import ParsedDocument
from ingestion.parse.members import Members
from ingestion.parse.sandbox import Isolation
from rag.db.engine import Database
from rag.db.index_versions import FIRST, IndexVersion
from rag.domain import SparseVector
from rag.embedding.others import EmbedderSource, NoOthers
from rag.embedding.protocol import Embedder
from rag.hidden_content import HiddenPolicy
from rag.ingestion_settings import IngestionSettings
from rag.privacy.masked import MaskedText
from rag.privacy.vault import Vault


class Masker(Protocol):
    """What masks the texts of a tenant's documents."""

    def mask(self, texts: Sequence[str]) -> list[MaskedText]: ...


class TenantMasking(Masker, Protocol):
    """The part of a tenant's privacy that ingestion uses."""

    @property
    def vault(self) -> Vault: ...

    @property
    def configuration(self) -> str:
        """The tenant's configuration of masking, as a digest; empty: the default."""
        ...

    @property
    def redacted(self) -> frozenset[str]:
        """The entities of which nothing is kept."""
        ...

    def digest(self, purpose: str, *parts: str | bytes) -> bytes: ...


class Masking(Protocol):
    async def for_tenant(self, session: AsyncSession, tenant: str) -> TenantMasking: ...


class Parser(Protocol):
    @property
    def isolation(self) -> Isolation | None: ...

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = ...) -> ParsedDocument: ...

    def members(self, archive: BinaryIO) -> Members: ...

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes: ...


class Lexical(Protocol):
    digest: str

    def encode_passage(self, text: str) -> SparseVector: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What makes text and vectors of a document's bytes. Without keys, and without a database."""

    masking_digest: str
    """Changes when the installation would mask the same text in another way: every document is then made again."""
    parser: Parser
    embedder: Embedder
    lexical: Lexical
    settings: IngestionSettings


@dataclass(frozen=True, slots=True)
class IngestionParts(Tools):
    """Everything between a source and the database."""

    database: Database
    privacy: Masking
    index: IndexVersion = FIRST
    """The one of the tenant's indexes that documents are made for; the embedder and the settings are what it wants."""
    others: EmbedderSource = field(default_factory=NoOthers)
    """Gives the embedders of indexes that another one than this made."""
