"""THE path of a document: source, parse, mask, chunk, embed, write.

Nothing of a document is kept, logged or embedded before it is masked. Each document is one transaction, so a run
that is killed anywhere and started again gives what an uninterrupted one gives. Publishing comes afterwards
(`ingestion.publishing`): what is written here is not visible yet.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.digests import made_of, path_digest, pipeline_digest
from ingestion.parse.document import Reason, Refused
from ingestion.parts import IngestionParts, TenantMasking
from ingestion.planted import flags_of
from ingestion.prepare import EmbeddedDraft, MaskedDocument, cut, embed, mask
from ingestion.redacted import forget_redacted
from ingestion.report import Change, Observer, Outcome, Place, Report, Step
from ingestion.sources.protocol import Source, SourceItem, Unlabelled
from ingestion.store import DocumentStore, Embedded, Reading, same_labels
from policies.rules import Attributes
from rag.domain import content_id
from rag.errors import Misuse


def ignore(step: Step, path: str, done: int, total: int) -> None:
    """The observer that looks away."""


async def ingest(
    source: Source,
    tenant: str,
    parts: IngestionParts,
    *,
    dry_run: bool = False,
    allow_empty: bool = False,
    observe: Observer = ignore,
) -> Report:
    """Bring the tenant's documents of this source up to date with it. A document that fails stops no other.

    Raises:
        Misuse: the source cannot be read, or is empty although documents came from it (see `allow_empty`).
    """
    started = time.monotonic()
    listing = await asyncio.to_thread(source.listing)
    async with _session(parts, dry_run=dry_run) as session:
        privacy = await parts.privacy.for_tenant(session, tenant)
        known = await DocumentStore(session, tenant, source.name).path_digests()
    if known and not listing.items and not allow_empty:
        raise Misuse(
            f"The source {source.name!r} is empty, although documents were ingested from it. If they are all to be "
            "removed, say so with --allow-empty; nothing was changed.",
            code="source_empty",
        )
    outcomes: list[Outcome] = []
    total = len(listing.items)
    for done, item in enumerate(listing.items):
        path = DocumentPath(item, source.name, tenant, parts, privacy, dry_run=dry_run)
        path.observe = Place(observe, item.path, done, total)
        path.observe(Step.STARTED)
        outcomes.append(await path.walk())
        observe(Step.FINISHED, item.path, done + 1, total)
    present = {path_digest(privacy, source.name, item.path) for item in listing.items}
    for digest in known:
        if digest not in present:
            outcomes.append(await _remove(digest, source.name, tenant, parts, dry_run=dry_run))
    notices = () if dry_run else await forget_redacted(tenant, parts, privacy)
    return Report(
        tenant=tenant,
        source=source.name,
        dry=dry_run,
        outcomes=tuple(outcomes),
        skipped=listing.skipped,
        notices=(*listing.notices, *notices),
        isolation=parts.parser.isolation,
        seconds=time.monotonic() - started,
    )


class DocumentPath:
    """One document on its way. `walk` is the way; the other methods are its steps, in order."""

    def __init__(
        self,
        item: SourceItem,
        source: str,
        tenant: str,
        parts: IngestionParts,
        privacy: TenantMasking,
        *,
        dry_run: bool,
    ) -> None:
        self._item = item
        self._source = source
        self._tenant = tenant
        self._parts = parts
        self._privacy = privacy
        self._dry = dry_run
        self._path_digest = path_digest(privacy, source, item.path)
        self._document = content_id("doc", privacy.digest("document", source, item.path))
        self.observe: Callable[[Step], None] = lambda step: None

    async def walk(self) -> Outcome:
        parts = self._parts
        try:
            attributes = self._attributes()
            data = await asyncio.to_thread(self._read)
            content = self._privacy.digest("content", data).hex()
            pipeline = pipeline_digest(parts, self._privacy.configuration)
            exists, unchanged = await self._known(content, pipeline)
            if unchanged:
                return await self._relabel(attributes, content, pipeline)
            parsed = await asyncio.to_thread(parts.parser.parse, data, self._item.path)
            self.observe(Step.PARSED)
            flags = flags_of([parsed.title, *(block.text for block in parsed.blocks)])
            change = Change.CHANGED if exists else Change.NEW
            if self._dry:
                return self._outcome(change, flags=tuple(flags), notes=parsed.notes)
            masked = await asyncio.to_thread(mask, parsed, self._item.path, self._privacy)
            self.observe(Step.MASKED)
            drafts = await asyncio.to_thread(cut, masked, parts.embedder, tokens=parts.settings.chunk_tokens)
            chunks = await asyncio.to_thread(embed, drafts, parts.embedder, parts.lexical)
            self.observe(Step.EMBEDDED)
            reading = Reading(
                title=masked.title.reading,
                path=masked.path,
                media_type=parsed.media_type,
                text=masked.text,
                flags=tuple(flags),
                content_digest=content,
                pipeline_digest=pipeline,
                masking_digest=self._privacy.configuration,
            )
            erased = await self._write(attributes, reading, masked, chunks)
            done = self._outcome(change, chunks=len(chunks), flags=tuple(flags), notes=parsed.notes)
            return replace(done, erased=erased)
        except Refused as refusal:
            return await self._not_indexed(refusal)

    def _attributes(self) -> Attributes:
        labels = self._item.labels
        if isinstance(labels, Unlabelled):
            raise Refused(Reason.UNLABELLED, labels.why)
        return labels.bound_to(self._tenant, self._document)

    def _read(self) -> bytes:
        limit = self._parts.settings.file_bytes_max
        if self._item.size > limit:
            raise Refused(Reason.TOO_LARGE)
        try:
            with self._item.open() as file:
                # The file may have grown since it was listed.
                data = file.read(limit + 1)
        except OSError as cause:
            raise Refused(Reason.UNREADABLE, type(cause).__name__) from None
        if len(data) > limit:
            raise Refused(Reason.TOO_LARGE)
        return data

    async def _known(self, content: str, pipeline: str) -> tuple[bool, bool]:
        """Whether the document exists, and whether this very content was already made into a version."""
        async with self._parts.database.reading() as session:
            store = self._store(session)
            if await store.find(self._path_digest) is None:
                return False, False
            newest = await store.newest_version(self._document)
        return True, made_of(newest, content, pipeline)

    async def _relabel(self, attributes: Attributes, content: str, pipeline: str) -> Outcome:
        """The content is what it was: nothing is parsed or embedded, at most the labels are new."""
        async with _session(self._parts, dry_run=self._dry) as session:
            store = self._store(session)
            row = await store.find(self._path_digest)
            if row is None or same_labels(row, attributes):
                return self._outcome(Change.UNCHANGED)
            if not made_of(await store.newest_version(self._document), content, pipeline):
                # Another run has written since: these labels were not read for its content.
                return self._outcome(Change.UNCHANGED)
            if not self._dry:
                await store.relabel(row, attributes)
                self.observe(Step.WRITING)
        return self._outcome(Change.RELABELLED)

    async def _write(
        self, attributes: Attributes, reading: Reading, masked: MaskedDocument, chunks: tuple[EmbeddedDraft, ...]
    ) -> Mapping[str, int]:
        """Everything of the document in one transaction: text, chunks, vectors, and the originals it refers to.

        Returns how many of its values are not kept because they were erased before, by entity.
        """
        async with self._parts.database.unit_of_work() as session:
            store = self._store(session)
            refused = await self._privacy.vault.store(session, masked.values)
            await store.stage(self._document, self._path_digest, attributes, reading)
            version = self._version_id(reading, await store.versions_kept(self._document))
            numbered = [
                Embedded(self._chunk_id(version, number), chunk.draft, chunk.dense, chunk.lexical)
                for number, chunk in enumerate(chunks)
            ]
            await store.add_version(self._document, version, reading, numbered)
            self.observe(Step.WRITING)
        return masked.kinds_of(refused)

    async def _not_indexed(self, refusal: Refused) -> Outcome:
        """An earlier version stays only under the labels that it had: nothing unread takes new ones."""
        labels = self._item.labels
        async with _session(self._parts, dry_run=self._dry) as session:
            store = self._store(session)
            row = await store.find(self._path_digest)
            if row is None:
                return Outcome.failed(self._item.path, refusal, previous_stays=False)
            stays = not isinstance(labels, Unlabelled) and same_labels(
                row, labels.bound_to(self._tenant, self._document)
            )
            if not stays and not self._dry:
                await store.remove(row)
                self.observe(Step.WRITING)
        return Outcome.failed(self._item.path, refusal, previous_stays=stays)

    def _version_id(self, reading: Reading, ordinal: int) -> str:
        parts = (self._document, str(ordinal), reading.content_digest, reading.pipeline_digest)
        return content_id("ver", self._privacy.digest("version", *parts))

    def _chunk_id(self, version: str, number: int) -> str:
        return content_id("chk", self._privacy.digest("chunk", version, str(number)))

    def _store(self, session: AsyncSession) -> DocumentStore:
        return DocumentStore(session, self._tenant, self._source)

    def _outcome(
        self, change: Change, *, chunks: int = 0, flags: tuple[str, ...] = (), notes: tuple[str, ...] = ()
    ) -> Outcome:
        return Outcome(self._item.path, change, self._document, chunks, flags, notes)


async def _remove(digest: str, source: str, tenant: str, parts: IngestionParts, *, dry_run: bool) -> Outcome:
    """A document that its source no longer has: rows now, points when the index is next published."""
    async with _session(parts, dry_run=dry_run) as session:
        store = DocumentStore(session, tenant, source)
        row = await store.find(digest)
        if row is None:
            return Outcome("", Change.REMOVED)
        outcome = Outcome(row.path, Change.REMOVED, row.id)
        if not dry_run:
            await store.remove(row)
    return outcome


def _session(parts: IngestionParts, *, dry_run: bool) -> AbstractAsyncContextManager[AsyncSession]:
    """A dry run may make a key for a new tenant, but its session is never committed."""
    return parts.database.reading() if dry_run else parts.database.unit_of_work()
