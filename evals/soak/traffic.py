"""What callers do: ask, search, open, be refused, make mistakes, and leave. One method for each, all over real HTTP."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import httpx

from evals.soak.ledger import Ledger

CHAT = "/v1/chat/completions"
_LINKS_KEPT = 200
_GIANT_PIECES = 80


@dataclass(frozen=True, slots=True)
class Caller:
    """A person with a key of her own, or through an assistant's that names her. `key_id` is the key's public part."""

    person: str
    bearer: str = field(repr=False)
    key_id: str
    named: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.bearer}"}
        return key if self.named is None else {**key, "X-Ringfence-Person": self.named}


class Traffic:
    """Calls `url` as several people; what came of each call goes into `ledger`."""

    def __init__(
        self, url: str, client: httpx.AsyncClient, people: Sequence[Caller], nobody: Caller, questions: Sequence[str]
    ) -> None:
        self._url = url
        self._client = client
        self._people = people
        self._nobody = nobody
        self._questions = questions
        self._links: deque[str] = deque(maxlen=_LINKS_KEPT)
        self.ledger = Ledger()
        self._kinds: Mapping[str, tuple[int, Callable[[random.Random], Awaitable[tuple[str, bool]]]]] = {
            "chat": (6, self.chat),
            "stream": (6, self.stream),
            "search": (14, self.search),
            "passage": (26, self.passage),
            "me": (10, self.me),
            "refused": (10, self.refused),
            "stranger": (6, self.stranger),
            "mistake": (14, self.mistake),
            "giant": (1, self.giant),
            "leaves": (4, self.leaves),
            "half": (3, self.half),
        }

    async def one(self, number: int, seed: int) -> str:
        """Make call `number`, of a kind and by a person that the seed decides. Returns the kind.

        Raises:
            httpx.TransportError, OSError: the connection broke.
        """
        dice = random.Random(f"{seed} {number}")
        kind = dice.choices(list(self._kinds), [weight for weight, _ in self._kinds.values()])[0]
        started = time.perf_counter()
        outcome, expected = await self._kinds[kind][1](dice)
        self.ledger.came(kind, outcome, expected=expected, ms=(time.perf_counter() - started) * 1000)
        return kind

    async def chat(self, dice: random.Random) -> tuple[str, bool]:
        response = await self._post(CHAT, self._person(dice), self._question(dice))
        if response.status_code != httpx.codes.OK:
            return _status(response, 200)
        record = response.json()["ringfence"]
        self.ledger.answers.append(record["answer"])
        self._links.extend(citation["url"] for citation in record["citations"])
        return _status(response, 200)

    async def stream(self, dice: random.Random) -> tuple[str, bool]:
        response = await self._post(CHAT, self._person(dice), self._question(dice) | {"stream": True})
        if response.status_code != httpx.codes.OK:
            return _status(response, 200)
        events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
        if events[-1] != "[DONE]":
            return "unfinished", False
        self.ledger.answers.append(json.loads(events[-2])["ringfence"]["answer"])
        return _status(response, 200)

    async def search(self, dice: random.Random) -> tuple[str, bool]:
        caller = self._person(dice)
        response = await self._post("/v1/search", caller, {"query": dice.choice(self._questions), "limit": 5})
        if response.status_code == httpx.codes.OK:
            self.ledger.searches[caller.person] += 1
            self._links.extend(hit["url"] for hit in response.json()["data"])
        return _status(response, 200)

    async def passage(self, dice: random.Random) -> tuple[str, bool]:
        """A link that somebody was given, opened by anybody: she may read it, or there is nothing there."""
        caller = self._person(dice)
        link = dice.choice(self._links) if self._links else "/api/v1/documents/d/versions/v/passage?start=0&end=1"
        response = await self._client.get(f"{self._url}/api/{link.partition('/api/')[2]}", headers=caller.headers)
        if response.status_code == httpx.codes.OK:
            self.ledger.passages[caller.person] += 1
        return _status(response, 200, 404)

    async def me(self, dice: random.Random) -> tuple[str, bool]:
        return _status(await self._client.get(f"{self._url}/api/v1/me", headers=self._person(dice).headers), 200)

    async def refused(self, dice: random.Random) -> tuple[str, bool]:
        """An assistant that does not say for whom it asks: refused, and on record."""
        response = await self._post(dice.choice([CHAT, "/v1/search"]), self._nobody, self._question(dice))
        if response.status_code == httpx.codes.FORBIDDEN:
            self.ledger.refused[self._nobody.key_id] += 1
        return _status(response, 403)

    async def stranger(self, dice: random.Random) -> tuple[str, bool]:
        key = f"rf_{dice.randbytes(8).hex()}_{dice.randbytes(32).hex()}"
        stranger = Caller("user:nobody", key, "")
        return _status(await self._post(CHAT, stranger, self._question(dice)), 401)

    async def mistake(self, dice: random.Random) -> tuple[str, bool]:
        content, media_type, status = dice.choice(MISTAKES)
        headers = self._person(dice).headers | {"Content-Type": media_type}
        return _status(await self._client.post(self._url + CHAT, content=content, headers=headers), status)

    async def giant(self, dice: random.Random) -> tuple[str, bool]:
        """A body without end. The service may close the connection before all of it is sent."""

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(_GIANT_PIECES):
                yield b" " * 65536

        headers = self._person(dice).headers | {"Content-Type": "application/json"}
        try:
            return _status(await self._client.post(self._url + CHAT, content=pieces(), headers=headers), 413)
        except (httpx.WriteError, httpx.ReadError):
            return "cut off", True

    async def leaves(self, dice: random.Random) -> tuple[str, bool]:
        """Asks, and is gone before the answer, or in the middle of it."""
        body = self._question(dice) | {"stream": True}
        reader, writer = await self._raw(self._person(dice), json.dumps(body).encode())
        with closing(writer):
            if dice.random() < 0.5:
                await reader.read(64)
        return "left", True

    async def half(self, dice: random.Random) -> tuple[str, bool]:
        """Sends half a question, or closes her sending half."""
        body = json.dumps(self._question(dice)).encode()
        reader, writer = await self._raw(self._person(dice), body[: dice.randrange(len(body) + 1)], declared=len(body))
        with closing(writer):
            writer.write_eof()
            received = await reader.read()
        return ("nothing", True) if not received else ("answered", False)

    async def _raw(
        self, caller: Caller, sent: bytes, *, declared: int | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = httpx.URL(self._url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        length = len(sent) if declared is None else declared
        named = {"Host": url.host, "Content-Type": "application/json", "Content-Length": str(length), **caller.headers}
        lines = [f"POST {CHAT} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + sent)
        await writer.drain()
        return reader, writer

    async def _post(self, path: str, caller: Caller, body: Mapping[str, object]) -> httpx.Response:
        return await self._client.post(self._url + path, json=body, headers=caller.headers)

    def _person(self, dice: random.Random) -> Caller:
        return dice.choice(self._people)

    def _question(self, dice: random.Random) -> dict[str, object]:
        return {"model": "ringfence", "messages": [{"role": "user", "content": dice.choice(self._questions)}]}


def _status(response: httpx.Response, *expected: int) -> tuple[str, bool]:
    return str(response.status_code), response.status_code in expected


def _chat_json(**changes: object) -> bytes:
    return json.dumps({"model": "ringfence", "messages": [{"role": "user", "content": "Why?"}], **changes}).encode()


MISTAKES: Sequence[tuple[bytes, str, int]] = (
    (b"{", "application/json", 400),
    (b"\xff\xfe\x00", "application/json", 400),
    (b"[" * 5000, "application/json", 400),
    (_chat_json(), "text/plain", 415),
    (_chat_json(model="gpt-4o"), "application/json", 404),
    (_chat_json(surprise=1), "application/json", 400),
    (_chat_json(tools=[{"type": "function", "function": {"name": "f"}}]), "application/json", 400),
    (_chat_json(messages=[]), "application/json", 400),
    (_chat_json(messages=[{"role": "user", "content": "word " * 20_000}]), "application/json", 400),
    (_chat_json(messages=[{"role": "user", "content": "word " * 250_000}]), "application/json", 413),
)
"""Body, media type, and the status that it has to get."""
