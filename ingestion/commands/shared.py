"""What both commands use: options, checked names, an open database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from policies.rules import InvalidRule, plain_name
from rag.db.engine import Database, open_database
from rag.errors import Misuse
from rag.settings import Settings

TenantOption = Annotated[
    str, typer.Option("--tenant", "-t", envvar="RINGFENCE_TENANT", help="The tenant the documents belong to.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    database = await open_database(settings.database_url)
    try:
        yield database
    finally:
        await database.close()


def checked_name(value: str, what: str) -> str:
    try:
        return plain_name(value, what)
    except InvalidRule as problem:
        raise Misuse(f"{problem}.") from None
