"""What changed between two versions of a document, as one person may read them now.

Every chunk is checked as a hit of a question is: a paragraph that she may not read stands in neither text, and what
is left does not show that it is there. Texts are masked; nothing is given back.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.check import check_each
from policies.rules import Attributes, Caller, InvalidRule, Level
from policies.snapshot import Snapshot
from policies.store import PolicyError, PolicyStore
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody
from rag.db.documents import Documents, attributes_of, tightening_of
from rag.db.engine import Database
from rag.db.tables import EVER_VISIBLE, VersionRow
from rag.errors import AuditUnavailable, NotFound, PolicyUnreadable, Unauthenticated
from rag.identity.scim.store import standing

NOTHING = "/dev/null"
"""What a unified diff calls a text that is not there."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`lines` are a unified diff, without line ends; none where nothing that she may read is different.

    `older` is None where there is no earlier version with a text to be shown: then all of it is new.
    """

    document: str
    older: str | None
    newer: str
    lines: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Readable:
    version: VersionRow
    lines: tuple[str, ...] = field(repr=False)
    chunks: int


async def compare(
    database: Database, caller: Caller, document: str, *, older: str | None, newer: str | None, author: str
) -> Comparison:
    """The difference from `older` to `newer`: by default, from the version before that one to the visible one.

    `author` is the operator who runs it; she and the person stand in the record, which is written first.

    Raises:
        NotFound: there is no such document, or none that the person may read: the same words. Or a version has no
            text to be shown.
        PolicyUnreadable, AuditUnavailable: then nothing is returned.
    """
    try:
        async with database.reading() as session:
            snapshot = await PolicyStore(session).snapshot(caller.tenant)
            texts = await _texts(session, snapshot, caller, document)
    except (PolicyError, SQLAlchemyError, InvalidRule, ValueError) as cause:
        raise PolicyUnreadable("It could not be decided what may be read, so nothing was compared. Retry.") from cause
    body: AuditBody = {"person": caller.subject, "subject": author, "source": "operator", "epoch": snapshot.epoch}
    if not any(text.chunks for text in texts.values()):
        await _record(database, caller.tenant, "comparison_refused", body)
        raise NotFound("There is no such document, or none that this person may read.")
    before, after = _chosen(texts, older, newer)
    name, lines, chunks = (before.version.id, before.lines, before.chunks) if before else ("", (), 0)
    ids: AuditBody = {"document": document, "older": name, "newer": after.version.id, "chunks": chunks + after.chunks}
    await _record(database, caller.tenant, "comparison", {**body, **ids})
    changes = difflib.unified_diff(
        lines, after.lines, name or NOTHING, after.version.id, _date(before), _date(after), lineterm=""
    )
    return Comparison(document, name or None, after.version.id, tuple(changes))


async def _texts(session: AsyncSession, snapshot: Snapshot, caller: Caller, document: str) -> Mapping[str, _Readable]:
    """By version, oldest first, what the caller may read of it; the visible one is the last."""
    documents = Documents(session)
    row = await documents.find(caller.tenant, document)
    # What does not exist is decided on as well: refusing takes the same work.
    nothing = Attributes(caller.tenant, "none", "none", Level.SECRET)
    labels = nothing if row is None else attributes_of(row)
    try:
        await standing(session, caller.tenant, caller.subject, caller.groups)
    except Unauthenticated:
        return {}
    if not check_each(snapshot, (caller,), "read", (labels,))[labels].allowed or row is None:
        return {}
    opened = [
        version for version in await documents.versions_of(caller.tenant, document) if version.state in EVER_VISIBLE
    ]
    opened.sort(key=lambda version: version.id == row.current_version)
    found: dict[str, _Readable] = {}
    for version in opened:
        chunks = await documents.chunks_of(caller.tenant, version.id)
        labelled = [labels.tightened(tightening_of(chunk)) for chunk in chunks]
        decisions = check_each(snapshot, (caller,), "read", labelled)
        readable = [c for c, own in zip(chunks, labelled, strict=True) if decisions[own].allowed]
        spans = [(chunk.start, chunk.end) for chunk in readable]
        found[version.id] = _Readable(version, readable_lines(version.text, spans), len(spans))
    return found


def readable_lines(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """The lines of the text within the spans. Empty ones are left out, so that no gap tells of what is missing."""
    ordered = sorted(spans)
    pieces = [text[start:end] for start, end in ordered[:1]]
    for (_, done), (start, end) in pairwise(ordered):
        between = text[done:start]
        pieces += ("\n" if between.strip() else between, text[start:end])
    return tuple(line for line in "".join(pieces).splitlines() if line.strip())


def _chosen(texts: Mapping[str, _Readable], older: str | None, newer: str | None) -> tuple[_Readable | None, _Readable]:
    for version in (older, newer):
        if version is not None and version not in texts:
            raise NotFound(
                f"The document has no version {version!r} with a text to be shown: only versions that were visible, "
                "and were not withdrawn for new labels, have one. `ringfence documents show` lists all."
            )
    order = list(texts)
    after = newer or order[-1]
    before = older or next(reversed(order[: order.index(after)]), None)
    return None if before is None else texts[before], texts[after]


def _date(text: _Readable | None) -> str:
    return "" if text is None else text.version.created_at.isoformat(timespec="seconds")


async def _record(database: Database, tenant: str, kind: str, body: AuditBody) -> None:
    try:
        await database.write(lambda session: AuditLog().append(session, tenant, kind, body))
    except Exception as cause:
        raise AuditUnavailable("The audit record could not be written, so nothing was shown. Retry.") from cause
