"""What the routes stand on, as values: the composition root makes the real ones, tests may bring their own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import Request

from policies.desk import PolicyDesk
from policies.store import SnapshotCache
from rag.api.limits import RequestRates
from rag.api.metrics import Metrics
from rag.api.queue import AnswerQueue
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.domain import Answer, Principal, Span
from rag.errors import NotFound
from rag.identity.authenticate import IdentityParts
from rag.query.account import Account
from rag.query.feedback import Feedback, Kept
from rag.query.found import Found
from rag.query.parts import Options
from rag.query.passages import OpenedPassage
from rag.query.samples import Asked
from rag.query.unmasking import GivenBack
from rag.settings import Settings
from rag.telemetry.tracing import NO_TRACING, Tracing

Check = Callable[[], Awaitable[None]]
"""Returns if a part works, raises if it does not."""


class QuestionPath(Protocol):
    """`rag.query` as the routes see it."""

    def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        """Pieces of the answer's text, then the answer itself. Closing the iterator stops the work."""
        ...

    async def search(
        self, question: str, principal: Principal, limit: int, account: Account | None = None
    ) -> Found: ...

    async def open_passage(self, document: str, version: str, span: Span, principal: Principal) -> OpenedPassage:
        """Raises `NotFound` for what does not exist and for what she may not read, alike."""
        ...

    async def give_back(self, document: str, tokens: Sequence[str], principal: Principal) -> GivenBack:
        """Raises `NotFound` for what does not exist and for what she may not see, alike."""
        ...


class CompareIndexes(Protocol):
    """Figures of both indexes of a tenant: `rag.query.index_comparison`, as the routes see it."""

    async def __call__(
        self,
        tenant: str,
        *,
        author: str,
        questions: Sequence[Asked],
        people: Sequence[str],
        sample: int,
        allowed: Collection[str],
    ) -> Mapping[str, Any]: ...


class GiveFeedback(Protocol):
    """`rag.query.feedback`, as the routes see it."""

    async def __call__(self, given: Feedback, principal: Principal) -> Kept:
        """Raises `NotFound` for an answer that does not exist and for one that is not hers, alike."""
        ...


async def no_answers(given: Feedback, principal: Principal) -> Kept:
    """Feedback of an application that keeps none."""
    raise NotFound("There is no such answer of yours, or it was given too long ago.")


async def nothing_to_compare(
    tenant: str,
    *,
    author: str,
    questions: Sequence[Asked],
    people: Sequence[str],
    sample: int,
    allowed: Collection[str],
) -> Mapping[str, Any]:
    """The comparison of an application that has one index of each tenant only."""
    raise NotFound("No index stands beside the live one here.")


@dataclass(frozen=True, slots=True)
class AppParts:
    """Everything the application needs. `publish` takes a tenant and returns counts; `checks` are for readiness."""

    settings: Settings
    database: Database
    identity: IdentityParts
    audit: AuditLog
    desk: PolicyDesk
    path: QuestionPath
    publish: Callable[[str], Awaitable[Mapping[str, int]]]
    checks: Mapping[str, Check]
    count_tokens: Callable[[str], int]
    snapshots: SnapshotCache
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = NO_TRACING
    compare_indexes: CompareIndexes = nothing_to_compare
    give_feedback: GiveFeedback = no_answers

    @property
    def public_url(self) -> str:
        """Root of the service in links, without a slash at the end."""
        service = self.settings.service
        host = "127.0.0.1" if service.host in ("0.0.0.0", "::", "") else service.host  # noqa: S104 - compared, not bound
        shown = f"[{host}]" if ":" in host else host
        return (service.public_url or f"http://{shown}:{service.port}").rstrip("/")


@dataclass(frozen=True, slots=True)
class AppState:
    """What lives as long as one application: its parts, and what only this process counts."""

    parts: AppParts
    rates: RequestRates
    queue: AnswerQueue


def state_of(request: Request) -> AppState:
    """The state of the application that a request came to."""
    state = request.app.state.ringfence
    if not isinstance(state, AppState):
        raise TypeError("the application was not made by create_app")
    return state
