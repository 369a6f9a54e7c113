"""What every vector store promises, run on each of them.

- embedded: the real engine in process.
- client: the server adapter over qdrant-client's local mode, a stand-in for the API, not for the engine. It is
  plain Python: it has no payload indexes, no timeouts, no durability, no partial failures, and reports its own
  version as the server's. It was written by Qdrant to agree with the server, filters and `idf` included.
- server: the server adapter over a real server, wherever RINGFENCE_TEST_QDRANT_URL is set.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient, models

from policies.plan import Clause, Conditions, Grant
from policies.rules import Attributes, Level
from rag.errors import Damaged, IndexUnavailable
from rag.index.embedded import EmbeddedStore, open_embedded
from rag.index.lexical import LexicalEncoder
from rag.index.payload import LABELS_KEY, SEAL_KEY, labels_digest, payload_of
from rag.index.points import DENSE, point_id
from rag.index.points import LEXICAL as WORDS
from rag.index.server import collection_name, open_server
from rag.index.store import Hit, Hits, Page, Payload, Point, Query, VectorStore
from tests.index.worlds import chunk

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

DIM = 8
SERVER_URL = os.environ.get("RINGFENCE_TEST_QDRANT_URL")
REAL_SERVER = pytest.param(
    "server", marks=pytest.mark.skipif(SERVER_URL is None, reason="RINGFENCE_TEST_QDRANT_URL is not set")
)
EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)
LEXICAL = LexicalEncoder()


@dataclass
class Open:
    """Opens the store under test, again and again on the same data."""

    folder: Path
    client: AsyncQdrantClient | None
    tenant: str = field(default_factory=lambda: f"acme-{uuid4().hex}")
    opened: list[VectorStore] = field(default_factory=list)

    @property
    def knows_label_sets(self) -> bool:
        """Whether the store has written every point itself, and asks by sets of labels."""
        return self.client is None

    async def __call__(
        self, *, tenant: str | None = None, conditions_max: int = 400, embedder: str = ""
    ) -> VectorStore:
        name = tenant or self.tenant
        common = {"tenant": name, "dim": DIM, "conditions_max": conditions_max, "embedder": embedder}
        if self.client is None:
            self.opened.append(open_embedded(self.folder / name, **common))
        else:
            self.opened.append(await open_server(self.client, timeout_s=10, **common))
        return self.opened[-1]

    async def smuggle(self, store: VectorStore, point: int | str, of: Point) -> None:
        """Write a point past the store, which would refuse it."""
        words = (of.lexical.indices.tolist(), of.lexical.values.tolist())
        if isinstance(store, EmbeddedStore):
            vectors = {DENSE: of.dense.tolist(), WORDS: edge.SparseVector(*words)}
            made = edge.Point(point, vectors, dict(of.payload))
            store._shard.update(edge.UpdateOperation.upsert_points([made]))
        else:
            assert self.client is not None
            sparse = models.SparseVector(indices=words[0], values=words[1])
            made = models.PointStruct(
                id=point, vector={DENSE: of.dense.tolist(), WORDS: sparse}, payload=dict(of.payload)
            )
            await self.client.upsert(collection_name(self.tenant), [made], wait=True)

    async def break_engine(self, store: VectorStore) -> None:
        """Whatever reaches the engine from now on fails."""
        if self.client is None:
            await store.close()
        else:
            await self.client.delete_collection(collection_name(self.tenant))


@pytest.fixture(params=["embedded", "client", REAL_SERVER])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    if request.param == "embedded":
        opener = Open(tmp_path, None)
    elif request.param == "client":
        opener = Open(tmp_path, AsyncQdrantClient(location=":memory:"))
    else:
        opener = Open(tmp_path, AsyncQdrantClient(url=SERVER_URL, check_compatibility=False))
    yield opener
    for store in opener.opened:
        await store.close()
    if opener.client is not None:
        for tenant in (opener.tenant, f"{opener.tenant}-other"):
            await opener.client.delete_collection(collection_name(tenant))
        await opener.client.close()


def attributes(tenant: str, document: str = "d1", **changes: Any) -> Attributes:
    return Attributes(tenant=tenant, document=document, department="sales", level=Level.INTERNAL, **changes)


def payload(of: Attributes, *, epoch: int = 1) -> Payload:
    return payload_of(of, version="v1", attribute_version=1, policy_epoch=epoch)


def point(number: int, of: Attributes, *, text: str = "plain words", angle: float = 0.0, epoch: int = 1) -> Point:
    return Point(chunk(number), direction(angle), LEXICAL.encode_passage(text), payload(of, epoch=epoch))


def direction(angle: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([np.cos(angle), np.sin(angle), 0, 0, 0, 0, 0, 0], dtype=np.float32)


def query(text: str, angle: float = 0.0) -> Query:
    return Query(direction(angle), LEXICAL.encode_query(text))


def plan(tenant: str, *allow: Clause, epoch: int = 9, **changes: Any) -> Conditions:
    ann = Grant("user:ann", allow or (EVERYTHING,), (), frozenset({"user:ann", "group:eng"}), frozenset())
    return Conditions(tenant, epoch, (replace(ann, **changes),))


def documents(*names: str) -> Clause:
    return replace(EVERYTHING, documents=frozenset(names))


def ids(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.chunk for hit in hits]


async def test_both_branches_show_exactly_what_the_plan_admits(open_store: Open) -> None:
    """One readable chunk among chunks that each fail for one reason; all match the question equally."""
    tenant, store = open_store.tenant, await open_store()
    of = attributes(tenant)
    await store.upsert(
        [
            point(1, of),
            point(2, replace(of, level=Level.SECRET)),
            point(3, replace(of, compartments=frozenset({"compartment:deal"}))),
            point(4, replace(of, denied_shares=frozenset({"group:eng"}))),
            point(5, replace(of, document="d2", tags=frozenset({"draft"}))),
            point(6, of, epoch=10),
            point(7, replace(of, department="legal")),
        ]
    )
    sales = replace(EVERYTHING, departments=frozenset({"sales"}), max_level=Level.CONFIDENTIAL)
    reader = plan(tenant, sales, deny=(replace(EVERYTHING, tags=frozenset({"draft"})),))
    hits = await store.search(reader, query("words"), limit=10)
    assert (ids(hits.dense), ids(hits.lexical)) == ([chunk(1)], [chunk(1)])
    assert await store.count(reader) == 1
    director = plan(tenant, deny=(), compartments=frozenset({"compartment:deal"}), epoch=10)
    assert await store.count(director) == 6
    assert await store.points() == 7


async def test_a_plan_that_denies_everything_finds_nothing(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(1, attributes(tenant))])
    denied = plan(tenant, deny=(EVERYTHING,))
    assert await store.search(denied, query("words"), limit=5) == await store.search(denied, query(""), limit=5)
    assert await store.count(denied) == 0
    assert await store.count(plan(tenant)) == 1


async def test_a_vector_of_another_embedder_is_refused_and_that_of_its_own_is_not(open_store: Open) -> None:
    """Words are the same in every space: a question without a vector may be asked."""
    tenant, store = open_store.tenant, await open_store(embedder="made-by-this")
    await store.upsert([point(1, attributes(tenant), text="apple")])
    asked = query("apple")
    for other in (asked, replace(asked, made_by="made-by-another")):
        with pytest.raises(IndexUnavailable) as refusal:
            await store.search(plan(tenant), other, limit=5)
        assert refusal.value.code == "embedder_mismatch"
    own = await store.search(plan(tenant), replace(asked, made_by="made-by-this"), limit=5)
    words = await store.search(plan(tenant), replace(asked, dense=None), limit=5)
    assert (len(own.dense), len(own.lexical), len(words.dense), len(words.lexical)) == (1, 1, 0, 1)


async def test_branches_are_ranked_best_first_up_to_the_limit(open_store: Open) -> None:
    """Scores are the cosine, and BM25 where the rarer word counts for more."""
    tenant, store = open_store.tenant, await open_store()
    texts = ["apple pear", "apple", "pear plum", "fig"]
    await store.upsert(
        [point(n, attributes(tenant), text=text, angle=n * 0.3) for n, text in enumerate(texts, start=1)]
    )
    hits = await store.search(plan(tenant), query("plum apple", angle=0.3), limit=3)
    assert ids(hits.dense) == [chunk(1), chunk(2), chunk(3)]
    assert [hit.score for hit in hits.dense] == pytest.approx([1, np.cos(0.3), np.cos(0.6)], abs=1e-5)
    assert ids(hits.lexical) == [chunk(3), chunk(2), chunk(1)]
    assert chunk(4) not in ids(hits.lexical)


async def test_unreadable_documents_change_no_score(open_store: Open) -> None:
    """Otherwise a reader could learn from scores how often a word occurs where she may not look."""
    tenant, store = open_store.tenant, await open_store()
    of = attributes(tenant)
    await store.upsert([point(n, of, text=f"merger memo{n}", angle=n / 9) for n in range(1, 7)])
    reader = plan(tenant, replace(EVERYTHING, max_level=Level.CONFIDENTIAL))
    before = await store.search(reader, query("merger memo3"), limit=10)
    secret = replace(of, document="d2", level=Level.SECRET)
    await store.upsert([point(100 + n, secret, text="merger memo3", angle=n / 9) for n in range(40)])
    assert await store.search(reader, query("merger memo3"), limit=10) == before
    await store.delete([chunk(100 + n) for n in range(20)])
    assert await store.search(reader, query("merger memo3"), limit=10) == before
    await store.upsert([point(200 + n, of, text="merger memo3", angle=1) for n in range(40)])
    after = await store.search(reader, query("merger memo3"), limit=100)
    assert dict(map(pair, after.lexical))[chunk(1)] != dict(map(pair, before.lexical))[chunk(1)]


def pair(hit: Hit) -> tuple[str, float]:
    return hit.chunk, hit.score


async def test_a_split_plan_finds_the_same_with_the_same_scores(open_store: Open) -> None:
    """Over budget, one question becomes several searches; nothing is widened, lost or scored differently."""
    tenant, store = open_store.tenant, await open_store()
    texts = ("alpha beta", "beta gamma", "gamma delta alpha")
    made = [
        point(n, attributes(tenant, f"d{n % 20}"), text=f"{texts[n % 3]} w{n % 7}", angle=n * 0.02) for n in range(60)
    ]
    await store.upsert(made)
    # Documents overlap between clauses, so that parts find the same chunks.
    wide = plan(tenant, *(documents(f"d{n}", f"d{(n + 1) % 20}") for n in range(0, 14)))
    whole = await store.search(wide, query("alpha w3", angle=0.5), limit=15)
    await store.close()
    tight = await open_store(conditions_max=12)
    split = await tight.search(wide, query("alpha w3", angle=0.5), limit=15)
    assert len(whole.dense) == len(whole.lexical) == 15
    assert ids(split.dense) == ids(whole.dense)
    assert [hit.score for hit in split.dense] == pytest.approx([hit.score for hit in whole.dense], abs=1e-6)
    assert [hit.score for hit in split.lexical] == pytest.approx([hit.score for hit in whole.lexical], abs=1e-6)
    assert await tight.count(wide) == 45


async def test_writing_a_point_again_replaces_it(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    for text in ("first", "second", "second"):
        await store.upsert([point(1, attributes(tenant), text=text)])
    assert await store.count(plan(tenant)) == 1
    assert (await store.search(plan(tenant), query("first"), limit=5)).lexical == ()
    assert ids((await store.search(plan(tenant), query("second"), limit=5)).lexical) == [chunk(1)]


async def test_a_new_payload_replaces_the_old_one_whole_and_unknown_chunks_are_left_out(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    tagged = attributes(tenant, tags=frozenset({"draft"}))
    await store.upsert([point(1, tagged), point(2, tagged)])
    secret = payload(replace(tagged, tags=frozenset(), level=Level.SECRET))
    await store.set_payload({chunk(1): secret, chunk(77): secret})
    assert await store.count(plan(tenant)) == 2
    assert await store.count(plan(tenant, replace(EVERYTHING, max_level=Level.RESTRICTED))) == 1
    assert await store.count(plan(tenant, replace(EVERYTHING, tags=frozenset({"draft"})))) == 1
    assert len((await store.search(plan(tenant), query("plain"), limit=5)).lexical) == 2


async def test_deleting_removes_and_unknown_chunks_are_no_error(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(1, attributes(tenant)), point(2, attributes(tenant))])
    await store.delete([chunk(1), chunk(77)])
    await store.delete([])
    hits = await store.search(plan(tenant), query("plain"), limit=5)
    assert ids(hits.dense) == ids(hits.lexical) == [chunk(2)]


async def test_a_question_without_a_known_word_has_no_lexical_hits(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(1, attributes(tenant)), point(2, attributes(tenant), text="")])
    for words in ("", "the of and", "zeppelin"):
        hits = await store.search(plan(tenant), query(words), limit=5)
        assert (len(hits.dense), hits.lexical) == (2, ())


async def test_points_of_another_tenant_or_without_seal_or_size_are_refused_whole(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    good = point(1, attributes(tenant))
    unsealed = {key: value for key, value in good.payload.items() if key != "acl_schema"}
    for bad in (
        point(2, attributes("intruder")),
        replace(good, payload=unsealed),
        replace(good, dense=good.dense[:3]),
        replace(good, chunk="chk_short"),
    ):
        with pytest.raises(ValueError):
            await store.upsert([good, bad])
    with pytest.raises(ValueError):
        await store.set_payload({chunk(1): unsealed})
    assert await store.count(plan(tenant)) == 0
    await store.upsert([good])
    assert await store.count(plan(tenant)) == 1


async def test_tenants_do_not_meet(open_store: Open) -> None:
    """The same chunk id in two tenants is two points, and a plan of one finds nothing in the other's store."""
    tenant, store = open_store.tenant, await open_store()
    other = await open_store(tenant=f"{tenant}-other")
    await store.upsert([point(1, attributes(tenant))])
    await other.upsert([point(1, attributes(f"{tenant}-other")), point(2, attributes(f"{tenant}-other"))])
    assert (await store.count(plan(tenant)), await other.count(plan(f"{tenant}-other"))) == (1, 2)
    assert await other.count(plan(tenant)) == 0


async def test_what_was_written_is_there_when_opened_again(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(n, attributes(tenant)) for n in range(5)])
    await store.delete([chunk(0)])
    await store.close()
    assert await (await open_store()).count(plan(tenant)) == 4


async def test_searches_and_writes_go_on_beside_each_other(open_store: Open) -> None:
    """No error, nothing that the plan does not admit, and the last write holds."""
    tenant, store = open_store.tenant, await open_store()
    public = attributes(tenant)
    await store.upsert([point(n, replace(public, level=Level.SECRET) if n < 5 else public) for n in range(20)])
    reader = plan(tenant, replace(EVERYTHING, max_level=Level.INTERNAL))

    async def relabel() -> None:
        for turn in range(10):
            level = Level.SECRET if turn % 2 else Level.PUBLIC
            await store.set_payload({chunk(n): payload(replace(public, level=level)) for n in range(10, 20)})

    async def ask() -> set[str]:
        found = [await store.search(reader, query("plain"), limit=50) for _ in range(20)]
        return {hit.chunk for hits in found for hit in (*hits.dense, *hits.lexical)}

    _, *seen = await asyncio.gather(relabel(), ask(), ask())
    assert set().union(*seen).isdisjoint(chunk(n) for n in range(5))
    assert await store.count(reader) == 5


async def test_publishing_is_held_by_one_at_a_time(open_store: Open) -> None:
    store = await open_store()
    order: list[str] = []

    async def hold(name: str) -> None:
        async with store.publishing():
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    await asyncio.gather(hold("first"), hold("second"))
    assert order == ["first", "first", "second", "second"]


async def listed(store: VectorStore, reader: Conditions, *, limit: int = 100) -> list[str]:
    """Every page of a listing, one after the other."""
    page = await store.scroll(reader, after=None, limit=limit)
    found = [one.chunk for one in page.chunks]
    while page.after is not None:
        page = await store.scroll(reader, after=page.after, limit=limit)
        found += [one.chunk for one in page.chunks]
    return found


async def test_every_read_shows_only_what_is_sealed_of_the_tenant_and_of_the_readers_epoch(open_store: Open) -> None:
    """The readable point, and beside it points that each fail for one reason, which no store of ours would write."""
    tenant, store = open_store.tenant, await open_store()
    good = point(1, attributes(tenant))
    for number, changes in enumerate(
        ({"tenant": "intruder"}, {"acl_schema": "v0"}, {"acl_schema": None}, {"epoch": 10}, {"epoch": None}), start=2
    ):
        changed = {key: value for key, value in {**good.payload, **changes}.items() if value is not None}
        if SEAL_KEY in changed:
            changed[LABELS_KEY] = labels_digest(changed)
        else:
            del changed[LABELS_KEY]
        await open_store.smuggle(store, point_id(chunk(number)), replace(good, payload=changed))
    await store.upsert([good])
    hits = await store.search(plan(tenant), query("words"), limit=10)
    assert ids(hits.dense) == ids(hits.lexical) == await listed(store, plan(tenant)) == [chunk(1)]
    assert await store.count(plan(tenant)) == 1
    assert await store.facets(plan(tenant), "department") == {"sales": 1}
    assert await store.facets(plan(tenant), "level") == {"1": 1}
    assert await store.points() == 6
    assert await listed(store, plan(tenant, epoch=10)) == [chunk(1), chunk(5)]


async def test_a_plan_that_admits_nothing_never_reaches_the_engine(open_store: Open) -> None:
    """The engine is broken: whatever asks it fails, as the permitted reader's reads do."""
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(1, attributes(tenant))])
    await open_store.break_engine(store)
    nothing = plan(tenant, deny=(EVERYTHING,))
    assert await store.search(nothing, query("words"), limit=5) == Hits((), ())
    assert await store.scroll(nothing, after=None, limit=5) == Page((), None)
    assert (await store.count(nothing), await store.facets(nothing, "level")) == (0, {})
    for reading in (
        store.search(plan(tenant), query("words"), limit=5),
        store.scroll(plan(tenant), after=None, limit=5),
        store.count(plan(tenant)),
        store.facets(plan(tenant), "level"),
    ):
        with pytest.raises(IndexUnavailable):
            await reading


async def test_pages_list_every_admitted_chunk_once_in_the_order_of_ids(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    numbers = [int.from_bytes(bytes([n * 37 % 256]) * 16) for n in range(25)]
    await store.upsert([point(n, attributes(tenant, f"d{i % 5}")) for i, n in enumerate(numbers)])
    await store.upsert([point(7, replace(attributes(tenant), level=Level.SECRET))])
    reader = plan(tenant, replace(EVERYTHING, max_level=Level.INTERNAL))
    wanted = sorted(map(chunk, numbers))
    for limit in (1, 7, 24, 25, 26):
        assert await listed(store, reader, limit=limit) == wanted
    page = await store.scroll(reader, after=wanted[21], limit=3)
    assert ([one.chunk for one in page.chunks], page.after) == (wanted[22:], None)


async def test_a_listing_goes_on_where_its_last_chunk_was_deleted(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(n, attributes(tenant)) for n in range(6)])
    page = await store.scroll(plan(tenant), after=None, limit=3)
    await store.delete([chunk(2), chunk(3)])
    rest = await store.scroll(plan(tenant), after=page.after, limit=3)
    assert (page.after, [one.chunk for one in rest.chunks]) == (chunk(2), [chunk(4), chunk(5)])


async def test_a_listing_names_document_and_attribute_version(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    labelled = payload_of(attributes(tenant, "d9"), version="v1", attribute_version=12, policy_epoch=1)
    await store.upsert([replace(point(1, attributes(tenant)), payload=labelled)])
    (found,) = (await store.scroll(plan(tenant), after=None, limit=5)).chunks
    assert (found.chunk, found.document, found.attribute_version) == (chunk(1), "d9", 12)


async def test_facets_count_admitted_chunks_only_by_department_and_by_level(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    labels = [("sales", Level.PUBLIC)] * 4 + [("legal", Level.INTERNAL)] * 3 + [("board", Level.SECRET)] * 2
    await store.upsert(
        [
            point(n, replace(attributes(tenant), department=department, level=level))
            for n, (department, level) in enumerate(labels)
        ]
    )
    reader = plan(tenant, replace(EVERYTHING, max_level=Level.CONFIDENTIAL))
    assert await store.facets(reader, "department") == {"sales": 4, "legal": 3}
    assert await store.facets(reader, "level") == {"0": 4, "1": 3}
    assert await store.facets(plan(tenant), "department") == {"sales": 4, "legal": 3, "board": 2}


@pytest.mark.parametrize("key", ["shares", "owner", "compartments", "document", ""])
async def test_chunks_are_not_counted_by_who_may_read_them(open_store: Open, key: Any) -> None:
    store = await open_store()
    with pytest.raises(ValueError, match="not counted by"):
        await store.facets(plan(open_store.tenant), key)


async def test_counts_by_more_values_than_the_limit_are_refused_not_cut(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(n, replace(attributes(tenant), department=f"dept{n}")) for n in range(5)])
    for module in ("listing", "embedded", "server"):
        monkeypatch.setattr(f"rag.index.{module}.FACETS_MAX", 4)
    with pytest.raises(IndexUnavailable) as refusal:
        await store.facets(plan(tenant), "department")
    assert refusal.value.code == "too_many_values"
    assert len(await store.facets(plan(tenant, documents("d1"), deny=(sales("dept0"),)), "department")) == 4


def sales(*departments: str) -> Clause:
    return replace(EVERYTHING, departments=frozenset(departments))


@pytest.mark.parametrize("foreign", [5, 0])
async def test_an_answer_with_a_point_that_is_no_chunk_is_refused_whole(open_store: Open, foreign: int) -> None:
    """Sealed and labelled as readable, so that the filter lets it through."""
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(1, attributes(tenant))])
    await open_store.smuggle(store, foreign, point(2, attributes(tenant, "d2")))
    for reading in (
        store.search(plan(tenant), query("words"), limit=5),
        store.scroll(plan(tenant), after=None, limit=5),
    ):
        with pytest.raises(Damaged, match="no chunk"):
            await reading
    assert len((await store.search(plan(tenant, documents("d1")), query("words"), limit=5)).dense) == 1


async def test_a_listed_point_without_document_or_version_is_named_as_damage(open_store: Open) -> None:
    tenant, store = open_store.tenant, await open_store()
    good = point(1, attributes(tenant))
    await store.upsert([good])
    for missing in ("document", "attribute_version"):
        broken = {key: value for key, value in good.payload.items() if key != missing}
        await open_store.smuggle(store, point_id(chunk(1)), replace(good, payload=broken))
        with pytest.raises(Damaged, match=chunk(1)):
            await store.scroll(plan(tenant), after=None, limit=5)
    await store.upsert([good])
    assert await listed(store, plan(tenant)) == [chunk(1)]


FOREIGN_DIGITS = "chk_" + "\u0661" * 32
NOT_CHUNKS = ("", "chk_short", f"doc_{'0' * 32}", f"chk_{'A' * 32}", f"chk_{'0' * 31}g", FOREIGN_DIGITS, "5")


@pytest.mark.parametrize("name", NOT_CHUNKS)
async def test_names_that_are_no_chunks_are_refused_before_the_engine_is_asked(open_store: Open, name: str) -> None:
    """Other spellings of the same bits would be second names of a point."""
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(0, attributes(tenant))])
    for writing in (
        store.delete([chunk(0), name]),
        store.set_payload({chunk(0): payload(attributes(tenant)), name: payload(attributes(tenant))}),
        store.upsert([replace(point(0, attributes(tenant)), chunk=name)]),
        store.scroll(plan(tenant), after=name, limit=5),
    ):
        with pytest.raises(ValueError, match="not a chunk id"):
            await writing
    assert await store.count(plan(tenant)) == 1


async def test_a_page_holds_at_least_one_chunk(open_store: Open) -> None:
    store = await open_store()
    with pytest.raises(ValueError, match="at least one"):
        await store.scroll(plan(open_store.tenant), after=None, limit=0)


async def test_lists_longer_than_one_condition_are_searched_whole_and_split_alike(open_store: Open) -> None:
    """2,500 named documents, with one search and with several, for every read; denied ones stay denied."""
    tenant, store = open_store.tenant, await open_store()
    await store.upsert([point(n, attributes(tenant, f"d{n * 50}"), text=f"plain w{n % 7}") for n in range(60)])
    named = documents(*(f"d{n}" for n in range(2500)))
    reader = plan(tenant, named, deny=(documents(*(f"d{n}" for n in range(0, 2000, 100)), *map(str, range(1500))),))
    readable = [chunk(n) for n in range(50) if n * 50 >= 2000 or n % 2]
    whole = await store.search(reader, query("w3"), limit=60)
    assert sorted(ids(whole.dense)) == await listed(store, reader, limit=7) == readable
    await store.close()
    tight = await open_store(conditions_max=9)
    split = await tight.search(reader, query("w3"), limit=60)
    assert sorted(ids(split.dense)) == await listed(tight, reader, limit=7) == readable
    assert [hit.score for hit in split.lexical] == pytest.approx([hit.score for hit in whole.lexical], abs=1e-6)
    assert (await tight.count(reader), await tight.facets(reader, "level")) == (len(readable), {"1": len(readable)})


async def test_plans_too_large_for_any_split_are_refused_or_answered_exactly_by_every_read(open_store: Open) -> None:
    """Never widened. Whoever knows every set of labels in his index has no need to split."""
    tenant, store = open_store.tenant, await open_store(conditions_max=12)
    await store.upsert([point(1, attributes(tenant)), point(2, replace(attributes(tenant), tags=frozenset({"t3"})))])
    closed = replace(attributes(tenant), compartments=frozenset({"compartment:other"}))
    await store.upsert([point(3, closed)])
    walls = plan(tenant, compartments=frozenset(f"compartment:c{n}" for n in range(1001)))
    denials = plan(tenant, deny=tuple(replace(EVERYTHING, tags=frozenset({f"t{n}"})) for n in range(20)))
    for reader, right in ((walls, [chunk(1), chunk(2)]), (denials, [chunk(1)])):
        if open_store.knows_label_sets:
            hits = await store.search(reader, query("words"), limit=5)
            assert sorted(ids(hits.dense)) == await listed(store, reader) == right
            assert await store.count(reader) == len(right)
            assert await store.facets(reader, "level") == {"1": len(right)}
            continue
        for reading in (
            store.search(reader, query("words"), limit=5),
            store.scroll(reader, after=None, limit=5),
            store.count(reader),
            store.facets(reader, "level"),
        ):
            with pytest.raises(IndexUnavailable) as refusal:
                await reading
            assert refusal.value.code == "plan_too_large"
    fitting = plan(tenant, compartments=frozenset(f"compartment:c{n}" for n in range(1000)))
    assert await store.count(fitting) == 2
