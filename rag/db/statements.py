"""Statements that SQLite and Postgres write in the same way, where SQLAlchemy asks which of them it is."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from policies.tables import Base

T = TypeVar("T")

BATCH = 500
"""Rows of a statement, or values that one names: databases take some thousands, drivers bind them one by one."""


def batches(items: Sequence[T], size: int = BATCH) -> list[Sequence[T]]:
    """The items in their order, at most `size` at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def besides(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """The column, to be compared beside a key that finds the rows: as an expression it has no index.

    SQLite takes an index of the tenant before a list of ids otherwise, and looks through all that she has.
    """
    return column.concat("")


def insert_if_absent(session: AsyncSession, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that leaves an existing row as it is, in the dialect of the session."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def insert_or_add(session: AsyncSession, table: Table, column: str) -> sqlite.Insert | postgresql.Insert:
    """An insert that adds `column` to that of an existing row with the same key, and leaves its other columns."""
    key = [part.name for part in table.primary_key]
    if session.get_bind().dialect.name == "postgresql":
        new = postgresql.insert(table)
        return new.on_conflict_do_update(index_elements=key, set_={column: table.c[column] + new.excluded[column]})
    added = sqlite.insert(table)
    return added.on_conflict_do_update(index_elements=key, set_={column: table.c[column] + added.excluded[column]})


def table_of(row: type[Base]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)  # noqa: S101 - narrows SQLAlchemy's FromClause for the type checker
    return table
