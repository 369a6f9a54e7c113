"""What both commands use: options, checked names, an open database."""

import getpass
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from policies.commands.options import of_tenant
from policies.rules import InvalidRule, plain_name
from rag.db.engine import Database, open_database
from rag.db.refusals import told_if_busy
from rag.errors import Misuse
from rag.settings import Settings

PARTLY_DONE = 3
"""Exit code."""

TenantOption = Annotated[
    str,
    typer.Option("--tenant", envvar="RINGFENCE_TENANT", callback=of_tenant, help="The tenant the documents belong to."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DocumentArgument = Annotated[str, typer.Argument(help="Id of the document: doc_...")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    database = await open_database(settings.database_url, settings.database)
    try:
        with told_if_busy():
            yield database
    finally:
        await database.close()


def owner() -> str:
    """Who works on a job, for people: this process."""
    return f"{socket.gethostname()}:{os.getpid()}"[:160]


def operator_name() -> str:
    """Who runs the command, in the alphabet of the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid-{os.getuid()}"
    return "operator:" + "".join(char if char.isascii() and (char.isalnum() or char in "_.-") else "_" for char in name)


def checked_name(value: str, what: str) -> str:
    try:
        return plain_name(value, what)
    except InvalidRule as problem:
        raise Misuse(f"{problem}.") from None
