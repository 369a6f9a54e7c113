"""THE path of a document: source, parse, mask, chunk, embed, write.

Nothing of a document is kept, logged or embedded before it is masked. Each document is one transaction, so a run
that is killed anywhere and started again gives what an uninterrupted one gives. Publishing comes afterwards
(`ingestion.publishing`): what is written here is not visible yet.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.digests import (
    content_digest,
    document_id,
    identity_digest,
    made_of,
    makers_of,
    pipeline_digest,
    revision_digest,
)
from ingestion.inventory import keep_cursor, take_inventory
from ingestion.looking import Noticed, look
from ingestion.parse.document import Reason, Refused
from ingestion.parts import IngestionParts, TenantMasking
from ingestion.prepare import EmbeddedDraft, MaskedDocument, cut, embed, mask
from ingestion.quarantine import Decision, decision_on
from ingestion.redacted import forget_redacted
from ingestion.report import Change, Observer, Outcome, Place, Report, Step
from ingestion.sources.protocol import Source, SourceItem, Unlabelled
from ingestion.store import DocumentStore, Embedded, Held, Reading, Standing, same_labels
from policies.rules import Attributes
from rag.db.lineage import KeptOut
from rag.db.tables import VersionRow
from rag.domain import content_id
from rag.hidden_content import HiddenPolicy


def ignore(step: Step, path: str, done: int, total: int) -> None:
    """The observer that looks away."""


def forget(outcome: Outcome) -> None:
    """The same for outcomes."""


async def ingest(
    source: Source,
    tenant: str,
    parts: IngestionParts,
    *,
    dry_run: bool = False,
    allow_empty: bool = False,
    postpone: bool = False,
    only: Collection[str] | None = None,
    made_by: str = "ingest",
    verify: bool = False,
    observe: Observer = ignore,
    tell: Callable[[Outcome], None] = forget,
) -> Report:
    """Bring the tenant's documents of this source up to date with it. A document that fails stops no other.

    In two parts: `postpone` does all but what must be parsed, whose outcome is WAITING; `only` does documents by their
    ids, and leaves the rest of the source as it is. `made_by` is kept with each version: the command, or the job's id.
    `verify` reads every document, whatever the source says of its revision.

    Raises:
        Misuse: the source cannot be read, or is empty although documents came from it (see `allow_empty`).
    """
    started = time.monotonic()
    may_be_empty = allow_empty or only is not None
    inventory = await take_inventory(source, tenant, parts, dry_run=dry_run, allow_empty=may_be_empty, verify=verify)
    listing, privacy = inventory.listing, inventory.privacy
    items = [i for i in inventory.items() if only is None or document_id(privacy, source.name, i.identity) in only]
    options = {"dry_run": dry_run, "postpone": postpone, "verify": verify}
    paths = [DocumentPath(item, source.name, tenant, parts, privacy, made_by=made_by, **options) for item in items]
    # What takes rights away comes before anything that takes time: removed documents, then new labels.
    gone = inventory.gone() if only is None else ()
    removed = [await _remove(digest, source.name, tenant, parts, dry_run=dry_run) for digest in gone]
    standing = await _standing(paths, source.name, tenant, parts)
    settled = [await path.settle_labels(standing.get(path.document)) for path in paths]
    outcomes: list[Outcome] = []
    total = len(paths)
    for done, (item, path, outcome) in enumerate(zip(items, paths, settled, strict=True)):
        path.observe = Place(observe, item.path, done, total)
        path.observe(Step.STARTED)
        outcomes.append(outcome or await path.walk())
        tell(outcomes[-1])
        observe(Step.FINISHED, item.path, done + 1, total)
    outcomes += removed
    unfinished = {outcome.change for outcome in outcomes} & {Change.FAILED, Change.WAITING}
    if not dry_run and only is None and not unfinished:
        async with parts.database.unit_of_work() as session:
            await keep_cursor(session, tenant, inventory)
    notices = () if dry_run else await forget_redacted(tenant, parts, privacy)
    return Report(
        tenant=tenant,
        source=source.name,
        dry=dry_run,
        outcomes=tuple(outcomes),
        skipped=inventory.skipped(),
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
        postpone: bool = False,
        verify: bool = False,
        made_by: str = "ingest",
    ) -> None:
        self._item = item
        self._source = source
        self._tenant = tenant
        self._parts = parts
        self._privacy = privacy
        self._dry = dry_run
        self._postpone = postpone
        self._made_by = made_by
        self._path_digest = identity_digest(privacy, source, item.identity)
        self._document = document_id(privacy, source, item.identity)
        self._revision = revision_digest(privacy, source, item)
        self._verify = verify
        self.observe: Callable[[Step], None] = lambda step: None

    @property
    def document(self) -> str:
        return self._document

    def _stands(self, standing: Standing) -> bool:
        """Whether it stands as the source lists it: this revision, these labels, made by this pipeline."""
        if not self._revision or self._verify or isinstance(self._item.labels, Unlabelled):
            return False
        hidden = HiddenPolicy(self._parts.settings.hidden).under(self._item.hidden)
        attributes = self._item.labels.bound_to(self._tenant, self._document)
        return standing == Standing(attributes, self._pipeline(hidden), self._revision)

    async def walk(self) -> Outcome:
        parts = self._parts
        try:
            attributes = self._attributes()
            hidden = HiddenPolicy(parts.settings.hidden).under(self._item.hidden)
            pipeline = self._pipeline(hidden)
            newest = await self._of_this_revision()
            if newest is not None and newest.pipeline_digest == pipeline:
                return await self._relabel(attributes, newest.content_digest, pipeline)
            data = await asyncio.to_thread(self._read)
            content = content_digest(self._privacy, self._item, data)
            exists, unchanged = await self._known(content, pipeline)
            if unchanged:
                return await self._relabel(attributes, content, pipeline)
            if self._postpone:
                return self._outcome(Change.WAITING)
            parsed = await asyncio.to_thread(parts.parser.parse, data, self._item.path, hidden)
            found = hidden.found(parsed.hidden)
            self.observe(Step.PARSED)
            noticed = await asyncio.to_thread(look, parsed, hidden.quarantined(parsed.hidden))
            state = await self._held(noticed, content)
            change = Change.QUARANTINED if state else Change.CHANGED if exists else Change.NEW
            if self._dry:
                return replace(self._outcome(change, flags=noticed.flags, notes=parsed.notes), hidden=found)
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
                flags=noticed.flags,
                content_digest=content,
                pipeline_digest=pipeline,
                masking_digest=self._privacy.configuration,
                source_revision=self._revision,
                makers=makers_of(parts, hidden.digest_part, self._made_by),
            )
            held = Held(state, noticed.places(masked.blocks)) if state else None
            erased, stays = await self._write(attributes, reading, masked, chunks, held)
            done = self._outcome(change, chunks=len(chunks), flags=noticed.flags, notes=parsed.notes)
            return replace(done, erased=erased, hidden=found, previous_stays=held is not None and stays)
        except Refused as refusal:
            return await self._not_indexed(refusal)

    async def settle_labels(self, standing: Standing | None) -> Outcome | None:
        """Give a known document its new labels before anything is parsed; what became of it, where nothing else is new.

        Labels are taken for content that is known to be what they were given for. Other content is withheld at once,
        and so is content that cannot be read now: a change of rights waits for no document. `standing` is how it is
        stored, if it is: where that says all, nothing else is asked.
        """
        if standing is None:
            return None
        if self._stands(standing):
            return self._outcome(Change.UNCHANGED)
        labels = self._item.labels
        async with self._parts.database.glance() as session:
            row = await self._store(session).find(self._path_digest)
            newest = await self._store(session).newest_version(self._document)
        if row is None:
            return None
        if isinstance(labels, Unlabelled):
            return await self._not_indexed(Refused(Reason.UNLABELLED, labels.why))
        attributes = labels.bound_to(self._tenant, self._document)
        if same_labels(row, attributes):
            return None
        content = await self._content_now(newest)
        if newest is not None and newest.content_digest == content:
            outcome = await self._relabel(attributes, content, newest.pipeline_digest)
            current = self._pipeline(HiddenPolicy(self._parts.settings.hidden).under(self._item.hidden))
            return outcome if newest.pipeline_digest == current else None
        if not self._dry:
            async with self._parts.database.unit_of_work() as session:
                row = await self._store(session).find(self._path_digest)
                if row is not None:
                    await self._store(session).withhold(row)
        return None

    async def _content_now(self, newest: VersionRow | None) -> str:
        """The digest of the document's content; empty where it cannot be read. Read only without a known revision."""
        if newest is not None and self._is_of_this_revision(newest):
            return newest.content_digest
        try:
            return content_digest(self._privacy, self._item, await asyncio.to_thread(self._read))
        except Refused:
            return ""

    async def _of_this_revision(self) -> VersionRow | None:
        """The newest version, where it was made of the revision that the source has now."""
        if not self._revision or self._verify:
            return None
        async with self._parts.database.glance() as session:
            newest = await self._store(session).newest_version(self._document)
        return newest if newest is not None and self._is_of_this_revision(newest) else None

    def _is_of_this_revision(self, version: VersionRow) -> bool:
        return bool(self._revision) and not self._verify and version.source_revision == self._revision

    def _pipeline(self, hidden: HiddenPolicy) -> str:
        return pipeline_digest(self._parts, self._privacy.configuration, hidden.digest_part)

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
        async with self._parts.database.glance() as session:
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
            newest = await store.newest_version(self._document)
            if row is None or newest is None or not made_of(newest, content, pipeline):
                # Another run has written since: these labels were not read for its content.
                return self._outcome(Change.UNCHANGED)
            newest.source_revision = self._revision
            if same_labels(row, attributes):
                return self._outcome(Change.UNCHANGED)
            if not self._dry:
                await store.relabel(row, attributes)
                self.observe(Step.WRITING)
        return self._outcome(Change.RELABELLED)

    async def _held(self, noticed: Noticed, content: str) -> str:
        """The state in which this content is held back, or nothing. What a person decided about it holds."""
        async with self._parts.database.glance() as session:
            decision = await decision_on(session, self._tenant, self._document, content)
        if decision is Decision.REJECTED:
            return "rejected"
        injected = bool(noticed.flags) and self._parts.settings.injection == "quarantine"
        asked = injected or bool(noticed.hidden)
        return "quarantined" if asked and decision is None else ""

    async def _write(
        self,
        attributes: Attributes,
        reading: Reading,
        masked: MaskedDocument,
        chunks: tuple[EmbeddedDraft, ...],
        held: Held | None,
    ) -> tuple[Mapping[str, int], bool]:
        """Everything of the document in one transaction: text, chunks, vectors, and the originals it refers to.

        Returns how many of its values are not kept because they were erased before, by entity, and whether an older
        version stays visible until this one is published.
        """

        async def written(session: AsyncSession) -> tuple[Mapping[str, int], bool]:
            store = self._store(session)
            refused = await self._privacy.vault.store(session, masked.values)
            stays = await store.stage(self._document, self._path_digest, attributes, reading, held=held is not None)
            # Whoever deletes it is alone with the vault: she was before, and is seen here, or removes this as well.
            if await KeptOut(session, self._tenant).holds(self._source, self._path_digest):
                raise Refused(Reason.KEPT_OUT)
            version = self._version_id(reading, await store.versions_kept(self._document))
            numbered = [
                Embedded(self._chunk_id(version, number), chunk.draft, chunk.dense, chunk.lexical)
                for number, chunk in enumerate(chunks)
            ]
            await store.add_version(self._document, version, reading, numbered, held)
            self.observe(Step.WRITING)
            return masked.kinds_of(refused), stays

        # Handed over whole: statement by statement, the way between two threads is most of what writing costs.
        return await self._parts.database.write(written)

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


async def _standing(
    paths: Sequence[DocumentPath], source: str, tenant: str, parts: IngestionParts
) -> dict[str, Standing]:
    """How the documents are stored, by id: all looked at in one session, so that an unchanged one costs no other."""
    async with parts.database.reading() as session:
        return await DocumentStore(session, tenant, source).standing([path.document for path in paths])


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
