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
from qdrant_client import AsyncQdrantClient

from policies.plan import Clause, Conditions, Grant
from policies.rules import Attributes, Level
from rag.index.embedded import open_embedded
from rag.index.lexical import LexicalEncoder
from rag.index.payload import payload_of
from rag.index.server import collection_name, open_server
from rag.index.store import Hit, Payload, Point, Query, VectorStore
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

    async def __call__(self, *, tenant: str | None = None, conditions_max: int = 400) -> VectorStore:
        name = tenant or self.tenant
        common = {"tenant": name, "dim": DIM, "conditions_max": conditions_max}
        if self.client is None:
            self.opened.append(open_embedded(self.folder / name, **common))
        else:
            self.opened.append(await open_server(self.client, timeout_s=10, **common))
        return self.opened[-1]


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
