"""Broken parts on the path of a question: who is asked for, what is believed of a model, what is shown and recorded."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from unittest.mock import patch

from evals.redteam.company import TENANT, Company
from rag.api import caller, chat, passage
from rag.api.parts import QuestionPath
from rag.api.policy import authority
from rag.api.schemas import ChatRequest
from rag.domain import Answer, Principal, PrincipalSource, Span
from rag.query import judge, passages, retrieve, work
from rag.query.account import Account
from rag.query.evidence import Evidence, Support
from rag.query.found import Found
from rag.query.parts import Options
from rag.query.passages import OpenedPassage
from rag.query.record import Recorder
from rag.query.unmasking import GivenBack

WIDEST = Principal(TENANT, "user:keeper", frozenset(), None, PrincipalSource.OPERATOR)
OF_THE_WIKI = replace(WIDEST, person="user:wim")


@dataclass(frozen=True, slots=True)
class OthersPath:
    """A path that answers everybody as one and the same reader."""

    inner: QuestionPath
    reader: Principal

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        async for event in self.inner.ask(question, self.reader, options):
            yield event

    async def search(self, question: str, principal: Principal, limit: int, account: Account | None = None) -> Found:
        return await self.inner.search(question, self.reader, limit, account)

    async def open_passage(self, document: str, version: str, span: Span, principal: Principal) -> OpenedPassage:
        return await self.inner.open_passage(document, version, span, self.reader)

    async def give_back(self, document: str, tokens: Sequence[str], principal: Principal) -> GivenBack:
        return await self.inner.give_back(document, tokens, self.reader)


def widest_reader(company: Company) -> Iterator[Company]:
    """The path forgets who asks."""
    yield replace(company, parts=replace(company.parts, path=OthersPath(company.parts.path, WIDEST)))


def lenient_reader(company: Company) -> Iterator[Company]:
    """The path takes everybody for somebody who may read what anybody may write."""
    yield replace(company, parts=replace(company.parts, path=OthersPath(company.parts.path, OF_THE_WIKI)))


def no_guard(company: Company) -> Iterator[Company]:
    """Questions are taken as they come."""
    with patch.object(retrieve, "check_question", lambda text, chars_max: text.replace("\0", " ")):
        yield company


def believed_claims(company: Company) -> Iterator[Company]:
    """Every sentence of the model counts as supported, and nothing that it writes is made inert."""

    def believed(draft: object, evidence: Sequence[Evidence], *, verbatim: bool) -> tuple[Support, ...]:
        first = evidence[0]
        return (first.support(0, len(first.given.passage.text)),)

    with patch.object(judge, "verify", believed), patch.object(work, "inert", lambda text, sources: text):
        yield company


def trusted_history(company: Company) -> Iterator[Company]:
    """The whole conversation is the question, and what is written of it is believed."""

    def whole(request: ChatRequest, settings: object) -> str:
        return "\n".join(str(message.content) for message in request.messages)

    with patch.object(chat, "question_of", whole):
        yield from believed_claims(company)


def unescaped_pages(company: Company) -> Iterator[Company]:
    """The page of a passage holds its text as it stands in the document."""
    with patch.object(passage, "escape", lambda text: text), patch.object(passages, "inert", lambda text, known: text):
        yield company


def unrecorded(company: Company) -> Iterator[Company]:
    """What was refused or shown is not written down."""

    async def forgotten(*_: object, **__: object) -> None:
        return None

    with ExitStack() as stack:
        stack.enter_context(patch.object(caller, "record_denial", forgotten))
        stack.enter_context(patch.object(authority, "record_denial", forgotten))
        stack.enter_context(patch.object(passages, "write_record", forgotten))
        stack.enter_context(patch.object(Recorder, "searched", forgotten))
        yield company
