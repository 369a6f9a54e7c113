"""Two documents with the same content keep separate permissions: neither is ever shown in the other's place."""

import json
from dataclasses import replace

import pytest

from policies.rules import Level
from rag.db.documents import Documents
from rag.domain import Span
from rag.errors import NotFound
from rag.index.publish import publish
from rag.query.answer import answer
from rag.query.parts import QueryParts
from rag.query.passages import open_passage
from rag.query.retrieve import search
from tests.query.company import TENANT, Company, LeakyStore, OneStore, Paper, person, write

QUESTION = "What does the harbour warehouse cost each month?"
TWIN = Paper(
    "twin_of_people",
    "Harbour warehouse",
    "people",
    Level.CONFIDENTIAL,
    ("The harbour warehouse costs 41,700 euros each month.",),
)
OTHER = replace(TWIN, key="twin_of_finance", department="finance")
READERS = {"hana": TWIN.key, "finn": OTHER.key}


@pytest.fixture
async def twins(company: Company) -> Company:
    parts = company.parts
    async with parts.database.unit_of_work() as session:
        privacy = await parts.privacy.for_tenant(session, TENANT)
        for paper in (TWIN, OTHER):
            company.ids[paper.key] = await write(session, privacy, paper, parts.embedder, parts.lexical)
    await publish(parts.database, await parts.stores.get(TENANT), TENANT)
    return company


async def leaking(company: Company) -> QueryParts:
    """An index that returns both twins to everybody."""
    async with company.parts.database.reading() as session:
        documents = Documents(session)
        rows = [await documents.find(TENANT, company.ids[key]) for key in READERS.values()]
        chunks = [c.id for row in rows if row for c in await documents.chunks_of(TENANT, row.current_version or "")]
    return company.with_parts(stores=OneStore(LeakyStore(chunks)))


@pytest.mark.parametrize("index", ["filtered", "leaking"])
async def test_each_reader_is_answered_from_her_own_twin_alone(twins: Company, index: str) -> None:
    parts = twins.parts if index == "filtered" else await leaking(twins)
    for name, own in READERS.items():
        given = await answer(QUESTION, person(name), parts)
        assert "41,700" in given.text
        assert {citation.document for citation in given.citations} == {twins.ids[own]}
        considered = json.loads((await twins.records("question"))[-1])["considered"]
        other = next(twins.ids[key] for key in READERS.values() if key != own)
        assert other not in {chunk["document"] for chunk in considered}
        found = {chunk.chunk.document for chunk in await search(QUESTION, person(name), parts, 6)}
        assert (twins.ids[own] in found, other in found) == (True, False)
    assert not (await answer(QUESTION, person("sam"), parts)).found, "who may read neither"


async def test_a_right_that_is_taken_away_is_taken_from_one_twin_alone(twins: Company) -> None:
    await twins.revoke("finn", "finance")
    assert not (await answer(QUESTION, person("finn"), twins.parts)).found
    assert (await answer(QUESTION, person("hana"), twins.parts)).found
    await twins.relabel(TWIN.key, Level.SECRET)
    given = await answer(QUESTION, person("hana"), twins.parts)
    assert [citation.level for citation in given.citations] == [Level.SECRET], "the label of her own twin"


async def test_the_link_to_one_twin_opens_nothing_for_a_reader_of_the_other(twins: Company) -> None:
    cited = (await answer(QUESTION, person("hana"), twins.parts)).citations[0]
    opened = await open_passage(cited.document, cited.version, cited.span, person("hana"), twins.parts)
    assert "41,700" in opened.text
    with pytest.raises(NotFound):
        await open_passage(cited.document, cited.version, Span(0, 5), person("finn"), twins.parts)
