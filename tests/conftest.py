"""Fixtures that several rooms use. Models are loaded once for the whole run."""

import os
import tempfile

# Where the Postgres of the tests keeps its pid: a folder that is ours alone, as the specification asks.
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="rf-run-"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag.db.engine import Database, open_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated SQLite database in a file, as the embedded default has it."""
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'ringfence.db'}")
    yield opened
    await opened.close()
