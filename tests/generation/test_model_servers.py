"""Several servers of one model: who is asked, who stands in, who is left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest

from rag.errors import GeneratorUnavailable, Misuse
from rag.generation.protocol import Passage
from tests.generation.clients import ANSWER, QUESTION, Connect
from tests.generation.requests import CANTEEN, NOTICE, request
from tests.generation.stand_in import Reply, StandIn, stand_in

OTHER_QUESTIONS = ("When does the notice period begin?", "How long is the notice period?", "What begins on a first?")


@pytest.fixture
async def servers() -> AsyncIterator[list[StandIn]]:
    async with AsyncExitStack() as running:
        yield [await running.enter_async_context(stand_in()) for _ in range(3)]


def asked(servers: list[StandIn]) -> list[int]:
    return [len(server.requests) for server in servers]


def first_choice(servers: list[StandIn]) -> StandIn:
    """The one that was asked; forgets that it was."""
    (chosen,) = (server for server in servers if server.requests)
    chosen.requests.clear()
    return chosen


async def until_noticed(server: StandIn) -> None:
    """Until the health that the server has now is known: a check follows the one before it."""
    for _ in range(2):
        server.checked.clear()
        await asyncio.wait_for(server.checked.wait(), 5)


async def test_the_same_passages_go_to_the_server_that_has_them_in_its_cache(
    servers: list[StandIn], connect: Connect
) -> None:
    client = connect(*servers)
    for question in OTHER_QUESTIONS:
        await client.ask(request(question, NOTICE, CANTEEN))
    assert sorted(asked(servers)) == [0, 0, len(OTHER_QUESTIONS)]


async def test_other_passages_and_other_rights_are_spread_over_the_servers(
    servers: list[StandIn], connect: Connect
) -> None:
    client = connect(*servers)
    for number in range(12):
        await client.ask(request(QUESTION, Passage(1, "t", f"{number} {NOTICE.text}")))
        await client.ask(replace(request(QUESTION, NOTICE), cache_salt=f"salt {number}"))
    assert min(asked(servers)) >= 3


async def test_a_server_busier_than_the_others_hands_on_even_what_it_has_cached(
    servers: list[StandIn], connect: Connect
) -> None:
    for server in servers:
        server.replies = [Reply(pieces=("It is ", "90"), silent_after=1)] * 6
    client = connect(*servers)
    async with AsyncExitStack() as running:
        for _ in range(6):
            pieces = await running.enter_async_context(aclosing(client.generator.generate(request(QUESTION))))
            await anext(pieces)
        assert max(asked(servers)) <= 3


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=503),
        Reply(status=429, headers={"Retry-After": "3000"}),
        Reply(status=500),
        Reply(status=401),
        Reply(status=404),
        Reply(dies_after=-1),
        Reply(raw=b"data: {not json}\n\n"),
    ],
    ids=["busy", "resting", "failed", "wrong key", "wrong model", "died", "garbage"],
)
async def test_another_server_stands_in_at_once_for_one_that_does_not_answer(
    servers: list[StandIn], connect: Connect, reply: Reply
) -> None:
    client = connect(*servers)
    await client.ask()
    first_choice(servers).replies = [reply]
    assert await client.ask() == ANSWER
    assert client.waits == []


async def test_another_server_stands_in_for_one_that_is_gone(servers: list[StandIn], connect: Connect) -> None:
    async with stand_in() as leaving:
        gone = leaving.base_url
    client = connect(gone, servers[0])
    for number in range(6):
        assert await client.ask(replace(request(QUESTION), cache_salt=str(number))) == ANSWER
    assert client.waits == []


async def test_a_question_that_the_model_cannot_take_is_not_carried_to_the_others(
    servers: list[StandIn], connect: Connect
) -> None:
    for server in servers:
        server.replies = [Reply(status=400)]
    with pytest.raises(GeneratorUnavailable):
        await connect(*servers).ask()
    assert sum(asked(servers)) == 1


async def test_a_question_that_breaks_servers_is_carried_to_two_of_them_at_most(
    servers: list[StandIn], connect: Connect
) -> None:
    """A prompt that crashes one would crash them all, one after the other."""
    for server in servers:
        server.replies = [Reply(dies_after=-1)]
    with pytest.raises(GeneratorUnavailable):
        await connect(*servers).ask()
    assert sum(asked(servers)) == 2


async def test_an_answer_that_broke_off_after_its_first_piece_is_never_begun_again_elsewhere(
    servers: list[StandIn], connect: Connect
) -> None:
    for server in servers:
        server.replies = [Reply(pieces=("It is ", "90 days"), dies_after=1)]
    with pytest.raises(GeneratorUnavailable):
        await connect(*servers).ask()
    assert sum(asked(servers)) == 1


@pytest.mark.parametrize("status", [503, 500])
async def test_a_draining_server_gets_no_new_question_and_ends_what_it_has_begun(
    servers: list[StandIn], connect: Connect, status: int
) -> None:
    client = connect(*servers[:2], health_interval_s=0.02)
    await client.ask()
    draining = first_choice(servers)
    draining.babbles = True
    async with aclosing(client.generator.generate(request(QUESTION, max_tokens=60))) as pieces:
        await anext(pieces)
        draining.health = status
        draining.requests.clear()
        await until_noticed(draining)
        assert await client.ask() == ANSWER
        rest = [piece async for piece in pieces]
    assert len(rest) == 60
    assert draining.requests == []
    draining.health, draining.babbles = 200, False
    await until_noticed(draining)
    assert await client.ask() == ANSWER
    assert len(draining.requests) == 1


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_a_health_check_is_asked(server: StandIn, connect: Connect, status: int) -> None:
    server.health = status
    client = connect(server, health_interval_s=0.02)
    await client.ask()
    await until_noticed(server)
    assert await client.ask() == ANSWER


async def test_without_a_healthy_server_the_generator_is_unavailable_at_once(server: StandIn, connect: Connect) -> None:
    client = connect(server, health_interval_s=0.02)
    await client.ask()
    server.health = 503
    await until_noticed(server)
    with pytest.raises(GeneratorUnavailable, match="not healthy"):
        await client.ask()
    assert (len(server.requests), client.waits) == (1, [])


async def test_a_server_that_keeps_failing_is_left_alone_then_tried_by_a_single_question(
    server: StandIn, connect: Connect
) -> None:
    client = connect(server, breaker_failures=3, breaker_open_s=30)
    server.replies = [Reply(status=500)] * 4
    for _ in range(3):
        with pytest.raises(GeneratorUnavailable, match="status 500"):
            await client.ask()
    with pytest.raises(GeneratorUnavailable, match="not asked at present: it failed 3 times"):
        await client.ask()
    assert len(server.requests) == 3
    client.pass_s(31)
    outcomes = await asyncio.gather(*(client.ask() for _ in range(4)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [GeneratorUnavailable] * 4
    assert len(server.requests) == 4
    client.pass_s(31)
    assert await client.ask() == ANSWER
    assert await asyncio.gather(*(client.ask() for _ in range(4))) == [ANSWER] * 4


@pytest.mark.parametrize(
    "reply",
    [
        Reply(pieces=("It is ", "90"), dies_after=1),
        Reply(pieces=("It is ", "90"), silent_after=1),
        Reply(pieces=("It is ",), silent_after=0),
        Reply(dies_after=-1),
        Reply(status=401),
    ],
    ids=["dies in mid-answer", "stalls in mid-answer", "never begins", "hangs up", "wrong key"],
)
async def test_every_failure_of_a_server_counts(server: StandIn, connect: Connect, reply: Reply) -> None:
    client = connect(server, breaker_failures=2, first_token_timeout_s=0.1, token_timeout_s=0.1)
    server.replies = [reply] * 2
    for _ in range(2):
        with pytest.raises(GeneratorUnavailable):
            await client.ask()
    with pytest.raises(GeneratorUnavailable, match="not asked at present"):
        await client.ask()


async def test_what_is_no_failure_of_the_server_does_not_count(server: StandIn, connect: Connect) -> None:
    """A full queue, a question it cannot take, and a caller who leaves say nothing about the server."""
    client = connect(server, breaker_failures=1, attempts=1)
    for reply in (Reply(status=503), Reply(status=400)):
        server.replies = [reply]
        with pytest.raises(GeneratorUnavailable):
            await client.ask()
    server.replies = [Reply(pieces=("It is ", "90"), silent_after=1)]
    async with aclosing(client.generator.generate(request(QUESTION))) as pieces:
        await anext(pieces)
    assert await client.ask() == ANSWER


async def test_a_success_between_failures_keeps_the_server_in_use(server: StandIn, connect: Connect) -> None:
    client = connect(server, breaker_failures=2)
    for _ in range(3):
        server.replies = [Reply(status=500)]
        with pytest.raises(GeneratorUnavailable):
            await client.ask()
        assert await client.ask() == ANSWER


@pytest.mark.parametrize(
    "url", ["vllm:8000/v1", "ftp://vllm/v1", "http://", "/v1", "http://a/v1 b", "http://a:port/v1"]
)
def test_what_is_no_address_is_misuse(connect: Connect, url: str) -> None:
    with pytest.raises(Misuse, match="RINGFENCE_GENERATOR__BASE_URL"):
        connect(url)


def test_several_addresses_are_separated_by_spaces(connect: Connect) -> None:
    assert connect("http://a:1/v1  http://b:2/v1/").generator
