"""The policy commands, run as a user runs them, on a real database with a few documents."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner, Result

import policies
from policies.cli import build
from policies.desk import DeskParts, PolicyDesk
from policies.rules import Attributes, Level
from policies.store import SnapshotCache
from rag.audit.log import AuditLog
from rag.db.engine import open_database

STARTER = Path(policies.__file__).parent / "templates" / "starter.yaml"
DOCUMENTS = (
    Attributes("acme", "handbook", "people", Level.INTERNAL),
    Attributes("acme", "board-paper", "finance", Level.RESTRICTED),
)


class PolicyCommand:
    """Runs commands for tenant acme, which has the given documents."""

    def __init__(self, folder: Path, documents: Sequence[Attributes] = DOCUMENTS) -> None:
        url, audit = f"sqlite+aiosqlite:///{folder / 'ringfence.db'}", AuditLog()

        async def labels(_session: AsyncSession, tenant: str) -> Sequence[Attributes]:
            return documents if tenant == "acme" else ()

        async def find(_session: AsyncSession, tenant: str, document: str) -> Sequence[Attributes]:
            return [found for found in documents if (found.tenant, found.document) == (tenant, document)]

        async def record(session: AsyncSession, tenant: str, kind: str, body: Any) -> object:
            return await audit.append(session, tenant, kind, body)

        @asynccontextmanager
        async def reading() -> AsyncIterator[AsyncSession]:
            database = await open_database(url)
            try:
                async with database.reading() as session:
                    yield session
            finally:
                await database.close()

        @asynccontextmanager
        async def writing() -> AsyncIterator[AsyncSession]:
            database = await open_database(url)
            try:
                async with database.unit_of_work() as session:
                    yield session
            finally:
                await database.close()

        self.app = build(PolicyDesk(DeskParts(reading, writing, labels, find, record, SnapshotCache())))

    def run(self, *words: str, expect: int | None = None, terminal: bool = False) -> Result:
        """`terminal`: as on one of 80 columns that shows no colours. Otherwise, as into a file."""
        environment = {"RINGFENCE_TENANT": "acme", "COLUMNS": "200"}
        if terminal:
            environment |= {"COLUMNS": "80", "TTY_COMPATIBLE": "1", "TERM": "dumb"}
        result = CliRunner().invoke(self.app, words, env=environment)
        assert expect in (None, result.exit_code), (result.output, result.exception)
        return result

    def json(self, *words: str, expect: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def save(self, *words: str) -> None:
        self.run(*words, "--reason", "test", expect=0)
