"""The chain must hold on both databases: writers queue up on SQLite and race on Postgres."""

import pytest

from rag.db.engine import Database


@pytest.fixture
def database(any_database: Database) -> Database:
    return any_database
