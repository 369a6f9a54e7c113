"""Cases made of reviewed feedback: asked again, each for the person who asked, in the words that she used.

A case holds ids of what answers it, and no sentence: an answer is right where it rests on one of these documents.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from evals.answers import ABSTAINED, INVENTED, MISSED, RIGHT, WRONG, Asked, Progress, report_of
from evals.runner.report import Report
from evals.runner.values import Json
from rag.domain import Answer, Principal, PrincipalSource
from rag.errors import Misuse
from rag.json_lines import read_json_lines
from rag.privacy.unmask import tokens_in, unmask
from rag.query.answer import answer
from rag.query.feedback_review import Case, Expected, cases
from rag.query.parts import QueryParts

FEEDBACK = "feedback"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    id: str
    person: str = Field(pattern="^user:.")
    question: str = Field(min_length=1, repr=False)
    answerable: bool
    positive_documents: list[str]
    positive_chunks: list[str]
    negative_chunks: list[str]

    def case(self) -> Case:
        ids = tuple(self.positive_documents), tuple(self.positive_chunks), tuple(self.negative_chunks)
        return Case(self.id, self.person, self.question, Expected(self.answerable, *ids))


def read_cases(path: Path) -> list[Case]:
    """The cases of a file that `ringfence feedback export` wrote.

    Raises:
        Misuse: names the line that is none, never what is in it.
    """
    found = [line.case() for line in read_json_lines(path, _Line, "a case of `ringfence feedback export`")]
    if not found:
        raise Misuse(f"There is no case in {path}.")
    return found


async def kept_cases(session: AsyncSession, tenant: str) -> list[Case]:
    """Those that the tenant's database holds.

    Raises:
        Misuse: there is none.
    """
    found = await cases(session, tenant)
    if not found:
        raise Misuse(f"Tenant {tenant!r} has no case: `ringfence feedback accept` makes one.")
    return found


async def ask_cases(parts: QueryParts, tenant: str, found: Sequence[Case], progress: Progress) -> list[Asked]:
    """Ask each for its person. Groups that her identity provider names are not known here: she has those of the policy.

    Tokens that the vault holds are given back before she asks; erased ones stay, as nobody can say them any more.
    """
    asked = []
    for case in found:
        question = await _spoken(parts, tenant, case.question)
        asker = Principal(tenant, case.person, frozenset(), None, PrincipalSource.OPERATOR)
        given = await answer(question, asker, parts)
        asked.append(Asked(outcome_of(given, case), dict(given.timings.stages)))
    progress(f"{len(found)} cases")
    return asked


def outcome_of(given: Answer, case: Case) -> str:
    if not case.expected.answerable:
        return INVENTED if given.found else ABSTAINED
    if not given.found:
        return MISSED
    cited = {citation.document for citation in given.citations}
    return RIGHT if cited & set(case.expected.positive_documents) else WRONG


def cases_report_of(asked: Sequence[Asked], name: str, arguments: dict[str, Json]) -> Report:
    """The figures of `answers`, under a name of its own."""
    report = report_of(asked, arguments)
    return Report(name, report.figures, report.gates, report.arguments)


async def _spoken(parts: QueryParts, tenant: str, question: str) -> str:
    tokens = {token.text for token in tokens_in(question)}
    async with parts.database.reading() as session:
        vault = (await parts.privacy.for_tenant(session, tenant)).vault
        return unmask(question, await vault.open(session, tokens))
