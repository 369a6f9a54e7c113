"""What came out of a call, as plain strings that can be searched."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

_EVENT = "data: "


@dataclass(frozen=True, slots=True)
class Output:
    """What came out of one call: every string of it, keys included, and the documents it names.

    `text` also holds the pieces of a stream joined, so that a leak cut into pieces is seen whole.
    """

    status: int
    text: str = field(repr=False)
    answer: str = field(default="", repr=False)
    found: bool = False
    documents: frozenset[str] = frozenset()


def json_of(response: httpx.Response) -> Any:
    """What the body says as JSON; None where it is none."""
    return _loaded(response.text)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def events_of(response: httpx.Response) -> list[Any]:
    """What the events of a stream say as JSON; nothing of what is no stream, and of an event that is none."""
    lines = (line for line in response.text.split("\n") if line.startswith(_EVENT))
    return [said for said in (_loaded(line.removeprefix(_EVENT)) for line in lines) if said is not None]


def all_text(response: httpx.Response) -> str:
    """Headers and body; of JSON every string, unescaped, so that no escape hides anything."""
    sent = [f"{name}: {value}" for name, value in response.headers.items()]
    body = json_of(response)
    said = [response.text, *strings(events_of(response))] if body is None else strings(body)
    return "\n".join([*sent, *said])


def all_texts(responses: list[httpx.Response]) -> str:
    """Of several responses, one after another."""
    return "\n".join(map(all_text, responses))


def strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
