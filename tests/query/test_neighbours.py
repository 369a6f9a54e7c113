"""What stands beside a found chunk reaches the generator too, and only through a check of its own."""

import json
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import update

from policies.rules import Level
from rag.db.documents import Documents
from rag.db.tables import ChunkRow
from rag.domain import Answer, ReadableChunk
from rag.errors import Limited
from rag.generation.protocol import GenerationRequest
from rag.index.publish import publish
from rag.limit_settings import LimitSettings
from rag.query.answer import answer
from rag.query.decide import load_chunks
from rag.query.parts import Options, QueryParts
from rag.query.prompt import give
from tests.query.company import TENANT, Company, LeakyStore, OneStore, Paper, person, write

QUESTION = "Who keeps the keys of the boathouse?"
BEFORE, SECRET, HIT, AFTER = (
    "Lanterns are trimmed each evening before the bell is rung.",
    "Gold is buried under the third plank from the left.",
    "The keys of the boathouse are kept by the harbour master.",
    "Ropes are coiled clockwise and hung upon the northern wall.",
)
PAPER = Paper("boats", "Boathouse", "people", Level.INTERNAL, (BEFORE, SECRET, HIT, AFTER), secret=(1,))


class Listening:
    """A generator that says nothing and keeps what it was given."""

    name = "listening"
    verbatim = False

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        yield "The keys of the boathouse are kept by the harbour master [1].\n"

    async def close(self) -> None: ...


@pytest.fixture
async def boats(company: Company) -> Company:
    """Only the one chunk is found, whatever is asked: everything else that is given stands beside it."""
    parts = company.parts
    async with parts.database.unit_of_work() as session:
        privacy = await parts.privacy.for_tenant(session, TENANT)
        company.ids[PAPER.key] = await write(session, privacy, PAPER, parts.embedder, parts.lexical)
    await publish(parts.database, await parts.stores.get(TENANT), TENANT)
    company.parts = company.with_parts(stores=OneStore(LeakyStore([await chunk_of(company, HIT)])))
    return company


async def chunk_of(company: Company, paragraph: str) -> str:
    async with company.parts.database.reading() as session:
        documents = Documents(session)
        row = await documents.find(TENANT, company.ids[PAPER.key])
        assert row is not None
        chunks = await documents.chunks_of(TENANT, row.current_version or "")
    return chunks[PAPER.paragraphs.index(paragraph)].id


async def given_to(company: Company, name: str, neighbours: int, **limits: int) -> tuple[list[str], Answer]:
    listening, settings = Listening(), company.parts.settings
    settings = settings.model_copy(
        update={
            "service": settings.service.model_copy(update={"neighbours": neighbours}),
            "limits": LimitSettings(**limits),
        }
    )
    parts: QueryParts = company.with_parts(generator=listening, settings=settings)
    answered = await answer(QUESTION, person(name), parts, Options())
    return [passage.text for passage in listening.requests[0].passages], answered


async def test_neighbours_stand_beside_the_chunk_that_was_found(boats: Company) -> None:
    assert (await given_to(boats, "hana", 0))[0] == [HIT]
    assert (await given_to(boats, "hana", 1))[0] == [HIT, SECRET, AFTER]
    assert (await given_to(boats, "hana", 2))[0] == [HIT, BEFORE, SECRET, AFTER]


async def test_a_stricter_paragraph_between_is_not_there_for_who_may_not_read_it(boats: Company) -> None:
    """Hana, of the same department, may; Sam may read the document, and not that paragraph."""
    passages, answered = await given_to(boats, "sam", 2)
    assert passages == [HIT, BEFORE, AFTER]
    record = json.loads((await boats.records("question"))[-1])
    assert await chunk_of(boats, SECRET) not in json.dumps(record), "neither considered nor refused: it was never found"
    considered = [one["chunk"] for one in record["considered"]]
    assert considered == [await chunk_of(boats, text) for text in (HIT, BEFORE, AFTER)]
    assert [citation.chunk for citation in answered.citations] == [considered[0]]
    assert SECRET in (await given_to(boats, "hana", 2))[0], "who may"


async def test_labels_of_this_moment_decide_whatever_the_index_was_told(boats: Company) -> None:
    async with boats.parts.database.unit_of_work() as session:
        after = ChunkRow.id == await chunk_of(boats, AFTER)
        await session.execute(update(ChunkRow).where(after).values(level_at_least=int(Level.SECRET)))
    assert (await given_to(boats, "sam", 1))[0] == [HIT]
    assert (await given_to(boats, "hana", 1))[0] == [HIT, SECRET, AFTER]


async def test_restricted_neighbours_count_in_the_budget_of_the_day(boats: Company) -> None:
    after = await chunk_of(boats, AFTER)
    async with boats.parts.database.unit_of_work() as session:
        stricter = update(ChunkRow).where(ChunkRow.id == after).values(level_at_least=int(Level.SECRET))
        await session.execute(stricter)
    assert (await given_to(boats, "hana", 0, person_restricted_chunks_per_day=1))[0] == [HIT]
    with pytest.raises(Limited, match="restricted chunks"):
        await given_to(boats, "hana", 1, person_restricted_chunks_per_day=1)
    assert (await given_to(boats, "hana", 1, person_restricted_chunks_per_day=2))[0] == [HIT, SECRET, AFTER]


async def test_neighbours_take_only_what_the_found_chunks_leave(boats: Company) -> None:
    async with boats.parts.database.reading() as session:
        ids = [await chunk_of(boats, text) for text in (HIT, SECRET, AFTER)]
        loaded = await load_chunks(session, TENANT, ids)
    hit, secret, after = (ReadableChunk(loaded[i].chunk, loaded[i].attributes, 1, loaded[i].title) for i in ids)
    beside = {hit.chunk.id: (secret, after), after.chunk.id: (hit, secret)}
    room = give([hit, after], 10_000)
    enough = sum(len(one.passage.title) + len(one.passage.text) + 40 for one in room)
    whole = [one.source for one in give([hit, after], 10_000, (), beside)]
    assert whole == [hit, secret, after], "each once, behind the first that it stands beside"
    assert [one.source for one in give([hit, after], enough, (), beside)] == [hit, after]
