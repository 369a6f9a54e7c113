"""`ringfence eval soak`: a real service under mixed traffic, killed in the middle. Memory flat, no record lost."""

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from evals.leak.world import DEMO
from evals.questions import TENANT, load_questions
from evals.runner.program import PROGRAM
from evals.runner.report import Report
from evals.running import Talk, company_folder
from evals.soak.figures import Run, report_of
from evals.soak.ledger import Recorded
from evals.soak.process import ServedCompany, Usage, environment
from evals.soak.traffic import Caller, Traffic
from rag.audit.store import AuditRecords
from rag.db.engine import open_database
from rag.identity.store import ApiKeys
from rag.settings import load_settings

SAMPLES = 400
"""How often what the process holds is looked at during a run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    requests: int
    workers: int
    seed: int


async def soak_report(data_dir: Path | None, wanted: Wanted, talk: Talk) -> Report:
    """Run it on the sample company. Keys and records are added to `data_dir`; without one, it is thrown away."""
    async with company_folder(data_dir, talk) as folder:
        people, nobody = await make_keys(folder)
        with tempfile.TemporaryDirectory(prefix="ringfence-soak-") as scratch:
            log = Path(scratch) / "serve.log"
            service = ServedCompany(folder, log)
            run = await soak(service, people, nobody, wanted, talk)
            crashes = log.read_text(errors="replace").count('"event": "crashed"')
        recorded = await read_log(folder)
        intact = await asyncio.to_thread(verified, folder)
    return report_of(run, recorded, intact=intact, crashes=crashes)


async def make_keys(folder: Path) -> tuple[list[Caller], Caller]:
    """A key for each person of the demo, one assistant's that names them, and the same assistant naming nobody."""
    database = await open_database(load_settings(data_dir=folder).database_url)
    now = datetime.now(UTC)
    try:
        async with database.unit_of_work() as session:
            keys = ApiKeys(session)
            own = [await keys.create(tenant=TENANT, subject=person, now=now) for person in DEMO]
            assistant = await keys.create(
                tenant=TENANT, subject="assistant:helpdesk", now=now, may_name_people=True, label="soak"
            )
    finally:
        await database.close()
    people = [Caller(person, new.bearer, new.key.id) for person, new in zip(DEMO, own, strict=True)]
    named = [Caller(person, assistant.bearer, assistant.key.id, person.removeprefix("user:")) for person in DEMO]
    return people + named, Caller("", assistant.bearer, assistant.key.id)


async def soak(service: ServedCompany, people: Sequence[Caller], nobody: Caller, wanted: Wanted, talk: Talk) -> Run:
    """The traffic, with a `kill -9` and a new start when half of it is done."""
    await service.start()
    rest = service.usage(0)
    started = time.perf_counter()
    try:
        # As many connections as workers, each kept: the service must not hold more at the end.
        limits = httpx.Limits(max_connections=wanted.workers, max_keepalive_connections=wanted.workers)
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:
            questions = [question.text for question in load_questions()]
            traffic = Traffic(service.url, client, people, nobody, questions)
            flood = Flood(service, traffic, wanted, talk)
            await flood.run()
        seconds = time.perf_counter() - started
        end = await service.usage_at_rest(rest.sockets, wanted.requests)
    finally:
        await service.stop()
    return Run(traffic.ledger, tuple(flood.samples), rest, end, seconds, wanted.requests, wanted.workers, wanted.seed)


@dataclass(slots=True)
class Flood:
    """So many workers that take the calls one by one."""

    service: ServedCompany
    traffic: Traffic
    wanted: Wanted
    talk: Talk
    samples: list[Usage] = field(default_factory=list)
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _done: int = 0

    async def run(self) -> None:
        self._up.set()
        numbers = iter(range(self.wanted.requests))
        async with asyncio.TaskGroup() as group:
            for _ in range(self.wanted.workers):
                group.create_task(self._work(numbers))

    async def _work(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._up.wait()
            if number == self.wanted.requests // 2:
                await self._kill()
            starts = self.service.starts
            try:
                await self.traffic.one(number, self.wanted.seed)
            except (httpx.TransportError, OSError) as cause:
                # The kill cuts what is on its way; nothing else may.
                if self._up.is_set() and starts == self.service.starts:
                    self.traffic.ledger.came("connection", type(cause).__name__, expected=False, ms=0)
                else:
                    self.traffic.ledger.cut += 1
            self._done += 1
            self._look()

    async def _kill(self) -> None:
        self._up.clear()
        self.talk(f"{self._done} requests: kill -9, and a new start")
        await self.service.kill()
        await self.service.start()
        self._up.set()

    def _look(self) -> None:
        every = max(1, self.wanted.requests // SAMPLES)
        if self._done % every == 0 and self._up.is_set():
            self.samples.append(self.service.usage(self._done))
        if self._done % (every * SAMPLES // 20 or 1) == 0:
            held = self.samples[-1] if self.samples else None
            self.talk(f"{self._done}/{self.wanted.requests}" + (f", {held.memory_mb:.0f} MB" if held else ""))


async def read_log(folder: Path) -> Recorded:
    """What the audit log holds, read from the database after the service has ended."""
    database = await open_database(load_settings(data_dir=folder).database_url)
    recorded = Recorded()
    try:
        async with database.reading() as session:
            async for record in AuditRecords(session).all(TENANT):
                recorded.take(record.kind, json.loads(record.body))
    finally:
        await database.close()
    return recorded


def verified(folder: Path) -> bool:
    """Whether `ringfence audit verify` finds chain and checkpoints intact."""
    command = [*PROGRAM, "audit", "verify", "--tenant", TENANT]
    return subprocess.run(command, env=environment(folder), capture_output=True, check=False).returncode == 0
