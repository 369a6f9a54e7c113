"""Which answers used a document: what they were given, what they showed, and those without an end."""

from collections.abc import Mapping
from typing import Any

from rag.audit.log import AuditLog
from rag.audit.uses import naming, uses_of
from rag.db.engine import Database

ANN = {"person": "user:ann", "assistant": None}


def chunk(number: int, document: str = "doc_1") -> dict[str, str]:
    return {"document": document, "version": "ver_1", "chunk": f"chk_{number}"}


async def write(database: Database, *records: tuple[str, Mapping[str, Any]]) -> None:
    async with database.unit_of_work() as session:
        for kind, body in records:
            await AuditLog().append(session, "acme", kind, ANN | dict(body))


async def used(database: Database, name: str, limit: int = 10) -> list[tuple[str, str, bool | None]]:
    async with database.reading() as session:
        return [(use.how, use.answer, use.shown) for use in await uses_of(session, "acme", name, limit=limit)]


async def test_an_answer_counts_once_and_says_whether_it_showed_the_document(any_database: Database) -> None:
    await write(
        any_database,
        ("question", {"answer": "ans_1", "considered": [chunk(1), chunk(2)]}),
        ("answer", {"answer": "ans_1", "shown": [chunk(1)]}),
        ("question", {"answer": "ans_2", "considered": [chunk(1), chunk(9, "doc_2")]}),
        ("answer", {"answer": "ans_2", "shown": [chunk(9, "doc_2")]}),
        ("question", {"answer": "ans_3", "considered": [chunk(2)]}),
        ("stopped", {"answer": "ans_3", "code": "policy_changed"}),
        ("search", {"shown": [chunk(1)]}),
        ("passage", {"document": "doc_1", "version": "ver_1", "start": 0, "end": 4}),
        ("unmask", {"answer": "ans_1", "document": "doc_1", "tokens": []}),
    )
    assert await used(any_database, "doc_1") == [
        ("answer", "ans_1", True),
        ("answer", "ans_2", False),
        ("answer", "ans_3", None),
        ("search", "", True),
        ("passage", "", True),
    ]
    assert await used(any_database, "chk_2") == [("answer", "ans_1", False), ("answer", "ans_3", None)]
    assert await used(any_database, "doc_1", limit=2) == [("search", "", True), ("passage", "", True)]
    async with any_database.reading() as session:
        assert (await naming(session, "acme", "doc_1")).number == 7
        assert await uses_of(session, "globex", "doc_1", limit=10) == [], "another tenant's log"


async def test_a_chunk_that_the_check_refused_was_not_used(any_database: Database) -> None:
    await write(any_database, ("question", {"answer": "ans_1", "considered": [chunk(2)], "refused": ["chk_1"]}))
    assert await used(any_database, "chk_1") == []
    assert await used(any_database, "chk_2") == [("answer", "ans_1", None)]
