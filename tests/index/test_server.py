"""What is particular to a server, without one: refusals and their words."""

from types import SimpleNamespace
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, models

from rag.errors import Damaged, IndexUnavailable, Misuse
from rag.index.server import collection_name, open_server
from rag.index.stores import open_stores
from rag.settings import IndexSettings, Settings

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

CLOSED_PORT = "http://127.0.0.1:9"


async def opened(client: Any, *, dim: int = 4) -> None:
    await open_server(client, tenant="acme", dim=dim, conditions_max=400, timeout_s=2)


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    client = AsyncQdrantClient(url=CLOSED_PORT, check_compatibility=False)
    with pytest.raises(IndexUnavailable, match="RINGFENCE_INDEX__URL"):
        await opened(client)
    await client.close()


@pytest.mark.parametrize(("version", "refused"), [("1.18.9", True), ("", True), ("1.19.0", False), ("2.0.1", False)])
async def test_a_server_that_would_ignore_the_restriction_of_term_statistics_is_refused(
    version: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`params.idf` came with 1.19 (qdrant pull request 9661); older servers drop unknown parameters."""
    client = AsyncQdrantClient(location=":memory:")

    async def info() -> SimpleNamespace:
        return SimpleNamespace(version=version)

    monkeypatch.setattr(client, "info", info)
    if refused:
        with pytest.raises(IndexUnavailable) as refusal:
            await opened(client)
        assert refusal.value.code == "index_too_old"
    else:
        await opened(client)
    await client.close()


async def test_a_collection_of_another_embedder_is_named_as_damage() -> None:
    client = AsyncQdrantClient(location=":memory:")
    await opened(client, dim=4)
    with pytest.raises(Damaged, match="5"):
        await opened(client, dim=5)
    await opened(client, dim=4)
    await client.close()


async def test_a_foreign_collection_of_the_same_name_is_refused() -> None:
    client = AsyncQdrantClient(location=":memory:")
    plain = models.VectorParams(size=4, distance=models.Distance.COSINE)
    await client.create_collection(collection_name("acme"), vectors_config=plain)
    with pytest.raises(Damaged):
        await opened(client)
    await client.close()


async def test_two_processes_may_make_the_collection_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second finds it made, and goes on."""
    client = AsyncQdrantClient(location=":memory:")
    create = client.create_collection

    async def create_after_another(*args: Any, **kwargs: Any) -> bool:
        await create(*args, **kwargs)
        return await create(*args, **kwargs)

    monkeypatch.setattr(client, "create_collection", create_after_another)
    await opened(client)
    await client.close()


async def test_stores_of_a_server_need_its_url() -> None:
    with pytest.raises(Misuse, match="RINGFENCE_INDEX__URL"):
        open_stores(Settings(index=IndexSettings(kind="server")), 4)
    stores = open_stores(Settings(index=IndexSettings(kind="server", url=CLOSED_PORT, timeout_s=1)), 4)
    with pytest.raises(IndexUnavailable):
        await stores.get("acme")
    await stores.close()
