"""Who may have an answer explained over HTTP, how it looks, and that nobody's wish for it is passed over in silence."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from policies.check import Decision
from policies.rules import Level, Rule
from rag.db.engine import Database
from rag.domain import Answer, Claim, Principal
from rag.identity.keys import Scope
from rag.identity.store import ApiKeys
from rag.query.account import Account
from rag.query.explained import (
    Candidate,
    Drop,
    Dropped,
    Explanation,
    Fate,
    Judgement,
    PlanExplained,
    RulesOf,
    Scores,
    Verdict,
)
from rag.query.found import Found
from rag.query.marking import Gate
from rag.query.objections import Objection
from rag.query.parts import Options
from tests.api.administered import Speaker, records
from tests.api.conftest import TEXT, Bearers, ScriptedPath, the_answer

READING = Rule("role:hr-reader", "acme", "read", "hr", level=Level.INTERNAL)
EXPLANATION = Explanation(
    plan=PlanExplained(7, None, (RulesOf("user:ada", (READING,), complete=False),), 5, 2, 1),
    candidates=(
        Candidate("chk_a", "doc_a", Scores(0.5, None, 0.03, 0.04), READING, Fate.GIVEN),
        Candidate("chk_b", "doc_b", Scores(None, 2.5, 0.02), None, Fate.BUDGET),
    ),
    dropped=(
        Dropped("chk_c", "doc_c", Scores(0.1, 1.0, 0.01), Drop.REFUSED, Decision(False, "read", None, "no rule")),
        Dropped("chk_d", "doc_d", Scores(0.1, 1.0, 0.01), Drop.STALE_VERSION, None),
    ),
    withheld={"refused_by_check": 1},
    other_tenants=None,
    judgements=(
        Judgement("Annual leave is 28 days.", Verdict.SUPPORTED),
        Judgement("Leave is long.", Verdict.REMOVED, Objection.WORDS, Gate.FORM),
    ),
)
CHAT, SEARCH = "/v1/chat/completions", "/v1/search"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "ringfence", "messages": [{"role": "user", "content": "How many days of leave?"}]},
    SEARCH: {"query": "leave"},
}


@dataclass
class ExplainingPath(ScriptedPath):
    """Fills the account with what it is told."""

    readers: tuple[str, ...] = ()

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        async for event in super().ask(question, principal, options):
            self._fill(options.account)
            yield event

    async def search(self, question: str, principal: Principal, limit: int, account: Account | None = None) -> Found:
        self._fill(account)
        return await super().search(question, principal, limit)

    def _fill(self, account: Account | None) -> None:
        if account is not None:
            self.readers = (*self.readers, account.reader.administrator.name)
            account.explanation = EXPLANATION


@pytest.fixture
def path() -> ExplainingPath:
    return ExplainingPath()


async def ask(who: Speaker, route: str = CHAT, explain: str | None = "1", **body: Any) -> httpx.Response:
    query = {} if explain is None else {"explain": explain}
    return await who.client.post(route, json=BODIES[route] | body, params=query, headers=who.headers)


def explanation_of(response: httpx.Response, route: str) -> Any:
    found = response.json()
    return (found["ringfence"] if route == CHAT else found).get("explain")


@pytest.mark.parametrize("route", BODIES)
async def test_who_administers_something_has_it_explained(route: str, ada: Speaker, path: ExplainingPath) -> None:
    response = await ask(ada, route)
    assert response.status_code == 200
    found = explanation_of(response, route)
    assert set(path.readers) == {"user:ada"}
    assert (found["plan"]["conditions"], found["plan"]["searches"], found["plan"]["split"]) == (5, 2, True)
    assert found["plan"]["callers"][0]["rules"][0]["subject"] == "role:hr-reader"
    given, left = found["candidates"]
    assert (given["given"], given["why"], given["decision"]["rule"]["level"]) == (True, None, "internal")
    assert (left["given"], left["why"], left["decision"]["rule"]) == (False, "budget", None)
    assert [one["reason"] for one in found["dropped"]] == ["refused_by_check", "stale_version"]
    assert found["dropped"][0]["decision"] == {"allowed": False, "rule": None, "reason": "no rule"}
    assert found["claims"][1] == {
        "text": "Leave is long.",
        "verdict": "removed",
        "reason": "unsupported_words",
        "gate": "form",
    }


@pytest.mark.parametrize("route", BODIES)
async def test_without_the_wish_nothing_is_explained(route: str, ada: Speaker, path: ExplainingPath) -> None:
    for explain in (None, "0"):
        response = await ask(ada, route, explain)
        assert (response.status_code, explanation_of(response, route)) == (200, None)
    assert path.readers == ()


@pytest.mark.parametrize("route", BODIES)
async def test_whoever_administers_nothing_is_refused_before_anything_is_asked(
    route: str, ann: Speaker, path: ExplainingPath, database: Database
) -> None:
    response = await ask(ann, route)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "administrator_required")
    assert path.asked == []
    (record,) = await records(database, "denied")
    assert (record["person"], record["code"]) == ("user:ann", "administrator_required")
    assert (await ask(ann, route, None)).status_code == 200


async def test_a_key_that_is_not_meant_for_the_policy_explains_nothing(ada: Speaker, database: Database) -> None:
    """Its twin: the key that is."""
    async with database.unit_of_work() as session:
        narrow = await ApiKeys(session).create(
            tenant="acme", subject="user:ada", now=datetime.now(UTC), scopes={Scope.ASK, Scope.SEARCH}
        )
    response = await ask(replace(ada, headers={"Authorization": f"Bearer {narrow.bearer}"}))
    assert (response.status_code, response.json()["error"]["code"]) == (403, "administrator_required")
    assert (await ask(ada)).status_code == 200


async def test_an_assistant_that_administers_nothing_has_nothing_explained(
    ada: Speaker, bearers: Bearers, path: ExplainingPath
) -> None:
    """Though ada administers everything; through the one that does as well, she has it."""
    for key, status in ((bearers.naming_assistant, 403), (bearers.editor, 200)):
        headers = {"Authorization": f"Bearer {key}", "X-Ringfence-Person": "ada"}
        assert (await ask(replace(ada, headers=headers))).status_code == status


async def test_the_operator_has_anybodys_answer_explained(operator: Speaker, path: ExplainingPath) -> None:
    response = await ask(replace(operator, headers=operator.headers | {"X-Ringfence-Person": "ann"}))
    assert response.status_code == 200
    assert path.asked[0][1].person == "user:ann"
    assert set(path.readers) == {"operator"}


async def test_a_wish_that_cannot_be_read_is_refused(ada: Speaker, path: ExplainingPath) -> None:
    assert (await ask(ada, explain="perhaps")).status_code in (400, 422)
    assert path.asked == []


async def test_in_a_stream_the_closing_chunk_explains(ada: Speaker) -> None:
    response = await ask(ada, stream=True)
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line) for line in lines]
    assert [("explain" in chunk.get("ringfence", {})) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["ringfence"]["explain"]["plan"]["epoch"] == 7


async def test_an_unsupported_claim_is_told_from_the_others(ann: Speaker, path: ExplainingPath) -> None:
    claims = (the_answer().claims[0], Claim("It must be taken by March.", ()))
    path.pieces = (TEXT, replace(the_answer(), claims=claims))
    completion = (await ask(ann, explain=None)).json()
    told = completion["ringfence"]["claims"]
    assert [(claim["supported"], claim["citations"]) for claim in told] == [(True, [1]), (False, [])]
    cited = [one["url_citation"] for one in completion["choices"][0]["message"]["annotations"]]
    assert [(one["start_index"], one["end_index"]) for one in cited] == [(0, 24)]
