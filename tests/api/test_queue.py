"""Answers at once: nobody has more than the limit, who must wait gets a turn or a clear refusal, no tenant starves."""

import asyncio
from typing import Any

import httpx
import openai
import pytest

from rag.api.parts import AppParts
from rag.api.queue import AnswerQueue, Slot
from rag.domain import Principal, PrincipalSource
from rag.errors import Limited, Unavailable
from rag.limit_settings import LimitSettings
from tests.api.conftest import Bearers, ScriptedPath, serving, with_limits
from tests.api.test_openai_client import QUESTION, official


def person(name: str, tenant: str = "acme", assistant: str | None = None) -> Principal:
    return Principal(tenant, f"user:{name}", frozenset(), assistant, PrincipalSource.API_KEY)


def queue(**limits: Any) -> AnswerQueue:
    return AnswerQueue(LimitSettings(**({"queue_wait_s": 5} | limits)))


async def waiting(opened: AnswerQueue, *people: Principal) -> list[asyncio.Task[Slot]]:
    """Each has asked for a place, in this order."""
    tasks = []
    for one in people:
        tasks.append(asyncio.create_task(opened.enter(one)))
        await asyncio.sleep(0)
    return tasks


async def admitted(tasks: list[asyncio.Task[Slot]]) -> list[int]:
    for _ in range(3):
        await asyncio.sleep(0)
    return [number for number, task in enumerate(tasks) if task.done()]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"answers_at_once": 1}, "answers_at_once"),
        ({"person_answers_at_once": 1}, "person_answers_at_once"),
        ({"assistant_answers_at_once": 1}, "assistant_answers_at_once"),
    ],
)
async def test_above_a_limit_one_waits_and_is_refused_by_its_name(limits: dict[str, int], code: str) -> None:
    opened = queue(**limits, queue_wait_s=0.02)
    asker = person("ann", assistant="assistant:helpdesk")
    slot = await opened.enter(asker)
    with pytest.raises(Limited) as refusal:
        await opened.enter(asker)
    assert (refusal.value.code, refusal.value.retry_after_s) == (code, 1.0)
    slot.release()
    (await opened.enter(asker)).release()


@pytest.mark.parametrize(
    ("other", "free"),
    [
        (person("ann"), False),
        (person("ann", assistant="assistant:two"), False),
        (person("bob", assistant="assistant:one"), False),
        (person("bob"), True),
        (person("bob", assistant="assistant:two"), True),
        (person("ann", "other", "assistant:one"), True),
    ],
)
async def test_a_limit_holds_its_person_and_its_assistant_and_nobody_else(other: Principal, *, free: bool) -> None:
    opened = queue(person_answers_at_once=1, assistant_answers_at_once=1)
    slot = await opened.enter(person("ann", assistant="assistant:one"))
    tasks = await waiting(opened, other)
    assert await admitted(tasks) == ([0] if free else [])
    slot.release()
    assert await admitted(tasks) == [0]


async def test_who_frees_two_places_lets_two_go() -> None:
    opened = queue(person_answers_at_once=1, assistant_answers_at_once=1)
    slot = await opened.enter(person("ann", assistant="assistant:one"))
    tasks = await waiting(opened, person("ann"), person("bob", assistant="assistant:one"))
    assert await admitted(tasks) == []
    slot.release()
    assert await admitted(tasks) == [0, 1]


async def test_who_waits_gets_the_place_that_becomes_free() -> None:
    opened = queue(answers_at_once=1)
    slot = await opened.enter(person("ann"))
    tasks = await waiting(opened, person("bob"), person("cat"))
    assert await admitted(tasks) == []
    slot.release()
    slot.release()  # a second time is nothing
    assert await admitted(tasks) == [0]
    (await tasks[0]).release()
    assert await admitted(tasks) == [0, 1]


async def test_a_flood_of_one_tenant_waits_behind_itself() -> None:
    opened = queue(answers_at_once=2, person_answers_at_once=100)
    first = [await opened.enter(person("ann")) for _ in range(2)]
    flood = await waiting(opened, *[person("ann")] * 20)
    other = await waiting(opened, person("eve", "other"), person("eve", "other"))
    first[0].release()
    assert (await admitted(flood), await admitted(other)) == ([], [0])
    # Both tenants hold one: the longest wait decides.
    first[1].release()
    assert (await admitted(flood), await admitted(other)) == ([0], [0])
    # The flood is served as well: each tenant has half.
    flood[0].result().release()
    assert (await admitted(flood), await admitted(other)) == ([0, 1], [0])
    for task in (*flood, *other):
        task.cancel()


async def test_one_persons_limit_does_not_hold_up_those_behind_her() -> None:
    opened = queue(answers_at_once=2, person_answers_at_once=1)
    slot = await opened.enter(person("ann"))
    tasks = await waiting(opened, person("ann"), person("bob"))
    assert await admitted(tasks) == [1]
    slot.release()
    assert await admitted(tasks) == [0, 1]


async def test_so_many_of_a_tenant_may_wait_and_others_still_may() -> None:
    """Memory stays bounded, and one tenant's queue is not another's."""
    opened = queue(answers_at_once=1, queue_length=2)
    slot = await opened.enter(person("ann"))
    tasks = await waiting(opened, person("ann"), person("bob"))
    with pytest.raises(Limited) as refusal:
        await opened.enter(person("cat"))
    assert refusal.value.code == "queue_length"
    other = await waiting(opened, person("eve", "other"))
    assert await admitted([*tasks, *other]) == []
    for task in tasks:
        task.cancel()
    slot.release()
    assert await admitted(other) == [0]


@pytest.mark.parametrize("moment", ["waiting", "admitted"])
async def test_who_leaves_the_queue_keeps_no_place(moment: str) -> None:
    opened = queue(answers_at_once=1)
    slot = await opened.enter(person("ann"))
    tasks = await waiting(opened, person("bob"), person("cat"))
    if moment == "waiting":
        tasks[0].cancel()
        slot.release()
    else:
        slot.release()
        tasks[0].cancel()
    assert await admitted(tasks) == [0, 1]
    assert tasks[0].cancelled()
    tasks[1].result().release()
    (await opened.enter(person("dan"))).release()


def question(bearer: str, *, stream: bool) -> dict[str, Any]:
    body = {"model": "ringfence", "messages": QUESTION, "stream": stream}
    return {"url": "/v1/chat/completions", "json": body, "headers": {"Authorization": f"Bearer {bearer}"}}


async def test_a_stream_holds_its_place_until_its_caller_leaves(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    path.hang_after = 1
    few = with_limits(parts, person_answers_at_once=1, queue_wait_s=0.2)
    async with serving(few) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        async with client.stream("POST", **question(bearers.person, stream=True)) as held:
            assert held.status_code == 200
            async with official(url, bearers.person) as second:
                with pytest.raises(openai.RateLimitError) as refusal:
                    await second.chat.completions.create(model="ringfence", messages=QUESTION)
            assert refusal.value.code == "person_answers_at_once"
            assert refusal.value.response.headers["retry-after"] == "1"
            assert len(path.asked) == 1, "nothing is worked on for whom there is no place"
            path.hang_after = None
            assert (await client.post(**question(bearers.bob, stream=False))).status_code == 200
        async with asyncio.timeout(5):
            await path.closed.wait()
        few_left = await client.post(**question(bearers.person, stream=False))
        assert few_left.status_code == 200


async def test_whole_answers_and_failed_ones_give_their_place_back(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    few = with_limits(parts, answers_at_once=1, queue_wait_s=0.2)
    pieces = path.pieces
    async with serving(few) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        for stream in (False, True):
            path.pieces = (Limited("No.", retry_after_s=1, code="person_tokens_per_day"),)
            refused = await client.post(**question(bearers.person, stream=stream))
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "person_tokens_per_day")
            path.pieces = pieces
            assert (await client.post(**question(bearers.person, stream=stream))).status_code == 200


async def test_a_search_waits_in_the_same_queue_and_gives_its_place_back(
    parts: AppParts, bearers: Bearers, path: ScriptedPath
) -> None:
    """It works on the same embedder, index and database as an answer: else a flood of searches would starve answers."""
    path.hang_after = 0
    few = with_limits(parts, answers_at_once=1, queue_wait_s=0.05)
    async with serving(few) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        search: dict[str, Any] = {"json": {"query": "leave"}, "headers": {"Authorization": f"Bearer {bearers.bob}"}}
        for _ in range(2):
            assert (await client.post("/v1/search", **search)).status_code == 200
        held = asyncio.create_task(client.post(**question(bearers.person, stream=False)))
        async with asyncio.timeout(5):
            while len(path.asked) < 3:  # noqa: ASYNC110 - the far side has no event to wait on
                await asyncio.sleep(0.005)
        refused = await client.post("/v1/search", **search)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "answers_at_once")
        held.cancel()
        async with asyncio.timeout(5):
            await path.closed.wait()
        assert (await client.post("/v1/search", **search)).status_code == 200


async def test_budgets_that_cannot_be_read_are_no_answer(
    client: httpx.AsyncClient, bearers: Bearers, path: ScriptedPath
) -> None:
    pieces, path.pieces = path.pieces, (Unavailable("No.", code="budget_unavailable"),)
    refused = await client.post(**question(bearers.person, stream=True))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "budget_unavailable")
    path.pieces = pieces
    assert (await client.post(**question(bearers.person, stream=True))).status_code == 200


async def test_a_persons_and_an_assistants_requests_count_whatever_their_keys(
    parts: AppParts, bearers: Bearers
) -> None:
    few = with_limits(parts, person_requests_per_minute=3, assistant_requests_per_minute=2)
    async with serving(few) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:

        async def search(bearer: str, **headers: str) -> tuple[int, str | None]:
            sent = {"Authorization": f"Bearer {bearer}", **headers}
            response = await client.post("/v1/search", json={"query": "leave"}, headers=sent)
            return response.status_code, response.json().get("error", {}).get("code")

        naming = {"X-Ringfence-Person": "ann"}
        assert await search(bearers.naming_assistant, **naming) == (200, None)
        assert await search(bearers.naming_assistant, **naming) == (200, None)
        assert await search(bearers.naming_assistant, **naming) == (429, "assistant_requests_per_minute")
        assert await search(bearers.editor, **naming) == (200, None)
        assert await search(bearers.person) == (429, "person_requests_per_minute")
        assert await search(bearers.bob) == (200, None)
