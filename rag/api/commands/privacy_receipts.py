"""`ringfence privacy receipts`: show the receipts of erasures, and verify one without this installation."""

import asyncio
import json
from typing import Annotated

import typer
from rich.table import Column

from policies.terminal import folding
from rag.api.commands.options import (
    AsJson,
    DataDir,
    Tenant,
    checked_tenant,
    opened_database,
    out,
    print_json,
    settings_for,
)
from rag.errors import Misuse
from rag.privacy.receipts import Receipts, open_signer, verify_receipt
from rag.settings import Settings

receipts = typer.Typer(no_args_is_help=True, add_completion=False, help="Receipts of erasures.")


@receipts.command()
def verify(
    file: Annotated[typer.FileText, typer.Argument(help="The receipt; - reads standard input.")],
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="Who must have signed it. Default: this installation.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Verify that a receipt was signed and not changed since. With --public-key it needs nothing but the file."""
    key = open_signer(settings_for(data_dir)).public_key if public_key is None else public_key
    try:
        text = file.read()
    except UnicodeDecodeError:
        raise Misuse("This is not an erasure receipt: it is not UTF-8.", code="bad_receipt") from None
    facts = verify_receipt(text, key)
    if as_json:
        print_json({"valid": True, "receipt": facts})
        return
    typer.echo(
        f"Valid: {facts.get('id')} of tenant {facts.get('tenant')}, {facts.get('at')}, by {facts.get('by')}: "
        f"{len(facts.get('tokens', []))} values in {facts.get('documents')} documents."
    )


@receipts.command(name="list")
def list_receipts(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a tenant's receipts, oldest first."""

    async def run(settings: Settings) -> list[str]:
        async with opened_database(settings) as database, database.reading() as session:
            return await Receipts(session, checked_tenant(tenant)).all()

    found = [json.loads(text) for text in asyncio.run(run(settings_for(data_dir)))]
    if as_json:
        print_json(found)
        return
    table = folding(Column("id", no_wrap=True), "at", "by", "values", "documents")
    for one in found:
        table.add_row(one["id"], one["at"], one["by"], str(len(one["tokens"])), str(one["documents"]))
    out().print(table)


@receipts.command()
def show(
    receipt: Annotated[str, typer.Argument(help="The receipt's id, as `receipts list` shows it.")],
    tenant: Tenant,
    data_dir: DataDir = None,
) -> None:
    """Print a receipt exactly as it was signed."""

    async def run(settings: Settings) -> str:
        async with opened_database(settings) as database, database.reading() as session:
            return await Receipts(session, checked_tenant(tenant)).get(receipt)

    typer.echo(asyncio.run(run(settings_for(data_dir))))


@receipts.command()
def key(data_dir: DataDir = None) -> None:
    """Print the public key that this installation's receipts verify with."""
    typer.echo(open_signer(settings_for(data_dir)).public_key)
