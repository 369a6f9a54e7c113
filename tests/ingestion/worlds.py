"""A small company folder in two states, and everything to ingest it with."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ingestion.parse.confine import Limits
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts, Parser
from policies.tables import Base, EpochRow
from rag.db.engine import Database, open_database
from rag.db.tables import ChunkRow, DocumentRow, TenantKeyRow, TombstoneRow, VaultRow, VersionRow
from rag.ingestion_settings import IngestionSettings
from rag.privacy.keys import MasterKey
from tests.ingestion.stand_ins import CountedPairs, CountingEmbedder, ListedNames

TENANT = "acme"
MASTER = MasterKey.of(b"m" * 32, "test")

BEFORE = {
    "ringfence.yaml": "department: company\nlevel: internal\n",
    "changed.md": "# Canteen\n\nThe canteen is run by Ann Lee (ann.lee@acme.example).\n",
    "gone.txt": "This file will be removed.",
    "kept.csv": "Name,E-mail\nBo Chan,bo@acme.example\n",
    "relabelled.html": "<h1>Parking</h1><p>Parking is behind hall 3.</p>",
    "unlabelled-later/ringfence.yaml": "level: internal\n",
    "unlabelled-later/a.txt": "Soon nobody will say how this is labelled.",
}
AFTER = {
    "ringfence.yaml": "department: company\nlevel: internal\nfiles:\n  relabelled.html: {level: confidential}\n",
    "broken.pdf": "%PDF-1.4 broken",
    "changed.md": "# Canteen\n\nThe canteen is run by Bo Chan now.\n\n[ringfence level=secret]\n\nHer pay is 4.\n",
    "kept.csv": BEFORE["kept.csv"],
    "new-bo_chan.txt": "Something new about Ann Lee.",
    "relabelled.html": BEFORE["relabelled.html"],
    "unlabelled-later/ringfence.yaml": "levl: internal\n",
    "unlabelled-later/a.txt": BEFORE["unlabelled-later/a.txt"],
}


def write_folder(root: Path, files: dict[str, str]) -> Path:
    """Make `root` hold exactly these files."""
    for old in sorted(root.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@asynccontextmanager
async def opened_parts(path: Path) -> AsyncIterator[IngestionParts]:
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    try:
        with Sandbox(Limits(20, 10, 1_500_000_000, 100_000)) as sandbox:
            yield parts_on(database, sandbox)
    finally:
        await database.close()


def parts_on(database: Database, sandbox: Parser, **settings: Any) -> IngestionParts:
    return IngestionParts(
        database=database,
        privacy=ListedNames(MASTER),
        masking_digest="stand-in",
        parser=sandbox,
        embedder=CountingEmbedder(),
        lexical=CountedPairs(),
        settings=IngestionSettings(chunk_tokens=40, **settings),
    )


async def make_visible(database: Database, tenant: str) -> None:
    """What publishing does to the tables: the index itself is another room's."""
    async with database.unit_of_work() as session:
        staged = VersionRow.tenant == tenant, VersionRow.state == "staged"
        for version in await session.scalars(select(VersionRow).where(*staged)):
            document = await session.get_one(DocumentRow, version.document)
            for old in await session.scalars(select(VersionRow).where(VersionRow.id == document.current_version)):
                old.state = "retired"
            version.state, document.current_version = "published", version.id


_NOT_COMPARED = {"created_at", "updated_at", "published_at", "ended_at", "source_revision", "sealed", "wrapped"}
"""Times, what is kept only of files that are old enough, and ciphertexts, which are never the same twice."""


async def state(database: Database) -> dict[str, list[str]]:
    """Everything in the tables that ingestion writes, comparable between runs."""
    tables: tuple[type[Base], ...] = (DocumentRow, VersionRow, ChunkRow, TombstoneRow, VaultRow, TenantKeyRow, EpochRow)
    found: dict[str, list[str]] = {}
    async with database.reading() as session:
        for table in tables:
            rows = (await session.execute(select(table.__table__))).mappings()
            kept = ({name: value for name, value in row.items() if name not in _NOT_COMPARED} for row in rows)
            found[table.__tablename__] = sorted(json.dumps(row, default=repr, sort_keys=True) for row in kept)
    return found
