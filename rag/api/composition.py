"""The composition root: from settings to the parts of the application, opened in order and closed in reverse."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import asdict
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from policies.store import PolicyError, PolicyStore, SnapshotCache
from policies.tenancy import every_tenant, within
from rag.api.counted import CountedAuditLog, CountedEmbedder
from rag.api.desk import desk_on
from rag.api.drift_gauges import DriftGauges
from rag.api.job_gauges import JobGauges
from rag.api.metrics import Metrics
from rag.api.parts import AppParts, Check
from rag.api.probes import reach_index_server
from rag.api.readings import ModelServersCollector, Readings
from rag.audit.store import AuditCheckpoints
from rag.db.documents import tenants_with_documents
from rag.db.engine import Database, open_database
from rag.db.folder import DataFolder
from rag.domain import Answer, Principal, Span
from rag.embedding.minilm import load_embedder
from rag.embedding.others import OtherEmbedders
from rag.errors import PolicyUnreadable
from rag.generation.choose import open_generator
from rag.generation.extractive import ExtractiveGenerator
from rag.generation.openai_compatible import OpenAIGenerator
from rag.generation.protocol import Generator
from rag.identity.authenticate import IdentityParts, PersonKnown
from rag.identity.issuers import open_issuers
from rag.identity.tokens import open_verifier
from rag.index.lexical import LexicalEncoder
from rag.index.stores import IndexStores, open_stores
from rag.index.upkeep import publish_tenant
from rag.privacy.receipts import open_signer
from rag.privacy.tenant import open_privacy
from rag.query.account import Account
from rag.query.answer import ClaimReady, Finished, ask
from rag.query.cross_encoder import open_scorer
from rag.query.feedback import give_feedback
from rag.query.found import Found
from rag.query.index_comparison import compare_indexes
from rag.query.metrics import QueryMetrics
from rag.query.parts import Options, QueryParts
from rag.query.passages import OpenedPassage, open_passage
from rag.query.retrieve import find
from rag.query.similarity import EmbedderSimilarity
from rag.query.unmasking import GivenBack, give_back
from rag.settings import Settings
from rag.telemetry.export import open_tracing


@asynccontextmanager
async def open_parts(settings: Settings, folder: DataFolder) -> AsyncIterator[AppParts]:
    """Every part that the settings ask for. With the embedded index, the caller owns `folder` first.

    Raises:
        RingfenceError: a part cannot be opened; the message says which and what to do.
    """
    tokens = open_verifier(settings.service)
    async with AsyncExitStack() as opened:
        tracing = opened.enter_context(open_tracing(settings.telemetry))
        issuers = open_issuers(settings.identity, opened)
        database = await open_database(settings.database_url, settings.database)
        opened.push_async_callback(database.close)
        privacy = await asyncio.to_thread(open_privacy, settings)
        metrics = Metrics()
        embedder = CountedEmbedder(await asyncio.to_thread(load_embedder, settings.embedding), metrics.registry)
        stores = open_stores(settings, embedder.dim, embedder.digest)
        opened.push_async_callback(stores.close)
        publisher = Publisher(database, stores)
        if settings.index.kind == "embedded":
            await publisher.catch_up()
        similarity = EmbedderSimilarity(embedder)
        generator = await asyncio.to_thread(open_generator, settings.generator, similarity)
        opened.push_async_callback(generator.close)
        scorer = await asyncio.to_thread(open_scorer, settings.generator)
        audit = CountedAuditLog(await asyncio.to_thread(open_signer, settings), metrics.registry)
        snapshots = SnapshotCache()
        ready = checks(settings, database)
        read_states(metrics, settings, database, stores, generator, ready)
        query = QueryParts(
            database=database,
            snapshots=snapshots,
            privacy=privacy,
            embedder=embedder,
            lexical=LexicalEncoder(),
            stores=stores,
            generator=generator,
            audit=audit,
            settings=settings,
            # A model server that is down must not leave people without the passages that answer them.
            fallback=None
            if settings.generator.kind == "extractive"
            else ExtractiveGenerator(similarity, settings.generator.answer_threshold),
            metrics=QueryMetrics(metrics.registry),
            scorer=scorer,
            others=OtherEmbedders(settings.embedding, lambda named: embedder.like(load_embedder(named))),
            tracing=tracing,
        )
        yield AppParts(
            settings=settings,
            database=database,
            identity=IdentityParts(database, tokens, folder.operator_key(), person_known(database, snapshots), issuers),
            audit=audit,
            desk=desk_on(database, snapshots, audit),
            path=QueryPath(query),
            publish=publisher,
            checks=ready,
            count_tokens=embedder.count_tokens,
            snapshots=snapshots,
            metrics=metrics,
            tracing=tracing,
            compare_indexes=partial(compare_indexes, parts=query),
            give_feedback=partial(give_feedback, parts=query),
        )


class QueryPath:
    """`rag.query`, as the routes see it."""

    def __init__(self, parts: QueryParts) -> None:
        self._parts = parts

    @property
    def parts(self) -> QueryParts:
        return self._parts

    async def ask(self, question: str, principal: Principal, options: Options) -> AsyncIterator[str | Answer]:
        """Each claim's text as it is ready, or the words for "not found"; then the answer."""
        async with aclosing(ask(question, principal, self._parts, options)) as events:
            async for event in events:
                if isinstance(event, ClaimReady):
                    yield event.text
                elif isinstance(event, Finished):
                    if not event.answer.claims:
                        yield event.answer.text
                    yield event.answer

    async def search(self, question: str, principal: Principal, limit: int, account: Account | None = None) -> Found:
        return await find(question, principal, self._parts, limit, account)

    async def open_passage(self, document: str, version: str, span: Span, principal: Principal) -> OpenedPassage:
        return await open_passage(document, version, span, principal, self._parts)

    async def give_back(self, document: str, tokens: Sequence[str], principal: Principal) -> GivenBack:
        return await give_back(document, tokens, principal, self._parts)


class Publisher:
    """Makes visible what was ingested into a tenant, in the process that owns the index."""

    def __init__(self, database: Database, stores: IndexStores) -> None:
        self._database = database
        self._stores = stores

    async def __call__(self, tenant: str) -> Mapping[str, int]:
        with within(tenant):
            return asdict(await publish_tenant(self._database, self._stores, tenant))

    async def catch_up(self) -> None:
        """Publish what an ingestion that was killed left waiting, and what a lost index no longer holds."""
        with every_tenant():
            async with self._database.reading() as session:
                tenants = await tenants_with_documents(session)
        for tenant in tenants:
            await self(tenant)


def person_known(database: Database, snapshots: SnapshotCache) -> PersonKnown:
    """Whether the policy of the moment mentions somebody."""

    async def known(tenant: str, subject: str) -> bool:
        try:
            with within(tenant):
                async with database.reading() as session:
                    return (await snapshots.get(session, tenant)).knows(subject)
        except (PolicyError, SQLAlchemyError) as cause:
            raise PolicyUnreadable("The access policy could not be read, so nothing was answered. Retry.") from cause

    return known


def read_states(
    metrics: Metrics,
    settings: Settings,
    database: Database,
    stores: IndexStores,
    generator: Generator,
    ready: Mapping[str, Check],
) -> None:
    """Let `metrics` tell what can only be told when somebody looks; `ready` is what readiness depends on."""

    async def unsigned() -> float:
        with every_tenant():
            async with database.reading() as session:
                return await AuditCheckpoints(session).records_behind()

    async def points() -> float:
        return await stores.points()

    readings = {
        "ringfence_audit_unsigned_records": (
            "Audit records without a signed checkpoint, of the tenant with most.",
            unsigned,
        ),
        "ringfence_index_points": ("Chunks in the indexes that this process has opened.", points),
    }
    jobs = JobGauges(metrics.registry, database)
    drift = DriftGauges(metrics.registry, database)
    metrics.before_reading = Readings(metrics.registry, readings, ready, (jobs.refresh, drift.refresh)).refresh
    metrics.registry.register(ModelServersCollector(generator if isinstance(generator, OpenAIGenerator) else None))
    metrics.built(settings)


def checks(settings: Settings, database: Database) -> dict[str, Check]:
    """What readiness depends on. A generator that is down is not among them: its fallback answers."""

    async def policy() -> None:
        async with database.reading() as session:
            await PolicyStore(session).epoch("readiness")

    async def index() -> None:
        if settings.index.kind == "server":
            await reach_index_server(settings.index)

    return {"policy": policy, "index": index}
