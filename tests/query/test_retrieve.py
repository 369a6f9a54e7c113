"""Search without an answer, for callers of the API and for LlamaIndex: the same path, the same decisions."""

import json

import pytest
from llama_index.core.schema import MetadataMode
from sqlalchemy import text as sql

from policies.plan import Conditions
from rag.domain import Principal
from rag.errors import AuditUnavailable, Misuse
from rag.index.store import Hit, Hits, Query
from rag.query.clock import StageClock
from rag.query.llama import RingfenceRetriever
from rag.query.rerank import fuse
from rag.query.retrieve import find, retrieve, search
from tests.query.company import BrokenAudit, Company, OneStore, person

TRAVEL = "What is the travel budget for a quarter?"


async def test_search_gives_readable_chunks_best_first_and_is_recorded(company: Company) -> None:
    found = await search(TRAVEL, person("finn"), company.parts, 4)
    assert found[0].chunk.document in (company.ids["budget"], company.ids["travel"])
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    documents = {f.chunk.document for f in found}
    assert company.ids["budget"] in documents
    assert not documents & {company.ids["salaries"], company.ids["merger"]}
    assert len(json.loads((await company.records("search"))[0])["shown"]) == len(found)


async def test_search_without_its_record_gives_nothing(company: Company) -> None:
    with pytest.raises(AuditUnavailable):
        await search(TRAVEL, person("finn"), company.with_parts(audit=BrokenAudit("search")), 4)


async def test_a_surname_finds_the_documents_of_the_full_name(company: Company) -> None:
    found = await search("What is the salary of Margaret Ellison?", person("hana"), company.parts, 2)
    assert found[0].chunk.document == company.ids["salaries"]


async def test_found_says_when_it_was_decided_and_how_long_it_took(company: Company) -> None:
    found = await find(TRAVEL, person("finn"), company.parts, 4)
    assert found.epoch == 1
    assert found.timings.total_ms > 0


class HidesReadable:
    """An index whose first page holds only what the check refuses; the readable chunks come behind it."""

    def __init__(self, refused: list[str], readable: list[str], page: int) -> None:
        self._chunks = [*(refused * page)[:page], *readable]
        self.limits: list[int] = []

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        if query.dense is None:
            return Hits((), ())
        self.limits.append(limit)
        return Hits(tuple(Hit(chunk, 1.0) for chunk in self._chunks[:limit]), ())


async def test_a_page_of_refused_hits_is_followed_by_one_larger_search(company: Company) -> None:
    async with company.parts.database.reading() as session:
        query = sql("SELECT id FROM chunk WHERE document = :d")
        salaries = list(await session.scalars(query, {"d": company.ids["salaries"]}))
        travel = list(await session.scalars(query, {"d": company.ids["travel"]}))
    page = company.parts.settings.index.candidates
    store = HidesReadable(salaries, travel, page)
    found = await search(TRAVEL, person("sam"), company.with_parts(stores=OneStore(store)), 4)
    assert [f.chunk.id for f in found] == travel
    assert store.limits == [page, page * 4]


def test_fusion_prefers_what_both_branches_found_and_breaks_ties_by_id() -> None:
    dense = (Hit("a", 0.9), Hit("b", 0.8))
    lexical = (Hit("c", 9.0), Hit("b", 8.0))
    assert list(fuse(Hits(dense, lexical))) == ["b", "a", "c"]


def test_fusion_counts_how_near_a_hit_is_to_the_best_of_its_branch_whatever_the_unit() -> None:
    """By ranks alone, `near` and `far` would be alike: each stands second in one branch."""
    dense = (Hit("best", 0.8), Hit("far", 0.2), Hit("opposite", -0.4))
    lexical = (Hit("best", 20.0), Hit("near", 19.0))
    fused = fuse(Hits(dense, lexical))
    assert list(fused) == ["best", "near", "far", "opposite"]
    assert fused == {"best": 1.0, "near": 0.475, "far": 0.125, "opposite": 0.0}
    assert fuse(Hits(tuple(Hit(hit.chunk, hit.score * 7) for hit in dense), lexical)) == fused
    assert fuse(Hits((Hit("a", 0.0), Hit("b", -1.0)), ())) == {"a": 0.0, "b": 0.0}


async def test_llama_index_gets_readable_nodes_only_and_no_metadata_in_prompts(company: Company) -> None:
    nodes = await RingfenceRetriever(company.parts, person("sam")).aretrieve(TRAVEL)
    documents = {node.node.metadata["document"] for node in nodes}
    assert company.ids["travel"] in documents
    assert not documents & {company.ids["budget"], company.ids["salaries"], company.ids["merger"]}
    for node in nodes:
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            assert node.node.get_content(mode) == node.node.get_content(MetadataMode.NONE)


async def test_llama_index_without_rules_gets_nothing(company: Company) -> None:
    assert await RingfenceRetriever(company.parts, person("nobody")).aretrieve(TRAVEL) == []


def test_the_blocking_call_of_llama_index_is_refused_clearly(company: Company) -> None:
    with pytest.raises(Misuse):
        RingfenceRetriever(company.parts, person("sam")).retrieve(TRAVEL)


LOWER = "what is the salary of ellison"


async def understood(company: Company, principal: Principal) -> str:
    """The reading face of the question as this principal's search takes it."""
    return (await retrieve(LOWER, principal, company.parts, 4, StageClock())).question


async def test_a_lower_case_surname_is_recognised_from_documents_that_the_asker_may_read(company: Company) -> None:
    assert "ellison" not in await understood(company, person("hana"))
    assert "<PERSON_" in await understood(company, person("hana"))


async def test_a_name_that_only_unreadable_documents_hold_is_taken_as_if_none_held_it(company: Company) -> None:
    """Else the ranks and scores of the answer would tell that such a document exists."""
    assert await understood(company, person("sam", assistant="assistant:helper")) == LOWER


async def test_nobodys_question_is_understood_by_what_the_tenant_holds(company: Company) -> None:
    assert await understood(company, person("stranger")) == LOWER
