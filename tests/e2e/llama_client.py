"""What LlamaIndex's OpenAI-like client makes of the service. Run by a Python that has it; prints what it got as JSON.

It wants an older `openai` than the official client that the other tests use, hence the environment of its own.
"""

import asyncio
import json
import sys
from typing import Any

import openai
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike


def client(url: str, key: str, person: str, **more: Any) -> OpenAILike:
    settings = {"model": "ringfence", "is_chat_model": True, "max_retries": 0, "timeout": 60.0}
    return OpenAILike(
        api_base=f"{url}/v1", api_key=key, default_headers={"X-Ringfence-Person": person}, **settings | more
    )


def refusal(llm: OpenAILike, question: str, **more: Any) -> dict[str, Any]:
    try:
        llm.chat([ChatMessage(role="user", content=question)], **more)
    except openai.APIStatusError as cause:
        return {"class": type(cause).__name__, "code": cause.code, "status": cause.status_code}
    return {"class": None}


async def asked_at_once(llm: OpenAILike, question: str) -> list[str]:
    answers = await asyncio.gather(*(llm.achat([ChatMessage(role="user", content=question)]) for _ in range(2)))
    return [answer.message.content or "" for answer in answers]


def main(url: str, key: str, person: str, question: str) -> None:
    llm = client(url, key, person)
    turns = [
        ChatMessage(role="system", content="You answer in French."),
        ChatMessage(role="user", content="Hello?"),
        ChatMessage(role="assistant", content="Hello."),
        ChatMessage(role="user", content=question),
    ]
    got = {
        "chat": llm.chat(turns).message.content,
        "complete": llm.complete(question).text,
        "stream": "".join(part.delta or "" for part in llm.stream_chat(turns)),
        "at_once": asyncio.run(asked_at_once(llm, question)),
        "tools": refusal(llm, question, tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]),
        "model": refusal(client(url, key, person, model="gpt-4o"), question),
        "key": refusal(client(url, "rf_wrong", person), question),
        "person": refusal(client(url, key, "nobody.at.all"), question),
        "empty": refusal(llm, " "),
    }
    json.dump(got, sys.stdout)


main(*sys.argv[1:])
