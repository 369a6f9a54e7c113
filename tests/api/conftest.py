"""The real application on a real server with a real database; only the path of a question may be a stand-in."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from policies.rules import Attributes, Level
from policies.store import SnapshotCache
from rag.api.app import create_app
from rag.api.desk import desk_on
from rag.api.parts import AppParts
from rag.api.server import QuietServer, open_socket, uvicorn_config
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.domain import (
    Answer,
    Chunk,
    Citation,
    Claim,
    Principal,
    ReadableChunk,
    Span,
    Timings,
)
from rag.errors import NotFound
from rag.identity.authenticate import IdentityParts
from rag.identity.keys import USUAL, Scope
from rag.identity.store import ApiKeys
from rag.identity.tokens import TokenVerifier
from rag.ingestion_settings import IngestionSettings, SourceSettings
from rag.limit_settings import LimitSettings
from rag.query.account import Account
from rag.query.feedback import Feedback, Kept
from rag.query.found import Found
from rag.query.parts import Options
from rag.query.passages import OpenedPassage
from rag.query.unmasking import GivenBack
from rag.settings import ServiceSettings, Settings
from tests.api import administered
from tests.api.administered import Speaker
from tests.models import loaded_once

SECRET = b"s" * 32
OPERATOR = "rfop_" + "o" * 43
TEXT = "Annual leave is 28 days. It must be taken by March."


PASSAGE = OpenedPassage(
    "doc_a", "ver_a", Span(10, 34), 2, Level.INTERNAL, "Leave <b>", "Annual leave is 28 days. <script>x</script>"
)


def the_answer() -> Answer:
    first = Citation(1, "doc_a", "ver_a", "chk_a", "Leave", 2, Span(10, 34), "Annual leave is 28 days.", Level.INTERNAL)
    second = replace(first, number=2, page=None, span=Span(35, 61), quote="It must be taken by March.")
    claims = (Claim("Annual leave is 28 days.", (1,)), Claim("It must be taken by March.", (1, 2)))
    timings = Timings((("plan", 0.5), ("search", 2.25)))
    return Answer("ans_1", True, claims, (first, second), TEXT, Level.INTERNAL, 7, "extractive", timings)


@dataclass
class ScriptedPath:
    """Does what a test says, and remembers what it was asked."""

    pieces: tuple[str | Answer | Exception, ...] = (
        "Annual leave is 28 days.",
        " It must be taken by March.",
        the_answer(),
    )
    asked: list[tuple[str, Principal, Options]] = field(default_factory=list)
    opened: list[tuple[str, str, Span, Principal]] = field(default_factory=list)
    failure: Exception | None = None
    hang_after: int | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    passage: OpenedPassage = PASSAGE
    finds_nothing: frozenset[str] = frozenset({"user:dora"})

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        self.asked.append((question, principal, options))
        if principal.person in self.finds_nothing:
            nothing = replace(the_answer(), found=False, claims=(), citations=(), text="Nothing was found.")
            yield nothing.text
            yield nothing
            return
        try:
            for number, piece in enumerate(self.pieces):
                if number == self.hang_after:
                    await asyncio.Event().wait()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed.set()

    async def search(self, question: str, principal: Principal, limit: int, account: Account | None = None) -> Found:
        self.asked.append((question, principal, Options(limit=limit)))
        if self.failure is not None:
            raise self.failure
        if principal.person in self.finds_nothing:
            return Found((), 7, Timings((("search", 1.0),)))
        chunk = Chunk("chk_a", "doc_a", "ver_a", 0, Span(10, 34), 2, "Leave", "Annual leave is 28 days.")
        attributes = Attributes("acme", "doc_a", "hr", Level.INTERNAL)
        return Found((ReadableChunk(chunk, attributes, 1, "Leave", 0.5, 0.75),), 7, Timings((("search", 1.0),)))

    async def open_passage(self, document: str, version: str, span: Span, principal: Principal) -> OpenedPassage:
        self.opened.append((document, version, span, principal))
        if principal.person != "user:ann":
            raise NotFound("There is no such passage, or none that you may read.")
        return self.passage

    async def give_back(self, document: str, tokens: Sequence[str], principal: Principal) -> GivenBack:
        if principal.person != "user:ann":
            raise NotFound("There is no such value in a document, or none that you may see.")
        return GivenBack(document, dict.fromkeys(tokens, PASSAGE.text), ())


_TLS = ssl.create_default_context()
"""Read once: each client would read the certificates of the world anew, which no test uses."""


@pytest.fixture(scope="module", autouse=True)
def models_loaded_once() -> Iterator[None]:
    with loaded_once():
        yield


@pytest.fixture
def path() -> ScriptedPath:
    return ScriptedPath()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    sources = {name: SourceSettings(tenant=name, folder=tmp_path) for name in ("acme", "globex")}
    return Settings(
        data_dir=tmp_path,
        ingestion=IngestionSettings(sources=sources),
        service=ServiceSettings(requests_per_minute=1000, body_bytes_max=20_000),
    )


@pytest.fixture
def parts(database: Database, path: ScriptedPath, settings: Settings) -> AppParts:
    async def knows(tenant: str, subject: str) -> bool:
        return (tenant, subject) in {("acme", f"user:{name}") for name in ("ann", "bob", "ada", "dora")}

    async def publish(tenant: str) -> Mapping[str, int]:
        return {"versions": 3}

    async def fine() -> None:
        return None

    async def feedback(given: Feedback, principal: Principal) -> Kept:
        if principal.person != "user:ann":
            raise NotFound("There is no such answer of yours, or it was given too long ago.")
        return Kept(changed=False, comment=bool(given.comment), question=given.question is not None)

    tokens = TokenVerifier(SECRET, "HS256", audience="ringfence", issuer=None)
    return AppParts(
        settings=settings,
        database=database,
        identity=IdentityParts(database, tokens, OPERATOR, knows),
        audit=AuditLog(),
        desk=desk_on(database, SnapshotCache(), AuditLog()),
        path=path,
        publish=publish,
        checks={"database": fine},
        count_tokens=lambda text: len(text.split()),
        snapshots=SnapshotCache(),
        give_feedback=feedback,
    )


@dataclass(frozen=True)
class Bearers:
    """One key of each kind; the operator's is a constant."""

    person: str
    bob: str
    assistant: str
    naming_assistant: str
    administrator: str
    ada: str
    dora: str
    editor: str
    provisioner: str
    operator: str = OPERATOR


@pytest.fixture
async def bearers(database: Database) -> Bearers:
    async with database.unit_of_work() as session:
        keys, now = ApiKeys(session), datetime.now(UTC)

        async def made(subject: str, **rights: Any) -> str:
            return (await keys.create(tenant="acme", subject=subject, now=now, **rights)).bearer

        return Bearers(
            person=await made("user:ann"),
            bob=await made("user:bob"),
            assistant=await made("assistant:helpdesk"),
            naming_assistant=await made("assistant:helpdesk", may_name_people=True),
            administrator=await made("user:root", administrator=True, scopes=USUAL | {Scope.JOBS}),
            ada=await made("user:ada"),
            dora=await made("user:dora"),
            editor=await made("assistant:editor", may_name_people=True),
            provisioner=await made("assistant:okta", scopes={Scope.SCIM}),
        )


def with_limits(parts: AppParts, **limits: Any) -> AppParts:
    """The same application, with these limits and otherwise the usual ones."""
    return replace(parts, settings=parts.settings.model_copy(update={"limits": LimitSettings(**limits)}))


Serve = Callable[[AppParts], Awaitable[str]]


@asynccontextmanager
async def serving(parts: AppParts) -> AsyncIterator[str]:
    """The application on a free loopback port, over a real socket. Yields its root URL."""
    listening = open_socket("127.0.0.1", 0)
    started = asyncio.Event()
    server = QuietServer(uvicorn_config(create_app(parts), parts.settings.service), started.set)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(10):
        await started.wait()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await task


@pytest.fixture
async def url(parts: AppParts) -> AsyncIterator[str]:
    async with serving(parts) as root:
        yield root


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10, verify=_TLS) as opened:
        yield opened


@pytest.fixture
async def policy(database: Database) -> None:
    """Tenant acme has the policy and the documents of `tests.api.administered`."""
    await administered.fill(database)


@pytest.fixture
def ada(client: httpx.AsyncClient, bearers: Bearers, policy: None) -> Speaker:
    """Administers the whole tenant."""
    return Speaker(client, {"Authorization": f"Bearer {bearers.ada}"})


@pytest.fixture
def dora(client: httpx.AsyncClient, bearers: Bearers, policy: None) -> Speaker:
    """Administers the department hr, up to confidential."""
    return Speaker(client, {"Authorization": f"Bearer {bearers.dora}"})


@pytest.fixture
def ann(client: httpx.AsyncClient, bearers: Bearers, policy: None) -> Speaker:
    """Reads hr, and administers nothing."""
    return Speaker(client, {"Authorization": f"Bearer {bearers.person}"})


@pytest.fixture
def operator(client: httpx.AsyncClient, bearers: Bearers, policy: None) -> Speaker:
    """The local operator, in her own name."""
    return Speaker(client, {"Authorization": f"Bearer {bearers.operator}", "X-Ringfence-Tenant": "acme"})
