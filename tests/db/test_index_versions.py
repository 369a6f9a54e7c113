"""Which index answers is one row, and what readers see moves with it in one transaction."""

from sqlalchemy import delete, select

from rag.db.engine import Database
from rag.db.index_changes import IndexChanges
from rag.db.index_table import IndexState
from rag.db.index_versions import FIRST, IndexVersions
from rag.db.tables import ChunkRow, DocumentRow, LineageRow, VersionRow
from tests.db.index_worlds import TENANT, document, shown, states, two_indexes, version


async def switch(database: Database, number: int) -> None:
    async with database.unit_of_work() as session:
        await IndexChanges(session, TENANT).switch(number)


async def live(database: Database) -> int:
    async with database.reading() as session:
        return (await IndexVersions(session, TENANT).live()).number


async def test_a_switch_shows_the_other_index_whole_and_going_back_shows_the_first(database: Database) -> None:
    await two_indexes(database)
    assert await shown(database) == {"a": ("a-1", 3), "b": ("b-1", 3)}
    await switch(database, 2)
    assert (await live(database), await shown(database)) == (2, {"a": ("a-2", 2), "b": ("b-2", 2)})
    assert await states(database) == {"a-1": "standby", "a-2": "published", "b-1": "standby", "b-2": "published"}
    await switch(database, 1)
    assert (await live(database), await shown(database)) == (1, {"a": ("a-1", 3), "b": ("b-1", 3)})
    assert await states(database) == {"a-1": "published", "a-2": "standby", "b-1": "published", "b-2": "standby"}
    async with database.reading() as session:
        (beside,) = [index for index in await IndexVersions(session, TENANT).standing() if not index.live]
        assert (beside.number, beside.state, beside.dim) == (2, IndexState.RETIRED, 4)


async def test_who_began_to_read_before_a_switch_sees_the_index_of_before(database: Database) -> None:
    await two_indexes(database)
    async with database.reading() as session:
        indexes = IndexChanges(session, TENANT)
        assert (await indexes.live()).number == 1
        await switch(database, 2)
        current = await session.scalars(select(DocumentRow.current_version).order_by(DocumentRow.id))
        assert ((await indexes.live()).number, current.all()) == (1, ["a-1", "b-1"])
    assert await live(database) == 2


async def test_documents_that_the_other_index_lacks_are_told_and_vanish_if_it_is_switched_to(
    database: Database,
) -> None:
    await two_indexes(database)
    async with database.unit_of_work() as session:
        session.add(document("c", "c-1"))
        await session.flush()
        # Waiting to be written to the index is not being in it.
        session.add_all([version("c", 1, "published"), version("c", 2, "staged")])
    async with database.reading() as session:
        indexes = IndexChanges(session, TENANT)
        count, rows = await indexes.missing(2, 5)
        assert (count, [row.id for row in rows], await indexes.missing(1, 5)) == (1, ["c"], (0, []))
    await switch(database, 2)
    assert (await shown(database))["c"] == (None, 3)
    await switch(database, 1)
    assert (await shown(database))["c"] == ("c-1", 3)


async def test_a_dropped_index_leaves_nothing_but_text_that_was_shown(database: Database) -> None:
    await two_indexes(database)
    await switch(database, 2)
    async with database.unit_of_work() as session:
        await IndexChanges(session, TENANT).forget(1)
    assert await states(database) == {"a-1": "retired", "a-2": "published", "b-1": "retired", "b-2": "published"}
    async with database.reading() as session:
        indexes = IndexChanges(session, TENANT)
        assert [index.number for index in await indexes.dropping()] == [1]
        assert ([index.number for index in await indexes.standing()], await indexes.next_number()) == ([2], 3)


async def test_a_dropped_index_that_was_never_live_leaves_nothing(database: Database) -> None:
    await two_indexes(database)
    async with database.unit_of_work() as session:
        await IndexChanges(session, TENANT).forget(2)
    assert await states(database) == {"a-1": "published", "b-1": "published"}
    async with database.reading() as session:
        assert sorted(await session.scalars(select(ChunkRow.id))) == ["a-1-chunk", "b-1-chunk"]


async def test_a_tenant_of_whom_nothing_is_recorded_has_one_live_index(database: Database) -> None:
    async with database.reading() as session:
        indexes = IndexVersions(session, "nobody")
        assert (await indexes.live(), await indexes.standing(), await indexes.beside()) == (FIRST, [FIRST], None)


async def test_what_made_an_index_is_recorded_once_and_where_it_can_be_told(database: Database) -> None:
    """Of a release that did not record it, it can be told where every version says the same."""
    async with database.unit_of_work() as session:
        session.add(document("a", "a-1"))
        await session.flush()
        session.add(version("a", 1, "published"))
        indexes = IndexChanges(session, TENANT)
        await indexes.record_first("", "", 0)
        await indexes.settle("new", "new-digest", 4)
        assert (await indexes.live()).embedder_digest == "", "its version does not say what made it"
        session.add(
            LineageRow(
                version="a-1", tenant=TENANT, made_by="ingest", parser="", hidden_content="", injection_rules="",
                recognizers="", chunker="", chunk_tokens=120, embedder="new", embedder_digest="new-digest",
                lexical_digest="",
            )
        )  # fmt: skip
        await session.flush()
        await indexes.settle("other", "other-digest", 4)
        assert (await indexes.live()).embedder_digest == ""
        await indexes.settle("new", "new-digest", 4)
        await indexes.record_first("other", "other-digest", 9)
        assert (await indexes.live()).embedder_digest == "new-digest"
        await indexes.pin_live("other", "other-digest", 9, 200, {"model": "other"})
        live = await indexes.live()
        assert (live.chunk_tokens, live.embedding, live.dim) == (120, None, 4), "the settings name another embedder"
        await indexes.pin_live("new", "new-digest", 4, 200, {"model": "new"})
        assert (await indexes.live()).embedding == {"model": "new"}
        await session.execute(delete(VersionRow))
