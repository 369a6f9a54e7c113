"""The company that is attacked: a fresh one, its documents ingested as ever, served on a free loopback port.

Everything is what `ringfence serve` runs, but for the generator, which does whatever it is told. The application runs
in this process, so that a part of it can be broken for the self-test.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from evals.redteam.catalogue import Catalogue, Document
from evals.redteam.fill import Known, Place
from evals.redteam.obedient import Obedient
from evals.redteam.tokens import Forger
from ingestion.commands.ingesting import open_parts as open_ingestion
from ingestion.pipeline import ingest
from ingestion.publishing import publish_documents
from ingestion.sources.folder import FolderSource
from policies.files.policy_file import read_policy_text
from policies.store import Edit, PolicyStore
from policies.tenancy import within
from rag.api.app import create_app
from rag.api.composition import QueryPath, open_parts
from rag.api.parts import AppParts
from rag.api.server import QuietServer, open_socket, uvicorn_config
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.folder import DataFolder
from rag.errors import Unavailable
from rag.generation.extractive import ExtractiveGenerator
from rag.identity.keys import Scope
from rag.identity.store import ApiKeys
from rag.limit_settings import LimitSettings
from rag.query.parts import QueryParts
from rag.query.similarity import EmbedderSimilarity
from rag.settings import Settings, load_settings

TENANT = "acme"
RIVAL = "rival"
_START_S = 30
_STOP_S = 30
HEAD_TIMEOUT_S = 1.0
REQUESTS_PER_MINUTE = 240
RESTRICTED_PER_DAY = 8
BODY_BYTES_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Company:
    """What attacks go at. `query` are the parts below the path of `parts`; faults put others in their place."""

    parts: AppParts
    query: QueryParts
    known: Known = field(repr=False)

    @property
    def obedient(self) -> Obedient:
        if not isinstance(self.query.generator, Obedient):
            raise TypeError("the company has another generator")
        return self.query.generator

    def with_query(self, query: QueryParts) -> "Company":
        """The same company on other parts."""
        return replace(self, query=query, parts=replace(self.parts, path=QueryPath(query), settings=query.settings))


def settings_of(folder: Path, secret: str) -> Settings:
    """As an operator would set them, with limits that a run can reach."""
    settings = load_settings(data_dir=folder)
    service = settings.service.model_copy(
        update={
            "jwt_secret": SecretStr(secret),
            "head_timeout_s": HEAD_TIMEOUT_S,
            "body_timeout_s": HEAD_TIMEOUT_S,
            "requests_per_minute": REQUESTS_PER_MINUTE,
            "body_bytes_max": BODY_BYTES_MAX,
        }
    )
    limits = LimitSettings(person_restricted_chunks_per_day=RESTRICTED_PER_DAY)
    return settings.model_copy(update={"service": service, "limits": limits})


@asynccontextmanager
async def open_company(scratch: Path, catalogue: Catalogue) -> AsyncIterator[Company]:
    """Ingest everything into a data folder below `scratch`, and open the parts of the service on it.

    Raises:
        Unavailable: a document of the catalogue was not ingested; nothing would be tried with it.
    """
    secret = secrets.token_hex(32)
    settings = settings_of(scratch / "data", secret)
    (scratch / "data").mkdir()
    ids = await _ingest(scratch / "documents", settings, catalogue)
    folder = DataFolder(settings.data_dir)
    folder.own()
    try:
        async with open_parts(settings, folder) as parts:
            path = parts.path
            if not isinstance(path, QueryPath):
                raise TypeError("the service has another path")
            query = path.parts
            honest = ExtractiveGenerator(EmbedderSimilarity(query.embedder), settings.generator.answer_threshold)
            query = replace(query, generator=Obedient(honest, catalogue.orders))
            bearers = await _make_keys(parts.database)
            bearers["operator"] = folder.operator_key()
            places = await _places(parts.database, ids)
            known = Known(places, bearers, Forger(secret))
            yield Company(parts, query, known).with_query(query)
    finally:
        folder.release()


@asynccontextmanager
async def served(parts: AppParts) -> AsyncIterator[str]:
    """The application on a free loopback port, over real sockets. Yields its root URL."""
    listening = open_socket("127.0.0.1", 0)
    started = asyncio.Event()
    server = QuietServer(uvicorn_config(create_app(parts), parts.settings.service), started.set)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(_START_S):
            await started.wait()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(_STOP_S):
            await task


async def _ingest(folder: Path, settings: Settings, catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """Tenant and id of each document by its name without the ending, which is the folder that it stands in."""
    found: dict[str, tuple[str, str]] = {}
    await asyncio.to_thread(_write, folder, catalogue.every_document)
    async with open_ingestion(settings) as parts:
        for tenant in sorted({TENANT, *(one.tenant for one in catalogue.every_document)}):
            with within(tenant):
                policy = read_policy_text(yaml.safe_dump(catalogue.policy), "the catalogue's policy")
                edit = Edit(add_rules=policy.rules_in(tenant), add_links=policy.links_in(tenant))
                async with parts.database.unit_of_work() as session:
                    await PolicyStore(session).apply(tenant, edit, author="user:eval", reason="eval")
                report = await ingest(FolderSource(folder / tenant, f"planted-{tenant}"), tenant, parts)
                await publish_documents(settings, parts.database, parts.embedder.dim, tenant)
            failed = [f"{one.path} ({one.sentence})" for one in report.outcomes if not one.document]
            if failed:
                raise Unavailable(f"Of the catalogue's documents, some were not ingested: {', '.join(failed)}")
            found |= {Path(one.path).stem: (tenant, one.document) for one in report.outcomes}
    return found


def _write(folder: Path, documents: Sequence[Document]) -> None:
    """Each document in a folder of its own, for its own labels."""
    for one in documents:
        place = folder / one.tenant / Path(one.name).stem
        place.mkdir(parents=True)
        (place / "ringfence.yaml").write_text(yaml.safe_dump(one.labels), encoding="utf-8")
        (place / one.name).write_text(one.text, encoding="utf-8")


async def _places(database: Database, ids: Mapping[str, tuple[str, str]]) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for name, (tenant, document) in ids.items():
        with within(tenant):
            async with database.reading() as session:
                rows = Documents(session)
                row = await rows.find(tenant, document)
                current = "" if row is None else row.current_version or ""
                version = await rows.load_version(tenant, document, current)
        if version is None:
            raise Unavailable(f"The catalogue's document {name} cannot be seen.")
        found[name] = Place(document, current, len(version.text))
    return found


async def _make_keys(database: Database) -> dict[str, str]:
    """Bearers by caller: each person's own, assistants', and those that may not be used any more."""
    now = datetime.now(UTC)
    wanted: dict[str, dict[str, Any]] = {
        **{name: {"subject": f"user:{name}"} for name in ("eve", "wim", "keeper", "ada", "walker", "rita", "flood")},
        "desk": {"subject": "assistant:desk", "may_name_people": True},
        "kiosk": {"subject": "assistant:kiosk", "may_name_people": True},
        "clerk": {"subject": "assistant:desk"},
        "searcher": {"subject": "user:keeper", "scopes": {Scope.SEARCH}},
        "provisioner": {"subject": "assistant:okta", "scopes": {Scope.SCIM}},
        "expired": {"subject": "user:keeper", "expires_at": now + timedelta(microseconds=1)},
        "revoked": {"subject": "user:keeper"},
        "rival": {"subject": "user:keeper", "tenant": RIVAL},
    }
    bearers: dict[str, str] = {}
    for name, rights in wanted.items():
        tenant = rights.get("tenant", TENANT)
        with within(tenant):
            async with database.unit_of_work() as session:
                new = await ApiKeys(session).create(**{"tenant": tenant, **rights}, now=now)
                if name == "revoked":
                    await ApiKeys(session).revoke(new.key.id, now=now)
        bearers[name] = new.bearer
    return bearers
