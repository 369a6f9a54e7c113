"""What can be seen from outside: the state that each model server is in, and how often one was asked again."""

from rag.errors import GeneratorUnavailable
from rag.generation.openai_compatible import OpenAIGenerator
from tests.generation.clients import ANSWER, Client, Connect
from tests.generation.stand_in import Reply, StandIn, stand_in


def states(generator: OpenAIGenerator) -> list[str]:
    return [server.state for server in generator.servers]


async def fails(client: Client) -> bool:
    try:
        await client.ask()
    except GeneratorUnavailable:
        return True
    return False


async def test_a_breaker_is_seen_open_then_half_open_then_closed(connect: Connect) -> None:
    async with stand_in(StandIn(replies=[Reply(status=500)])) as server:
        client = connect(server, breaker_failures=1, breaker_open_s=30)
        assert states(client.generator) == ["ready"]
        assert await fails(client)
        assert states(client.generator) == ["breaker_open"]
        client.pass_s(31)
        assert states(client.generator) == ["breaker_half_open"]
        assert await client.ask() == ANSWER
        assert states(client.generator) == ["ready"]
        assert client.generator.faults == {"BadStream": 1}
        assert client.generator.retries == 0


async def test_a_server_that_asks_for_rest_is_seen_resting_and_its_second_round_is_counted(connect: Connect) -> None:
    async with stand_in(
        StandIn(replies=[Reply(status=503), Reply(status=429, headers={"Retry-After": "3"})])
    ) as server:
        client = connect(server)
        assert await client.ask() == ANSWER
        assert (client.generator.retries, client.generator.faults) == (2, {"Busy": 2})
        server.replies = [Reply(status=429, headers={"Retry-After": "3000"})]
        assert await fails(client)
        assert states(client.generator) == ["resting"]


async def test_a_server_that_fails_its_health_check_is_seen_unhealthy(connect: Connect) -> None:
    async with stand_in(StandIn(health=503)) as server:
        client = connect(server)
        for one in client.generator.servers:
            await one.check_health()
        assert states(client.generator) == ["unhealthy"]
        server.health = 200
        for one in client.generator.servers:
            await one.check_health()
        assert states(client.generator) == ["ready"]
