"""What the path of a question stands on, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from policies.store import SnapshotCache
from rag.db.engine import Database
from rag.db.index_versions import IndexVersion
from rag.embedding.others import EmbedderSource, NoOthers
from rag.embedding.protocol import Embedder
from rag.generation.protocol import Generator
from rag.index.lexical import LexicalEncoder
from rag.index.store import VectorStore
from rag.privacy.tenant import Privacy
from rag.query.account import Account
from rag.query.metrics import QueryMetrics, private_metrics
from rag.query.scorer import NoScorer, SupportScorer
from rag.settings import Settings
from rag.telemetry.tracing import NO_TRACING, Tracing


class TenantStores(Protocol):
    """The indexes of each tenant; `rag.index.stores.IndexStores` is the real one."""

    async def get(self, tenant: str, index: IndexVersion = ...) -> VectorStore: ...


class AuditWriter(Protocol):
    """`rag.audit.log.AuditLog` is the real one. Raises where the record cannot be written."""

    async def append(self, session: AsyncSession, tenant: str, kind: str, body: Mapping[str, Any]) -> object: ...


@dataclass(frozen=True, slots=True)
class QueryParts:
    """`fallback` answers when `generator` is unavailable; without it that is an error.

    `embedder` is the one of the settings; `others` gives those of indexes that another one made.
    """

    database: Database
    snapshots: SnapshotCache
    privacy: Privacy
    embedder: Embedder
    lexical: LexicalEncoder
    stores: TenantStores
    generator: Generator
    audit: AuditWriter
    settings: Settings
    fallback: Generator | None = None
    metrics: QueryMetrics = field(default_factory=private_metrics)
    scorer: SupportScorer = field(default_factory=NoScorer)
    others: EmbedderSource = field(default_factory=NoOthers)
    tracing: Tracing = NO_TRACING


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may wish for one question; None leaves the setting. Wishes beyond the settings are cut."""

    limit: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    account: Account | None = None
    """Filled as the question is answered; at the end it holds what its reader may have explained."""


DEFAULTS = Options()
