"""Every test of this room runs on SQLite and on a real Postgres: neither stands in for the other."""

import pytest

from rag.db.engine import Database


@pytest.fixture
def database(any_database: Database) -> Database:
    return any_database
