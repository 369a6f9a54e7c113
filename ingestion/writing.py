"""Writing a prepared document: text, chunks, vectors and the originals they refer to, in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.digests import makers_of
from ingestion.looking import Noticed
from ingestion.parse.document import Reason, Refused
from ingestion.prepare import MaskedDocument, Prepared
from ingestion.quarantine import Decision, decision_on
from ingestion.report import Step
from ingestion.run import ListedDocument, Run
from ingestion.store import Embedded, Held, Reading, same_labels
from policies.rules import Attributes
from rag.db.lineage import KeptOut
from rag.domain import content_id

REJECTED = "rejected"
"""The state of a version whose content somebody decided against."""


@dataclass(frozen=True, slots=True)
class Written:
    """`erased`: how many of its values are not kept because they were erased before, by entity.

    `held`: the state in which nobody sees it, or nothing. `older_stays`: an older version stays visible until this one
    is published.
    """

    held: str
    erased: Mapping[str, int]
    older_stays: bool


async def write(
    document: ListedDocument,
    attributes: Attributes,
    content: str,
    prepared: Prepared,
    masked: MaskedDocument,
    observe: Callable[[Step], None],
) -> Written:
    """Everything of the document in one transaction.

    Raises:
        Refused: kept_out, where it was deleted meanwhile.
    """
    run, reading = document.run, _reading(document, content, prepared, masked)

    async def written(session: AsyncSession) -> Written:
        store = run.store(session)
        row = await store.find(document.path_digest, lock=True)
        if not run.parts.index.live and (row is None or not same_labels(row, attributes)):
            raise Refused(Reason.NOT_LIVE)
        state = await held_state(session, document, content, prepared.noticed)
        held = Held(state, prepared.noticed.places(masked.blocks)) if state else None
        refused = await run.privacy.vault.store(session, masked.values)
        stays = await store.stage(document.id, document.path_digest, attributes, reading, held=held is not None)
        # Whoever deletes it is alone with the vault: she was before, and is seen here, or removes this as well.
        if await KeptOut(session, run.tenant).holds(run.source, document.path_digest):
            raise Refused(Reason.KEPT_OUT)
        version = _version_id(document, reading, await store.versions_kept(document.id))
        numbered = [
            Embedded(_chunk_id(run, version, number), chunk.draft, chunk.dense, chunk.lexical)
            for number, chunk in enumerate(prepared.chunks)
        ]
        await store.add_version(document.id, version, reading, numbered, held)
        observe(Step.WRITING)
        return Written(state, masked.kinds_of(refused), stays)

    # Handed over whole: statement by statement, the way between two threads is most of what writing costs.
    return await run.parts.database.write(written)


async def held_state(session: AsyncSession, document: ListedDocument, content: str, noticed: Noticed) -> str:
    """The state in which this content is held back, or nothing. What a person decided about it holds."""
    decision = await decision_on(session, document.run.tenant, document.id, content)
    if decision is Decision.REJECTED:
        return REJECTED
    injected = bool(noticed.flags) and document.run.parts.settings.injection == "quarantine"
    asked = injected or bool(noticed.hidden)
    return "quarantined" if asked and decision is None else ""


def _reading(document: ListedDocument, content: str, prepared: Prepared, masked: MaskedDocument) -> Reading:
    run = document.run
    return Reading(
        title=masked.title.reading,
        path=masked.path,
        media_type=prepared.media_type,
        text=masked.text,
        flags=prepared.noticed.flags,
        content_digest=content,
        pipeline_digest=document.way.pipeline,
        masking_digest=run.privacy.configuration,
        source_revision=document.revision,
        makers=makers_of(run.parts, document.way.hidden.digest_part, run.made_by),
    )


def _version_id(document: ListedDocument, reading: Reading, ordinal: int) -> str:
    parts = (document.id, str(ordinal), reading.content_digest, reading.pipeline_digest)
    return content_id("ver", document.run.privacy.digest("version", *parts))


def _chunk_id(run: Run, version: str, number: int) -> str:
    return content_id("chk", run.privacy.digest("chunk", version, str(number)))
