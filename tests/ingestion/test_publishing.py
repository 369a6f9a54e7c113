"""Who publishes: the command itself, or the service that owns the data folder. The key stays on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ingestion.publishing import publish_documents
from rag.db.engine import Database
from rag.db.folder import DataFolder
from rag.errors import IndexUnavailable
from rag.settings import Settings


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[DataFolder]:
    """A data folder that a running service holds."""
    folder = DataFolder(tmp_path / "data")
    assert folder.try_own()
    yield folder
    folder.release()


@contextmanager
def service(status: int, body: bytes) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A service on this machine that answers every request alike and keeps what it was asked."""
    asked: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.headers["Authorization"], self.headers["X-Ringfence-Tenant"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


async def test_without_a_service_the_command_publishes_and_lets_go_of_the_folder(
    tmp_path: Path, database: Database
) -> None:
    counts = await publish_documents(Settings(data_dir=tmp_path / "data"), database, 8, "acme")
    assert counts["versions"] == 0
    assert DataFolder(tmp_path / "data").owner() is None


async def test_a_running_service_is_asked_with_the_operators_key(owned: DataFolder, database: Database) -> None:
    with service(200, json.dumps({"tenant": "acme", "versions": 3}).encode()) as (url, asked):
        owned.announce(url)
        assert await publish_documents(Settings(data_dir=owned.path), database, 8, "acme") == {"versions": 3}
    assert asked == [("/api/v1/index/publish", f"Bearer {owned.operator_key()}", "acme")]


async def test_a_service_that_fails_is_told_and_what_to_do(owned: DataFolder, database: Database) -> None:
    with service(503, b"{}") as (url, _):
        owned.announce(url)
        with pytest.raises(IndexUnavailable, match=r"status 503.*run `ringfence ingest` again"):
            await publish_documents(Settings(data_dir=owned.path), database, 8, "acme")


async def test_the_operators_key_is_not_sent_to_another_machine(owned: DataFolder, database: Database) -> None:
    owned.announce("http://192.0.2.1:8080")
    with pytest.raises(IndexUnavailable, match="not on this machine"):
        await publish_documents(Settings(data_dir=owned.path), database, 8, "acme")
