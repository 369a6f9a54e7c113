"""Everything that one asker can try: every question, mark, passage, question about rights, and refused question."""

import httpx

from evals.leak.judge import Findings, Judge
from evals.leak.surfaces import AGENT_SURFACES, Asker, Caller
from evals.leak.world import World
from evals.questions import WIDEST

THROUGH_ASSISTANTS = ("search", "chat", *AGENT_SURFACES)
"""What assistants call. The other surfaces are the same path, asked by every person alone."""
AGENTS_EVERY = 8
"""Of so many questions and sections, one is also asked for over MCP, which leads to the same functions."""


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
