import asyncio
from pathlib import Path

import pytest

from rag.db.index_versions import IndexVersion
from rag.errors import IndexUnavailable
from rag.index.points import tenant_name
from rag.index.stores import IndexStores, open_stores
from rag.settings import Settings


async def test_everybody_gets_the_same_store_of_a_tenant_and_another_one_per_tenant(tmp_path: Path) -> None:
    """Opened twice, a shard would be refused: so the race to open it first must not exist."""
    stores = open_stores(Settings(data_dir=tmp_path), 4)
    first, again, other = await asyncio.gather(stores.get("acme"), stores.get("acme"), stores.get("Acme"))
    assert first is again
    assert other is not first
    await stores.close()
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == sorted(
        [tenant_name("acme"), tenant_name("Acme")]
    )


async def test_closed_stores_can_be_opened_again(tmp_path: Path) -> None:
    stores = open_stores(Settings(data_dir=tmp_path), 4)
    await stores.get("acme")
    await stores.close()
    await stores.get("acme")
    await stores.close()


@pytest.mark.parametrize("tenant", ["../evil", "a/b", "..", "CON", "x" * 128])
async def test_a_tenant_name_cannot_leave_the_index_folder(tmp_path: Path, tenant: str) -> None:
    stores = open_stores(Settings(data_dir=tmp_path), 4)
    await stores.get(tenant)
    await stores.close()
    assert [path.parent for path in _found(tmp_path)] == [tmp_path / "index" / tenant_name(tenant)]


def _found(folder: Path) -> list[Path]:
    return list(folder.rglob("edge_config.json"))


async def test_a_store_that_could_not_be_opened_is_tried_again() -> None:
    """A server that was down a moment ago must not stay down for ever."""
    answers = iter([IndexUnavailable("down"), None])

    async def opener(tenant: str, index: IndexVersion):
        answer = next(answers)
        if answer is not None:
            raise answer
        return f"store of {tenant}"

    stores = IndexStores(opener)
    with pytest.raises(IndexUnavailable):
        await stores.get("acme")
    assert await stores.get("acme") == "store of acme"
