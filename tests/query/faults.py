"""Parts that fail or lie, each in one way."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Executable, inspect, literal_column, select, update
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

from policies.plan import Conditions
from policies.tables import Base
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.domain import content_id, digest_of
from rag.index.store import Hit, Hits, Query
from rag.query.parts import TenantStores
from tests.query.company import Company

Row = TypeVar("Row", bound=Base)


@dataclass
class AlsoReturns:
    """An index that is sound, and adds these chunks to whatever it finds, as the best of them."""

    stores: TenantStores
    chunks: tuple[str, ...]
    tenant: str = ""

    async def get(self, tenant: str, index: object = None) -> Any:
        self.tenant = tenant
        return self

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        found = await (await self.stores.get(self.tenant)).search(plan, query, limit=limit)
        lies = tuple(Hit(chunk, 1.0) for chunk in self.chunks)
        return Hits((*lies, *found.dense), (*lies, *found.lexical))


@dataclass
class ThenBreaks:
    """An index that is sound; before its first hits are used, something else breaks."""

    stores: TenantStores
    breaking: Callable[[], Awaitable[None]]
    broken: bool = False
    tenant: str = ""

    async def get(self, tenant: str, index: object = None) -> Any:
        self.tenant = tenant
        return self

    async def search(self, plan: Conditions, query: Query, *, limit: int) -> Hits:
        found = await (await self.stores.get(self.tenant)).search(plan, query, limit=limit)
        if not self.broken:
            self.broken = True
            await self.breaking()
        return found


async def run(company: Company, *statements: str | Executable) -> None:
    """Change the database by hand, as no part of the house does."""
    async with company.parts.database.unit_of_work() as session:
        for statement in statements:
            await session.execute(sql(statement) if isinstance(statement, str) else statement)


def labelled(document: str, **columns: object) -> Executable:
    """The statement that gives a document's row these values; strings are SQL."""
    changes = {name: literal_column(value) if isinstance(value, str) else value for name, value in columns.items()}
    return update(DocumentRow).where(DocumentRow.id == document).values(changes)


async def lose_table(company: Company, table: str) -> None:
    await run(company, "PRAGMA legacy_alter_table=ON", f"ALTER TABLE {table} RENAME TO {table}_gone")


async def find_table(company: Company, table: str) -> None:
    await run(company, "PRAGMA legacy_alter_table=ON", f"ALTER TABLE {table}_gone RENAME TO {table}")


async def give_to(session: AsyncSession, tenant: str, document: str) -> tuple[str, ...]:
    """A copy of a document for another tenant, labels and all; the ids of its chunks."""

    def other(kind: str, name: str) -> str:
        return content_id(kind, digest_of([tenant, name]))

    row = await session.get_one(DocumentRow, document)
    versions = list(await session.scalars(select(VersionRow).where(VersionRow.document == document)))
    chunks = list(await session.scalars(select(ChunkRow).where(ChunkRow.document == document)))
    theirs = {"tenant": tenant, "document": other("doc", document)}
    session.add(
        copy(row, id=theirs["document"], tenant=tenant, current_version=other("ver", row.current_version or ""))
    )
    await session.flush()
    session.add_all(copy(version, id=other("ver", version.id), **theirs) for version in versions)
    await session.flush()
    session.add_all(
        copy(chunk, id=other("chk", chunk.id), version=other("ver", chunk.version), **theirs) for chunk in chunks
    )
    return tuple(other("chk", chunk.id) for chunk in chunks)


def copy(row: Row, **changes: object) -> Row:
    columns = {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}
    return type(row)(**(columns | changes))
