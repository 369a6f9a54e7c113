"""What the client relies on of a model server, and what it does with it: the same on the stand-in and on real vLLM.

`make test-vllm` runs it on both. It reads the server's own metrics, which nothing else may use meanwhile.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rag.errors import GeneratorUnavailable
from rag.generation.answer_form import answer_pattern
from rag.generation.openai_compatible import OpenAIGenerator
from rag.generation.protocol import CUT, GenerationRequest, Passage
from rag.settings import GeneratorSettings
from tests.contracts.random_model import CONTEXT
from tests.contracts.vllm_server import RUNNING_MAX, UNFINISHED_MAX, Address
from tests.generation.requests import CANTEEN, NOTICE, request
from tests.generation.stand_in import StandIn, stand_in
from tests.generation.stand_in_model import Engine

KEY = "s3cret-key"
MANY = 2 * UNFINISHED_MAX
QUESTION = "What is the notice period for suppliers?"
LONG = Passage(
    1, "Terms", "The notice period for suppliers is 90 days, as the terms of trade say in clause twelve. " * 40
)
"""Some blocks of the prefix cache, whose size on a CPU is 128 tokens."""
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
GENERATED = "vllm:generation_tokens_total"
PROMPTED, FOUND = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
REJECTED = "vllm:admission_rejections_total"


@dataclass
class Subject:
    """A server, and clients of it with the right key unless `settings` say otherwise.

    `while_tokens`: so many take long enough that all of some requests sent together are there before one has ended.
    """

    address: Address
    while_tokens: int

    def generator(self, **settings: Any) -> OpenAIGenerator:
        address = self.address
        values = {"kind": "openai", "base_url": address.base_url, "model": address.model, "api_key": address.key}
        values |= {"first_token_timeout_s": 120.0, "token_timeout_s": 60.0, "max_tokens": 2048} | settings
        return OpenAIGenerator(GeneratorSettings.model_validate(values))

    async def ask(self, asked: GenerationRequest, **settings: Any) -> str:
        generator = self.generator(**settings)
        try:
            return await text_of(generator, asked)
        finally:
            await generator.close()

    async def get(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.address.key}"}
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=headers) as client:
            return await client.get(self.address.base_url.removesuffix("/v1") + path)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels, as the server itself counts."""
        text = (await self.get("/metrics")).text
        found = [s.value for f in text_string_to_metric_families(text) for s in f.samples if s.name == name]
        assert found, f"no {name}"
        return sum(found)

    async def until(self, name: str, holds: Callable[[float], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds(await self.metric(name)):  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.05)

    async def until_closed(self) -> None:
        """Until new questions are no longer taken."""
        async with asyncio.timeout(20):
            while (await self.count_tokens()).status_code == 200:  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.05)

    async def count_tokens(self) -> httpx.Response:
        body = {"model": self.address.model, "messages": [{"role": "user", "content": "?"}]}
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return await client.post(self.address.base_url.removesuffix("/v1") + "/tokenize", json=body)

    async def context(self) -> int:
        return int((await self.get("/v1/models")).json()["data"][0]["max_model_len"])


async def text_of(generator: OpenAIGenerator, asked: GenerationRequest) -> str:
    async with aclosing(generator.generate(asked)) as pieces:
        return "".join([piece async for piece in pieces])


@pytest.fixture(params=["stand-in", "vllm"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "vllm":
        yield Subject(request.getfixturevalue("vllm"), while_tokens=100)
        return
    engine = Engine(running_max=RUNNING_MAX, unfinished_max=UNFINISHED_MAX)
    async with stand_in(StandIn(babbles=True, key=KEY, context=CONTEXT, model="m", engine=engine)) as server:
        yield Subject(
            Address(server.base_url, "m", KEY, drain=partial(setattr, server, "draining", True)), while_tokens=60
        )


async def test_pieces_arrive_while_the_server_is_still_writing(subject: Subject) -> None:
    generator = subject.generator()
    async with aclosing(generator.generate(request(QUESTION, max_tokens=1500))) as pieces:
        assert await anext(pieces)
        await subject.until(RUNNING, lambda running: running == 1)
    await generator.close()


async def test_when_the_caller_leaves_the_server_stops(subject: Subject) -> None:
    """By the server's own counters: nothing runs any more, and most of what was asked for was never written."""
    before = await subject.metric(GENERATED)
    generator = subject.generator(max_tokens=3000)
    async with aclosing(generator.generate(request(QUESTION, max_tokens=3000))) as pieces:
        await anext(pieces)
    await subject.until(RUNNING, lambda running: running == 0)
    await generator.close()
    assert await subject.metric(GENERATED) - before < 1500


async def test_when_callers_leave_the_queue_it_is_emptied(subject: Subject) -> None:
    generator = subject.generator(attempts=10)
    asked = (request(f"{number}? {QUESTION}", max_tokens=2000) for number in range(UNFINISHED_MAX))
    leaving = [asyncio.create_task(text_of(generator, one)) for one in asked]
    await subject.until(WAITING, lambda waiting: waiting > 0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await subject.until(RUNNING, lambda running: running == 0)
    await subject.until(WAITING, lambda waiting: waiting == 0)
    await generator.close()


async def test_a_whole_answer_has_the_tokens_that_were_asked_for_and_says_that_it_was_cut(subject: Subject) -> None:
    before = await subject.metric(GENERATED)
    assert (await subject.ask(request(QUESTION, max_tokens=40))).endswith(CUT)
    assert await subject.metric(GENERATED) - before == 40


async def test_the_same_passages_are_prefilled_once_for_the_same_rights_and_apart_for_others(subject: Subject) -> None:
    """Else the time to the first token would tell whether somebody of other rights was given these passages."""
    asked = replace(request(QUESTION, LONG, max_tokens=2), cache_salt="salt of these rights alone")

    async def hits(one: GenerationRequest) -> float:
        before = await subject.metric(FOUND)
        await subject.ask(one)
        return await subject.metric(FOUND) - before

    assert await hits(asked) == 0
    assert await hits(replace(asked, question="Which clause says so?")) >= 128
    assert await hits(replace(asked, cache_salt="salt of other rights")) == 0


async def test_a_prompt_longer_than_the_context_is_fitted_by_the_servers_own_count(subject: Subject) -> None:
    context = await subject.context()
    many = [Passage(n, "Terms", f"{n} {LONG.text}") for n in range(1, 20)]
    before = await subject.metric(PROMPTED)
    assert await subject.ask(request(QUESTION, *many, max_tokens=32))
    prompted = await subject.metric(PROMPTED) - before
    assert context / 2 < prompted <= context - 32


async def test_one_passage_longer_than_the_context_is_cut(subject: Subject) -> None:
    assert await subject.ask(request(QUESTION, replace(LONG, text=LONG.text * 12), max_tokens=32))


async def test_an_answer_longer_than_the_context_is_unavailable_and_says_why(subject: Subject) -> None:
    context = await subject.context()
    with pytest.raises(GeneratorUnavailable, match=f"context of {context} tokens"):
        await subject.ask(request(QUESTION, max_tokens=context), max_tokens=context)


async def test_a_wrong_key_is_unavailable_and_the_right_one_is_taken(subject: Subject) -> None:
    assert await subject.ask(request(QUESTION))
    if subject.address.key is None:
        pytest.skip("this server asks for no key")
    for key in ("wrong", None):
        with pytest.raises(GeneratorUnavailable, match="status 401"):
            await subject.ask(request(QUESTION), api_key=key)


async def test_an_unknown_model_is_unavailable_and_says_so(subject: Subject) -> None:
    with pytest.raises(GeneratorUnavailable, match="knows no such model"):
        await subject.ask(request(QUESTION), model="another")


async def test_an_answer_held_to_its_form_cites_only_what_was_given(subject: Subject) -> None:
    """Even by a model of random weights, whose words mean nothing: it writes no bracket but around these numbers."""
    asked = request(QUESTION, NOTICE, CANTEEN, max_tokens=300)
    text = (await subject.ask(asked, structured_output=True)).removesuffix(f" {CUT}")
    whole = text[: text.rfind("].") + 2]
    assert re.fullmatch(answer_pattern(len(asked.passages)), whole)
    assert set(re.findall(r"\[([^\]]*)\]", whole)) <= {"1", "2"}


async def test_a_full_queue_is_waited_out_before_the_first_token(subject: Subject) -> None:
    """More at once than run and wait: some are refused for the moment, nobody for good."""
    before = await subject.metric(REJECTED)
    generator = subject.generator(attempts=10)
    asked = (request(f"{number}? {QUESTION}", max_tokens=subject.while_tokens) for number in range(MANY))
    answers = await asyncio.gather(*(text_of(generator, one) for one in asked))
    await generator.close()
    assert all(answers)
    assert await subject.metric(REJECTED) > before


async def test_without_another_attempt_a_full_queue_is_unavailable(subject: Subject) -> None:
    generator = subject.generator(attempts=1)
    asked = (request(f"{number}. {QUESTION}", max_tokens=subject.while_tokens) for number in range(MANY))
    outcomes = await asyncio.gather(*(text_of(generator, one) for one in asked), return_exceptions=True)
    await generator.close()
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert 0 < len(refused) < len(outcomes)
    assert {str(one)[:45] for one in refused} == {"The model server is busy (status 503); no ans"}


async def test_the_server_says_that_it_is_well(subject: Subject) -> None:
    assert (await subject.get("/health")).status_code == 200


async def test_a_server_that_shuts_down_ends_what_it_has_begun_and_another_takes_what_is_new(subject: Subject) -> None:
    """vLLM says that it is well until its end, and fails new requests with status 500. The last test: it is gone."""
    if subject.address.drain is None:
        pytest.skip("this server is not ours to stop")
    async with stand_in(StandIn(model=subject.address.model)) as other:
        both = f"{subject.address.base_url} {other.base_url}"
        generator = subject.generator()
        async with aclosing(generator.generate(request(QUESTION, max_tokens=300))) as pieces:
            await anext(pieces)
            subject.address.drain()
            await subject.until_closed()
            answers = [
                await subject.ask(replace(request(QUESTION), cache_salt=f"{n}"), base_url=both) for n in range(4)
            ]
            rest = [piece async for piece in pieces]
        await generator.close()
    assert answers == ["The notice period for suppliers is 90 days [1]."] * 4
    assert rest[-1] == f" {CUT}"
