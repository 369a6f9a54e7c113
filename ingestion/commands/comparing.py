"""`ringfence documents diff`: what changed between two versions, as a person may read them."""

import asyncio
import json
from typing import Annotated

import typer

from ingestion.commands.printing import plain
from ingestion.commands.shared import (
    DocumentArgument,
    JsonOption,
    TenantOption,
    checked_name,
    opened,
    operator_name,
)
from ingestion.comparing import Comparison, compare
from policies.commands.options import DataDir, named
from policies.rules import Caller, InvalidRule
from policies.terminal import out
from rag.errors import Misuse
from rag.settings import Settings, load_settings


def diff(
    document: DocumentArgument,
    tenant: TenantOption,
    person: Annotated[str, typer.Option("--as", help="Who reads: user:ann, or just ann.")],
    older: Annotated[
        str | None, typer.Option("--from", help="Version: ver_... Default: the one before the other.")
    ] = None,
    newer: Annotated[str | None, typer.Option("--to", help="Version. Default: the visible one.")] = None,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """A unified diff of the masked texts of two versions, of what that person may read of both. Recorded.

    Versions that were withdrawn for new labels, and those that were never visible, are shown to nobody.
    """
    try:
        caller = Caller(checked_name(tenant, "tenant"), named("user", person))
    except InvalidRule as problem:
        raise Misuse(f"{problem}.") from None
    found = asyncio.run(_compare(load_settings(data_dir=data_dir), caller, document, older, newer))
    if as_json:
        typer.echo(
            json.dumps(
                {"document": document, "from": found.older, "to": found.newer, "lines": found.lines},
                ensure_ascii=False,
            )
        )
        return
    console = out()
    for line in found.lines:
        console.print(plain(line.replace("\t", "  ")), soft_wrap=True)
    if not found.lines:
        typer.echo(f"Nothing that {caller.subject} may read is different.", err=True)


async def _compare(
    settings: Settings, caller: Caller, document: str, older: str | None, newer: str | None
) -> Comparison:
    async with opened(settings) as database:
        return await compare(database, caller, document, older=older, newer=newer, author=operator_name())
