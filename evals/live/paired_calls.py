"""One call of a pair, at each surface: about what is there, or about what was drawn the same way and is nowhere."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from evals.leak.surfaces import SEARCH_LIMIT, Caller
from evals.live.canaries import new_word
from evals.live.planting import PlantedSection


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody, what she may not read in her tenant, and ids of answers that others were given."""

    caller: Caller
    hidden: tuple[PlantedSection, ...]
    others: tuple[str, ...] = ()


Call = Callable[[Target, PlantedSection, bool, Random], Awaitable[httpx.Response]]


async def _search(target: Target, section: PlantedSection, there: bool, chance: Random) -> httpx.Response:
    body = {"query": _question(section, there, chance), "limit": SEARCH_LIMIT}
    return await _post(target.caller, "/v1/search", body)


async def _chat(target: Target, section: PlantedSection, there: bool, chance: Random) -> httpx.Response:
    return await ask_chat(target.caller, _question(section, there, chance))


async def _passage(target: Target, section: PlantedSection, there: bool, _: Random) -> httpx.Response:
    document, version = _ids(section, there)
    url = f"/api/v1/documents/{document}/versions/{version}/passage?start=0&end=40"
    return await target.caller.client.get(url, headers=target.caller.sent)


async def _rights(target: Target, section: PlantedSection, there: bool, _: Random) -> httpx.Response:
    document, _version = _ids(section, there)
    return await target.caller.client.get(f"/api/v1/policy/who?document={document}", headers=target.caller.sent)


async def _feedback(target: Target, _: PlantedSection, there: bool, chance: Random) -> httpx.Response:
    answer = chance.choice(target.others)
    if not there:
        answer = f"{answer.partition('_')[0]}_{secrets.token_hex(len(answer))}"[: len(answer)]
    return await give_feedback(target.caller, answer)


async def ask_chat(caller: Caller, question: str) -> httpx.Response:
    """One question by itself, answered as a whole."""
    return await _post(
        caller, "/v1/chat/completions", {"model": "ringfence", "messages": [{"role": "user", "content": question}]}
    )


async def give_feedback(caller: Caller, answer: str) -> httpx.Response:
    """She says that an answer, by its id, was good."""
    return await _post(caller, "/api/v1/feedback", {"answer_id": answer, "verdict": "up"})


async def _post(caller: Caller, url: str, body: Mapping[str, Any]) -> httpx.Response:
    return await caller.client.post(url, json=body, headers=caller.sent)


CALLS: Mapping[str, Call] = {
    "search": _search,
    "chat": _chat,
    "passage": _passage,
    "rights": _rights,
    "feedback": _feedback,
}


def _question(section: PlantedSection, there: bool, chance: Random) -> str:
    """About a word of its text, or the same about a word that was drawn as it was and stands nowhere."""
    word, question = chance.choice(list(section.asked.items()))
    return question if there else question.replace(word, new_word())


def _ids(section: PlantedSection, there: bool) -> tuple[str, str]:
    """Of the document and its version, or two of the same form that name nothing."""
    if there:
        return section.stored.document, section.stored.version
    return f"doc_{secrets.token_hex(16)}", f"ver_{secrets.token_hex(16)}"
