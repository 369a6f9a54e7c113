"""Asking the live service a set of questions, as one named person with a key, and counting how it answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from evals.watching.windows import SLOW_S
from rag.api.schemas import MODEL
from rag.db.watch import Shares
from rag.errors import Unauthenticated, Unavailable

ANSWER_S = 180.0
CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A question; `documents` are ids of what answers it, empty where nothing does, None where that is not known."""

    text: str = field(repr=False)
    documents: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """Where it is, and the headers that name the key and the person."""

    url: str
    headers: dict[str, str] = field(repr=False)


def speaks_for(service: Service) -> str | None:
    """The person whose key it is.

    Raises:
        Unauthenticated: the service does not know the key.
        Unavailable: it does not answer.
    """
    try:
        response = httpx.get(f"{service.url}/api/v1/me", headers=service.headers, timeout=CONNECT_S, trust_env=False)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise Unauthenticated()
        person = response.raise_for_status().json()["person"]
    except (httpx.HTTPError, ValueError, KeyError) as cause:
        raise Unavailable(f"The service at {service.url} does not answer ({type(cause).__name__}).") from cause
    return None if person is None else str(person)


def ask(service: Service, questions: Sequence[Watched]) -> Shares:
    """Ask each once, one after the other. What is not answered counts as failed, and never raises."""
    counts: Counter[str] = Counter()
    # No proxy, whatever the environment says: the key goes to the service alone.
    with httpx.Client(base_url=service.url, headers=service.headers, timeout=ANSWER_S, trust_env=False) as client:
        for question in questions:
            counts.update(_asked(client, question))
    answered = counts["answered"]
    return {
        "failed": [len(questions) - answered, len(questions)],
        "not_found": [counts["not_found"], answered],
        "wrong": [counts["wrong"], counts["known"]],
        **{f"over_{limit}s": [counts[f"over_{limit}s"], answered] for limit in SLOW_S},
    }


def _asked(client: httpx.Client, question: Watched) -> dict[str, int]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": question.text}]}
    try:
        response = client.post("/v1/chat/completions", json=body)
        record = response.raise_for_status().json()["ringfence"]
        found, seconds = bool(record["found"]), record["timings"]["total_ms"] / 1000
        cited = {citation["document"] for citation in record["citations"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}
    wrong = False
    if question.documents is not None:
        wrong = not cited & question.documents if question.documents else found
    return {
        "answered": 1,
        "not_found": not found,
        "known": question.documents is not None,
        "wrong": wrong,
        **{f"over_{limit}s": seconds > limit for limit in SLOW_S},
    }
