"""A question is asked of one whole index, in the space of the embedder that made it, whatever is switched meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select, update

from policies.plan import Conditions
from rag.api.index_switch import Wanted, switch
from rag.db.index_changes import IndexChanges
from rag.db.index_table import IndexState
from rag.db.index_versions import IndexVersion
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.domain import Span, content_id
from rag.embedding.protocol import Embedder
from rag.errors import Conflict, IndexUnavailable, Misuse, NotFound
from rag.index.store import Hits, Query
from rag.index.upkeep import publish_tenant
from rag.query.index_comparison import compare_indexes
from rag.query.parts import QueryParts
from rag.query.passages import open_passage
from rag.query.retrieve import find
from rag.query.samples import Asked
from tests.query.company import PAPERS, TENANT, Company, person

TRAVEL = "How much is the travel budget of a team?"
DIM = 96


class Projected:
    """Another embedder: MiniLM's vectors, turned into a smaller space."""

    name = "projected"
    digest = "projected-digest"
    dim = DIM

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._matrix = np.random.default_rng(7).standard_normal((embedder.dim, DIM)).astype(np.float32)
        self.asked = 0

    @property
    def tokens_max(self) -> int:
        return self._embedder.tokens_max

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.turned(self._embedder.embed_passages(texts))

    def turned(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        turned = vectors @ self._matrix
        return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True), dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        self.asked += 1
        vector: NDArray[np.float32] = self.embed_passages([text])[0]
        return vector


@dataclass
class Others:
    """An `EmbedderSource` that has one embedder."""

    embedder: Projected

    async def get(self, named: object, digest: str) -> Embedder:
        assert digest == self.embedder.digest
        return self.embedder


@pytest.fixture
async def two(company: Company) -> Company:
    """The company with a second index, made by another embedder, ready beside the live one."""
    other = Projected(company.parts.embedder)
    company.parts = company.with_parts(others=Others(other))
    beside = IndexVersion(2, IndexState.READY, other.name, other.digest, DIM, {"model": "a-folder"})
    mine = company.parts.embedder
    async with company.parts.database.unit_of_work() as session:
        indexes = IndexChanges(session, TENANT)
        await indexes.record_first(mine.name, mine.digest, mine.dim)
        await indexes.add(beside)
        privacy = await company.parts.privacy.for_tenant(session, TENANT)
        for paper in PAPERS:
            first = (
                await session.scalars(select(VersionRow).where(VersionRow.document == company.ids[paper.key]))
            ).one()
            copied = _copied(first, id=content_id("ver", privacy.digest("beside", paper.key)), index_version=2)
            session.add(copied)
            await session.flush()
            for row in list(await session.scalars(select(ChunkRow).where(ChunkRow.version == first.id))):
                name = content_id("chk", privacy.digest("beside", row.id))
                vector = other.turned(np.frombuffer(row.dense, "<f4")[np.newaxis])[0]
                session.add(_copied(row, id=name, version=copied.id, dense=vector.astype("<f4").tobytes()))
    await publish_tenant(company.parts.database, company.stores, TENANT)
    return company


def _copied(row: Any, **changes: Any) -> Any:
    columns = {column.key: getattr(row, column.key) for column in type(row).__table__.columns}
    staged = {"state": "staged", "published_at": None} if isinstance(row, VersionRow) else {}
    return type(row)(**{**columns, **staged, **changes})


async def asked(parts: QueryParts, name: str = "sam") -> tuple[set[int], int]:
    """The indexes that the passages found are of, and how many there are."""
    found = await find(TRAVEL, person(name), parts, 5)
    async with parts.database.reading() as session:
        versions = [one.chunk.version for one in found.chunks]
        numbers = await session.scalars(select(VersionRow.index_version).where(VersionRow.id.in_(versions)))
        return set(numbers), len(found.chunks)


async def switched(parts: QueryParts, number: int, **wanted: Any) -> dict[str, Any]:
    embedder: Any = parts.embedder if number == 1 else parts.others.embedder  # type: ignore[attr-defined]  # Others
    return await switch(parts.database, TENANT, Wanted(number, "operator:test", **wanted), embedder)


async def compared(parts: QueryParts, **options: Any) -> dict[str, Any]:
    return await compare_indexes(TENANT, parts=parts, author="operator:test", sample=20, **options)


async def test_the_live_index_answers_and_after_a_switch_the_other_with_its_own_embedder(two: Company) -> None:
    """No restart: the next question sees the switch."""
    parts = two.parts
    numbers, found = await asked(parts)
    assert (numbers, parts.others.embedder.asked) == ({1}, 0)  # type: ignore[attr-defined]  # Others
    await switched(parts, 2, forced=True)
    assert await asked(parts) == ({2}, found)
    assert parts.others.embedder.asked == 1  # type: ignore[attr-defined]  # Others
    await switched(parts, 1, back=True)
    assert await asked(parts) == ({1}, found)


async def test_a_switch_during_a_question_does_not_mix_or_lose_anything(two: Company) -> None:
    class Switching:
        """Switches once, between the search and the check of what it found."""

        def __init__(self) -> None:
            self.done = False

        async def get(self, tenant: str, index: IndexVersion) -> Any:
            self.index = index
            return self

        async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
            hits = await (await two.stores.get(TENANT, self.index)).search(plan, query, limit=limit)
            if query.dense is not None and not self.done:
                self.done = True
                await switched(two.parts, 2, forced=True)
            return hits

    before = await asked(two.parts)
    switching = Switching()
    assert await asked(replace(two.parts, stores=switching)) == ({2}, before[1])
    assert switching.done


async def test_settings_of_another_embedder_answer_nothing_from_an_index_that_it_did_not_make(two: Company) -> None:
    """Unless the index names its embedder itself, as one that was built and promoted does."""
    changed = replace(two.parts, embedder=two.parts.others.embedder)  # type: ignore[attr-defined]  # Others
    with pytest.raises(IndexUnavailable, match="ringfence index build") as refusal:
        await asked(changed)
    assert refusal.value.code == "embedder_mismatch"
    await switched(two.parts, 2, forced=True)
    assert (await asked(changed))[0] == {2}


async def test_a_comparison_asks_as_people_do_and_decides_about_the_switch(two: Company) -> None:
    parts = two.parts
    with pytest.raises(Conflict) as refusal:
        await switched(parts, 2)
    assert refusal.value.code == "not_compared"
    figures = await compared(parts)
    assert (figures["live"], figures["index"]) == (1, 2)
    assert (figures["questions"], figures["left_out"]) == (len(PAPERS), 0), "each for somebody who may read it"
    assert figures["live_hit5_ratio"] == 1.0 and 0 <= figures["hit5_ratio"] <= 1
    assert len(await two.records("index_compared")) == 1
    async with parts.database.unit_of_work() as session:
        worse = {**figures, "mrr_ratio": figures["live_mrr_ratio"] - 0.5}
        await IndexChanges(session, TENANT).keep_figures(2, worse)
    with pytest.raises(Conflict) as refusal:
        await switched(parts, 2)
    assert refusal.value.code == "worse_index"
    async with parts.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).keep_figures(2, {**figures, **_as_good(figures)})
    assert await switched(parts, 2) == {"live": 2, "before": 1, "missing": 0}
    assert '"before":1' in (await two.records("index_switched"))[0]


async def lose(two: Company, document: str) -> None:
    """The index beside the live one lacks it from now on."""
    async with two.parts.database.unit_of_work() as session:
        beside = VersionRow.document == document, VersionRow.index_version == 2
        await session.delete((await session.scalars(select(VersionRow).where(*beside))).one())


async def test_a_part_of_an_index_is_not_compared_unless_what_it_lacks_may_be_missing(two: Company) -> None:
    """Its figures would say nothing of the whole that is promoted later."""
    planted = two.ids["planted"]
    await lose(two, planted)
    with pytest.raises(Conflict, match=planted) as refusal:
        await compared(two.parts)
    assert refusal.value.code == "documents_missing"
    assert "fail now" in refusal.value.message and "ringfence documents delete" in refusal.value.message
    figures = await compared(two.parts, allowed=[planted])
    assert (figures["missing"], figures["versions"]) == (1, len(PAPERS) - 1)
    async with two.parts.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).keep_figures(2, {**figures, **_as_good(figures)})
    assert (await switched(two.parts, 2, allowed=[planted]))["missing"] == 1


async def test_an_index_that_has_changed_since_it_was_compared_is_compared_again(two: Company) -> None:
    figures = await compared(two.parts)
    async with two.parts.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).keep_figures(2, {**figures, **_as_good(figures)})
    await lose(two, two.ids["planted"])
    allowed = {"allowed": [two.ids["planted"]]}
    with pytest.raises(Conflict, match="index compare") as refusal:
        await switched(two.parts, 2, **allowed)
    assert refusal.value.code == "changed_since"
    again = await compared(two.parts, **allowed)
    async with two.parts.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).keep_figures(2, {**again, **_as_good(again)})
    assert (await switched(two.parts, 2, **allowed))["live"] == 2


async def test_ingestion_need_not_stand_still_between_a_comparison_and_the_switch(
    two: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.query.index_content.CHANGED_SHARE", 2.5 / len(PAPERS))
    figures = await compared(two.parts)
    async with two.parts.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).keep_figures(2, {**figures, **_as_good(figures)})
    first, second = list(two.ids.values())[:2]
    await lose(two, first)
    async with two.parts.database.unit_of_work() as session:
        beside = VersionRow.document == second, VersionRow.index_version == 2
        await session.execute(update(VersionRow).where(*beside).values(created_at=datetime.now(UTC)))
    assert (await switched(two.parts, 2, allowed=[first]))["live"] == 2


async def test_figures_of_a_release_that_did_not_say_what_they_are_of_do_not_count(two: Company) -> None:
    figures = await compared(two.parts)
    older = {name: value for name, value in figures.items() if name not in ("versions", "content_at", "missing")}
    async with two.parts.database.unit_of_work() as session:
        await IndexChanges(session, TENANT).keep_figures(2, {**older, **_as_good(figures)})
    with pytest.raises(Conflict) as refusal:
        await switched(two.parts, 2)
    assert refusal.value.code == "changed_since"
    assert (await switched(two.parts, 2, forced=True))["live"] == 2


def _as_good(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[f"live_{name}"] for name in ("hit5_ratio", "mrr_ratio")}


async def test_what_a_person_may_not_read_counts_as_not_asked(two: Company) -> None:
    """The salaries are for hana's eyes; a path names a document as well as its id does."""
    salaries = [Asked("What is the salary since January?", (two.ids["salaries"],))]
    with pytest.raises(Misuse) as refusal:
        await compared(two.parts, questions=salaries, people=["user:sam"])
    assert refusal.value.code == "nothing_to_compare"
    mixed = [*salaries, Asked("Who pays for train tickets?", (two.ids["travel"], "no-such-document"))]
    figures = await compared(two.parts, questions=mixed, people=["user:sam"])
    assert (figures["questions"], figures["left_out"], figures["people"]) == (1, 1, 1)
    hers = await compared(two.parts, questions=mixed, people=["user:hana"])
    assert (hers["questions"], hers["live_hit5_ratio"]) == (2, 1.0)


async def test_a_switch_waits_for_documents_that_the_other_index_lacks(two: Company) -> None:
    parts, planted = two.parts, two.ids["planted"]
    async with parts.database.unit_of_work() as session:
        beside = select(VersionRow).where(VersionRow.document == planted, VersionRow.index_version == 2)
        await session.delete((await session.scalars(beside)).one())
    with pytest.raises(Conflict, match=planted) as refusal:
        await switched(parts, 2, forced=True)
    assert refusal.value.code == "documents_missing"
    assert (await switched(parts, 2, forced=True, allowed=[planted]))["missing"] == 1
    async with parts.database.reading() as session:
        assert (await session.get_one(DocumentRow, planted)).current_version is None
    assert (await switched(parts, 1, back=True))["missing"] == 0
    async with parts.database.reading() as session:
        assert (await session.get_one(DocumentRow, planted)).current_version is not None


async def test_only_an_index_whose_embedder_is_at_hand_is_switched_to(two: Company) -> None:
    with pytest.raises(NotFound):
        await switched(two.parts, 3, forced=True)
    with pytest.raises(Conflict) as refusal:
        wanted = Wanted(2, "operator:test", forced=True)
        await switch(two.parts.database, TENANT, wanted, two.parts.embedder)
    assert refusal.value.code == "embedder_mismatch"
    assert (await asked(two.parts))[0] == {1}


async def test_text_is_opened_once_it_was_shown_and_whichever_index_is_live_by_then(two: Company) -> None:
    """A citation outlives the switch that took its version out of sight; what was never shown has none."""
    parts, travel = two.parts, two.ids["travel"]
    async with parts.database.reading() as session:
        of_two = VersionRow.document == travel, VersionRow.index_version == 2
        (version,) = await session.scalars(select(VersionRow.id).where(*of_two))
    with pytest.raises(NotFound):
        await open_passage(travel, version, Span(0, 9), person("sam"), parts)
    await switched(parts, 2, forced=True)
    await switched(parts, 1, back=True)
    assert (await open_passage(travel, version, Span(0, 9), person("sam"), parts)).text == "Each team"
