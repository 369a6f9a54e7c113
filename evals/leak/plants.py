"""`ringfence eval leak --plant`: the path with one fault at a time, each of which the eval must notice."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from evals.company import client_of, headers
from evals.leak.asking import examine
from evals.leak.judge import Findings
from evals.leak.logs import captured_log
from evals.leak.surfaces import Asker
from evals.leak.world import DEMO, world_of
from evals.questions import WIDEST
from evals.runner.report import Report
from evals.runner.values import Json
from rag.api.parts import AppParts, QuestionPath
from rag.domain import Answer, Principal, Span
from rag.query.account import Account
from rag.query.found import Found
from rag.query.parts import Options
from rag.query.passages import OpenedPassage
from rag.query.unmasking import GivenBack

PLANTS = ("search", "ask", "passage", "hide")


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


async def plant(parts: AppParts, key: str, progress: Callable[[str], None]) -> Report:
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
