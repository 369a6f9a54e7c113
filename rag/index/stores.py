"""The stores of all tenants: one folder or one collection for each index, opened on first use."""

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from qdrant_client import AsyncQdrantClient

from rag.db.index_versions import FIRST, IndexVersion
from rag.index.collection import answered, collection_name
from rag.index.connection import connect, layout_of
from rag.index.embedded import open_embedded
from rag.index.points import tenant_name
from rag.index.server import open_server
from rag.index.store import VectorStore
from rag.settings import IndexSettings, Settings

Opener = Callable[[str, IndexVersion], Awaitable[VectorStore]]
Remover = Callable[[str, int], Awaitable[None]]


class IndexStores:
    """Opens each index of each tenant once and closes them together. Use `open_stores`."""

    def __init__(
        self,
        opener: Opener,
        close_connection: Callable[[], Awaitable[None]] | None = None,
        remover: Remover | None = None,
    ) -> None:
        self._open = opener
        self._close_connection = close_connection
        self._remove = remover
        self._stores: dict[tuple[str, int], VectorStore] = {}
        self._opening: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, tenant: str, index: IndexVersion = FIRST) -> VectorStore:
        """The store of one of the tenant's indexes. The same one for everybody in this process.

        Raises:
            IndexUnavailable, Conflict, Damaged: it cannot be opened now; the next call tries again.
        """
        key = tenant, index.number
        async with self._opening[key]:
            if key not in self._stores:
                self._stores[key] = await self._open(tenant, index)
            return self._stores[key]

    async def remove(self, tenant: str, number: int) -> None:
        """Remove an index with all of its points; one that is not there is no error.

        Raises:
            IndexUnavailable: it could not be removed; the next call tries again.
        """
        key = tenant, number
        async with self._opening[key]:
            store = self._stores.pop(key, None)
            if store is not None:
                await store.close()
            if self._remove is not None:
                await self._remove(tenant, number)

    async def points(self) -> int:
        """Chunks in all stores that are open."""
        return sum([await store.points() for store in list(self._stores.values())])

    async def close(self) -> None:
        while self._stores:
            _, store = self._stores.popitem()
            await store.close()
        if self._close_connection is not None:
            await self._close_connection()


def open_stores(settings: Settings, dim: int, embedder: str = "") -> IndexStores:
    """The stores that the settings ask for. Opens nothing yet.

    `dim` and `embedder`, a digest, are those of an index of which nothing else is recorded.
    The embedded ones belong to one process: take `DataFolder.own` first.

    Raises:
        Misuse: a server without a URL.
    """
    index = settings.index
    unrecorded = replace(FIRST, dim=dim, embedder_digest=embedder)
    if index.kind == "embedded":
        folder = settings.data_dir / "index"
        return IndexStores(partial(_embedded, folder, unrecorded, index), remover=partial(_remove_folder, folder))
    client = connect(index)
    opener, remover = partial(_server, client, unrecorded, index), partial(_remove_collection, client, index)
    return IndexStores(opener, client.close, remover)


async def _embedded(
    folder: Path, unrecorded: IndexVersion, settings: IndexSettings, tenant: str, index: IndexVersion
) -> VectorStore:
    made_by = index if index.dim else unrecorded
    return await asyncio.to_thread(
        open_embedded,
        folder / tenant_name(tenant, index.number),
        tenant=tenant,
        dim=made_by.dim,
        conditions_max=settings.conditions_max,
        embedder=made_by.embedder_digest,
    )


async def _remove_folder(folder: Path, tenant: str, number: int) -> None:
    name = tenant_name(tenant, number)
    for place in (folder / name, folder / f"{name}.new"):
        if place.exists():
            await asyncio.to_thread(shutil.rmtree, place)


async def _server(
    client: AsyncQdrantClient, unrecorded: IndexVersion, settings: IndexSettings, tenant: str, index: IndexVersion
) -> VectorStore:
    made_by = index if index.dim else unrecorded
    return await open_server(
        client,
        tenant=tenant,
        dim=made_by.dim,
        conditions_max=settings.conditions_max,
        timeout_s=settings.timeout_s,
        layout=layout_of(settings),
        number=index.number,
        embedder=made_by.embedder_digest,
    )


async def _remove_collection(client: AsyncQdrantClient, settings: IndexSettings, tenant: str, number: int) -> None:
    name = collection_name(tenant, number)
    if await answered(client.collection_exists(name), name, settings.timeout_s):
        await answered(client.delete_collection(name), name, settings.timeout_s)
