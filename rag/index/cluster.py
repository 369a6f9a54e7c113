"""How the collections of a Qdrant server lie on its nodes, beside what the settings ask for.

Shards and replicas of a collection that is there are changed by the operator, with Qdrant's own means: a shard is
moved or copied node by node, while it answers. What is said here is what `ringfence doctor` prints.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from qdrant_client import AsyncQdrantClient, models

from rag.index.collection import PREFIX, Layout, answered
from rag.index.connection import connect, layout_of
from rag.settings import IndexSettings

_SERVING = frozenset({models.ReplicaState.ACTIVE, models.ReplicaState.ACTIVEREAD})


@dataclass(frozen=True, slots=True)
class Spread:
    """`collections` is how many were looked at; each difference is a sentence that names its collection."""

    collections: int
    differences: tuple[str, ...]


async def spread(index: IndexSettings) -> Spread:
    """Ask the server that the settings name about each of our collections.

    Raises:
        IndexUnavailable: no answer.
        Misuse: the settings name no server.
    """
    client = connect(index)
    try:
        listed = await answered(client.get_collections(), PREFIX, index.timeout_s)
        names = sorted(one.name for one in listed.collections if one.name.startswith(PREFIX))
        differences = [sentence for name in names for sentence in await _differences(client, name, index)]
        return Spread(len(names), tuple(differences))
    finally:
        await client.close()


async def _differences(client: AsyncQdrantClient, name: str, index: IndexSettings) -> list[str]:
    wanted = layout_of(index)
    params = (await answered(client.get_collection(name), name, index.timeout_s)).config.params
    shards = await answered(client.collection_cluster_info(name), name, index.timeout_s)
    return [*_unlike(name, params, wanted), *_missing(name, shards, wanted.replicas)]


def _unlike(name: str, params: models.CollectionParams, wanted: Layout) -> Iterator[str]:
    """What the collection was made with and the settings would make otherwise; left out of an answer means 1."""
    for setting, asked, found in (
        ("index.shards", wanted.shards, params.shard_number),
        ("index.replicas", wanted.replicas, params.replication_factor),
        ("index.write_consistency", wanted.write_consistency, params.write_consistency_factor),
    ):
        if asked != (found or 1):
            yield f"{name} was made with {found or 1}, {setting} is {asked}"


def _missing(name: str, info: models.CollectionClusterInfo, replicas: int) -> Iterator[str]:
    """Shards that fewer replicas serve than they should: what a lost node leaves behind."""
    states = [(one.shard_id, one.state) for one in info.local_shards]
    states += [(one.shard_id, one.state) for one in info.remote_shards]
    lying = Counter({shard: 0 for shard, _ in states})
    lying.update(shard for shard, state in states if state in _SERVING)
    for shard, serving in sorted(lying.items()):
        if serving < replicas:
            yield f"{name}: {serving} of {replicas} replicas of shard {shard} are serving"
