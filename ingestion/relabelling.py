"""What is stored of a document already, and what becomes of it where nothing is parsed: it stays, is given new labels,
is withheld, or is removed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ingestion.digests import made_of
from ingestion.parse.document import Refused
from ingestion.report import Change, Outcome, Step
from ingestion.run import ListedDocument, Run
from ingestion.sources.protocol import Unlabelled
from ingestion.store import Standing, same_labels
from policies.rules import Attributes
from rag.db.tables import VersionRow


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a document: whether it is, and its newest version."""

    exists: bool
    newest: VersionRow | None = field(repr=False)


def nobody(step: Step) -> None:
    """Tells nobody."""


async def standings(documents: Sequence[ListedDocument], run: Run) -> dict[str, Standing]:
    """How the documents are stored, by id: all looked at in one session, so that an unchanged one costs no other."""
    async with run.parts.database.reading() as session:
        return await run.store(session).standing([document.id for document in documents])


async def known(document: ListedDocument) -> Known:
    async with document.run.parts.database.glance() as session:
        store = document.run.store(session)
        if await store.find(document.path_digest) is None:
            return Known(exists=False, newest=None)
        return Known(exists=True, newest=await store.newest_version(document.id))


async def settle_labels(document: ListedDocument, standing: Standing | None) -> Outcome | None:
    """Give a known document its new labels before anything is parsed; what became of it, where nothing else is new.

    Labels are taken for content that is known to be what they were given for. Other content is withheld at once,
    and so is content that cannot be read now: a change of rights waits for no document. `standing` is how it is
    stored, if it is: where that says all, nothing else is asked.
    """
    if standing is None:
        return None
    try:
        attributes = document.attributes()
    except Refused as refusal:
        return await not_indexed(document, refusal)
    if standing.attributes == attributes:
        return document.outcome(Change.UNCHANGED) if _stands(document, standing) else None
    stored = await known(document)
    if not stored.exists:
        return None
    content = await _content_now(document, stored.newest)
    if stored.newest is not None and stored.newest.content_digest == content:
        outcome = await relabel(document, attributes, content, stored.newest.pipeline_digest)
        return outcome if stored.newest.pipeline_digest == document.way.pipeline else None
    if not document.run.dry:
        async with document.run.parts.database.unit_of_work() as session:
            store = document.run.store(session)
            row = await store.find(document.path_digest)
            if row is not None:
                await store.withhold(row)
    return None


async def relabel(
    document: ListedDocument,
    attributes: Attributes,
    content: str,
    pipeline: str,
    observe: Callable[[Step], None] = nobody,
) -> Outcome:
    """The content is what it was: nothing is parsed or embedded, at most the labels are new."""
    async with document.run.session() as session:
        store = document.run.store(session)
        row = await store.find(document.path_digest)
        newest = await store.newest_version(document.id)
        if row is None or newest is None or not made_of(newest, content, pipeline):
            # Another run has written since: these labels were not read for its content.
            return document.outcome(Change.UNCHANGED)
        newest.source_revision = document.revision
        if same_labels(row, attributes):
            return document.outcome(Change.UNCHANGED)
        if not document.run.dry:
            await store.relabel(row, attributes)
            observe(Step.WRITING)
    return document.outcome(Change.RELABELLED)


async def not_indexed(document: ListedDocument, refusal: Refused, observe: Callable[[Step], None] = nobody) -> Outcome:
    """An earlier version stays only under the labels that it had: nothing unread takes new ones."""
    run, labels = document.run, document.item.labels
    async with run.session() as session:
        store = run.store(session)
        row = await store.find(document.path_digest)
        if row is None:
            return Outcome.failed(document.item.path, refusal, previous_stays=False)
        stays = not isinstance(labels, Unlabelled) and same_labels(row, labels.bound_to(run.tenant, document.id))
        if not stays and not run.dry:
            await store.remove(row)
            observe(Step.WRITING)
    return Outcome.failed(document.item.path, refusal, previous_stays=stays)


async def remove(digest: str, run: Run) -> Outcome:
    """A document that its source no longer has: rows now, points when the index is next published."""
    async with run.session() as session:
        store = run.store(session)
        row = await store.find(digest)
        if row is None:
            return Outcome("", Change.REMOVED)
        outcome = Outcome(row.path, Change.REMOVED, row.id)
        if not run.dry:
            await store.remove(row)
    return outcome


def _stands(document: ListedDocument, standing: Standing) -> bool:
    """Whether it stands as the source lists it: this revision, made as it would be made now. Its labels do."""
    if not document.revision or document.run.verify:
        return False
    return (standing.pipeline, standing.revision) == (document.way.pipeline, document.revision)


async def _content_now(document: ListedDocument, newest: VersionRow | None) -> str:
    """The digest of the document's content; empty where it cannot be read. Read only without a known revision."""
    if newest is not None and document.is_of_this_revision(newest):
        return newest.content_digest
    try:
        return document.content(await document.read())
    except Refused:
        return ""
