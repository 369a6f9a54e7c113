"""The company, founded once; each test works on its own copy of the folder."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from policies.store import SnapshotCache
from rag.audit.log import AuditLog
from rag.db.engine import open_database
from rag.embedding.minilm import load_embedder
from rag.embedding.protocol import Embedder
from rag.index.stores import open_stores
from rag.privacy.keys import MasterKey
from rag.privacy.recognize import load_recognizer
from rag.privacy.tenant import Privacy
from rag.settings import EmbeddingSettings, PrivacySettings, Settings
from tests.copies import copy_folder
from tests.query.company import Company, found_company


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    return load_embedder(EmbeddingSettings(threads=1))


@pytest.fixture(scope="session")
def tenant_privacy() -> Privacy:
    return Privacy(MasterKey.of(b"\x07" * 32, "test"), load_recognizer(PrivacySettings()))


@pytest.fixture(scope="session")
def founded(
    tmp_path_factory: pytest.TempPathFactory, minilm: Embedder, tenant_privacy: Privacy
) -> tuple[Path, Company]:
    folder = tmp_path_factory.mktemp("company")

    async def found() -> Company:
        database = await open_database(_url(folder))
        company = await found_company(folder, database, minilm, tenant_privacy)
        await company.stores.close()
        await database.close()
        return company

    return folder, asyncio.run(found())


@pytest.fixture
async def company(founded: tuple[Path, Company], tmp_path: Path) -> AsyncIterator[Company]:
    original, first = founded
    folder = tmp_path / "company"
    copy_folder(original, folder)
    database = await open_database(_url(folder))
    embedder = first.parts.embedder
    stores = open_stores(Settings(data_dir=folder), embedder.dim, embedder.digest)
    parts = first.with_parts(database=database, stores=stores, snapshots=SnapshotCache(), audit=AuditLog())
    yield Company(parts, stores, dict(first.ids))
    await stores.close()
    await database.close()


def _url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'ringfence.db'}"
