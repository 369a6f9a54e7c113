"""`ringfence privacy unmask`: through the running service if there is one, else with the parts opened here."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import httpx
import typer

from rag.api.commands.asking import ANSWER_S, CONNECT_S, refusal_of
from rag.api.commands.options import AsJson, DataDir, Tenant, checked_tenant, print_json, settings_for, talk
from rag.db.folder import DataFolder
from rag.errors import Misuse, Unavailable
from rag.settings import Settings

PARTLY_DONE = 3


def unmask(
    tokens: Annotated[list[str], typer.Argument(help="PERSON_... as the text shows it; the brackets may be left out.")],
    document: Annotated[str, typer.Option("--document", help="The document in which they stand: doc_...")],
    person: Annotated[str, typer.Option("--as", help="For whom: user:ann, or just ann.")],
    tenant: Tenant,
    assistant: Annotated[
        str | None, typer.Option(help="The program that asks on her behalf: both must be allowed.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what tokens of a document stand for, as far as that person may read it and unmask their kind there.

    Each value that is shown is recorded first. Secrets are shown to nobody. Exit code 3: some are not for her.
    """
    settings = settings_for(data_dir)
    headers = {"X-Ringfence-Tenant": checked_tenant(tenant), "X-Ringfence-Person": person}
    if assistant is not None:
        headers["X-Ringfence-Assistant"] = assistant
    folder = DataFolder(settings.data_dir)
    owner = folder.owner() if settings.index.kind == "embedded" else None
    if owner is not None and owner.url:
        headers["Authorization"] = f"Bearer {folder.operator_key()}"
        given = _over_http(owner.url, document, tokens, headers)
    else:
        given = asyncio.run(_here(settings, folder, document, tokens, headers))
    if as_json:
        print_json(given)
    else:
        for token, original in given["values"].items():
            typer.echo(f"{token}\t{original}")
        for token in given["withheld"]:
            talk().print(f"{token}: does not stand in this document, or is not for {person}.", markup=False)
    if given["withheld"]:
        raise typer.Exit(PARTLY_DONE)


def _over_http(url: str, document: str, tokens: Sequence[str], headers: Mapping[str, str]) -> dict[str, Any]:
    """The answer of the service that owns the folder."""
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    # No proxy, whatever the environment says: the service is on this machine, and the key stays on it.
    with httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False) as client:
        try:
            response = client.post("/api/v1/privacy/unmask", json={"document": document, "tokens": list(tokens)})
            data = response.json()
        except (httpx.HTTPError, json.JSONDecodeError) as cause:
            raise Unavailable(
                f"The service at {url} owns the data folder but does not answer ({type(cause).__name__}). "
                "Look at its log; if it is gone, this works again as soon as its process has ended."
            ) from cause
    if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise Misuse(str(data.get("detail")), code=data.get("code"))
    if response.status_code != httpx.codes.OK:
        problem = {"message": data.get("detail"), "code": data.get("code")}
        raise refusal_of(response.status_code, problem, response.headers.get("Retry-After"))
    return dict(data)


async def _here(
    settings: Settings, folder: DataFolder, document: str, tokens: Sequence[str], headers: Mapping[str, str]
) -> dict[str, Any]:
    """The same from parts opened in this process, by the same path."""
    # Loading the models' libraries takes seconds, which asking a running service does not need.
    from rag.api.local import give_back  # noqa: PLC0415 - see above

    if settings.index.kind == "embedded":
        folder.own()
    try:
        return await give_back(settings, folder, document, tokens, headers)
    finally:
        folder.release()
