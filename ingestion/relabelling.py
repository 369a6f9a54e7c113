"""What is stored of a document already, and what becomes of it where nothing is parsed: it stays, is given new labels,
is withheld, or is removed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ingestion.bulk import TOGETHER, NewLabels
from ingestion.parse.document import Reason, Refused
from ingestion.report import Change, Outcome, Step
from ingestion.run import ListedDocument, Run
from ingestion.sources.protocol import Unlabelled
from ingestion.standing import Made, Standing, standing_of
from ingestion.store import same_labels
from policies.rules import Attributes
from rag.db.statements import batches
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
        ids = [document.id for document in documents]
        return await standing_of(session, run.tenant, run.source, run.parts.index.number, ids)


async def known(document: ListedDocument) -> Known:
    async with document.run.parts.database.glance() as session:
        store = document.run.store(session)
        if await store.find(document.path_digest) is None:
            return Known(exists=False, newest=None)
        return Known(exists=True, newest=await store.newest_version(document.id))


async def settle_labels(
    documents: Sequence[ListedDocument], standing: Mapping[str, Standing], run: Run
) -> list[Outcome | None]:
    """Give known documents their new labels before anything is parsed; what became of each, where nothing else is new.

    Labels are taken for content that is known to be what they were given for. Other content is withheld at once,
    and so is content that cannot be read now: a change of rights waits for no document. Those whose content is known
    come first. `standing` is how they are stored, if they are: where that says all, nothing else is asked.
    """
    settled: dict[str, Outcome] = {}
    unlabelled: list[tuple[ListedDocument, str]] = []
    known_as: list[tuple[ListedDocument, Made]] = []
    others: list[tuple[ListedDocument, Made]] = []
    for document in documents:
        stands = standing.get(document.id)
        if stands is None:
            continue
        if isinstance(labels := document.item.labels, Unlabelled):
            unlabelled.append((document, labels.why))
        elif stands.attributes == document.attributes():
            if _stands(document, stands.made):
                settled[document.id] = document.outcome(Change.UNCHANGED)
        elif document.is_of_revision(stands.made.revision):
            known_as.append((document, stands.made))
        else:
            others.append((document, stands.made))
    settled |= await _removed(unlabelled, run)
    for some in batches(known_as, TOGETHER):
        settled |= await _relabelled(some, run)
    for document, made in others:
        settled |= await _read_anew(document, made)
    return [settled.get(document.id) for document in documents]


def left_to_live(documents: Sequence[ListedDocument], standing: Mapping[str, Standing]) -> list[Outcome | None]:
    """What becomes of documents in an index beside the live one, without a look at their content.

    Its listing may be older than what a run for the live index wrote since: it changes no labels, brings no document
    and takes none away.
    """
    return [_left_to_live(document, standing.get(document.id)) for document in documents]


def _left_to_live(document: ListedDocument, stands: Standing | None) -> Outcome | None:
    labels = document.item.labels
    if stands is None:
        if isinstance(labels, Unlabelled):
            refusal = Refused(Reason.UNLABELLED, labels.why)
        elif document.run.alone:
            return None  # What is in it tells why the live index does not have it.
        else:
            refusal = Refused(Reason.NOT_LIVE)
        return Outcome.failed(document.item.path, refusal, previous_stays=False)
    if isinstance(labels, Unlabelled) or stands.attributes != document.attributes():
        return Outcome.failed(document.item.path, Refused(Reason.NOT_LIVE), previous_stays=True)
    return document.outcome(Change.UNCHANGED) if _stands(document, stands.made) else None


async def _removed(documents: Sequence[tuple[ListedDocument, str]], run: Run) -> dict[str, Outcome]:
    """Known documents that have lost their labels, and why."""
    outcomes: dict[str, Outcome] = {}
    for some in batches(documents, TOGETHER):
        async with run.session() as session:
            await run.bulk(session).remove([document.path_digest for document, _ in some], look_only=run.dry)
        for document, why in some:
            refusal = Refused(Reason.UNLABELLED, why)
            outcomes[document.id] = Outcome.failed(document.item.path, refusal, previous_stays=False)
    return outcomes


async def _relabelled(some: Sequence[tuple[ListedDocument, Made]], run: Run) -> dict[str, Outcome]:
    """Documents whose content is what it was. What is made otherwise by now is not settled: it is made again."""
    given = [
        NewLabels(document.id, document.attributes(), made.content, made.pipeline, document.revision)
        for document, made in some
    ]
    async with run.session() as session:
        changed = await run.bulk(session).relabel(given, look_only=run.dry)
    return {
        document.id: document.outcome(Change.RELABELLED if document.id in changed else Change.UNCHANGED)
        for document, made in some
        if made.pipeline == document.way.pipeline
    }


async def _read_anew(document: ListedDocument, made: Made) -> dict[str, Outcome]:
    """A document of which only reading tells whether its content is what it was."""
    run = document.run
    try:
        content = document.content(await document.read())
    except Refused:
        content = ""
    if made.content and made.content == content:
        return await _relabelled([(document, made)], run)
    if not run.dry:
        async with run.parts.database.unit_of_work() as session:
            store = run.store(session)
            row = await store.find(document.path_digest, lock=True)
            if row is not None:
                await store.withhold(row)
    return {}


async def relabel(
    document: ListedDocument,
    attributes: Attributes,
    content: str,
    observe: Callable[[Step], None] = nobody,
) -> Outcome:
    """The content is what it was, and made as now: nothing is parsed or embedded, at most the labels are new."""
    new = NewLabels(document.id, attributes, content, document.way.pipeline, document.revision)
    async with document.run.session() as session:
        look_only = document.run.dry or not document.run.parts.index.live
        changed = await document.run.bulk(session).relabel([new], look_only=look_only)
        if changed and not look_only:
            observe(Step.WRITING)
    return document.outcome(Change.RELABELLED if changed else Change.UNCHANGED)


async def not_indexed(document: ListedDocument, refusal: Refused, observe: Callable[[Step], None] = nobody) -> Outcome:
    """An earlier version stays only under the labels that it had: nothing unread takes new ones."""
    run, labels = document.run, document.item.labels
    async with run.session() as session:
        row = await run.store(session).find(document.path_digest)
        if row is None:
            return Outcome.failed(document.item.path, refusal, previous_stays=False)
        stays = not isinstance(labels, Unlabelled) and same_labels(row, labels.bound_to(run.tenant, document.id))
        if not stays and not run.dry and run.parts.index.live:
            await run.bulk(session).remove([document.path_digest])
            observe(Step.WRITING)
    return Outcome.failed(document.item.path, refusal, previous_stays=stays)


async def remove(digests: Sequence[str], run: Run) -> list[Outcome]:
    """Documents that their source no longer has: rows now, points when the index is next published."""
    outcomes: list[Outcome] = []
    for some in batches(digests, TOGETHER):
        async with run.session() as session:
            found = await run.bulk(session).remove(some, look_only=run.dry)
        places = [found.get(digest, ("", "")) for digest in some]
        outcomes += (Outcome(path, Change.REMOVED, document) for document, path in places)
    return outcomes


def _stands(document: ListedDocument, made: Made) -> bool:
    """Whether it stands as the source lists it: this revision, made as it would be made now. Its labels do."""
    return document.is_of_revision(made.revision) and made.pipeline == document.way.pipeline
