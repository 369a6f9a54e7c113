"""`ringfence eval leak`: does anything of a document reach somebody who may not read it?

Every person, and some through assistants, asks every question at every surface, names every document's planted
mark, and opens every passage. Each output is searched for runs of words, ids and marks of what the oracle says
she may not read. The other direction is counted too: what she may read and does not get.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import httpx

from evals.company import StoredSection, client_of, headers, stored_sections
from evals.fingerprints import Detector, Values
from evals.logs import captured_log
from evals.oracle import Oracle, level_number, read_oracle
from evals.questions import POLICY, Question, RightAnswer, document_paths, load_questions, source_text
from evals.runner.report import Gate, Report
from evals.runner.values import Json
from evals.surfaces import AGENT_SURFACES, QUESTION_SURFACES, Asker, Caller, Output
from rag.api.parts import AppParts, QuestionPath
from rag.db.engine import Database
from rag.domain import Answer, Principal, Span
from rag.query.account import Account
from rag.query.found import Found
from rag.query.parts import Options
from rag.query.passages import OpenedPassage
from rag.query.unmasking import GivenBack

DEMO = ("user:ines.halvorsen", "user:tomas.okafor", "user:jonas.weidmann")
WIDEST = "user:viktor.amsel"
EXAMPLES_MAX = 25
THROUGH_ASSISTANTS = ("search", "chat", *AGENT_SURFACES)
"""What assistants call. The other surfaces are the same path, asked by every person alone."""
AGENTS_EVERY = 8
"""Of so many questions and sections, one is also asked for over MCP, which leads to the same functions."""
PLANTS = ("search", "ask", "passage", "hide")

_VALUES = {
    "EMAIL_ADDRESS": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "IBAN_CODE": re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,28}\b"),
}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class World:
    """What is asked about, and who may what."""

    sections: tuple[StoredSection, ...]
    questions: tuple[Question, ...]
    oracle: Oracle

    def level_of(self, answer: RightAnswer) -> int:
        """The level of the section that holds `answer`; -1 if its document is not there."""
        if answer.level is not None:
            return level_number(answer.level)
        return min((s.labels.level for s in self.sections if s.path == answer.document), default=-1)

    def readable(self, callers: Sequence[str]) -> frozenset[str]:
        """Names of the sections that all of `callers` may read."""
        return frozenset(s.name for s in self.sections if self.oracle.may(callers, "read", s.labels))


@dataclass(slots=True)
class Findings:
    """What one run found. Problems are (who, surface, asked, what)."""

    leaks: list[tuple[str, str, str, str]] = field(default_factory=list)
    hidden: list[tuple[str, str, str, str]] = field(default_factory=list)
    unmasked: list[tuple[str, str, str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, str, str]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    fingerprints: int = 0
    readers_without_hits: int = 0


class Judge:
    """Looks at the outputs of one asker."""

    def __init__(self, asker: Caller, world: World, findings: Findings) -> None:
        self._asker = asker
        self._findings = findings
        self.readable = world.readable(asker.callers)
        self._documents = frozenset(s.document for s in world.sections if s.name in self.readable)
        self._detector = Detector([s.fingerprint for s in world.sections], self.readable)
        self._values, self._allowed = _values(world, asker.callers)
        findings.fingerprints += self._detector.size

    def look(self, surface: str, asked: str, output: Output) -> None:
        """Count the call and note what should not be in its output."""
        self._findings.calls[surface] += 1
        self._findings.found[surface] += output.found
        for trace in self._detector.traces(output.text, asked):
            self._note(self._findings.leaks, surface, asked, f"{trace.section}: {trace.evidence}")
        for document in output.documents - self._documents:
            self._note(self._findings.leaks, surface, asked, document)
        for value in self._values.shown(output.text, self._allowed, asked):
            self._note(self._findings.unmasked, surface, asked, value)

    def hidden(self, surface: str, asked: str, section: str) -> None:
        self._note(self._findings.hidden, surface, asked, section)

    def leaked(self, surface: str, asked: str, section: str) -> None:
        self._note(self._findings.leaks, surface, asked, section)

    def failed(self, surface: str, asked: str, status: int) -> None:
        self._note(self._findings.failed, surface, asked, str(status))

    def _note(self, problems: list[tuple[str, str, str, str]], surface: str, asked: str, what: str) -> None:
        problems.append((self._asker.name, surface, asked, what))


async def leak(parts: AppParts, key: str, limit: int | None, progress: Progress) -> Report:
    """Run the whole eval on the sample company in `parts`; `limit` takes only the first questions."""
    world = await world_of(parts.database, limit)
    findings = Findings()
    with captured_log() as log:
        async with client_of(parts) as client:
            askers = askers_of(world.oracle, client, parts.path, key)
            for number, asker in enumerate(askers, start=1):
                progress(f"{number}/{len(askers)} {asker.name}")
                await examine(asker, world, findings)
                look_at_log(log.take(), asker, world, findings)
    return report_of(findings, world, len(askers), {"limit": limit})


async def world_of(database: Database, limit: int | None = None) -> World:
    """The sample company as it stands in `database`."""
    return World(await stored_sections(database), load_questions()[:limit], read_oracle(POLICY))


def askers_of(oracle: Oracle, client: httpx.AsyncClient, path: QuestionPath, key: str) -> list[Asker]:
    """Every person alone, and the people of the demo through every assistant."""
    asked = [(person, None) for person in oracle.people] + [(p, a) for p in DEMO for a in oracle.assistants]
    return [Asker(person, assistant, client, headers(key, person, assistant), path) for person, assistant in asked]


async def examine(asker: Asker, world: World, findings: Findings) -> None:
    """Everything that one asker can try."""
    judge = Judge(asker, world, findings)
    hits_before = findings.found["search"]
    for number, question in enumerate(world.questions):
        for surface, ask in asker.surfaces.items():
            if asker.assistant is not None and surface not in THROUGH_ASSISTANTS:
                continue
            if surface in AGENT_SURFACES and number % AGENTS_EVERY:
                continue
            output = await ask(question.text)
            judge.look(surface, question.text, output)
            if output.status != httpx.codes.OK:
                judge.failed(surface, question.text, output.status)
    if judge.readable and findings.found["search"] == hits_before:
        findings.readers_without_hits += 1
    await _name_marks(asker, world, judge)
    await _open_passages(asker, world, judge)
    await _ask_about_rights(asker, world, judge)
    await provoke_errors(asker, judge)


def look_at_log(text: str, asker: Asker, world: World, findings: Findings) -> None:
    """A log may name ids; text of documents and personal values it may not hold, whoever may read them."""
    nobodys = Detector([replace(s.fingerprint, exact=frozenset()) for s in world.sections], ())
    values, _ = _values(world, ())
    findings.calls["log"] += text.count("\n")
    findings.leaks += [(asker.name, "log", "", trace.section) for trace in nobodys.traces(text)]
    findings.unmasked += [(asker.name, "log", "", value) for value in values.shown(text, frozenset())]


async def _name_marks(asker: Asker, world: World, judge: Judge) -> None:
    """Ask for each document by its planted mark: the nearest thing there is, if she may have it."""
    for section in world.sections:
        mark = next((one for one in section.fingerprint.exact if one.count("-") == 2), None)
        if mark is None:
            continue
        asked = f"File mark {mark}"
        output = await asker.search(asked)
        judge.look("mark", asked, output)
        if section.name in judge.readable and section.document not in output.documents:
            judge.hidden("mark", asked, section.name)


async def _open_passages(asker: Asker, world: World, judge: Judge) -> None:
    """Open every chunk of every section; what she may not read must look like what does not exist."""
    nowhere = await asker.get("/api/v1/documents/doc_0/versions/ver_0/passage?start=0&end=10")
    for number, section in enumerate(world.sections):
        for span in section.spans:
            accept = "text/html" if span == section.spans[0] else "application/json"
            opened = [("passage", await asker.open(section, span, accept))]
            if span == section.spans[0] and number % AGENTS_EVERY == 0:
                opened.append(("mcp_passage", await asker.mcp_open(section, span)))
            asked = f"{section.document} {section.version} {span.start} {span.end}"
            for surface, output in opened:
                judge.look(surface, asked, output)
                may = section.name in judge.readable
                if may and output.status != httpx.codes.OK:
                    judge.hidden(surface, asked, section.name)
                if not may and output.status != nowhere.status:
                    judge.leaked(surface, asked, section.name)


async def _ask_about_rights(asker: Asker, world: World, judge: Judge) -> None:
    """Ask who may read what. Whoever does not administer a document learns not even that it is there.

    Whoever does administer it is told its id and labels, and never its text.
    """
    every = {section.document for section in world.sections}
    administers = {s.document for s in world.sections if world.oracle.may(asker.callers, "administer", s.labels)}
    asked = " ".join(sorted(administers))
    for document in sorted(every | {"doc_0"}):
        person = {"person": asker.person, "document": document}
        for output in (
            await asker.post("/api/v1/policy/explain", person),
            await asker.get(f"/api/v1/policy/who?document={document}"),
        ):
            judge.look("rights", f"{asked} {document}", output)
            if document not in administers and output.status == httpx.codes.OK:
                judge.leaked("rights", document, document)
    for output in (
        await asker.get("/api/v1/policy"),
        await asker.get("/api/v1/policy/export"),
        await asker.get("/api/v1/policy/history"),
        await asker.post("/api/v1/policy/what", {"person": WIDEST}),
        await asker.post("/api/v1/policy/simulate", {"add_rules": [{"subject": asker.person, "action": "read"}]}),
    ):
        judge.look("rights", asked, output)
        if not administers and output.status == httpx.codes.OK:
            judge.leaked("rights", "all", "policy")


async def provoke_errors(asker: Caller, judge: Judge) -> None:
    """Questions that are refused: what is said of that tells nothing."""
    for question in (" ", "x" * 100_000, "What \x00 is this?"):
        for surface, ask in asker.surfaces.items():
            judge.look(f"error:{surface}", question, await ask(question))


def _values(world: World, callers: Sequence[str]) -> tuple[Values, frozenset[str]]:
    """All personal values of the sources, and those that `callers` may see in clear."""
    allowed: set[str] = set()
    places: dict[str, set[str]] = {}
    texts = {path: source_text(path) for path in document_paths()}
    for section in world.sections:
        for entity, form in _VALUES.items():
            values = set(form.findall(texts.get(section.path, "")))
            for value in values:
                places.setdefault(value, set()).add(section.path)
            if world.oracle.may(callers, "read", section.labels) and world.oracle.may(
                callers, f"unmask:{entity}", section.labels
            ):
                allowed |= values
    return Values({value: frozenset(paths) for value, paths in places.items()}), frozenset(allowed)


def report_of(findings: Findings, world: World, askers: int, arguments: dict[str, Json]) -> Report:
    """Figures and gates; the floors see to it that nothing passes by doing nothing."""
    asked = len(world.questions) * len(world.oracle.people) * len(QUESTION_SURFACES)
    by_agents = len(world.questions[::AGENTS_EVERY]) * len(world.oracle.people) * len(AGENT_SURFACES)
    documents = len({section.document for section in world.sections})
    opened, tried = findings.found["passage"], findings.calls["passage"]
    figures: dict[str, Json] = {
        "leaks": len(findings.leaks),
        "wrongly_hidden": len(findings.hidden),
        "unmasked": len(findings.unmasked),
        "failed_calls": len(findings.failed),
        "checked": sum(findings.calls.values()),
        "askers": askers,
        "questions": len(world.questions),
        "documents": documents,
        "sections": len(world.sections),
        "fingerprints": findings.fingerprints,
        "readers_without_hits": findings.readers_without_hits,
        "passages_opened": opened,
        "passages_refused": tried - opened,
        "surfaces": {name: {"calls": findings.calls[name], "found": findings.found[name]} for name in findings.calls},
        "examples": examples(findings),
    }
    gates = (
        Gate("documents", "at least", len(document_paths()), documents),
        Gate("checked", "at least", max(1, asked + askers * len(world.sections)), sum(findings.calls.values())),
        Gate("questions asked", "at least", max(1, asked), sum(findings.calls[name] for name in QUESTION_SURFACES)),
        Gate("asked by agents", "at least", max(1, by_agents), sum(findings.calls[name] for name in AGENT_SURFACES)),
        Gate("passages tried", "at least", max(1, askers * len(world.sections)), tried),
        Gate("fingerprints", "at least", 1000 * askers, findings.fingerprints),
    )
    return Report("leak", figures, gates, arguments)


def examples(findings: Findings) -> list[Json]:
    """The first problems of each kind."""
    kinds = {
        "leak": findings.leaks,
        "hidden": findings.hidden,
        "unmasked": findings.unmasked,
        "failed": findings.failed,
    }
    return [
        {"kind": kind, "who": who, "surface": surface, "asked": asked[:80], "what": what}
        for kind, problems in kinds.items()
        for who, surface, asked, what in problems[:EXAMPLES_MAX]
    ]


@dataclass(frozen=True, slots=True)
class PlantedPath:
    """A path with one fault: `plant` is answered as if the widest reader had asked, or (`hide`) with nothing.

    Only for the self-test: an eval that this does not turn red measures nothing.
    """

    inner: QuestionPath
    plant: str

    def _principal(self, principal: Principal, here: str) -> Principal:
        return replace(principal, person=WIDEST, assistant=None) if self.plant == here else principal

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        async for event in self.inner.ask(question, self._principal(principal, "ask"), options):
            yield event

    async def search(self, question: str, principal: Principal, limit: int, account: Account | None = None) -> Found:
        found = await self.inner.search(question, self._principal(principal, "search"), limit, account)
        return replace(found, chunks=()) if self.plant == "hide" else found

    async def open_passage(self, document: str, version: str, span: Span, principal: Principal) -> OpenedPassage:
        return await self.inner.open_passage(document, version, span, self._principal(principal, "passage"))

    async def give_back(self, document: str, tokens: Sequence[str], principal: Principal) -> GivenBack:
        return await self.inner.give_back(document, tokens, principal)


async def plant(parts: AppParts, key: str, progress: Progress) -> Report:
    """Break the path in each way in turn, on a small sample, and demand that the eval notices."""
    world = await world_of(parts.database)
    telling = {"halcyon-price", "travel-allowance", "ceo-salary", "payroll-total"}
    sample = replace(world, questions=tuple(q for q in world.questions if q.id in telling))
    caught: dict[str, Json] = {}
    for name in PLANTS:
        progress(f"planted fault: {name}")
        findings = Findings()
        broken = replace(parts, path=PlantedPath(parts.path, name))
        with captured_log():
            async with client_of(broken) as client:
                await examine(Asker(DEMO[2], None, client, headers(key, DEMO[2]), broken.path), sample, findings)
        caught[name] = len(findings.hidden) if name == "hide" else len(findings.leaks)
    number = sum(1 for count in caught.values() if count)
    return Report("leak-plant", {"plants": len(PLANTS), "plants_caught": number, "caught": caught}, ())
