"""Prompts fit the model's context, counted by the server: the answer's tokens are always left."""

from dataclasses import replace

import pytest

from rag.errors import GeneratorUnavailable
from rag.generation.protocol import GenerationRequest, Passage
from tests.generation.clients import ANSWER, QUESTION, Connect
from tests.generation.requests import NOTICE, request
from tests.generation.stand_in import StandIn
from tests.generation.stand_in_model import tokens_of

LONG = tuple(Passage(number, f"Volume {number}", "word " * 300) for number in range(2, 8))


def sent(server: StandIn) -> str:
    return str(server.requests[-1]["messages"][1]["content"])


def numbers_sent(server: StandIn) -> list[int]:
    return [number for number in range(1, 9) if f'number="{number}"' in sent(server)]


async def test_passages_that_do_not_fit_are_left_out_from_the_last_and_keep_their_numbers(
    server: StandIn, connect: Connect
) -> None:
    server.context = 1500
    assert await connect(server).ask(request(QUESTION, NOTICE, *LONG)) == ANSWER
    assert numbers_sent(server) in ([1, 2, 3], [1, 2, 3, 4])
    body = server.requests[0]
    assert len(tokens_of(body["messages"])) + body["max_tokens"] <= server.context


async def test_what_fits_is_sent_whole(server: StandIn, connect: Connect) -> None:
    server.context = 4000
    await connect(server).ask(request(QUESTION, NOTICE, *LONG))
    assert numbers_sent(server) == [1, 2, 3, 4, 5, 6, 7]


async def test_the_best_passage_is_cut_rather_than_left_out(server: StandIn, connect: Connect) -> None:
    server.context = 600
    best = replace(NOTICE, text=f"{NOTICE.text} {'more ' * 2000}")
    assert await connect(server).ask(request(QUESTION, best, *LONG)) == ANSWER
    assert numbers_sent(server) == [1]
    assert NOTICE.text in sent(server)


async def test_a_question_that_fills_the_context_by_itself_is_unavailable_and_says_why(
    server: StandIn, connect: Connect
) -> None:
    server.context = 600
    with pytest.raises(GeneratorUnavailable, match=r"context of 600 tokens.*MAX_TOKENS.*--max-model-len"):
        await connect(server).ask(request("why " * 1000))
    assert server.requests == []


async def test_a_prompt_with_fewer_bytes_than_the_context_has_tokens_is_not_counted_again(
    server: StandIn, connect: Connect
) -> None:
    client = connect(server)
    for _ in range(3):
        await client.ask()
    assert server.counted == 1


async def test_a_server_without_a_tokenizer_gets_all_passages(server: StandIn, connect: Connect) -> None:
    server.tokenizes = False
    assert await connect(server).ask(request(QUESTION, NOTICE, *LONG)) == ANSWER
    assert numbers_sent(server) == [1, 2, 3, 4, 5, 6, 7]


async def test_the_form_of_an_answer_allows_only_numbers_of_passages_that_were_sent(
    server: StandIn, connect: Connect
) -> None:
    server.context, server.babbles = 1500, True
    asked: GenerationRequest = request(QUESTION, NOTICE, *LONG)
    text = await connect(server, structured_output=True).ask(asked)
    assert text == f"babble [{max(numbers_sent(server))}]."
    await connect(server).ask(asked)
    assert ["structured_outputs" in body for body in server.requests] == [True, False]
