"""The fuzzing of `evals.fuzz.fuzzer` on the sample company, served by a process of its own."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from evals.company import StoredSection
from evals.fuzz.fuzzer import Findings, Fuzzer, Person, report_of
from evals.leak.world import World, world_of
from evals.runner.report import Report
from evals.running import Talk, company_folder
from evals.soak.command import make_keys
from evals.soak.process import ServedCompany
from rag.db.engine import open_database
from rag.settings import load_settings

QUESTIONS_ASKED = 6


async def fuzz_report(data_dir: Path | None, examples: int, number: int, talk: Talk) -> Report:
    """Two people of the demo. Keys and records are added to `data_dir`; without one, it is thrown away."""
    async with company_folder(data_dir, talk) as folder:
        people, _ = await make_keys(folder)
        database = await open_database(load_settings(data_dir=folder).database_url)
        try:
            world = await world_of(database)
        finally:
            await database.close()
        callers = [Person(one.person, one.bearer, *_marks(world, one.person)) for one in people[:2]]
        with tempfile.TemporaryDirectory(prefix="ringfence-fuzz-") as scratch:
            service = ServedCompany(folder, Path(scratch) / "serve.log", {"RINGFENCE_SERVICE__DOCS": "true"})
            async with service.running():
                talk(f"{examples} valid and as many invalid requests of each operation, by two people")
                document, findings = await asyncio.to_thread(_fuzz, service.url, callers, world, examples, number)
    return report_of(findings, document, {"examples": examples, "seed": number})


def _fuzz(
    url: str, people: Sequence[Person], world: World, examples: int, number: int
) -> tuple[dict[str, Any], Findings]:
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json", timeout=60, trust_env=False).json()
    return document, Fuzzer(document, url, people, known_requests(world)).run(examples, number)


def known_requests(world: World) -> dict[str, list[dict[str, Any]]]:
    """Questions that somebody may have answered, and a passage of every section, whoever may read it."""
    json = "application/json"
    marks = [mark for section in world.sections if (mark := _mark(section)) is not None]
    questions = [question.text for question in world.questions[:QUESTIONS_ASKED]]
    asked = [f"File mark {mark}" for mark in marks]
    documents = sorted({section.document for section in world.sections})
    return {
        "create_chat_completion": [
            {
                "body": {
                    "model": "ringfence",
                    "messages": [{"role": "user", "content": text}],
                    "stream": number % 2 == 0,
                },
                "media_type": json,
            }
            for number, text in enumerate([*questions, *asked[:QUESTIONS_ASKED]])
        ],
        "search": [{"body": {"query": text}, "media_type": json} for text in asked],
        "open_passage": [
            {
                "path_parameters": {"document": section.document, "version": section.version},
                "query": {"start": section.spans[0].start, "end": section.spans[0].end},
            }
            for section in world.sections
        ],
        "who": [{"query": {"document": document}} for document in documents],
        "unmask": [{"body": {"document": one, "tokens": ["<PERSON_0>"]}, "media_type": json} for one in documents],
        "retrieve_model": [{"path_parameters": {"model": "ringfence"}}],
    }


def _marks(world: World, person: str) -> tuple[frozenset[str], frozenset[str]]:
    """Marks of the documents that she may not read at all, and of those that she may read a part of."""
    readable = world.readable((person,))
    own = {section.document for section in world.sections if section.name in readable}
    marks = {(section.document in own, mark) for section in world.sections if (mark := _mark(section)) is not None}
    shown = frozenset(mark for mine, mark in marks if mine)
    return frozenset(mark for mine, mark in marks if not mine) - shown, shown


def _mark(section: StoredSection) -> str | None:
    return next((one for one in section.fingerprint.exact if one.count("-") == 2), None)
