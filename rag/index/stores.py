"""The stores of all tenants: one folder or one collection each, opened on first use."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from qdrant_client import AsyncQdrantClient

from rag.errors import Misuse
from rag.index.embedded import open_embedded
from rag.index.points import tenant_name
from rag.index.server import open_server
from rag.index.store import VectorStore
from rag.settings import IndexSettings, Settings

Opener = Callable[[str], Awaitable[VectorStore]]


class IndexStores:
    """Opens each tenant's store once and closes them together. Use `open_stores`."""

    def __init__(self, opener: Opener, close_connection: Callable[[], Awaitable[None]] | None = None) -> None:
        self._open = opener
        self._close_connection = close_connection
        self._stores: dict[str, VectorStore] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, tenant: str) -> VectorStore:
        """The tenant's store. The same one for everybody in this process.

        Raises:
            IndexUnavailable, Conflict, Damaged: it cannot be opened now; the next call tries again.
        """
        async with self._opening[tenant]:
            if tenant not in self._stores:
                self._stores[tenant] = await self._open(tenant)
            return self._stores[tenant]

    async def points(self) -> int:
        """Chunks in all stores that are open."""
        return sum([await store.points() for store in list(self._stores.values())])

    async def close(self) -> None:
        while self._stores:
            _, store = self._stores.popitem()
            await store.close()
        if self._close_connection is not None:
            await self._close_connection()


def open_stores(settings: Settings, dim: int) -> IndexStores:
    """The stores that the settings ask for. Opens nothing yet.

    The embedded ones belong to one process: take `DataFolder.own` first.

    Raises:
        Misuse: a server without a URL.
    """
    index = settings.index
    if index.kind == "embedded":
        return IndexStores(partial(_embedded, settings.data_dir / "index", dim, index))
    if index.url is None:
        raise Misuse("RINGFENCE_INDEX__KIND=server needs RINGFENCE_INDEX__URL.", code="bad_settings")
    # The client's own check of versions is a request in the constructor; `open_server` makes a stricter one.
    client = AsyncQdrantClient(
        url=index.url,
        api_key=index.api_key.get_secret_value() if index.api_key else None,
        timeout=max(1, round(index.timeout_s)),
        check_compatibility=False,
    )
    return IndexStores(partial(_server, client, dim, index), client.close)


async def _embedded(folder: Path, dim: int, index: IndexSettings, tenant: str) -> VectorStore:
    return await asyncio.to_thread(
        open_embedded, folder / tenant_name(tenant), tenant=tenant, dim=dim, conditions_max=index.conditions_max
    )


async def _server(client: AsyncQdrantClient, dim: int, index: IndexSettings, tenant: str) -> VectorStore:
    return await open_server(
        client, tenant=tenant, dim=dim, conditions_max=index.conditions_max, timeout_s=index.timeout_s
    )
