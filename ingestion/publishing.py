"""Making what was ingested visible. The embedded index belongs to one process: this one, or the running service."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from urllib.parse import urlsplit

import anyio
import httpx

from ingestion.sources.endpoints import is_loopback
from rag.db.engine import Database
from rag.db.folder import DataFolder
from rag.errors import Conflict, IndexUnavailable
from rag.index.publish import Progress
from rag.index.stores import open_stores
from rag.index.upkeep import publish_tenant
from rag.settings import Settings

WAIT_S = 60.0
"""How long another command that owns the folder may take before this one gives up."""
PUBLISH_TIMEOUT_S = 600.0


async def publish_documents(
    settings: Settings, database: Database, dim: int, tenant: str, progress: Progress | None = None
) -> Mapping[str, int]:
    """Make every staged document of the tenant visible, or ready in the index beside the live one; what was changed,
    as counts by name. `dim` is the size of vectors of an index of which nothing is recorded.

    Raises:
        Conflict: another command holds the data folder for too long.
        IndexUnavailable: the index or the running service did not do it. Nothing is lost: run again.
    """
    if settings.index.kind == "server":
        return await _publish_here(settings, database, dim, tenant, progress)
    folder = DataFolder(settings.data_dir)
    deadline = time.monotonic() + WAIT_S
    while not folder.try_own():
        owner = folder.owner()
        if owner is not None and owner.url:
            return await _ask_service(owner.url, folder.operator_key(), tenant)
        if time.monotonic() > deadline:
            raise Conflict(
                f"The data folder {folder.path} is in use by another command. The documents are stored; run "
                "`ringfence ingest` again to make them visible.",
                code="folder_in_use",
            )
        await anyio.sleep(0.1)
    try:
        return await _publish_here(settings, database, dim, tenant, progress)
    finally:
        folder.release()


async def _publish_here(
    settings: Settings, database: Database, dim: int, tenant: str, progress: Progress | None
) -> Mapping[str, int]:
    stores = open_stores(settings, dim)
    try:
        return asdict(await publish_tenant(database, stores, tenant, progress))
    finally:
        await stores.close()


async def _ask_service(url: str, key: str, tenant: str) -> Mapping[str, int]:
    if not is_loopback(urlsplit(url).hostname or ""):
        # The operator's key opens everything: it never leaves this machine, whatever the owner file says.
        raise IndexUnavailable(f"The service that owns the data folder names {url}, which is not on this machine.")
    headers = {"Authorization": f"Bearer {key}", "X-Ringfence-Tenant": tenant}
    try:
        # Without the environment: a proxy must not see the key either.
        async with httpx.AsyncClient(base_url=url, timeout=PUBLISH_TIMEOUT_S, trust_env=False) as client:
            response = await client.post("/api/v1/index/publish", headers=headers)
            response.raise_for_status()
            answer = response.json()
    except (httpx.HTTPError, ValueError) as cause:
        status = f" with status {cause.response.status_code}" if isinstance(cause, httpx.HTTPStatusError) else ""
        raise IndexUnavailable(
            f"The running service at {url} did not publish the documents{status}. They are stored; run "
            "`ringfence ingest` again, or restart the service."
        ) from cause
    return {name: value for name, value in answer.items() if isinstance(value, int)}
