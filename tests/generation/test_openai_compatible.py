"""The client against a server that misbehaves: every fault has one clear outcome, and nothing is invented."""

import asyncio
import logging
import re
from contextlib import aclosing
from dataclasses import replace

import pytest

from rag.errors import GeneratorUnavailable, Misuse
from rag.generation.openai_compatible import OpenAIGenerator
from rag.settings import GeneratorSettings
from tests.generation.clients import ANSWER, QUESTION, Connect
from tests.generation.requests import CANTEEN, NOTICE, request
from tests.generation.stand_in import BUSY, Reply, StandIn, stand_in


async def test_pieces_arrive_as_the_server_sends_them(server: StandIn, connect: Connect) -> None:
    assert await connect(server).ask() == ANSWER


async def test_only_allowed_fields_are_sent_and_the_key_in_its_header(server: StandIn, connect: Connect) -> None:
    """vLLM ignores unknown fields silently and obeys dangerous ones, so the list is closed."""
    await connect(server, api_key="s3cret-key").ask()
    assert set(server.requests[0]) == {"model", "messages", "max_tokens", "temperature", "stream", "cache_salt"}
    assert server.requests[0]["cache_salt"] == "salt-of-these-rights"
    assert server.headers[0]["Authorization"] == "Bearer s3cret-key"


async def test_the_same_passages_begin_the_prompt_alike_whatever_is_asked_and_however_they_rank(
    server: StandIn, connect: Connect
) -> None:
    """A server keeps the work on a beginning: passages stand first, in an order of their own, the question last."""
    client = connect(server)
    ranked = (NOTICE, CANTEEN), (replace(CANTEEN, number=1), replace(NOTICE, number=2))
    for question, passages in zip(("What is the notice period?", "When does the canteen open?"), ranked, strict=True):
        await client.ask(request(question, *passages))
    first, second = (body["messages"][1]["content"] for body in server.requests)
    shared = first[: first.index("Question:")]
    assert NOTICE.text in shared
    assert second.startswith(shared)


async def test_answers_cite_by_the_numbers_of_the_request(server: StandIn, connect: Connect) -> None:
    """The stand-in copies the number that it was given beside the passage."""
    for ranked in ((NOTICE, CANTEEN), (replace(CANTEEN, number=1), replace(NOTICE, number=2))):
        (number,) = (passage.number for passage in ranked if passage.text == NOTICE.text)
        assert await connect(server).ask(request(QUESTION, *ranked)) == ANSWER.replace("[1]", f"[{number}]")
    assert [body["messages"][1]["content"].count('number="2"') for body in server.requests] == [1, 1]


async def test_not_found_yields_nothing_even_in_pieces(server: StandIn, connect: Connect) -> None:
    server.replies = [Reply(pieces=("NOT", "_", "FOUND", "."))]
    assert await connect(server).ask() == ""


async def test_an_answer_that_begins_like_not_found_is_kept(server: StandIn, connect: Connect) -> None:
    server.replies = [Reply(pieces=("No", "tice is 90 days [2]."))]
    assert await connect(server).ask() == "Notice is 90 days [1]."


@pytest.mark.parametrize(("finish", "end"), [("stop", ""), ("length", " \u2026")])
async def test_an_answer_that_reached_the_limit_says_that_it_was_cut(
    server: StandIn, connect: Connect, finish: str, end: str
) -> None:
    server.replies = [Reply(pieces=("Salaries are ", "published"), finish=finish)]
    assert await connect(server).ask() == "Salaries are published" + end


@pytest.mark.parametrize("reply", [Reply(status=429), Reply(status=503), Reply(raw=BUSY)], ids=["429", "503", "event"])
async def test_a_busy_server_is_asked_again_before_the_first_piece(
    server: StandIn, connect: Connect, reply: Reply
) -> None:
    server.replies = [reply]
    client = connect(server)
    assert await client.ask() == ANSWER
    assert len(client.waits) == 1


async def test_retry_after_is_honoured(server: StandIn, connect: Connect) -> None:
    server.replies = [Reply(status=503, headers={"Retry-After": "7"})]
    client = connect(server, first_token_timeout_s=10)
    assert await client.ask() == ANSWER
    assert 7 <= client.waits[0] <= 8


async def test_a_longer_retry_after_than_a_person_waits_is_unavailable_at_once(
    server: StandIn, connect: Connect
) -> None:
    server.replies = [Reply(status=503, headers={"Retry-After": "12"})]
    client = connect(server, first_token_timeout_s=10)
    with pytest.raises(GeneratorUnavailable):
        await client.ask()
    assert (len(server.requests), client.waits) == (1, [])


async def test_a_server_that_asked_for_a_rest_is_left_alone_by_all_questions_until_it_is_over(
    server: StandIn, connect: Connect
) -> None:
    server.replies = [Reply(status=429, headers={"Retry-After": "12"})]
    client = connect(server, first_token_timeout_s=10)
    with pytest.raises(GeneratorUnavailable):
        await client.ask()
    with pytest.raises(GeneratorUnavailable):
        await client.ask()
    assert len(server.requests) == 1
    client.pass_s(12)
    assert await client.ask() == ANSWER


async def test_a_server_that_stays_busy_is_unavailable_after_the_attempts(server: StandIn, connect: Connect) -> None:
    server.replies = [Reply(status=503)] * 5
    with pytest.raises(GeneratorUnavailable):
        await connect(server, attempts=3).ask()
    assert len(server.requests) == 3


async def test_a_server_that_is_not_there_is_unavailable_after_the_attempts(server: StandIn, connect: Connect) -> None:
    async with stand_in() as gone:
        address = gone.base_url
    client = connect(address, attempts=2)
    with pytest.raises(GeneratorUnavailable):
        await client.ask()
    assert len(client.waits) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=400),
        Reply(status=401),
        Reply(status=500),
        Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        Reply(raw=b"<html>welcome</html>", content_type="text/html"),
        Reply(raw=b"data: {not json}\n\n"),
        Reply(raw=b'data: {"choices": "none"}\n\n'),
        Reply(raw=b"data: \xff\xfe\n\n"),
        Reply(raw=b'data: {"error": {"message": "secret passage text"}}\n\n'),
        Reply(raw=b'data: {"choices": [{"delta": {"content": "It "}}]}\n\n' + BUSY),
        Reply(raw=b"data: {}\n\n"),
        Reply(raw=b"data: " + b"x" * 600_000),
        Reply(raw=b""),
        Reply(pieces=("It is ", "90 days"), dies_after=1),
        Reply(pieces=("word " * 100,) * 100),
    ],
    ids=lambda reply: f"{reply.status}-{(reply.raw or b'')[:12]!r}-{reply.dies_after}",
)
async def test_anything_else_is_unavailable_without_a_second_try(
    server: StandIn, connect: Connect, reply: Reply
) -> None:
    """Bodies of errors may quote the prompt: the message repeats nothing of them."""
    server.replies = [reply]
    with pytest.raises(GeneratorUnavailable) as raised:
        await connect(server).ask()
    assert "secret passage" not in str(raised.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "settings"),
    [(401, {"API_KEY"}), (403, {"API_KEY"}), (404, {"BASE_URL", "MODEL"}), (400, {"CONTEXT_CHARS", "MAX_TOKENS"})],
)
async def test_a_refusal_names_the_settings_that_can_cause_it(
    server: StandIn, connect: Connect, status: int, settings: set[str]
) -> None:
    """What vLLM answers to a wrong key, an unknown model, and more than the model's context holds."""
    server.replies = [Reply(status=status)]
    with pytest.raises(GeneratorUnavailable) as raised:
        await connect(server).ask()
    assert set(re.findall(r"RINGFENCE_GENERATOR__(\w+)", raised.value.message)) == settings
    assert str(status) in raised.value.message


@pytest.mark.parametrize("pieces_before", [0, 1])
async def test_silence_ends_at_its_time_limit_and_the_server_is_let_go(
    server: StandIn, connect: Connect, pieces_before: int
) -> None:
    server.replies = [Reply(pieces=("It is ", "90"), silent_after=pieces_before)]
    with pytest.raises(GeneratorUnavailable):
        await connect(server, first_token_timeout_s=0.2, token_timeout_s=0.2).ask()
    await asyncio.wait_for(server.left.wait(), 5)


async def test_closing_the_iterator_closes_the_connection(server: StandIn, connect: Connect) -> None:
    """That is how vLLM is told to stop."""
    server.replies = [Reply(pieces=("It is ", "90"), silent_after=1)]
    client = connect(server).generator
    async with aclosing(client.generate(request(QUESTION))) as pieces:
        assert await anext(pieces) == "It is "
    await asyncio.wait_for(server.left.wait(), 5)


async def test_the_key_is_in_no_log_error_or_repr(
    server: StandIn, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server.replies = [Reply(status=401)]
    client = connect(server, api_key="s3cret-key")
    with caplog.at_level(logging.DEBUG), pytest.raises(GeneratorUnavailable) as raised:
        await client.ask()
    assert "s3cret-key" not in caplog.text + str(raised.value) + repr(raised.value) + repr(vars(client.generator))


def test_a_client_without_address_or_model_is_misuse() -> None:
    with pytest.raises(Misuse):
        OpenAIGenerator(GeneratorSettings(kind="openai"))
