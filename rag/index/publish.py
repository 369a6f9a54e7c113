"""Make the index hold what SQL says, in steps that can be killed anywhere and run again.

    lost points                    written again, if the index has fewer than there are visible chunks
    points of staged versions      written and flushed, not yet visible: no document points at them
    flip, in one transaction       the new version is the visible one, the old one is superseded
    points of superseded versions  removed, then marked retired
    changed labels                 written to the points, then marked as indexed
    tombstones                     points removed, then the tombstones

What a reader sees is decided by `document.current_version` in SQL, never by which points exist: so a document
changes from one whole version to the next. In an index beside the live one all is the same, but that nothing of it
becomes visible.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass, replace
from typing import TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database
from rag.db.index_table import FIRST_NUMBER
from rag.db.statements import batches
from rag.index.projection import Carried, Projection, Staged, Written
from rag.index.store import Point, VectorStore

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (versions done, versions to do) after each batch."""

_BATCH = 256
"""Points in one write: some tens of milliseconds."""

_GROUP = 2048
"""Points between two flips: a flush and a transaction cost as much as some hundred points."""

_WHOLE: WeakKeyDictionary[VectorStore, int] = WeakKeyDictionary()
"""How many points a store had when all was in it. As many now, and none is missing: SQL need not count its chunks."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a run changed: versions made visible and retired, documents relabelled, points written and buried.

    `restored` counts points written again because the index had lost some.
    """

    versions: int = 0
    points: int = 0
    retired: int = 0
    relabelled: int = 0
    buried: int = 0
    restored: int = 0

    def __add__(self, other: "Published") -> "Published":
        return Published(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


async def publish(database: Database, store: VectorStore, tenant: str, progress: Progress | None = None) -> Published:
    """`publish_indexes` for a tenant who has her first index and no other."""
    return await publish_indexes(database, {FIRST_NUMBER: store}, tenant, progress)


async def publish_indexes(
    database: Database, stores: Mapping[int, VectorStore], tenant: str, progress: Progress | None = None
) -> Published:
    """Project everything of `tenant` that waits, into each of her indexes, given by number. Idempotent; one run at a
    time in this process.

    An index that holds fewer points than it should was lost, or put back from an older copy: all of its chunks are
    written again, from the vectors in SQL.

    Several processes may publish to one server only one after the other: two at once could leave old labels
    on a point that SQL believes up to date. The check against SQL would refuse such hits, and alarm.

    Raises:
        IndexUnavailable: a write was not done; what was done stays, and the next run continues.
    """
    total = Published()
    async with AsyncExitStack() as held:
        for _, store in sorted(stores.items()):
            await held.enter_async_context(store.publishing())
        await held.enter_async_context(database.alone(publishing_of(tenant)))
        for number, store in sorted(stores.items()):
            place = _Place(database, store, tenant, number)
            restored = await _restore(place, progress)
            versions, points = await _publish_staged(place, progress)
            retired = await _retire(place)
            relabelled = await _relabel(place)
            total = total + Published(versions, points, retired, relabelled, 0, restored)
        buried = await _bury(database, list(stores.values()), tenant)
        for store in stores.values():
            _WHOLE[store] = await store.points()
    return replace(total, buried=buried)


def publishing_of(tenant: str) -> str:
    """What `Database.alone` calls the publishing of a tenant's indexes: a switch between two of them waits for it."""
    return f"publish {tenant}"


@dataclass(frozen=True, slots=True)
class _Place:
    """One index of one tenant: its number, and the store that holds its points."""

    database: Database
    store: VectorStore
    tenant: str
    number: int

    def projection(self, session: AsyncSession) -> Projection:
        return Projection(session, self.tenant, self.number)


async def _restore(place: _Place, progress: Progress | None) -> int:
    points = await place.store.points()
    if _WHOLE.get(place.store) == points:
        return 0
    async with place.database.reading() as session:
        projection = place.projection(session)
        if points >= await projection.visible_chunks():
            return 0
        visible = await projection.published()
    points = 0
    for done, (document, version) in enumerate(visible, start=1):
        for written in await _load(place, [version]):
            await _upsert(place.store, written.points)
            async with place.database.unit_of_work() as session:
                await place.projection(session).mark_indexed([Carried(document, version, written.attribute_version)])
            points += len(written.points)
        if progress is not None:
            progress(done, len(visible))
    await place.store.flush()
    return points


async def _publish_staged(place: _Place, progress: Progress | None) -> tuple[int, int]:
    async with place.database.reading() as session:
        waiting = await place.projection(session).staged()
    done = versions = points = 0
    async for batch in _loaded(place, waiting):
        batch_points = [point for _, written in batch for point in written.points]
        await _upsert(place.store, batch_points)
        await place.store.flush()
        async with place.database.unit_of_work() as session:
            projection = place.projection(session)
            versions += await projection.flip([(staged, written.attribute_version) for staged, written in batch])
            gone = await projection.gone([staged.version for staged, _ in batch])
        # Removed from SQL while its points were being written: nothing else would remember them.
        lost = [point.chunk for staged, written in batch if staged.version in gone for point in written.points]
        await _delete(place.store, lost)
        points += len(batch_points)
        done += len(batch)
        if progress is not None:
            progress(done, len(waiting))
    return versions, points


async def _loaded(place: _Place, waiting: Sequence[Staged]) -> AsyncIterator[list[tuple[Staged, Written]]]:
    """The waiting versions with their points, some `_GROUP` points at a time, never less than a version."""
    for group in _groups(waiting):
        found = {written.version: written for written in await _load(place, [staged.version for staged in group])}
        batch = [(staged, found[staged.version]) for staged in group if staged.version in found]
        if batch:
            yield batch


def _groups(waiting: Sequence[Staged]) -> Iterator[list[Staged]]:
    group: list[Staged] = []
    size = 0
    for staged in waiting:
        group.append(staged)
        size += max(1, staged.chunks)
        if size >= _GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


async def _retire(place: _Place) -> int:
    async with place.database.reading() as session:
        superseded = await place.projection(session).superseded()
    for batch in batches(superseded, _BATCH):
        async with place.database.reading() as session:
            chunks = await place.projection(session).chunks_of(batch)
        await _delete(place.store, chunks)
    if superseded:
        await place.store.flush()
    for batch in batches(superseded, _BATCH):
        async with place.database.unit_of_work() as session:
            await place.projection(session).retire(batch)
    return len(superseded)


async def _relabel(place: _Place) -> int:
    async with place.database.reading() as session:
        relabelled = await place.projection(session).relabelled()
    for batch in batches(relabelled, _BATCH):
        async with place.database.reading() as session:
            carried, payloads = await place.projection(session).labels(batch)
        await place.store.set_payload(payloads)
        await place.store.flush()
        async with place.database.unit_of_work() as session:
            await place.projection(session).mark_indexed(carried)
    return len(relabelled)


async def _bury(database: Database, stores: Sequence[VectorStore], tenant: str) -> int:
    """From every index: which of them a chunk was in, is not remembered."""
    async with database.unit_of_work() as session:
        projection = Projection(session, tenant)
        await projection.drop_obsolete_tombstones()
        chunks = await projection.tombstones()
    if chunks:
        for store in stores:
            await _delete(store, chunks)
            await store.flush()
    for batch in batches(chunks, _BATCH):
        async with database.unit_of_work() as session:
            await Projection(session, tenant).bury(batch)
    return len(chunks)


async def _load(place: _Place, versions: Sequence[str]) -> list[Written]:
    async with place.database.reading() as session:
        return await place.projection(session).load(versions)


async def _upsert(store: VectorStore, points: Sequence[Point]) -> None:
    for batch in batches(points, _BATCH):
        await store.upsert(batch)


async def _delete(store: VectorStore, chunks: Sequence[str]) -> None:
    for batch in batches(chunks, _BATCH):
        await store.delete(batch)
