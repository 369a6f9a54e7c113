"""Publishing to two indexes at once: what is written reaches both, and only the live one's versions are shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import IndexState
from rag.db.index_versions import IndexVersion, IndexVersions
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.index.embedded import EmbeddedStore
from rag.index.points import tenant_name
from rag.index.publish import Published, publish_indexes
from rag.index.stores import IndexStores, open_stores
from rag.index.upkeep import publish_tenant
from rag.settings import Settings
from tests.index.test_publish import (
    DIM,
    TENANT,
    Fuse,
    FusedDatabase,
    FusedStore,
    Killed,
    add_document,
    add_version,
    points_in,
    remove,
)

BESIDE = IndexVersion(2, IndexState.BUILDING, "other", "other-digest", 3, {"model": "other"})


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[IndexStores]:
    opened = open_stores(Settings(data_dir=tmp_path), DIM)
    yield opened
    await opened.close()


async def opened(stores: IndexStores) -> dict[int, EmbeddedStore]:
    first, second = await stores.get(TENANT), await stores.get(TENANT, BESIDE)
    assert isinstance(first, EmbeddedStore) and isinstance(second, EmbeddedStore)
    return {1: first, 2: second}


async def both(session: AsyncSession, document: str, number: int, *, chunks: int = 1) -> None:
    """A version of the document for each index, staged; the second index's vectors are shorter."""
    await add_version(session, document, number, chunks)
    other = await add_version(session, document, number + 50, chunks)
    await session.flush()
    await session.execute(update(VersionRow).where(VersionRow.id == other).values(index_version=2))
    vector = np.ones(3, "<f4").tobytes()
    await session.execute(update(ChunkRow).where(ChunkRow.version == other).values(dense=vector))


async def first_ingestion(session: AsyncSession) -> None:
    indexes = IndexChanges(session, TENANT)
    await indexes.record_first("first", "", DIM)
    await indexes.add(BESIDE)
    for document in ("changed", "removed", "relabelled"):
        add_document(session, document)
        await both(session, document, 1, chunks=2)


async def second_ingestion(session: AsyncSession) -> None:
    await both(session, "changed", 2)
    await remove(session, "removed")
    await session.execute(
        update(DocumentRow).where(DocumentRow.id == "relabelled").values(level=4, attribute_version=2)
    )
    add_document(session, "new")
    await both(session, "new", 1)


async def held(database: Database, stores: IndexStores) -> dict[str, object]:
    """All of SQL and of both indexes that publishing may change."""
    async with database.reading() as session:
        documents = select(DocumentRow.id, DocumentRow.current_version, DocumentRow.indexed_attribute_version)
        versions = select(VersionRow.id, VersionRow.state, VersionRow.indexed_attribute_version)
        return {
            "documents": (await session.execute(documents.order_by(DocumentRow.id))).all(),
            "versions": (await session.execute(versions.order_by(VersionRow.id))).all(),
            "points": {number: points_in(store) for number, store in (await opened(stores)).items()},
        }


async def levels(store: EmbeddedStore) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _, payload in points_in(store):
        of = dict(payload)
        found.setdefault(str(of["document"]), set()).add(str(of["level"]))
    return found


async def test_what_is_written_reaches_both_and_readers_see_the_live_one(
    database: Database, stores: IndexStores
) -> None:
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    assert await publish_tenant(database, stores, TENANT) == Published(versions=6, points=12)
    async with database.unit_of_work() as session:
        await second_ingestion(session)
    await publish_tenant(database, stores, TENANT)
    found = await opened(stores)
    assert await levels(found[1]) == await levels(found[2]) == {"changed": {"1"}, "relabelled": {"4"}, "new": {"1"}}
    async with database.reading() as session:
        current = dict((await session.execute(select(DocumentRow.id, DocumentRow.current_version))).all())
    assert current == {"changed": "changed-v2", "relabelled": "relabelled-v1", "new": "new-v1"}
    assert await publish_tenant(database, stores, TENANT) == Published(), "there is nothing left to do"


async def test_after_a_switch_new_versions_are_shown_from_the_other_index(
    database: Database, stores: IndexStores
) -> None:
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish_tenant(database, stores, TENANT)
    async with database.unit_of_work() as session:
        await IndexChanges(session, TENANT).switch(2)
        await second_ingestion(session)
    await publish_tenant(database, stores, TENANT)
    async with database.reading() as session:
        current = dict((await session.execute(select(DocumentRow.id, DocumentRow.current_version))).all())
        states = dict((await session.execute(select(VersionRow.id, VersionRow.state))).all())
    assert current == {"changed": "changed-v52", "relabelled": "relabelled-v51", "new": "new-v51"}
    assert (states["changed-v1"], states["changed-v2"], states["changed-v51"]) == ("retired", "ready", "retired")
    found = await opened(stores)
    assert await levels(found[1]) == await levels(found[2]), "the one before is kept up to date, to go back to"


async def test_a_kill_at_any_step_is_mended_by_the_next_run(database: Database, stores: IndexStores) -> None:
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish_tenant(database, stores, TENANT)
    async with database.unit_of_work() as session:
        await second_ingestion(session)
    kills = 0
    # Each run takes up what the killed one left and gets one step further, until one comes to its end.
    while True:
        fuse = Fuse(left=kills)
        fused = {number: FusedStore(store, fuse) for number, store in (await opened(stores)).items()}
        try:
            await publish_indexes(FusedDatabase(database, fuse), fused, TENANT)  # type: ignore[arg-type]  # as they are
        except Killed:
            kills += 1
            assert kills < 100
            continue
        break
    killed = await held(database, stores)
    assert kills >= 10
    assert await publish_tenant(database, stores, TENANT) == Published()
    assert await held(database, stores) == killed
    found = await opened(stores)
    assert await levels(found[1]) == await levels(found[2]) == {"changed": {"1"}, "relabelled": {"4"}, "new": {"1"}}


async def test_a_lost_index_is_written_again_and_a_dropped_one_leaves_no_folder(
    database: Database, stores: IndexStores, tmp_path: Path
) -> None:
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish_tenant(database, stores, TENANT)
    await stores.remove(TENANT, 2)
    assert await publish_tenant(database, stores, TENANT) == Published(restored=6), "the other one is left alone"
    folders = {path.name for path in (tmp_path / "index").iterdir()}
    assert folders == {tenant_name(TENANT), tenant_name(TENANT, 2)}
    async with database.unit_of_work() as session:
        await IndexChanges(session, TENANT).forget(2)
    await publish_tenant(database, stores, TENANT)
    assert [path.name for path in (tmp_path / "index").iterdir()] == [tenant_name(TENANT)]
    async with database.reading() as session:
        rows = {row.number: row.state for row in await IndexVersions(session, TENANT).rows()}
    assert rows == {1: IndexState.LIVE, 2: IndexState.DROPPED}
