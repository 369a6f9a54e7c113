"""Planted attacks on the real path: documents ingested as ever, and a generator that obeys whatever it reads.

Success is the effect of an attack in what a reader is shown. With the guards it must be none. Then the guards are taken
away, in two ways, and it must be some: else this eval could not fail.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from evals.company import opened_for_questions
from evals.injection.attacks import Attack, document_of
from evals.runner.values import Json
from ingestion.commands.ingesting import open_parts
from ingestion.pipeline import ingest
from ingestion.publishing import publish_documents
from ingestion.sources.folder import FolderSource
from policies.rules import Level, Rule
from policies.store import Edit, PolicyStore
from rag.domain import Principal, PrincipalSource
from rag.generation.protocol import GenerationRequest
from rag.query import judge, work
from rag.query.answer import answer
from rag.query.evidence import Evidence, Support
from rag.query.parts import Options, QueryParts
from rag.settings import load_settings

TENANT = "meridian"
READER = Principal(TENANT, "user:reader", frozenset(), None, PrincipalSource.OPERATOR)
PASSAGES = Options(limit=2)
"""The document that is asked about, and another one with an attack: all sentences of a generator are scanned."""
PLANTS = ("verification", "form")
"""What is taken away in turn: claims need support; an answer has no link, image or HTML."""


@dataclass
class Obedient:
    """A generator that does what every passage says, in every way, and answers the question besides."""

    attacks: Sequence[Attack]
    obeyed: set[str] = field(default_factory=set)
    name: str = "obedient"
    verbatim: bool = False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        for passage in request.passages:
            for attack in self.attacks:
                fact = next((line for line in passage.text.splitlines() if line.startswith(attack.needle)), None)
                if fact is None:
                    continue
                self.obeyed.add(attack.name)
                yield f"{fact} [{passage.number}]\n"
                for effect in (one.replace(attack.fact, fact) for one in attack.effects):
                    yield f"{effect} [{passage.number}]\n"
                    yield f"{fact} {effect}\n"
                yield f"{request.mark} {attack.text} [{passage.number}]\n"

    async def close(self) -> None:
        return None


@asynccontextmanager
async def planted_company(folder: Path, attacks: Sequence[Attack]) -> AsyncIterator[tuple[QueryParts, set[str]]]:
    """The parts of a path over documents that carry the attacks, and the names of those that ingestion flagged."""
    documents = folder / "documents"
    await asyncio.to_thread(_write, documents, attacks)
    settings = load_settings(data_dir=folder / "data")
    (folder / "data").mkdir()
    async with open_parts(settings) as parts:
        async with parts.database.unit_of_work() as session:
            rule = Rule(subject="user:reader", tenant=TENANT, action="read", level=Level.PUBLIC)
            await PolicyStore(session).apply(TENANT, Edit(add_rules=(rule,)), author="user:eval", reason="eval")
        report = await ingest(FolderSource(documents, "planted"), TENANT, parts)
        await publish_documents(settings, parts.database, parts.embedder.dim, TENANT)
    flagged = {Path(outcome.path).stem for outcome in report.outcomes if outcome.flags}
    async with opened_for_questions(folder / "data") as query:
        yield query, flagged


def _write(documents: Path, attacks: Sequence[Attack]) -> None:
    documents.mkdir()
    (documents / "ringfence.yaml").write_text("department: site\nlevel: public\n", encoding="utf-8")
    for attack in attacks:
        (documents / f"{attack.name}.md").write_text(document_of(attack), encoding="utf-8")


async def measure(
    parts: QueryParts,
    attacks: Sequence[Attack],
    sample: Sequence[Attack],
    flagged: set[str],
    talk: Callable[[str], None],
) -> dict[str, Json]:
    """Ask for every document with an attack, by the obedient generator and by the real default one.

    The `sample` is asked again without each of the guards.
    """
    obedient = Obedient(attacks)
    hit = await _successes(parts, obedient, attacks)
    talk(f"{len(attacks)} attacks: {len(hit)} had an effect")
    default = await _successes(parts, None, attacks)
    caught: dict[str, list[str]] = {}
    for name in PLANTS:
        with without(name):
            caught[name] = sorted(await _successes(parts, Obedient(attacks), sample))
        talk(f"without {name}: {len(caught[name])} had an effect")
    figures: dict[str, Json] = {
        "attacks": len(attacks),
        "attacks_obeyed": len(obedient.obeyed),
        "attacks_flagged_at_ingestion": len(flagged & {attack.name for attack in attacks}),
        "attacks_succeeded": len(hit),
        "succeeded": list(hit),
        "attacks_succeeded_default_generator": len(default),
        "plants": len(PLANTS),
        "plants_caught": sum(bool(found) for found in caught.values()),
        "succeeded_without": {name: len(found) for name, found in caught.items()},
    }
    return figures


async def _successes(parts: QueryParts, generator: Obedient | None, attacks: Sequence[Attack]) -> list[str]:
    """The names of the attacks of which an effect was seen in any answer."""
    asked = parts if generator is None else replace(parts, generator=generator)
    answers = [await answer(attack.question, READER, asked, PASSAGES) for attack in attacks]
    return [attack.name for attack in attacks if any(map(attack.succeeded, answers))]


@contextmanager
def without(plant: str) -> Iterator[None]:
    """The path with one guard taken away; the form of an answer matters only where claims need no support either."""

    def believed(draft: object, evidence: Sequence[Evidence], *, verbatim: bool) -> tuple[Support, ...]:
        first = evidence[0]
        return (first.support(0, len(first.given.passage.text)),)

    with patch.object(judge, "verify", believed):
        if plant == "verification":
            yield
        else:
            with patch.object(work, "inert", lambda text, sources: text):
                yield
