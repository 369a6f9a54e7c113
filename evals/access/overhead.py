"""What authorisation costs a question, by the size of the policy, beside Casbin asked about each hit.

The steps are those of a question, by the product's own functions on a real database: read the epoch and bring the
snapshot up to it, plan, load the hits' attributes and check them, and look again before the answer is given.

    warm    the policy has not changed since this person last asked
    cold    the first question of a person after an edit, while the service runs
    start   the first question after the process started: the whole policy is read
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from evals.access.company import (
    CHUNKS_PER_DOCUMENT,
    TENANT,
    Company,
    chunk_of,
    deciding_parts,
    make_company,
    store_company,
)
from evals.access.equivalence import Progress
from evals.access.oracle import Oracle
from evals.measured import percentile
from evals.runner.values import Json
from policies.check import check
from policies.edits import Edit
from policies.plan import plan
from policies.rules import Attributes, Rule
from policies.snapshot import Snapshot
from policies.store import PolicyStore, SnapshotCache
from rag.api.warm import settle_memory
from rag.db.engine import Database, open_database
from rag.domain import Principal, ReadableChunk
from rag.query.decide import check_chunks, load_chunks, read_policy, still_readable
from rag.query.parts import QueryParts
from rag.settings import load_settings

HITS = 60
"""What two branches of 40 candidates find together, about: the chunks of fifteen documents."""
USED = 8
EDITS = 40
WARM_PER_EDIT = 3
STARTS = 3
_LOOKED_AT = 500
_CASBIN_ROWS = {10: 60, 1000: 60, 10_000: 10, 100_000: 3}
_MEMBERSHIP = "role:temp"


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody, and the labels of documents that she may read."""

    principal: Principal
    readable: tuple[Attributes, ...] = field(repr=False)

    def hits(self, random: Random) -> list[str]:
        """What a search might find for her: `HITS` chunks, those of a document together."""
        documents = random.sample(self.readable, HITS // CHUNKS_PER_DOCUMENT)
        return [chunk_of(found.document, n) for found in documents for n in range(CHUNKS_PER_DOCUMENT)]


class Stopwatch:
    """Milliseconds by name."""

    def __init__(self) -> None:
        self.series: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.series[name].append((time.perf_counter() - started) * 1000)


async def measure_overhead(seed: int, sizes: Sequence[int], folder: Path, talk: Progress) -> dict[str, Json]:
    """By number of rules: milliseconds of each step, warm and cold, and of Casbin per hit."""
    found: dict[str, Json] = {}
    for rules in sizes:
        company = await asyncio.to_thread(make_company, seed, rules)
        database = await open_database(f"sqlite+aiosqlite:///{folder / f'rules-{rules}.db'}")
        try:
            await store_company(database, company)
            talk(f"{rules} rules stored")
            found[str(rules)] = await _measure(seed, company, database)
        finally:
            await database.close()
    return found


async def _measure(seed: int, company: Company, database: Database) -> dict[str, Json]:
    watch = Stopwatch()
    random = Random(seed)
    parts = deciding_parts(database, load_settings())
    snapshot = await _start(database, watch)
    askers = await asyncio.to_thread(_askers, company, snapshot)
    settle_memory()
    await _ask(parts, askers[0], random, Stopwatch(), "cold")
    for edit in range(EDITS):
        await _edit(database, edit)
        asker = askers[edit % len(askers)]
        await _ask(parts, asker, random, watch, "cold")
        for _ in range(WARM_PER_EDIT):
            await _ask(parts, asker, random, watch, "warm")
        await _load_only(database, asker.hits(random), watch)
    _check_each(snapshot, askers, company, watch)
    _casbin(company, askers[0], watch)
    return _figures(company, watch)


async def _start(database: Database, watch: Stopwatch) -> Snapshot:
    """Read the whole policy, as new processes do."""
    for _ in range(STARTS):
        async with database.reading() as session:
            with watch.time("start"):
                await SnapshotCache().get(session, TENANT)
    async with database.reading() as session:
        return await SnapshotCache().get(session, TENANT)


async def _ask(parts: QueryParts, asker: Asker, random: Random, watch: Stopwatch, kind: str) -> None:
    """One question, without what searches, writes and answers.

    Raises:
        RuntimeError: a hit was refused though the plan admits it, so something else was measured.
    """
    principal, hits = asker.principal, asker.hits(random)
    with watch.time(kind):
        with watch.time(f"{kind} policy"):
            async with parts.database.reading() as session:
                snapshot = await read_policy(parts, session, principal.tenant)
        with watch.time(f"{kind} plan"):
            plan(snapshot, principal.callers, "read")
        with watch.time(f"{kind} hits"):
            current, allowed = await check_chunks(parts, snapshot, principal, hits)
        used = [
            ReadableChunk(found.chunk, found.attributes, found.attribute_version, found.title)
            for chunk, found in current.items()
            if chunk in allowed
        ][:USED]
        with watch.time(f"{kind} again"):
            await still_readable(parts, principal, snapshot, used)
    if len(allowed) != len(hits):
        raise RuntimeError(f"{len(hits) - len(allowed)} of {len(hits)} hits that the plan admits were refused")


async def _edit(database: Database, number_: int) -> None:
    """Add a rule or remove it again: nobody's rights change, everybody's epoch does."""
    rule = (Rule(_MEMBERSHIP, TENANT, "delete", document=f"doc{number_ // 2}"),)
    edit = Edit(add_rules=rule) if number_ % 2 == 0 else Edit(remove_rules=rule)
    async with database.unit_of_work() as session:
        await PolicyStore(session).apply(TENANT, edit, author="eval", reason="an edit while people ask")


async def _load_only(database: Database, hits: Sequence[str], watch: Stopwatch) -> None:
    async with database.reading() as session:
        with watch.time("load"):
            await load_chunks(session, TENANT, hits)


def _askers(company: Company, snapshot: Snapshot) -> list[Asker]:
    """People with enough to read, and what a filtered search could find for them.

    Raises:
        RuntimeError: nobody has enough.
    """
    found: list[Asker] = []
    for place in range(len(company.people)):
        principal = company.principal(place)
        callers = principal.callers
        readable = [
            labels for labels in company.documents[:_LOOKED_AT] if check(snapshot, callers, "read", labels).allowed
        ]
        if len(readable) >= 2 * HITS // CHUNKS_PER_DOCUMENT:
            found.append(Asker(principal, tuple(readable)))
        if len(found) == EDITS:
            break
    if not found:
        raise RuntimeError("nobody in this company may read enough for a question")
    return found


def _check_each(snapshot: Snapshot, askers: Sequence[Asker], company: Company, watch: Stopwatch) -> None:
    """Each document alone, on a snapshot that remembers nothing of the others."""
    fresh = Snapshot(snapshot.tenant, snapshot.epoch, company.rules, company.links)
    for asker in askers:
        for labels in asker.readable[:10]:
            with watch.time("check per document"):
                check(fresh, asker.principal.callers, "read", labels)


def _casbin(company: Company, asker: Asker, watch: Stopwatch) -> None:
    """The stock enforcer on the whole policy, asked about single documents."""
    caller = asker.principal.callers[0]
    enforcer = Oracle(company.rules, company.links).of(caller)
    rows = _CASBIN_ROWS.get(len(company.rules), 3)
    enforcer.enforce(caller.subject, caller.tenant, asker.readable[0], "read")
    for labels in asker.readable[:rows]:
        with watch.time("casbin per document"):
            allowed = enforcer.enforce(caller.subject, caller.tenant, labels, "read")
        if not allowed:
            raise RuntimeError("Casbin refuses a document that the check allows")


def _figures(company: Company, watch: Stopwatch) -> dict[str, Json]:
    figures: dict[str, Json] = {"rules": len(company.rules), "links": len(company.links), "hits": HITS}
    for name, series in watch.series.items():
        key = name.replace(" ", "_")
        figures[f"{key}_ms_p50"] = percentile(series, 50)
        figures[f"{key}_ms_p95"] = percentile(series, 95)
    casbin, ours = watch.series["casbin per document"], watch.series["check per document"]
    figures["casbin_to_check_ratio"] = round(percentile(casbin, 50) / max(0.001, percentile(ours, 50)), 1)
    return figures
