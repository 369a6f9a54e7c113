"""Where the documents of a source came from: another place under its name removes none of them unless that was said.

A wrong path would otherwise empty a source, as what came from the right one is not listed there.
"""

from dataclasses import dataclass

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.digests import place_digest
from ingestion.parts import TenantMasking
from ingestion.sources.names import printable
from ingestion.sources.protocol import SourcePlace
from rag.db.tables import DocumentRow, SourcePlaceRow
from rag.errors import Misuse, NotFound


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place as it is kept: `shown` for the operator; the keyed `digest` tells it from another one."""

    shown: str
    digest: str


def known_as(privacy: TenantMasking, source: str, place: SourcePlace) -> KnownPlace:
    return KnownPlace(printable(place.shown), place_digest(privacy, source, place))


async def kept_place(session: AsyncSession, tenant: str, source: str) -> KnownPlace | None:
    """None: the source is new, or was ingested by a release that did not keep it."""
    row = await session.get(SourcePlaceRow, (tenant, source))
    return None if row is None else KnownPlace(row.place, row.digest)


async def keep_place(session: AsyncSession, tenant: str, source: str, place: KnownPlace) -> None:
    await session.merge(SourcePlaceRow(tenant=tenant, source=source, place=place.shown, digest=place.digest))
    await session.flush()


async def known_twice(
    session: AsyncSession, tenant: str, privacy: TenantMasking, source: str, place: SourcePlace
) -> tuple[str, ...]:
    """A sentence for the operator where documents of the tenant came from the same place under other names, too."""
    others = SourcePlaceRow.tenant == tenant, SourcePlaceRow.source != source
    rows = await session.scalars(select(SourcePlaceRow).where(*others, SourcePlaceRow.place == printable(place.shown)))
    if not (same := [row.source for row in rows if row.digest == place_digest(privacy, row.source, place)]):
        return ()
    filled = select(DocumentRow.source).where(DocumentRow.tenant == tenant, DocumentRow.source.in_(same)).distinct()
    if not (names := sorted(await session.scalars(filled))):
        return ()
    return (
        f"{place.shown} is known as the source {', '.join(map(repr, names))} already, and {source!r} is another name "
        "for it: its documents stand there once for each. Keep to one name; an empty folder that is ingested under the "
        "other one with --moved --allow-empty removes what came under that.",
    )


async def known_sources(session: AsyncSession, tenant: str) -> list[str]:
    """The names of the sources that documents of the tenant came from, though none of them may be left."""
    named = [select(row.source).where(row.tenant == tenant) for row in (DocumentRow, SourcePlaceRow)]
    return sorted(await session.scalars(union(*named)))


async def require_source(session: AsyncSession, tenant: str, source: str) -> None:
    """Return if documents of the tenant came from this source.

    Raises:
        NotFound: names those that there are.
    """
    known = await known_sources(session, tenant)
    if source not in known:
        there_are = f"it has: {', '.join(known)}" if known else "it has none"
        raise NotFound(f"Tenant {tenant!r} has no source {source!r}; {there_are}.")


def another_place(source: str, before: KnownPlace, now: KnownPlace, *, gone: int, known: int) -> Misuse:
    """The refusal of a run that would remove what came from another place."""
    elsewhere = now.shown if now.shown != before.shown else "the same place under another account"
    return Misuse(
        f"The documents of the source {source!r} came from {before.shown}. It is {elsewhere} now, where {gone} of its "
        f"{known} documents are not; nothing was changed. If the source has moved, and they are to be removed, say so "
        "with --moved; else give the place that is meant, or this one a name of its own.",
        code="source_moved",
    )
