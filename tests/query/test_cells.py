"""A question's record tells in which cell of the embedding space it lies, and nothing more of its embedding."""

import json

import numpy as np

from rag.query.answer import answer
from rag.query.cells import PURPOSE, cell_of, planes_seed, sides_of
from tests.query.company import TENANT, Company, person


async def test_the_record_of_a_question_has_its_cell_and_that_of_somebody_without_rights_none(company: Company) -> None:
    for who in ("sam", "nobody"):
        await answer("How many days of leave does an employee have?", person(who), company.parts)
    cells = [json.loads(body)["cell"] for body in await company.records("question")]
    async with company.parts.database.reading() as session:
        privacy = await company.parts.privacy.for_tenant(session, TENANT)
    embedding = company.parts.embedder.embed_query("How many days of leave does an employee have?")
    assert cells == [cell_of(embedding, privacy.digest(PURPOSE)), None]


def test_planes_are_the_tenants_own_and_bits_are_those_of_the_cell() -> None:
    random = np.random.default_rng(1)
    embeddings = random.standard_normal((200, 384)).astype(np.float32)
    one, other = planes_seed(b"a" * 32), planes_seed(b"b" * 32)
    sides = sides_of(embeddings, one)
    cells = [cell_of(embedding, one) for embedding in embeddings]
    assert [[bool(cell >> bit & 1) for bit in range(8)] for cell in cells] == sides.tolist()
    assert len(set(cells)) > 50
    assert cells != [cell_of(embedding, other) for embedding in embeddings]
