"""Where tokens stand in what is stored: texts, headings, titles and paths."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from rag.db.statements import batches
from rag.db.tables import ChunkRow, DocumentRow, QuarantinedRow, VersionRow

NAMED_MAX = 30
"""So many tokens are looked for by name; of more, every text with a bracket is looked through."""
_FETCH = 8
"""Texts in memory at once: one may have millions of characters."""
_TOKEN = re.compile(r"<[A-Z][A-Z0-9_]{1,64}>")


@dataclass(slots=True)
class Occurrences:
    """By token, the documents and the chunks that hold it. Ids only."""

    documents: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    chunks: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


async def find_occurrences(
    session: AsyncSession, tenant: str, tokens: Collection[str], versions: Collection[str] | None = None
) -> Occurrences:
    """Where the tokens stand in the tenant's documents: in all titles and paths, and in the texts and headings of
    these versions, or of every one that is kept."""
    found = Occurrences()
    if tokens:
        wanted = frozenset(tokens)
        for some in [None] if versions is None else batches(sorted(versions)):
            await _in_texts(session, tenant, wanted, found, some)
            await _in_headings(session, tenant, wanted, found, some)
        await _in_titles(session, tenant, wanted, found)
    return found


async def _in_texts(
    session: AsyncSession, tenant: str, wanted: frozenset[str], found: Occurrences, versions: Sequence[str] | None
) -> None:
    columns = select(VersionRow.id, VersionRow.document, VersionRow.text)
    statement = columns.where(VersionRow.tenant == tenant, _may_hold(wanted, VersionRow.text))
    if versions is not None:
        statement = statement.where(VersionRow.id.in_(versions))
    places: dict[str, list[tuple[str, int]]] = {}
    async for version, document, text in await session.stream(statement.execution_options(yield_per=_FETCH)):
        places[version] = list(_tokens(text, wanted))
        for token, _ in places[version]:
            found.documents[token].add(document)
    for version, tokens in places.items():
        if tokens:
            spans = select(ChunkRow.id, ChunkRow.start, ChunkRow.end).where(ChunkRow.version == version)
            for chunk, start, end in await session.execute(spans):
                for token, place in tokens:
                    if start < place + len(token) and place < end:
                        found.chunks[token].add(chunk)


async def _in_headings(
    session: AsyncSession, tenant: str, wanted: frozenset[str], found: Occurrences, versions: Sequence[str] | None
) -> None:
    columns = select(ChunkRow.id, ChunkRow.document, ChunkRow.heading)
    statement = columns.where(ChunkRow.tenant == tenant, _may_hold(wanted, ChunkRow.heading))
    if versions is not None:
        statement = statement.where(ChunkRow.version.in_(versions))
    for chunk, document, heading in await session.execute(statement):
        for token, _ in _tokens(heading, wanted):
            found.documents[token].add(document)
            found.chunks[token].add(chunk)


async def _in_titles(session: AsyncSession, tenant: str, wanted: frozenset[str], found: Occurrences) -> None:
    held = _may_hold(wanted, DocumentRow.title, DocumentRow.path)
    columns = select(DocumentRow.id, DocumentRow.title, DocumentRow.path)
    for document, title, path in await session.execute(columns.where(DocumentRow.tenant == tenant, held)):
        for token, _ in _tokens(f"{title}\n{path}", wanted):
            found.documents[token].add(document)
    # The title that a document gets when what is held of it is released.
    held_back = select(VersionRow.document, QuarantinedRow.title).join(
        QuarantinedRow, QuarantinedRow.version == VersionRow.id
    )
    held_back = held_back.where(QuarantinedRow.tenant == tenant, _may_hold(wanted, QuarantinedRow.title))
    for document, title in await session.execute(held_back):
        for token, _ in _tokens(title, wanted):
            found.documents[token].add(document)


def _may_hold(wanted: frozenset[str], *columns: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    parts = sorted(wanted) if len(wanted) <= NAMED_MAX else ["<"]
    return or_(*(column.contains(part, autoescape=True) for column in columns for part in parts))


def _tokens(text: str, wanted: frozenset[str]) -> Iterator[tuple[str, int]]:
    for match in _TOKEN.finditer(text):
        if match[0] in wanted:
            yield match[0], match.start()
