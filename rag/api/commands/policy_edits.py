"""`ringfence policy`: the commands of `policies.cli`, on this installation's database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from policies.cli import build
from policies.rules import Attributes
from rag.api.commands.options import opened_database
from rag.db.documents import Documents, attributes_of
from rag.settings import load_settings


@asynccontextmanager
async def open_session() -> AsyncIterator[AsyncSession]:
    """A session that commits at its end. The running service sees a change at its next question."""
    async with opened_database(load_settings()) as database, database.unit_of_work() as session:
        yield session


async def find_attributes(session: AsyncSession, tenant: str, document: str) -> Attributes | None:
    row = await Documents(session).find(tenant, document)
    return None if row is None else attributes_of(row)


policy = build(open_session, find_attributes)
