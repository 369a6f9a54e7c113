"""How soon is a revocation obeyed everywhere? Two processes on one database ask while a third takes rights away.

A question that started after the commit and was still answered with yes is a stale result: there must be none.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from evals.access.company import TENANT, Company, make_company
from evals.access.equivalence import Progress
from evals.access.replica import ALLOWED, ASKING_S_MAX, READY, Asked, Watch, serve_replica
from evals.measured import percentile
from evals.runner.values import Json
from policies.edits import Edit
from policies.rules import Attributes, Caller, Level, RoleLink, Rule
from policies.store import PolicyStore
from rag.db.engine import Database, open_database

REPLICAS = 2
RULES = 10_000
_DOCUMENT = Attributes(TENANT, "minutes", "board", Level.SECRET, frozenset({"minutes"}))
_ROLE = "role:minutes"


async def measure_revocation(seed: int, revocations: int, folder: Path, talk: Progress) -> dict[str, Json]:
    """Milliseconds from the commit of each revocation until every replica obeyed, and answers that came too late.

    Raises:
        RuntimeError: a replica does not answer, or did not allow what was still allowed.
    """
    url = f"sqlite+aiosqlite:///{folder / 'revocation.db'}"
    company = await asyncio.to_thread(make_company, seed, RULES)
    readers = [Caller(TENANT, f"user:reader{n}") for n in range(revocations)]
    database = await open_database(url)
    try:
        await _grant(database, company, readers)
        with _replicas(url) as lines:
            obeyed_ms: list[float] = []
            asked: list[tuple[float, Asked]] = []
            for done, reader in enumerate(readers, start=1):
                committed, answers = await _revoke(database, reader, lines, by_rule=done % 2 == 0)
                obeyed_ms.append(max(_obeyed_ms(committed, each) for each in answers))
                asked += [(committed, one) for each in answers for one in each]
                if done % 50 == 0:
                    talk(f"{done}/{revocations} rights taken away")
    finally:
        await database.close()
    return figures_of(obeyed_ms, asked)


async def _grant(database: Database, company: Company, readers: Sequence[Caller]) -> None:
    """A policy of some size, in which every reader may read the minutes: half by a role, half by a rule of her own."""
    links = [RoleLink(reader.subject, _ROLE, TENANT) for reader in readers[::2]]
    rules = [Rule(_ROLE, TENANT, "read", department="board"), *(_own(reader) for reader in readers[1::2])]
    edit = Edit(add_rules=(*company.rules, *rules), add_links=(*company.links, *links))
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply(TENANT, edit, author="eval", reason="everybody reads the minutes")


def _own(reader: Caller) -> Rule:
    return Rule(reader.subject, TENANT, "read", tags=frozenset({"minutes"}))


async def _revoke(
    database: Database, reader: Caller, lines: Sequence[Connection], *, by_rule: bool
) -> tuple[float, list[list[Asked]]]:
    """When the revocation was committed, and what each replica answered before and after."""
    for line in lines:
        line.send(Watch(reader, _DOCUMENT))
    for line in lines:
        if await _received(line) != ALLOWED:
            raise RuntimeError("a replica broke the protocol")
    edit = (
        Edit(remove_rules=(_own(reader),)) if by_rule else Edit(remove_links=(RoleLink(reader.subject, _ROLE, TENANT),))
    )
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply(TENANT, edit, author="eval", reason="no longer")
    committed = time.monotonic()
    answers: list[list[Asked]] = []
    for line in lines:
        answer = await _received(line)
        if not isinstance(answer, list) or not answer[0].allowed:
            raise RuntimeError(f"{reader.subject} was refused before her right was taken away")
        answers.append(answer)
    return committed, answers


def _obeyed_ms(committed: float, answers: Sequence[Asked]) -> float:
    """Until the first refusal was given. One that came before the commit was known here took no time."""
    refused = [one.ended for one in answers if not one.allowed]
    return max(0.0, (min(refused) - committed) * 1000) if refused else ASKING_S_MAX * 1000


def figures_of(obeyed_ms: Sequence[float], asked: Sequence[tuple[float, Asked]]) -> dict[str, Json]:
    after = [one for committed, one in asked if one.started >= committed]
    return {
        "replicas": REPLICAS,
        "rules": RULES,
        "revocations": len(obeyed_ms),
        "questions": len(asked),
        "asked_after": len(after),
        "stale": sum(one.allowed for one in after),
        "obeyed_ms_p50": percentile(obeyed_ms, 50),
        "obeyed_ms_p95": percentile(obeyed_ms, 95),
        "obeyed_ms_p99": percentile(obeyed_ms, 99),
    }


@contextmanager
def _replicas(url: str) -> Iterator[list[Connection]]:
    """Processes that are ready, and are ended with the block."""
    spawn = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    lines: list[Connection] = []
    try:
        for _ in range(REPLICAS):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=serve_replica, args=(url, theirs), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            lines.append(ours)
        for line in lines:
            if not line.poll(ASKING_S_MAX) or line.recv() != READY:
                raise RuntimeError("a replica did not start")
        yield lines
        for line in lines:
            line.send(None)
        for process in processes:
            process.join(ASKING_S_MAX)
    finally:
        for process in processes:
            process.kill()
            process.join()
        for line in lines:
            line.close()


async def _received(line: Connection) -> object:
    if not await asyncio.to_thread(line.poll, 2 * ASKING_S_MAX):
        raise RuntimeError("a replica does not answer")
    return line.recv()
