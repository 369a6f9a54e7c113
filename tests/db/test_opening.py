"""Opening a database: what is up to date is only looked at, and what cannot be used is one sentence for an operator."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from policies.tenancy import every_tenant
from rag.cli import main
from rag.db import sqlite
from rag.db.engine import open_database
from rag.errors import Damaged, Unavailable
from tests.db.test_migrations import downgrade


@pytest.fixture
def folder(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a database, for commands, which wait a moment for a writer and no longer."""
    shutil.copyfile(migrated_file, tmp_path / "ringfence.db")
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("RINGFENCE_DATABASE__URL", raising=False)
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)
    return tmp_path


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Another process's long transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def refused(capsys: pytest.CaptureFixture[str], *command: str, expect: int) -> str:
    """The one line that an operator is told."""
    assert main(command) == expect
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("command", "printed"),
    [(("documents", "kept-out"), {"kept_out": []}), (("documents", "jobs", "list"), {"jobs": []})],
)
def test_a_command_that_only_reads_does_not_wait_for_a_writer(
    folder: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], printed: object
) -> None:
    with written_to(folder / "ringfence.db"):
        assert main((*command, "--tenant", "acme", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == printed


def test_a_busy_database_says_that_it_is_busy_and_blames_no_server(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with written_to(folder / "ringfence.db"):
        line = refused(capsys, "documents", "let-in", "doc_1", "--tenant", "acme", expect=1)
    assert "busy" in line and "again" in line and "server" not in line
    assert "keeps no document" in refused(capsys, "documents", "let-in", "doc_1", "--tenant", "acme", expect=1)


async def test_only_who_is_behind_waits_for_the_writer(folder: Path) -> None:
    path = folder / "ringfence.db"
    url = f"sqlite+aiosqlite:///{path}"
    with written_to(path):
        await (await open_database(url)).close()
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(downgrade, "-1")
    await engine.dispose()
    with written_to(path), pytest.raises(Unavailable, match="busy") as refusal:
        await open_database(url)
    assert refusal.value.code == "database_busy"
    await (await open_database(url)).close()


async def test_a_schema_of_a_newer_release_is_refused_and_left_as_it_is(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with every_tenant(), pytest.raises(Damaged, match=r"newer release.*0099") as refusal:
        await open_database(database_url)
    assert refusal.value.code == "newer_schema"
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "0099"
    await engine.dispose()


def test_a_release_that_was_rolled_back_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(folder / "ringfence.db")) as other:
        other.execute("UPDATE alembic_version SET version_num = '0099'")
        other.commit()
    line = refused(capsys, "documents", "kept-out", "--tenant", "acme", expect=1)
    assert "0099" in line and "restore a backup" in line


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://a:secret@b/c", "sqlite:///x.db", "postgresql://a:secret@host:port/c"]
)
def test_a_url_that_is_none_of_a_database_is_misuse_and_is_not_repeated(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("RINGFENCE_DATABASE__URL", url)
    line = refused(capsys, "documents", "kept-out", "--tenant", "acme", expect=2)
    assert "RINGFENCE_DATABASE__URL" in line and "postgresql://" in line and "secret" not in line


async def test_a_server_that_does_not_answer_is_not_taken_for_a_url_that_is_none() -> None:
    with pytest.raises(Unavailable, match="that the server runs"):
        await open_database("postgresql://nobody@127.0.0.1:1/nothing")
