"""A small world for the leak eval: the real application and database, over a path of questions that the test knows.

The path answers from all sections its reader may read, by the oracle, so it is right; what a test breaks is wrong.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.company import StoredSection
from evals.leak.world import DEMO, World, world_of
from evals.oracle import LEVELS
from evals.questions import POLICY, TENANT, load_questions, source_text
from policies.files.cases import read_policy_file
from policies.rules import Attributes, Level
from policies.store import SnapshotCache
from rag.api.desk import desk_on
from rag.api.parts import AppParts
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.domain import Answer, Chunk, Citation, Claim, Principal, ReadableChunk, Span, Timings
from rag.errors import NotFound
from rag.identity.authenticate import IdentityParts
from rag.query.account import Account
from rag.query.found import Found
from rag.query.parts import Options
from rag.query.passages import OpenedPassage
from rag.settings import Settings

KEY = "rfop_" + "k" * 40
DOCUMENTS = (
    "engineering/travel-annex-engineering.md",
    "legal/halcyon/term-sheet.docx",
    "operations/contractors/contractor-handbook.md",
    "hr/payroll/payroll-run-october-2026.csv",
)


@dataclass(frozen=True)
class HonestPath:
    """Everything that one may read, and nothing else."""

    world: World
    texts: Mapping[str, str]

    def _mine(self, principal: Principal) -> list[StoredSection]:
        names = [principal.person] if principal.assistant is None else [principal.person, principal.assistant]
        readable = self.world.readable(names)
        return [section for section in self.world.sections if section.name in readable]

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        found = [self._chunk(section) for section in self._mine(principal)]
        text = " ".join(one.chunk.text for one in found)
        for piece in (text[:1000], text[1000:]):
            yield piece
        claims = (Claim(text, tuple(range(1, len(found) + 1))),) if found else ()
        citations = tuple(
            Citation(n, c.chunk.document, c.chunk.version, c.chunk.id, c.title, None, c.chunk.span, "", Level.PUBLIC)
            for n, c in enumerate(found, start=1)
        )
        yield Answer("ans_1", bool(found), claims, citations, text, Level.PUBLIC, 1, "honest", Timings(()))

    async def search(self, question: str, principal: Principal, limit: int, account: Account | None = None) -> Found:
        return Found(tuple(self._chunk(section) for section in self._mine(principal))[:limit], 1, Timings(()))

    async def open_passage(self, document: str, version: str, span: Span, principal: Principal) -> OpenedPassage:
        for section in self._mine(principal):
            if section.document == document:
                text = self.texts[document][span.start : span.end]
                return OpenedPassage(document, version, span, None, Level.PUBLIC, "", text)
        raise NotFound("There is no such passage.")

    def _chunk(self, section: StoredSection) -> ReadableChunk:
        span = section.spans[0]
        text = self.texts[section.document][span.start : span.end]
        chunk = Chunk(_chunk_id(section.document), section.document, section.version, 0, span, None, "", text)
        labels = section.labels
        attributes = Attributes(TENANT, labels.name, labels.department, Level(labels.level))
        return ReadableChunk(chunk, attributes, 1, "")


def _chunk_id(document: str) -> str:
    return "chk_" + document.removeprefix("doc_")


@pytest.fixture
async def parts(database: Database, tmp_path: Path) -> AppParts:
    """The application's parts on a database with four documents of different readers."""
    lines = read_policy_file(POLICY).documents
    texts: dict[str, str] = {}
    async with database.unit_of_work() as session:
        for number, path in enumerate(DOCUMENTS):
            line, now = lines[path], datetime(2026, 11, 16, tzinfo=UTC)
            document, version, text = f"doc_{number:032x}", f"ver_{number:032x}", source_text(path)
            texts[document] = text
            session.add(
                DocumentRow(
                    id=document, tenant=TENANT, source="test", path_digest=str(number), path=path, title=path,
                    media_type="text/plain", department=line.department, level=int(line.level), tags=sorted(line.tags),
                    owner=line.owner, shares=sorted(line.shares), denied_shares=sorted(line.denied_shares),
                    compartments=sorted(line.compartments), current_version=version, flags=[], updated_at=now,
                )
            )  # fmt: skip
            await session.flush()
            session.add(
                VersionRow(
                    id=version, document=document, tenant=TENANT, content_digest="", pipeline_digest="",
                    state="published", text=text, policy_epoch=1, created_at=now,
                )
            )  # fmt: skip
            await session.flush()
            session.add(
                ChunkRow(
                    id=_chunk_id(document), version=version, document=document, tenant=TENANT, ordinal=0, start=0,
                    end=len(text), heading="", more_compartments=[], more_denied_shares=[], dense=b"",
                    lexical_indices=b"", lexical_values=b"",
                )
            )  # fmt: skip
    world = await world_of(database)
    assert {LEVELS[section.labels.level] for section in world.sections} == {"internal", "restricted", "secret"}

    async def known(tenant: str, subject: str) -> bool:
        return True

    async def published(tenant: str) -> Mapping[str, int]:
        return {}

    return AppParts(
        settings=Settings(data_dir=tmp_path, service={"requests_per_minute": 10**9}),  # type: ignore[arg-type] # pydantic reads a mapping
        database=database,
        identity=IdentityParts(database, None, KEY, known),
        audit=AuditLog(),
        desk=desk_on(database, SnapshotCache(), AuditLog()),
        path=HonestPath(world, texts),
        publish=published,
        checks={},
        count_tokens=len,
        snapshots=SnapshotCache(),
    )


@pytest.fixture
async def small(parts: AppParts) -> World:
    """The same world with two questions."""
    world = await world_of(parts.database)
    questions = tuple(q for q in load_questions() if q.id in ("travel-allowance", "halcyon-price"))
    assert len(questions) == 2
    assert DEMO[2] in world.oracle.people
    return World(world.sections, questions, world.oracle)
