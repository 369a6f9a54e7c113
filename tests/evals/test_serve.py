"""The benchmark of serving: its arithmetic on numbers that can be worked out by hand, its bare client on a server."""

import asyncio
from contextlib import aclosing

import pytest

from evals.serving.bare import ANSWER_TOKENS, Bare
from evals.serving.figures import Phase, Timing, at_once, figures_of, gates_of
from rag.errors import GeneratorUnavailable
from rag.generation.openai_compatible import OpenAIGenerator
from rag.settings import GeneratorSettings
from tests.generation.requests import request
from tests.generation.stand_in import StandIn, stand_in


def test_added_time_is_what_comes_before_the_model_and_how_much_later_than_bare_it_begins() -> None:
    alone = Phase([Timing(20.0, 100.0, "Fish [1].")] * 2, seconds=2.0, cpu_s=0.02, tokens=20)
    timings = [Timing(25.0, 125.0, "Fish [3].", before, 7.0, before + 99, 1, {"mask": before}) for before in (10.0, 30)]
    figures = figures_of(alone, Phase(timings, seconds=2.5, cpu_s=0.2, tokens=20))
    assert (figures["added_first_ms_p50"], figures["embed_ms_p50"], figures["first_claim_ms_p50"]) == (25.0, 7.0, 119.0)
    assert (figures["bare_tokens_per_s"], figures["tokens_per_s"], figures["tokens_per_s_ratio"]) == (10.0, 8.0, 0.8)
    assert (figures["writing_ratio"], figures["same_text_ratio"], figures["claims_per_answer"]) == (0.8, 1.0, 1.0)
    assert (figures["bare_cpu_ms_per_answer"], figures["cpu_ms_per_answer"]) == (10.0, 100.0)
    assert figures["stage_mask_ms_p50"] == 20.0
    gates = gates_of({"streams_8": figures})
    assert [(gate.value, gate.holds) for gate in gates] == [(figures["added_first_ms_p95"], True), (0.8, False)]
    assert gates_of({"streams_1": figures}) == ()


def test_another_text_than_that_of_the_bare_server_is_told() -> None:
    phases = [Phase([Timing(1.0, 1.0, text)], 1.0, 0.0, 1) for text in ("Fish [1].", "Fish [1]. Soup [2].")]
    assert figures_of(*phases)["same_text_ratio"] == 0.0


async def test_no_more_run_at_once_than_there_are_streams() -> None:
    running = most = 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    results, _, _ = await at_once(3, [call] * 9)
    assert (len(results), most, running) == (9, 3, 0)


async def test_the_bare_server_gets_the_prompt_of_the_path_and_every_token_is_counted() -> None:
    async with stand_in(StandIn(babbles=True)) as server:
        settings = GeneratorSettings(kind="openai", base_url=server.base_url, model="m")
        bare, client = Bare(settings), OpenAIGenerator(settings)
        before = await bare.tokens_written()
        timing = await bare.ask(request("?", max_tokens=ANSWER_TOKENS))
        assert await bare.tokens_written() - before == ANSWER_TOKENS
        async with aclosing(client.generate(request("?", max_tokens=ANSWER_TOKENS))) as pieces:
            assert "".join([piece async for piece in pieces]) == timing.text
        await bare.close()
        await client.close()
    assert server.requests[0] == server.requests[1]
    assert timing.first_ms > 0


async def test_a_server_that_does_not_count_its_tokens_is_refused() -> None:
    async with stand_in(StandIn()) as server:
        server.engine.metrics = lambda: "other_total 1.0\n"  # type: ignore[method-assign]
        bare = Bare(GeneratorSettings(kind="openai", base_url=server.base_url, model="m"))
        with pytest.raises(GeneratorUnavailable, match="generation_tokens"):
            await bare.tokens_written()
        await bare.close()
