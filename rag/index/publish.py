"""Make the index hold what SQL says, in steps that can be killed anywhere and run again.

    lost points                    written again, if the index has fewer than there are visible chunks
    points of staged versions      written and flushed, not yet visible: no document points at them
    flip, in one transaction       the new version is the visible one, the old one is superseded
    points of superseded versions  removed, then marked retired
    changed labels                 written to the points, then marked as indexed
    tombstones                     points removed, then the tombstones

What a reader sees is decided by `document.current_version` in SQL, never by which points exist: so a document
changes from one whole version to the next.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from rag.db.engine import Database
from rag.index.projection import Projection, Staged, Written
from rag.index.store import Point, VectorStore

T = TypeVar("T")

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (versions done, versions to do) after each batch."""

_BATCH = 256
"""Points in one write: some tens of milliseconds."""

_GROUP = 2048
"""Points between two flips: a flush and a transaction cost as much as some hundred points."""


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


async def publish(database: Database, store: VectorStore, tenant: str, progress: Progress | None = None) -> Published:
    """Project everything of `tenant` that waits. Idempotent; one run at a time in this process.

    An index that holds fewer points than there are visible chunks was lost, or put back from an older copy: all
    visible chunks are written again, from the vectors in SQL.

    Several processes may publish to one server only one after the other: two at once could leave old labels
    on a point that SQL believes up to date. The check against SQL would refuse such hits, and alarm.

    Raises:
        IndexUnavailable: a write was not done; what was done stays, and the next run continues.
    """
    async with store.publishing(), database.alone(f"publish {tenant}"):
        restored = await _restore(database, store, tenant, progress)
        versions, points = await _publish_staged(database, store, tenant, progress)
        retired = await _retire(database, store, tenant)
        relabelled = await _relabel(database, store, tenant)
        buried = await _bury(database, store, tenant)
    return Published(versions, points, retired, relabelled, buried, restored)


async def _restore(database: Database, store: VectorStore, tenant: str, progress: Progress | None) -> int:
    async with database.reading() as session:
        projection = Projection(session, tenant)
        if await store.points() >= await projection.visible_chunks():
            return 0
        visible = await projection.published()
    points = 0
    for done, (document, version) in enumerate(visible, start=1):
        written = await _load(database, tenant, document, version)
        if written is not None:
            await _upsert(store, written.points)
            async with database.unit_of_work() as session:
                await Projection(session, tenant).mark_indexed(document, written.attribute_version)
            points += len(written.points)
        if progress is not None:
            progress(done, len(visible))
    await store.flush()
    return points


async def _publish_staged(
    database: Database, store: VectorStore, tenant: str, progress: Progress | None
) -> tuple[int, int]:
    async with database.reading() as session:
        waiting = await Projection(session, tenant).staged()
    done = versions = points = 0
    async for batch in _loaded(database, tenant, waiting):
        batch_points = [point for _, written in batch for point in written.points]
        await _upsert(store, batch_points)
        await store.flush()
        async with database.unit_of_work() as session:
            projection = Projection(session, tenant)
            flipped = [await projection.flip(staged, written.attribute_version) for staged, written in batch]
            gone = await projection.gone([staged.version for staged, _ in batch])
        # Removed from SQL while its points were being written: nothing else would remember them.
        await _delete(store, [p.chunk for staged, written in batch if staged.version in gone for p in written.points])
        versions += sum(flipped)
        points += len(batch_points)
        done += len(batch)
        if progress is not None:
            progress(done, len(waiting))
    return versions, points


async def _loaded(
    database: Database, tenant: str, waiting: Sequence[Staged]
) -> AsyncIterator[list[tuple[Staged, Written]]]:
    """The waiting versions with their points, some `_GROUP` points at a time, never less than a version."""
    batch: list[tuple[Staged, Written]] = []
    size = 0
    for staged in waiting:
        written = await _load(database, tenant, staged.document, staged.version)
        if written is None:
            continue
        batch.append((staged, written))
        size += len(written.points)
        if size >= _GROUP:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _retire(database: Database, store: VectorStore, tenant: str) -> int:
    async with database.reading() as session:
        superseded = await Projection(session, tenant).superseded()
    if superseded:
        await _delete(store, [chunk for _, chunks in superseded for chunk in chunks])
        await store.flush()
    for batch in _slices([version for version, _ in superseded]):
        async with database.unit_of_work() as session:
            await Projection(session, tenant).retire(batch)
    return len(superseded)


async def _relabel(database: Database, store: VectorStore, tenant: str) -> int:
    async with database.reading() as session:
        relabelled = await Projection(session, tenant).relabelled()
    if relabelled:
        for _, _, payloads in relabelled:
            await store.set_payload(payloads)
        await store.flush()
        async with database.unit_of_work() as session:
            for document, attribute_version, _ in relabelled:
                await Projection(session, tenant).mark_indexed(document, attribute_version)
    return len(relabelled)


async def _bury(database: Database, store: VectorStore, tenant: str) -> int:
    async with database.unit_of_work() as session:
        projection = Projection(session, tenant)
        await projection.drop_obsolete_tombstones()
        chunks = await projection.tombstones()
    if chunks:
        await _delete(store, chunks)
        await store.flush()
    for batch in _slices(chunks):
        async with database.unit_of_work() as session:
            await Projection(session, tenant).bury(batch)
    return len(chunks)


async def _load(database: Database, tenant: str, document: str, version: str) -> Written | None:
    async with database.reading() as session:
        return await Projection(session, tenant).load(document, version)


async def _upsert(store: VectorStore, points: Sequence[Point]) -> None:
    for batch in _slices(points):
        await store.upsert(batch)


async def _delete(store: VectorStore, chunks: Sequence[str]) -> None:
    for batch in _slices(chunks):
        await store.delete(batch)


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
