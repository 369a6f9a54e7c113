"""Opening a citation's link: decided at that moment, whatever was decided when the answer was given."""

from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from policies.plan import DenyAll
from policies.rules import Attributes, InvalidRule, Level
from rag.db.documents import Documents, attributes_of, tightening_of
from rag.db.tables import EVER_VISIBLE, ChunkRow, DocumentRow, VersionRow
from rag.domain import Principal, Span
from rag.errors import NotFound, PolicyUnreadable
from rag.query.budget import count_chunks
from rag.query.decide import Standing, check_all, plan_of, read_policy
from rag.query.guard import inert
from rag.query.parts import QueryParts
from rag.query.record import who, write_record
from rag.query.reveal import Shown, reveal

SPAN_CHARS_MAX = 100_000
"""No citation is nearly as long: a whole book at a time is not what the link is for."""


@dataclass(frozen=True, slots=True)
class OpenedPassage:
    """A span of a document version, as one reader may see it now."""

    document: str
    version: str
    span: Span
    page: int | None
    level: Level
    title: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Loaded:
    document: DocumentRow
    version: VersionRow
    chunks: tuple[ChunkRow, ...]
    labels: tuple[Attributes, ...]


async def open_passage(
    document: str, version: str, span: Span, principal: Principal, parts: QueryParts
) -> OpenedPassage:
    """The text of the span for a reader of everything it touches; recorded before it is returned.

    Raises:
        NotFound: it does not exist, or she may not read it: the same words after the same work.
        Limited: a budget of the day does not suffice.
        PolicyUnreadable, AuditUnavailable: then nothing is returned.
    """
    try:
        async with parts.database.reading() as session:
            snapshot = await read_policy(parts, session, principal.tenant)
            privacy = await parts.privacy.for_tenant(session, principal.tenant)
            loaded = await _load(Documents(session), principal.tenant, document, version, span)
    except (SQLAlchemyError, InvalidRule, ValueError) as cause:
        raise PolicyUnreadable("The passage could not be decided on, so it was not opened. Retry.") from cause
    allowed = not isinstance(plan_of(snapshot, principal), DenyAll)
    # What does not exist is decided on as well, so that the time to refuse does not tell it from what does.
    nothing = Attributes(principal.tenant, "none", "none", Level.SECRET)
    decisions = await check_all(snapshot, principal.callers, "read", loaded.labels if loaded else (nothing,))
    allowed = allowed and all(decision.allowed for decision in decisions.values())
    asked = privacy.digest("passage", document, version, str(span.start), str(span.end)).hex()
    body = who(principal) | {"epoch": snapshot.epoch, "asked": asked}
    if loaded is None or not allowed:
        await write_record(parts, principal.tenant, "passage_refused", body)
        raise NotFound("There is no such passage, or none that you may read.")
    given = {row.id: one for row, one in zip(loaded.chunks, loaded.labels[1:], strict=True)}
    await count_chunks(parts, principal, given)
    ids = {"document": loaded.document.id, "version": loaded.version.id, "start": span.start, "end": span.end}
    await write_record(parts, principal.tenant, "passage", body | ids)
    text = loaded.version.text[span.start : span.end]
    standing = Standing(snapshot, {})
    shown = [
        Shown(row.id, document, labels, f"{loaded.document.title}\n{loaded.version.text[row.start : row.end]}")
        for row, labels in zip(loaded.chunks, loaded.labels[1:], strict=True)
    ]
    revealed = await reveal([text, loaded.document.title], shown, principal, standing, privacy, parts)
    for source, tokens in sorted(revealed.by_document.items()):
        given_back = {"document": source, "tokens": [token.strip("<>") for token in sorted(tokens)]}
        await write_record(parts, principal.tenant, "unmask", body | given_back)
    return OpenedPassage(
        document=document,
        version=version,
        span=span,
        page=loaded.chunks[0].page,
        level=max(labels.level for labels in loaded.labels),
        title=inert(revealed.apply(loaded.document.title), ()),
        text=revealed.apply(text),
    )


async def _load(documents: Documents, tenant: str, document: str, version: str, span: Span) -> _Loaded | None:
    """The span with everything it touches; None when it does not lie within chunks of a version once visible."""
    if span.end - span.start > SPAN_CHARS_MAX:
        return None
    found = await documents.find(tenant, document)
    content = await documents.load_version(tenant, document, version)
    touched = tuple(await documents.chunks_touching(tenant, version, span))
    if found is None or content is None or content.state not in EVER_VISIBLE:
        return None
    if not touched or span.end > len(content.text) or not _covered(content.text, span, touched):
        return None
    labels = attributes_of(found)
    return _Loaded(found, content, touched, (labels, *(labels.tightened(tightening_of(row)) for row in touched)))


def _covered(text: str, span: Span, chunks: tuple[ChunkRow, ...]) -> bool:
    """Whether all that is visible in the span belongs to the chunks, whose labels are known."""
    position = span.start
    for row in sorted(chunks, key=lambda row: row.start):
        if text[position : max(row.start, position)].strip():
            return False
        position = max(position, row.end)
    return not text[position : max(span.end, position)].strip()
