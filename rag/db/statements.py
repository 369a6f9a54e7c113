"""Statements that SQLite and Postgres write in the same way, where SQLAlchemy asks which of them it is."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from policies.tables import Base


def insert_if_absent(session: AsyncSession, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that leaves an existing row as it is, in the dialect of the session."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def table_of(row: type[Base]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)  # noqa: S101 - narrows SQLAlchemy's FromClause for the type checker
    return table
