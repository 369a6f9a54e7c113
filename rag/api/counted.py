"""Parts that count what they do, in place of the plain ones where a service runs."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Histogram
from sqlalchemy.ext.asyncio import AsyncSession

from rag.audit.chain import AuditRef
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.audit.signed import StatementSigner
from rag.embedding.protocol import Embedder

_EMBED_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_TEXTS = (1, 2, 5, 10, 20, 50, 100, 200)


class CountedAuditLog(AuditLog):
    """Counts records that were appended, and those that could not be: then an answer was not given."""

    def __init__(self, signer: StatementSigner | None, registry: CollectorRegistry) -> None:
        super().__init__(signer)
        self._records = Counter("ringfence_audit_records", "Audit records written.", registry=registry)
        self._failures = Counter(
            "ringfence_audit_failures", "Audit records that could not be written.", registry=registry
        )

    async def append(self, session: AsyncSession, tenant: str, kind: str, body: AuditBody) -> AuditRef:
        try:
            ref = await super().append(session, tenant, kind, body)
        except Exception:
            self._failures.inc()
            raise
        self._records.inc()
        return ref


class CountedEmbedder:
    """An `Embedder` that times its batches; a question is a batch of one text."""

    def __init__(self, embedder: Embedder, registry: CollectorRegistry) -> None:
        self._embedder = embedder
        self._seconds = Histogram(
            "ringfence_embed_batch_seconds",
            "Time of one batch of texts in the embedding model, with the wait for it.",
            buckets=_EMBED_SECONDS,
            registry=registry,
        )
        self._texts = Histogram("ringfence_embed_batch_texts", "Texts of one batch.", buckets=_TEXTS, registry=registry)

    def like(self, other: Embedder) -> "CountedEmbedder":
        """Another embedder, counted with this one."""
        counted = copy(self)
        counted._embedder = other
        return counted

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def digest(self) -> str:
        return self._embedder.digest

    @property
    def dim(self) -> int:
        return self._embedder.dim

    @property
    def tokens_max(self) -> int:
        return self._embedder.tokens_max

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._seconds.time():
            vectors = self._embedder.embed_passages(texts)
        self._texts.observe(len(texts))
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        with self._seconds.time():
            vector = self._embedder.embed_query(text)
        self._texts.observe(1)
        return vector
