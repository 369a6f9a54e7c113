"""What a source holds and what was ingested from it before: the two sides that a run brings together."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.archives import MemberItem, RefusedItem, unpacked
from ingestion.cursors import Cursor, keep, kept, mark_of
from ingestion.digests import archive_half, document_id, identity_digest, pipeline_digest
from ingestion.parse.document import Reason
from ingestion.parts import IngestionParts, TenantMasking
from ingestion.places import KnownPlace, another_place, keep_place, kept_place, known_as, known_twice
from ingestion.sources.protocol import WITHIN, Listing, Skipped, Source, SourceItem
from ingestion.store import DocumentStore
from ingestion.unread import with_unread
from rag.db.engine import Database
from rag.db.index_table import FIRST_NUMBER
from rag.db.index_versions import IndexVersions
from rag.db.lineage import KeptOut
from rag.errors import Misuse
from rag.hidden_content import HiddenPolicy


@dataclass(frozen=True, slots=True)
class Inventory:
    """`known` are the identities of the documents ingested before; `made_by` is what this run makes versions by.

    `kept_out` are the identities of those that were deleted and must not come back.
    """

    source: str
    tenant: str
    listing: Listing
    privacy: TenantMasking = field(repr=False)
    place: KnownPlace
    known: tuple[str, ...]
    made_by: str
    kept_out: frozenset[str] = frozenset()
    index: int = FIRST_NUMBER
    """Number of the index that the run is for."""
    since: str = ""
    """Mark of the cursor that was kept when the source was listed."""
    came_from: KnownPlace | None = None
    """The place that its documents came from, as far as it is known."""

    @property
    def is_new_place(self) -> bool:
        """Whether it is another one than its documents came from, or that is not known."""
        return self.came_from is None or self.came_from.digest != self.place.digest

    def items(self, only: Collection[str] | None = None) -> Sequence[SourceItem]:
        """What the source lists, without what is kept out; with `only`, of these documents alone, by their ids."""
        listed: Sequence[SourceItem] = self.listing.items
        if only is not None:
            listed = self.listing.chosen(only, self.tenant, self._document)
        return [item for item in listed if not self._is_kept_out(item)] if self.kept_out else listed

    def _document(self, item: SourceItem) -> str:
        return document_id(self.privacy, self.source, item.identity)

    def skipped(self) -> tuple[Skipped, ...]:
        """What the source lists and is not a document, and what is kept out."""
        if not self.kept_out:
            return self.listing.skipped
        kept_out = (item for item in self.listing.items if self._is_kept_out(item))
        return (*self.listing.skipped, *(Skipped(item.path, Reason.KEPT_OUT.value) for item in kept_out))

    def _is_kept_out(self, item: SourceItem) -> bool:
        # A member that was kept out before members had identities of their own is kept out by its path.
        names = {item.identity, item.identity.replace(WITHIN, "/")}
        return any(identity_digest(self.privacy, self.source, name) in self.kept_out for name in names)

    def gone(self) -> Iterator[str]:
        """The identities that the source no longer has, in the order of `known`."""
        gone = set(self.known)
        if self.listing.complete:
            for item in self.listing.items:
                gone.discard(identity_digest(self.privacy, self.source, item.identity))
        else:
            gone &= {identity_digest(self.privacy, self.source, one) for one in self.listing.removed}
        yield from (digest for digest in self.known if digest in gone)

    @property
    def says_enough(self) -> bool:
        """Whether a listing of what is new says all that changed.

        It cannot say which members an archive has lost, nor that what is no archive any more, or is gone, was one.
        """
        if any(isinstance(item, MemberItem | RefusedItem) for item in self.listing.items):
            return False
        known, family = set(self.known), Counter(map(archive_half, self.known))
        removed = [identity_digest(self.privacy, self.source, one) for one in self.listing.removed]
        listed = [identity_digest(self.privacy, self.source, item.identity) for item in self.listing.items]
        alone = all(family[archive_half(digest)] == (digest in known) for digest in (*removed, *listed))
        return alone and known.issuperset(removed)


async def take_inventory(
    source: Source,
    tenant: str,
    parts: IngestionParts,
    *,
    dry_run: bool,
    allow_empty: bool,
    moved: bool = False,
    verify: bool = False,
    part: bool = False,
) -> Inventory:
    """List the source: what is new since the last run where that says enough, else and with `verify` everything.

    With `part` it is for some documents of the listing: `known` is empty where it is everything.

    Raises:
        Unavailable: the source cannot be read.
        Misuse: it is empty although documents came from it (see `allow_empty`), or lacks some that came from another
            place (see `moved`).
    """
    async with parts.database.reading() as session:
        last = await kept(session, tenant, source.name)
        came_from = await kept_place(session, tenant, source.name)
    # A cursor is the live index's: the other may lack what came before it.
    since = "" if last is None or verify or not parts.index.live else last.cursor
    inventory = await _taken(source, since, tenant, parts, dry_run=dry_run, part=part)
    if not inventory.listing.complete and not (
        last is not None and last.made_by == inventory.made_by and inventory.says_enough
    ):
        inventory = await _taken(source, "", tenant, parts, dry_run=dry_run, part=part)
    inventory = replace(inventory, since=mark_of(last), came_from=came_from)
    # Neither a part of a listing nor a run for the other index removes what is not listed.
    if not (moved or part) and parts.index.live:
        _require_same_place(inventory)
    if inventory.known and inventory.listing.complete and not inventory.listing.items and not allow_empty:
        raise Misuse(
            f"The source {source.name!r} is empty, although documents were ingested from it. If they are all to be "
            "removed, say so with --allow-empty; nothing was changed.",
            code="source_empty",
        )
    return inventory


def _require_same_place(inventory: Inventory) -> None:
    """Return if it is the place that the documents came from, or none of them would be removed."""
    if inventory.came_from is None or not inventory.is_new_place:
        return
    if gone := sum(1 for _ in inventory.gone()):
        known = len(inventory.known)
        raise another_place(inventory.source, inventory.came_from, inventory.place, gone=gone, known=known)


async def _taken(
    source: Source, since: str, tenant: str, parts: IngestionParts, *, dry_run: bool, part: bool
) -> Inventory:
    listing = await asyncio.to_thread(source.listing, since)
    listing = await asyncio.to_thread(unpacked, listing, parts.parser, parts.settings.file_bytes_max)
    # A dry run may make a key for a new tenant, but its session is never committed.
    async with parts.database.reading() if dry_run else parts.database.unit_of_work() as session:
        privacy = await parts.privacy.for_tenant(session, tenant)
        all_counts = not (part and listing.complete)
        known = tuple(await DocumentStore(session, tenant, source.name).path_digests()) if all_counts else ()
        kept_out = await KeptOut(session, tenant).path_digests(source.name)
        listing = await with_unread(session, tenant, source.name, privacy, listing)
        twice = await known_twice(session, tenant, privacy, source.name, source.place)
    made_by = _made_by(parts, privacy)
    place = known_as(privacy, source.name, source.place)
    listing = replace(listing, notices=(*listing.notices, *twice))
    return Inventory(source.name, tenant, listing, privacy, place, known, made_by, kept_out, parts.index.number)


async def pipeline_now(tenant: str, parts: IngestionParts, *, known: bool) -> str:
    """The digest of the pipeline that makes the tenant's versions at this moment. One not `known` gets its key."""
    async with parts.database.reading() if known else parts.database.unit_of_work() as session:
        return _made_by(parts, await parts.privacy.for_tenant(session, tenant))


def _made_by(parts: IngestionParts, privacy: TenantMasking) -> str:
    hidden = HiddenPolicy(parts.settings.hidden).digest_part
    return pipeline_digest(parts, privacy.configuration, hidden, index=parts.index.number)


async def keep_new_place(database: Database, inventory: Inventory) -> None:
    """Keep the source's place, if it is not the one that is kept. Before anything of it is written: what a run that is
    cut off leaves came from there.
    """
    if inventory.is_new_place:
        async with database.unit_of_work() as session:
            await keep_place(session, inventory.tenant, inventory.source, inventory.place)


async def keep_cursor(session: AsyncSession, tenant: str, inventory: Inventory) -> None:
    """The next run may begin where this one ended: call it only when nothing of it is to be tried again.

    Of the live index only, which it is now: a switch may have come between.
    """
    if (await IndexVersions(session, tenant).live()).number != inventory.index:
        return
    await keep(session, tenant, inventory.source, Cursor(inventory.listing.cursor, inventory.made_by, inventory.since))
