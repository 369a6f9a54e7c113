"""Model servers on loopback, and clients that are closed when a test ends."""

from collections.abc import AsyncIterator

import pytest

from tests.generation.clients import Client, Connect
from tests.generation.stand_in import StandIn, stand_in


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    opened: list[Client] = []

    def connect(*servers: StandIn | str, **settings: object) -> Client:
        urls = " ".join(server if isinstance(server, str) else server.base_url for server in servers)
        opened.append(Client(urls, **settings))
        return opened[-1]

    yield connect
    for client in opened:
        await client.generator.close()
