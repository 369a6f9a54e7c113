"""The benchmark of serving: its arithmetic on numbers that can be worked out by hand, its bare client on a server."""

import asyncio
from contextlib import aclosing

from evals.serve import ANSWER_TOKENS, Asked, Bare, Timing, at_once, figures_of, gates_of
from rag.domain import Principal, PrincipalSource
from rag.generation.openai_compatible import OpenAIGenerator
from rag.settings import GeneratorSettings
from tests.generation.requests import request
from tests.generation.stand_in import StandIn, stand_in


def test_added_time_is_what_comes_before_the_model_and_how_much_later_than_bare_it_begins() -> None:
    alone = [Timing(first_ms=20.0, pieces=10)] * 2
    ours = [Timing(first_ms=25.0, pieces=10, before_ms=before, embed_ms=7.0) for before in (10.0, 30.0)]
    figures = figures_of(alone, 2.0, ours, 2.5)
    assert (figures["added_first_ms_p50"], figures["embed_ms_p50"]) == (25.0, 7.0)
    assert (figures["bare_pieces_per_s"], figures["pieces_per_s"], figures["pieces_per_s_ratio"]) == (10.0, 8.0, 0.8)
    gates = gates_of({"streams_8": figures})
    assert [(gate.value, gate.holds) for gate in gates] == [(figures["added_first_ms_p95"], True), (0.8, False)]
    assert gates_of({"streams_1": figures}) == ()


async def test_no_more_run_at_once_than_there_are_streams() -> None:
    running = most = 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    results, _ = await at_once(3, [call] * 9)
    assert (len(results), most, running) == (9, 3, 0)


async def test_the_bare_server_gets_the_prompt_of_the_path_and_every_piece_is_counted() -> None:
    principal = Principal("meridian", "user:ann", frozenset(), None, PrincipalSource.OPERATOR)
    async with stand_in(StandIn(babbles=True)) as server:
        settings = GeneratorSettings(kind="openai", base_url=server.base_url, model="m")
        bare, client = Bare(settings), OpenAIGenerator(settings)
        timing = await bare.ask(Asked("?", principal, request("?")))
        async with aclosing(client.generate(request("?", max_tokens=ANSWER_TOKENS))) as pieces:
            assert len([piece async for piece in pieces]) == timing.pieces
        await bare.close()
        await client.close()
    assert server.requests[0] == server.requests[1]
    assert timing.first_ms > 0
