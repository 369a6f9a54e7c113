"""What the documents of one run have in common, and one document as a run sees it."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.bulk import BulkChanges
from ingestion.digests import content_digest, document_id, identity_digest, pipeline_digest, revision_digest
from ingestion.parse.document import Reason, Refused
from ingestion.parts import IngestionParts, TenantMasking
from ingestion.report import Change, Outcome
from ingestion.sources.protocol import SourceItem, Unlabelled
from ingestion.store import DocumentStore
from policies.rules import Attributes
from rag.hidden_content import HiddenAction, HiddenKind, HiddenPolicy


@dataclass(frozen=True, slots=True)
class Way:
    """By what a document would be made: what is done with its hidden content, and the digest of all of it."""

    hidden: HiddenPolicy
    pipeline: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a source. `made_by` is kept with each version: the command, or the job's id.

    `dry` changes nothing, `postpone` leaves what must be parsed, `verify` reads every document. `alone`: it is for an
    index beside the live one, and no run for that one went before, which would have told what it refuses.
    """

    source: str
    tenant: str
    parts: IngestionParts
    privacy: TenantMasking = field(repr=False)
    dry: bool = False
    postpone: bool = False
    verify: bool = False
    alone: bool = False
    made_by: str = "ingest"
    reading: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held by the document that is being read."""
    _ways: dict[tuple[tuple[HiddenKind, HiddenAction], ...], Way] = field(default_factory=dict, repr=False)

    def listed(self, item: SourceItem) -> "ListedDocument":
        return ListedDocument(
            item,
            self,
            id=document_id(self.privacy, self.source, item.identity),
            path_digest=identity_digest(self.privacy, self.source, item.identity),
            revision=revision_digest(self.privacy, self.source, item),
            way=self._way(item.hidden),
        )

    def _way(self, nearer: Mapping[HiddenKind, HiddenAction]) -> Way:
        """A source says few different things about hidden content: each is worked out once."""
        key = tuple(sorted(nearer.items()))
        if key not in self._ways:
            hidden = HiddenPolicy(self.parts.settings.hidden).under(nearer)
            configuration, number = self.privacy.configuration, self.parts.index.number
            digest = pipeline_digest(self.parts, configuration, hidden.digest_part, index=number)
            self._ways[key] = Way(hidden, digest)
        return self._ways[key]

    def store(self, session: AsyncSession) -> DocumentStore:
        return DocumentStore(session, self.tenant, self.source, self.parts.index.number)

    def bulk(self, session: AsyncSession) -> BulkChanges:
        return BulkChanges(session, self.tenant, self.source, self.parts.index.number)

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A dry run may make a key for a new tenant, but its session is never committed."""
        return self.parts.database.reading() if self.dry else self.parts.database.unit_of_work()


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """One item of a source: by what it is known here, and by what it would be made now."""

    item: SourceItem = field(repr=False)
    run: Run = field(repr=False)
    id: str
    path_digest: str
    revision: str
    """Keyed digest of the source's revision; empty where it gives none."""
    way: Way

    def attributes(self) -> Attributes:
        """Its labels.

        Raises:
            Refused: unlabelled.
        """
        labels = self.item.labels
        if isinstance(labels, Unlabelled):
            raise Refused(Reason.UNLABELLED, labels.why)
        return labels.bound_to(self.run.tenant, self.id)

    async def read(self) -> bytes:
        """Its bytes. One document at a time, whatever else is done at once: a source may be one connection.

        Raises:
            Refused: it is too large, or cannot be read.
        """
        async with self.run.reading:
            return await asyncio.to_thread(self._read)

    def _read(self) -> bytes:
        limit = self.run.parts.settings.file_bytes_max
        if self.item.size > limit:
            raise Refused(Reason.TOO_LARGE)
        try:
            with self.item.open() as file:
                # The file may have grown since it was listed.
                data = file.read(limit + 1)
        except OSError as cause:
            raise Refused(Reason.UNREADABLE, type(cause).__name__) from None
        if len(data) > limit:
            raise Refused(Reason.TOO_LARGE)
        return data

    def content(self, data: bytes) -> str:
        return content_digest(self.run.privacy, self.item, data)

    def is_of_revision(self, revision: str) -> bool:
        """Whether what was made of this revision (keyed digest) was made of the one that the source has now."""
        return bool(self.revision) and not self.run.verify and revision == self.revision

    def outcome(
        self, change: Change, *, chunks: int = 0, flags: tuple[str, ...] = (), notes: tuple[str, ...] = ()
    ) -> Outcome:
        return Outcome(self.item.path, change, self.id, chunks, flags, notes)
