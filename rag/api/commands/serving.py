"""`ringfence serve`: own the data folder, open every part, answer until told to stop."""

import asyncio
from typing import Annotated

import typer

from rag.api.commands.options import DataDir, settings_for, talk
from rag.api.logs import configure_logs
from rag.api.server import listen, local_url, run_server, uvicorn_config
from rag.db.folder import DataFolder
from rag.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: service.host.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: service.port.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the service until Ctrl-C."""
    service = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_for(data_dir, service=service or None)
    listen(settings.service).close()  # A taken port should be said now, not after the models are loaded.
    folder = DataFolder(settings.data_dir)
    if settings.index.kind == "embedded":
        folder.own()
    try:
        asyncio.run(_serve(settings, folder))
    finally:
        folder.release()
    talk().print("Stopped.")


async def _serve(settings: Settings, folder: DataFolder) -> None:
    configure_logs()
    talk().print("Opening the database, the index and the models ...")
    # The models' libraries take seconds to import: a taken port or folder is said before that.
    from rag.api.app import create_app  # noqa: PLC0415 - see above
    from rag.api.composition import open_parts  # noqa: PLC0415 - see above
    from rag.api.warm import read_policies, settle_memory  # noqa: PLC0415 - see above

    async with open_parts(settings, folder) as parts:
        await read_policies(parts.database, parts.snapshots)
        settle_memory()
        listening = listen(settings.service)
        url = local_url(settings.service)

        def announce() -> None:
            if settings.index.kind == "embedded":
                folder.announce(url)
            talk().print(f"Ringfence answers on {url}. Ctrl-C stops it.")

        try:
            await run_server(uvicorn_config(create_app(parts), settings.service), listening, announce)
        finally:
            await parts.audit.seal_all(parts.database)
