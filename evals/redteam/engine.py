"""Carries out attacks on a served company, and says what came back otherwise than it must."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from evals.leak.outputs import all_text
from evals.redteam.catalogue import Attack, Step
from evals.redteam.company import TENANT, Company
from evals.redteam.fill import Known, filled
from evals.redteam.verdict import Came, differences, last_record, recorded, value_at

CHAT = "/v1/chat/completions"
_TIMEOUT_S = 120
_RAW_S = 8.0
_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problems` are differences from what the steps say; of an attack, each is a success. `status_max` tells a crash
    from an answer."""

    problems: tuple[str, ...]
    status_max: int


class Attacker:
    """Sends the steps of attacks to the service at `url`."""

    def __init__(self, url: str, company: Company, client: httpx.AsyncClient) -> None:
        self._url = url
        self._company = company
        self._client = client

    async def attack(self, attack: Attack) -> Outcome:
        """The steps of the attack, and what must be on record after them."""
        database = self._company.parts.database
        before = await last_record(database)
        outcome = await self._steps(attack.steps, attack.absent)
        missing = [one.kind for one in attack.audit if not await recorded(database, one, self._company.known, before)]
        return Outcome((*outcome.problems, *(f"no audit record {kind}" for kind in missing)), outcome.status_max)

    async def twin(self, attack: Attack) -> Outcome:
        """The same where it is allowed."""
        return await self._steps(attack.twin, ())

    async def _steps(self, steps: Sequence[Step], absent: Sequence[str]) -> Outcome:
        known = self._company.known
        problems: list[str] = []
        came: list[Came] = []
        for number, step in enumerate(steps, start=1):
            back = await self._carry_out(step)
            came.append(back)
            problems += [f"step {number}: {what}" for what in differences(step, back, absent, came, known)]
            for name, path in step.save.items():
                known.saved[name] = str(value_at(back, path))
        return Outcome(tuple(problems), max(one.status for one in came))

    async def _carry_out(self, step: Step) -> Came:
        before_mb, started = _held_mb(), time.perf_counter()
        if step.raw is not None:
            status, text = await self._raw(filled(step.raw, self._company.known))
            return Came(status, text, text, None, time.perf_counter() - started, _held_mb() - before_mb)
        response = await self._times(step)
        body = _json(response)
        told = {name: value for name, value in body.items() if name != "request_id"} if isinstance(body, dict) else body
        took_s = time.perf_counter() - started
        return Came(response.status_code, all_text(response), repr(told), body, took_s, _held_mb() - before_mb)

    async def _times(self, step: Step) -> httpx.Response:
        if step.open is not None and step.open.endswith("*"):
            places = sorted(name for name in self._company.known.places if name.startswith(step.open[:-1]))
            answers = [await self._request(step.model_copy(update={"open": place})) for place in places]
            return answers[-1]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one() -> httpx.Response:
            async with gate:
                return await self._request(step)

        answers = await asyncio.gather(*(one() for _ in range(step.times)))
        return max(answers, key=lambda response: response.status_code) if step.times > 1 else answers[0]

    async def _request(self, step: Step) -> httpx.Response:
        known = self._company.known
        method, path, content = _request_of(step, known)
        bearer = known.bearers.get(step.by)
        headers: list[tuple[str, str]] = [] if bearer is None else [("Authorization", f"Bearer {bearer}")]
        given = filled(dict(step.headers), known)
        if "Authorization" in given:
            headers = []
        if step.by == "operator":
            headers.append(("X-Ringfence-Tenant", TENANT))
        if content is not None:
            headers.append(("Content-Type", given.pop("Content-Type", "application/json")))
        for name, value in given.items():
            # A header that is given twice is written with a line between its values.
            headers += [(name, one) for one in value.split("\n")]
        raw = [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers]
        return await self._client.request(method, self._url + path, content=content, headers=raw)

    async def _raw(self, head: str) -> tuple[int, str]:
        """Bytes as they are; the status of the answer, 0 where the connection ends without one, -1 where it stays."""
        url = httpx.URL(self._url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            writer.write(head.replace("\n", "\r\n").encode())
            await writer.drain()
            async with asyncio.timeout(_RAW_S):
                received = (await reader.read()).decode("utf-8", "replace")
        except TimeoutError:
            return -1, ""
        except ConnectionError:
            return 0, ""
        finally:
            writer.close()
        return (int(received.split(" ", 2)[1]) if received.startswith("HTTP/") else 0), received


def client() -> httpx.AsyncClient:
    """What attacks are sent through. The caller closes it."""
    limits = httpx.Limits(max_connections=_AT_ONCE)
    return httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S, limits=limits)


def _request_of(step: Step, known: Known) -> tuple[str, str, bytes | None]:
    """Method, path and body."""
    more = filled(step.more, known)
    if step.ask is not None:
        turns = [{"role": "user", "content": filled(step.ask, known)}]
        chat = {"model": "ringfence", "messages": turns, **more}
        return "POST", CHAT, _bytes(chat)
    if step.search is not None:
        return "POST", "/v1/search", _bytes({"query": filled(step.search, known), **more})
    if step.unmask is not None:
        place = known.places.get(step.unmask)
        document = step.unmask if place is None else place.document
        return "POST", "/api/v1/privacy/unmask", _bytes({"document": document, **more})
    if step.open is not None:
        place = known.places[step.open]
        path = f"/api/v1/documents/{place.document}/versions/{place.version}/passage"
        return "GET", f"{path}?start={more.get('start', 0)}&end={more.get('end', place.chars)}", None
    method, _, path = filled(step.send or "", known).partition(" ")
    if step.content is not None:
        return method, path, filled(step.content, known).encode("utf-8", "surrogatepass")
    return method, path, None if step.json_body is None else _bytes(filled(step.json_body, known))


def _bytes(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _held_mb() -> float:
    """Memory of this process, where the kernel tells it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    held = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(held["RssAnon"].split()[0]) / 1024
