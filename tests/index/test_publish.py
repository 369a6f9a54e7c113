"""Publishing can be killed after any step and run again: same result, and never half a version on the way."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge
from sqlalchemy import Engine, delete, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from policies.plan import Clause, Conditions, Grant
from policies.rules import Level
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.tables import ChunkRow, DocumentRow, TombstoneRow, VersionRow
from rag.domain import SparseVector, content_id, digest_of
from rag.errors import Damaged
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.index.points import chunk_id
from rag.index.projection import Projection
from rag.index.publish import Published, publish
from rag.index.store import Payload, Point, Query

TENANT = "acme"
DIM = 4
EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)
READER = Grant("user:ann", (EVERYTHING,), (), frozenset({"user:ann"}), frozenset())
ANYBODY = Conditions(TENANT, 9, (READER,))
QUERY = Query(np.ones(DIM, np.float32), SparseVector(np.array([1], np.uint32), np.array([1], np.float32)))
START = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """Not an Exception: nothing on the way may handle it, as nothing handles a kill."""


@dataclass
class Fuse:
    """Burns one unit at each step, before and after; at zero the process dies."""

    left: int = 10**9
    burned: int = 0

    def burn(self) -> None:
        self.burned += 1
        if self.left == 0:
            raise Killed
        self.left -= 1


@dataclass(eq=False)
class FusedStore:
    """The real store; every write may be the last."""

    store: EmbeddedStore
    fuse: Fuse = field(default_factory=Fuse)

    def publishing(self) -> Any:
        return self.store.publishing()

    async def points(self) -> int:
        return await self.store.points()

    async def flush(self) -> None:
        """Without its cost: a flush matters to power cuts only."""
        self.fuse.burn()

    async def upsert(self, points: Sequence[Point]) -> None:
        self.fuse.burn()
        await self.store.upsert(points)
        self.fuse.burn()

    async def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        self.fuse.burn()
        await self.store.set_payload(payloads)
        self.fuse.burn()

    async def delete(self, chunks: Sequence[str]) -> None:
        self.fuse.burn()
        await self.store.delete(chunks)
        self.fuse.burn()


@dataclass
class FusedDatabase:
    """The real database; a kill may come before a commit, which is then lost, or after it."""

    database: Database
    fuse: Fuse

    def reading(self) -> Any:
        return self.database.reading()

    def alone(self, name: str) -> Any:
        return self.database.alone(name)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        async with self.database.unit_of_work() as session:
            yield session
            self.fuse.burn()
        self.fuse.burn()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = open_embedded(tmp_path / "shard", tenant=TENANT, dim=DIM, conditions_max=400)
    yield opened
    await opened.close()


def chunk_of(version: str, ordinal: int) -> str:
    return content_id("chk", digest_of([version, str(ordinal)]))


def add_document(session: AsyncSession, document: str, **changes: Any) -> None:
    columns: dict[str, Any] = {
        "id": document,
        "tenant": TENANT,
        "source": "folder",
        "path_digest": document,
        "path": document,
        "title": document,
        "media_type": "text/plain",
        "department": "sales",
        "level": 1,
        "tags": [],
        "owner": "",
        "shares": [],
        "denied_shares": [],
        "compartments": [],
        "flags": [],
        "updated_at": START,
    }
    session.add(DocumentRow(**(columns | changes)))


async def add_version(session: AsyncSession, document: str, number: int, chunks: int = 2, *, tight: int = 0) -> str:
    """Stage a version; its first chunk is of level `tight` at least."""
    version = f"{document}-v{number}"
    await session.flush()
    session.add(
        VersionRow(
            id=version,
            document=document,
            tenant=TENANT,
            content_digest=version,
            pipeline_digest="p",
            state="staged",
            text="some text",
            policy_epoch=1,
            created_at=START + timedelta(minutes=number),
        )
    )
    await session.flush()
    for ordinal in range(chunks):
        session.add(
            ChunkRow(
                id=chunk_of(version, ordinal),
                version=version,
                document=document,
                tenant=TENANT,
                ordinal=ordinal,
                start=0,
                end=4,
                page=None,
                heading="",
                level_at_least=tight if ordinal == 0 else 0,
                more_compartments=[],
                more_denied_shares=[],
                dense=np.ones(DIM, "<f4").tobytes(),
                lexical_indices=np.array([1], "<u4").tobytes(),
                lexical_values=np.array([1], "<f4").tobytes(),
            )
        )
    return version


async def remove(session: AsyncSession, document: str) -> None:
    """What ingestion does for a document that disappeared."""
    for chunk in await session.scalars(select(ChunkRow.id).where(ChunkRow.document == document)):
        await session.merge(TombstoneRow(tenant=TENANT, chunk=chunk))
    for table in (ChunkRow, VersionRow):
        await session.execute(delete(table).where(table.document == document))
    await session.execute(delete(DocumentRow).where(DocumentRow.id == document))


async def first_ingestion(session: AsyncSession) -> None:
    for document in ("changed", "removed", "relabelled", "steady"):
        add_document(session, document)
        await add_version(session, document, 1, chunks=3)


async def second_ingestion(session: AsyncSession) -> None:
    """Every kind of change at once."""
    await add_version(session, "changed", 2, chunks=2)
    await add_version(session, "changed", 3, chunks=4, tight=2)
    await remove(session, "removed")
    await session.execute(
        update(DocumentRow).where(DocumentRow.id == "relabelled").values(level=4, attribute_version=2, tags=["draft"])
    )
    add_document(session, "new")
    await add_version(session, "new", 1, chunks=1)


@dataclass(frozen=True)
class State:
    """What SQL and the index hold, as a whole."""

    documents: tuple[tuple[str, str | None, int, int], ...]
    versions: tuple[tuple[str, str], ...]
    tombstones: int
    points: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]


async def state_of(database: Database, store: EmbeddedStore) -> State:
    async with database.reading() as session:
        documents = await session.execute(
            select(
                DocumentRow.id,
                DocumentRow.current_version,
                DocumentRow.attribute_version,
                DocumentRow.indexed_attribute_version,
            ).order_by(DocumentRow.id)
        )
        versions = await session.execute(select(VersionRow.id, VersionRow.state).order_by(VersionRow.id))
        tombstones = await session.scalar(select(func.count()).select_from(TombstoneRow))
        return State(
            tuple(tuple(row) for row in documents),
            tuple(tuple(row) for row in versions),
            tombstones or 0,
            points_in(store),
        )


def points_in(store: EmbeddedStore) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """Every point of the shard with its payload, readable or not, straight from the engine."""
    records, _ = store._shard.scroll(edge.ScrollRequest(limit=1000, with_payload=True))
    found = [(str(r.id), tuple(sorted((k, str(v)) for k, v in (r.payload or {}).items()))) for r in records]
    return tuple(sorted(found))


async def visible(database: Database, store: EmbeddedStore) -> dict[str, set[str]]:
    """Per document, the chunks that a question would be shown: hits of the current version."""
    hits = await store.search(ANYBODY, QUERY, limit=1000)
    assert {hit.chunk for hit in hits.dense} == {hit.chunk for hit in hits.lexical}
    async with database.reading() as session:
        loaded = await Documents(session).load_chunks(TENANT, [hit.chunk for hit in hits.dense])
    shown: dict[str, set[str]] = {}
    for chunk, found in loaded.items():
        if found.current:
            shown.setdefault(found.chunk.document, set()).add(chunk)
    return shown


async def assert_whole_versions(database: Database, store: EmbeddedStore) -> None:
    """Each document shows all chunks of its current version, or none where it has none."""
    async with database.reading() as session:
        rows = (await session.execute(select(DocumentRow.id, DocumentRow.current_version))).all()
        chunks = (await session.execute(select(ChunkRow.version, ChunkRow.id))).all()
    expected = {document: {chunk for v, chunk in chunks if v == version} for document, version in rows if version}
    assert await visible(database, store) == expected


async def test_publishing_makes_staged_versions_visible_and_a_second_run_changes_nothing(
    database: Database, store: EmbeddedStore
) -> None:
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    assert await visible(database, store) == {}
    seen: list[tuple[int, int]] = []
    published = await publish(database, store, TENANT, lambda done, total: seen.append((done, total)))
    assert published == Published(versions=4, points=12)
    assert seen[-1] == (4, 4)
    assert {document: len(chunks) for document, chunks in (await visible(database, store)).items()} == {
        "changed": 3,
        "removed": 3,
        "relabelled": 3,
        "steady": 3,
    }
    before = await state_of(database, store)
    assert await publish(database, store, TENANT) == Published()
    assert await state_of(database, store) == before


async def test_changes_replace_remove_and_relabel(database: Database, store: EmbeddedStore) -> None:
    """The newest staged version wins; the overtaken one is never visible and leaves no point."""
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish(database, store, TENANT)
    async with database.unit_of_work() as session:
        await second_ingestion(session)
    await assert_whole_versions_but_removed(database, store)
    published = await publish(database, store, TENANT)
    assert published == Published(versions=2, points=5, retired=2, relabelled=1, buried=3)
    state = await state_of(database, store)
    assert dict(state.versions) == {
        "changed-v1": "retired",
        "changed-v2": "retired",
        "changed-v3": "published",
        "new-v1": "published",
        "relabelled-v1": "published",
        "steady-v1": "published",
    }
    assert (len(state.points), state.tombstones) == (4 + 1 + 3 + 3, 0)
    # The tightened first chunk of `changed` and all of `relabelled` are above internal.
    assert await store.count(reading(Level.INTERNAL)) == 3 + 1 + 3
    assert await store.count(reading(Level.SECRET, "draft")) == 3


async def assert_whole_versions_but_removed(database: Database, store: EmbeddedStore) -> None:
    """Before publishing, a removed document is already invisible: its rows are gone."""
    await assert_whole_versions(database, store)
    assert "removed" not in await visible(database, store)


def reading(level: Level, *tags: str) -> Conditions:
    allowed = Clause(None, frozenset(tags), None, None, None, level)
    return Conditions(TENANT, 9, (Grant("user:ann", (allowed,), (), READER.closure, frozenset()),))


async def test_killed_after_any_step_and_run_again_the_result_is_the_same(
    database: Database, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every index write and every commit; nobody sees half a version at any of these moments."""
    monkeypatch.setattr("rag.index.publish._BATCH", 3)
    monkeypatch.setattr("rag.index.publish._GROUP", 4)
    whole = Fuse()
    wanted = await run_with_kill(database, store, whole)
    assert whole.burned > 20
    for left in range(whole.burned):
        assert await run_with_kill(database, store, Fuse(left)) == wanted, f"killed at step {left}"


async def run_with_kill(database: Database, store: EmbeddedStore, fuse: Fuse) -> State:
    """From nothing: ingest and publish twice; the second publishing is killed by `fuse` and run again."""
    async with database.unit_of_work() as session:
        for table in (TombstoneRow, ChunkRow, VersionRow, DocumentRow):
            await session.execute(delete(table))
    await store.delete([chunk_id(point) for point, _ in points_in(store)])
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish(database, FusedStore(store), TENANT)
    async with database.unit_of_work() as session:
        await second_ingestion(session)
    try:
        await publish(FusedDatabase(database, fuse), FusedStore(store, fuse), TENANT)  # type: ignore[arg-type]  # fused
    except Killed:
        await assert_whole_versions(database, store)
        await publish(database, FusedStore(store), TENANT)
    await assert_whole_versions(database, store)
    return await state_of(database, store)


async def test_a_document_removed_while_it_is_published_leaves_no_point(
    database: Database, store: EmbeddedStore
) -> None:
    """Ingestion is another process. A staged version needs no tombstone: nothing of it was in the index."""
    async with database.unit_of_work() as session:
        add_document(session, "fleeting")
        await add_version(session, "fleeting", 1)
        add_document(session, "steady")
        await add_version(session, "steady", 1)

    class Interrupted(FusedStore):
        async def upsert(self, points: Sequence[Point]) -> None:
            await super().upsert(points)
            async with database.unit_of_work() as session:
                await remove(session, "fleeting")
                await session.execute(delete(TombstoneRow))

    published = await publish(database, Interrupted(store), TENANT)  # type: ignore[arg-type]  # a store with an event
    assert published.versions == 1
    assert await store.count(ANYBODY) == 2
    await assert_whole_versions(database, store)


async def test_labels_changed_while_they_are_written_are_written_again(
    database: Database, store: EmbeddedStore
) -> None:
    """What is remembered is what was written, not what SQL says by then."""
    async with database.unit_of_work() as session:
        add_document(session, "moving")
        await add_version(session, "moving", 1)

    class Interrupted(FusedStore):
        async def upsert(self, points: Sequence[Point]) -> None:
            await super().upsert(points)
            async with database.unit_of_work() as session:
                await session.execute(update(DocumentRow).values(level=4, attribute_version=2))

    published = await publish(database, Interrupted(store), TENANT)  # type: ignore[arg-type]  # a store with an event
    assert published.relabelled == 1
    assert (await store.count(reading(Level.INTERNAL)), await store.count(ANYBODY)) == (0, 2)


async def test_a_document_that_came_back_is_not_buried(database: Database, store: EmbeddedStore) -> None:
    """Removed and added again before anything was published: the same chunk ids, wanted after all."""
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish(database, store, TENANT)
    async with database.unit_of_work() as session:
        await remove(session, "removed")
        add_document(session, "removed")
        await add_version(session, "removed", 1, chunks=3)
    published = await publish(database, store, TENANT)
    assert (published.versions, published.buried) == (1, 0)
    await assert_whole_versions(database, store)
    assert (await state_of(database, store)).tombstones == 0


async def test_another_tenants_documents_stay_out(database: Database, store: EmbeddedStore) -> None:
    async with database.unit_of_work() as session:
        add_document(session, "ours")
        await add_version(session, "ours", 1)
        add_document(session, "theirs", tenant="other")
        version = await add_version(session, "theirs", 1)
        await session.flush()
        await session.execute(update(VersionRow).where(VersionRow.id == version).values(tenant="other"))
        await session.execute(update(ChunkRow).where(ChunkRow.version == version).values(tenant="other"))
        session.add(TombstoneRow(tenant="other", chunk=chunk_of("ours-v1", 0)))
    assert (await publish(database, store, TENANT)).versions == 1
    assert set(await visible(database, store)) == {"ours"}
    assert (await state_of(database, store)).tombstones == 1


async def test_chunks_are_counted_in_sql_only_where_the_number_of_points_changed(
    database: Database, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    count = Projection.visible_chunks

    async def counting(projection: Projection) -> int:
        nonlocal counted
        counted += 1
        return await count(projection)

    monkeypatch.setattr(Projection, "visible_chunks", counting)
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish(database, store, TENANT)
    async with database.unit_of_work() as session:
        await second_ingestion(session)
    await publish(database, store, TENANT)
    assert counted == 1
    await store.delete([min((await visible(database, store))["steady"])])
    assert (await publish(database, store, TENANT)).restored > 0
    assert counted == 2
    await assert_whole_versions(database, store)


async def test_attributes_that_are_not_valid_are_never_published(database: Database, store: EmbeddedStore) -> None:
    async with database.unit_of_work() as session:
        add_document(session, "broken", compartments=["not a wall"])
        await add_version(session, "broken", 1)
    with pytest.raises(Damaged, match="broken"):
        await publish(database, store, TENANT)
    assert await store.count(ANYBODY) == 0


async def test_a_lost_index_is_written_again_from_sql(tmp_path: Path, database: Database, store: EmbeddedStore) -> None:
    """Vectors are in SQL: nothing is embedded again. Waiting changes are published on the way."""
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    await publish(database, store, TENANT)
    async with database.unit_of_work() as session:
        await second_ingestion(session)
    empty = open_embedded(tmp_path / "new", tenant=TENANT, dim=DIM, conditions_max=400)
    published = await publish(database, empty, TENANT)
    assert published.restored > 0
    await assert_whole_versions(database, empty)
    assert len(points_in(empty)) == await empty.points() == 4 + 1 + 3 + 3
    state = await state_of(database, empty)
    assert await publish(database, empty, TENANT) == Published()
    assert await state_of(database, empty) == state
    await empty.close()


@pytest.mark.parametrize(
    ("asked", "found_by"),
    [
        pytest.param("document_version.document IN", ["ix_document_version_document"], id="older versions"),
        pytest.param(
            "document.indexed_attribute_version <",
            [
                "ix_document_behind",
                "sqlite_autoindex_document_version_1",
                "ix_document_version_state",
                "sqlite_autoindex_document_1",
            ],
            id="new labels",
        ),
    ],
)
async def test_what_a_document_costs_does_not_grow_with_how_many_are_published(
    database: Database, store: EmbeddedStore, asked: str, found_by: list[str]
) -> None:
    async with database.unit_of_work() as session:
        await first_ingestion(session)
    statements: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        assert " WHERE 1!=1" not in statement, "of no version there is nothing to be asked"
        if asked in statement:
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        await publish(database, store, TENANT)
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    assert len(statements) == 1, "asked for all documents at once"
    async with database.reading() as session:
        connection = await session.connection()
        for statement, parameters in statements:
            rows = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all()
            assert re.findall(r"USING INDEX (\w+)", str(rows)) == found_by, rows
