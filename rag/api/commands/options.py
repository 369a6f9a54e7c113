"""What several commands share: options, opening the database, and where output goes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from policies.commands.options import DataDir as DataDir
from policies.commands.options import of_tenant
from policies.rules import InvalidRule, plain_name
from policies.terminal import out as out
from policies.terminal import talk as talk
from rag.db.engine import Database, open_database
from rag.db.refusals import told_if_busy
from rag.errors import Misuse
from rag.settings import Settings, load_settings

Tenant = Annotated[str, typer.Option("--tenant", envvar="RINGFENCE_TENANT", callback=of_tenant, help="Which tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def settings_for(data_dir: Path | None, **flags: Any) -> Settings:
    """Settings with what was given on the command line on top."""
    return load_settings(data_dir=data_dir, **flags)


def checked_tenant(tenant: str) -> str:
    """Return `tenant` if it is a tenant's name.

    Raises:
        Misuse: it is not.
    """
    try:
        return plain_name(tenant, "tenant")
    except InvalidRule as cause:
        raise Misuse(f"{cause}.") from cause


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[Database]:
    """The database, closed at the end. It is shared: the service may be running on it."""
    database = await open_database(settings.database_url, settings.database)
    try:
        with told_if_busy():
            yield database
    finally:
        await database.close()


def print_json(data: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
