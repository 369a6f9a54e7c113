"""A process that asks the same question again and again until it is refused, as another replica would."""

import asyncio
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from policies.check import check
from policies.rules import Attributes, Caller
from policies.store import SnapshotCache
from rag.db.engine import Database, open_database

ASKING_S_MAX = 30.0
"""A revocation that is not obeyed for so long has failed."""

ASKED_ON = 3
"""Questions after the first refusal: it must stay refused."""
_PAUSE_S = 0.002
"""Between two questions, so that asking does not take all of the machine from whoever takes rights away."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Ask whether `caller` may read a document with these labels, until the answer is no, and a few times more."""

    caller: Caller
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when it started and ended, on the clock that all processes of a machine share, and the answer."""

    started: float
    ended: float
    allowed: bool


READY = "ready"
ALLOWED = "allowed"
"""Sent once the question has been answered with yes: only then is the right taken away."""


def serve_replica(url: str, line: Connection) -> None:
    """Answer `Watch` by `ALLOWED` and then a list of `Asked`, until None comes. The body of a process."""
    asyncio.run(_serve(url, line))


async def _serve(url: str, line: Connection) -> None:
    database = await open_database(url)
    cache = SnapshotCache()
    try:
        line.send(READY)
        while True:
            watch = await asyncio.to_thread(line.recv)
            if watch is None:
                return
            line.send(await _watch(database, cache, watch, line))
    finally:
        await database.close()


async def _watch(database: Database, cache: SnapshotCache, watch: Watch, line: Connection) -> list[Asked]:
    asked: list[Asked] = []
    give_up = time.monotonic() + ASKING_S_MAX
    while sum(not one.allowed for one in asked) <= ASKED_ON and time.monotonic() < give_up:
        asked.append(await _ask(database, cache, watch))
        if len(asked) == 1:
            line.send(ALLOWED)
        await asyncio.sleep(_PAUSE_S)
    return asked


async def _ask(database: Database, cache: SnapshotCache, watch: Watch) -> Asked:
    """One question's decision, from the epoch in the database to the check."""
    started = time.monotonic()
    async with database.reading() as session:
        snapshot = await cache.get(session, watch.caller.tenant)
    allowed = check(snapshot, (watch.caller,), "read", watch.attributes).allowed
    return Asked(started, time.monotonic(), allowed)
