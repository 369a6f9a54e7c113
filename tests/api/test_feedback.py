"""`POST /api/v1/feedback`: what it takes, what it tells, and that it is limited like every call of a person."""

import httpx
import pytest

from rag.api.parts import AppParts
from tests.api.conftest import Bearers, serving, with_limits

ROUTE = "/api/v1/feedback"
GOOD = {"answer_id": "ans_1", "verdict": "up"}


def of(bearer: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}"}


async def test_it_tells_what_was_kept_and_a_question_only_with_consent(
    client: httpx.AsyncClient, bearers: Bearers
) -> None:
    said = {**GOOD, "reason": "correct", "question": "How many days?"}
    kept = await client.post(ROUTE, json=said, headers=of(bearers.person))
    assert kept.json() == {
        "answer_id": "ans_1",
        "verdict": "up",
        "reason": "correct",
        "changed": False,
        "comment_kept": False,
        "question_kept": False,
    }
    agreed = await client.post(ROUTE, json={**said, "keep_question": True}, headers=of(bearers.person))
    assert agreed.json()["question_kept"] is True


@pytest.mark.parametrize(
    "wrong", [{"verdict": "sideways"}, {"reason": "because"}, {"answer_id": "ans 1\x00"}, {"stars": 5}], ids=str
)
async def test_what_it_does_not_know_is_refused_without_repeating_it(
    wrong: dict[str, object], client: httpx.AsyncClient, bearers: Bearers
) -> None:
    refused = await client.post(ROUTE, json={**GOOD, **wrong}, headers=of(bearers.person))
    assert refused.status_code == 422
    assert not any(str(value) in refused.text for value in wrong.values() if isinstance(value, str))


async def test_a_person_may_say_so_much_a_minute(parts: AppParts, bearers: Bearers) -> None:
    async with serving(with_limits(parts, person_requests_per_minute=2)) as url, httpx.AsyncClient() as client:
        codes = [(await client.post(url + ROUTE, json=GOOD, headers=of(bearers.person))).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
