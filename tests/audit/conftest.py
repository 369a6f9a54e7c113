"""The chain must hold on both databases: writers queue up on SQLite and race on Postgres."""

from tests.db.conftest import database, database_url, postgres

__all__ = ["database", "database_url", "postgres"]
