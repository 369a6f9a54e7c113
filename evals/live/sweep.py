"""Everything that one of the made-up people can try, at every surface of the service."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from evals.leak.asking import provoke_errors
from evals.leak.judge import Findings, Judge
from evals.leak.outputs import Output
from evals.leak.surfaces import Caller
from evals.leak.world import World
from evals.live.planting import PlantedSection

AGENTS_EVERY = 4
"""Of so many canaries, one is also asked for over MCP, which leads to the same functions."""
CHECKED_IN_TURN = ("chat", "stream")
NOWHERE = "/api/v1/documents/doc_0/versions/ver_0/passage?start=0&end=10"


@dataclass(frozen=True, slots=True)
class LiveWorld(World):
    """All that was planted anywhere, as it looks from one tenant: nothing of another one is readable."""

    tenant: str
    inside: frozenset[str]
    """Names of the sections of that tenant."""
    administrators: frozenset[str]
    """Names whose rules say `administer`, of whatever."""

    def readable(self, callers: Sequence[str]) -> frozenset[str]:
        return frozenset(
            s.name for s in self.sections if s.name in self.inside and self.oracle.may(callers, "read", s.labels)
        )


async def sweep(
    caller: Caller, world: LiveWorld, planted: Sequence[PlantedSection], findings: Findings, *, errors: bool
) -> None:
    """Ask about every canary of every tenant, open it, and ask who may read it; with `errors`, provoke some."""
    judge = Judge(caller, world, findings)
    nowhere = await caller.get(NOWHERE)
    hits_before = findings.found["search"]
    for number, section in enumerate(planted):
        await _ask(caller, judge, section, number)
        await _open(caller, judge, section, number, nowhere)
        await _ask_about_rights(caller, judge, world, section)
    if judge.readable and findings.found["search"] == hits_before:
        findings.readers_without_hits += 1
    await _read_policy(caller, judge, world)
    judge.look("metrics", "", await caller.get("/metrics"))
    if errors:
        await provoke_errors(caller, judge)


async def _ask(caller: Caller, judge: Judge, section: PlantedSection, number: int) -> None:
    """Each of its words is asked for somewhere; who may read it must find it by the first."""
    surfaces = ["search", CHECKED_IN_TURN[number % len(CHECKED_IN_TURN)]]
    if number % AGENTS_EVERY == 0:
        surfaces += ["mcp_search", "mcp_ask"]
    for at, surface in enumerate(surfaces):
        # From both ends: the first are answered by its text, the last name its title, its path or a tag.
        asked = section.questions[-1 - number % 3 if surface in ("search", "mcp_search") and at else at]
        output = await caller.surfaces[surface](asked)
        judge.look(surface, asked, output)
        if output.status != httpx.codes.OK:
            judge.failed(surface, asked, output.status)
        elif surface.endswith("search") and section.stored.name in judge.readable and not _found(output, section):
            judge.hidden(surface, asked, section.stored.name)


def _found(output: Output, section: PlantedSection) -> bool:
    return section.stored.document in output.documents


async def _open(caller: Caller, judge: Judge, section: PlantedSection, number: int, nowhere: Output) -> None:
    """By the link of a citation, whether or not she was ever given it: refused as what is `nowhere` is."""
    stored = section.stored
    may = stored.name in judge.readable
    span = stored.spans[0]
    opened = [("passage", await caller.open(stored, span, ("application/json", "text/html")[number % 2]))]
    if number % AGENTS_EVERY == 0:
        opened.append(("mcp_passage", await caller.mcp_open(stored, span)))
    asked = f"{stored.document} {stored.version}"
    for surface, output in opened:
        judge.look(surface, asked, output)
        if may and output.status != httpx.codes.OK:
            judge.hidden(surface, asked, stored.name)
        if not may and output.status != nowhere.status:
            judge.leaked(surface, asked, stored.name)
    if number % AGENTS_EVERY == 1:
        wanted = {"document": stored.document, "tokens": ["PERSON_AAAAAAAAAA"]}
        judge.look("unmask", asked, await caller.post("/api/v1/privacy/unmask", wanted))


async def _ask_about_rights(caller: Caller, judge: Judge, world: LiveWorld, section: PlantedSection) -> None:
    """Whoever does not administer a document learns not even that it is there; who does, sees ids and labels."""
    stored = section.stored
    inside = stored.name in world.inside
    administers = inside and world.oracle.may(caller.callers, "administer", stored.labels)
    labels = " ".join((stored.document, *stored.labels.tags)) if administers else stored.document
    for output in (
        await caller.post("/api/v1/policy/explain", {"person": caller.person, "document": stored.document}),
        await caller.get(f"/api/v1/policy/who?document={stored.document}"),
    ):
        judge.look("rights", labels, output)
        if not administers and output.status == httpx.codes.OK:
            judge.leaked("rights", stored.document, stored.name)


async def _read_policy(caller: Caller, judge: Judge, world: LiveWorld) -> None:
    own = [s for s in world.sections if s.name in world.inside]
    administered = [s for s in own if world.oracle.may(caller.callers, "administer", s.labels)]
    asked = " ".join(part for s in administered for part in (s.document, *s.labels.tags))
    for output in (
        await caller.get("/api/v1/policy"),
        await caller.get("/api/v1/policy/export"),
        await caller.get("/api/v1/policy/history"),
        await caller.post("/api/v1/policy/what", {"person": caller.person}),
        await caller.post("/api/v1/policy/simulate", {"add_rules": [{"subject": caller.person, "action": "read"}]}),
    ):
        judge.look("rights", asked, output)
    word = "What was moved to the upper shelf?"
    body = {"model": "ringfence", "messages": [{"role": "user", "content": word}]}
    explained = await caller.post("/v1/chat/completions?explain=1", body)
    judge.look("explain", f"{asked} {word}", explained)
    if not administered and explained.status == httpx.codes.OK and not _administers_something(caller, world):
        judge.leaked("explain", word, "an explanation")


def _administers_something(caller: Caller, world: LiveWorld) -> bool:
    """By any rule at all: the service asks for no more, and shows what may be shown document by document."""
    return all(world.oracle.names_of(name) & world.administrators for name in caller.callers)
