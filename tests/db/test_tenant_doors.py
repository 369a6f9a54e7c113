"""Who lets work in says whose it is: what stores give to a tenant's work, and which doors there are."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ingestion.jobs import JobParts, open_configured
from ingestion.leases import Lease, LeaseLost, Progress
from ingestion.queue import JobQueue
from ingestion.store import DocumentStore
from ingestion.worker import End, Worker
from policies.store import PolicyStore, SnapshotCache
from policies.tenancy import every_tenant, within
from rag.audit.log import AuditLog
from rag.audit.store import AuditCheckpoints, AuditRecords
from rag.db.documents import Documents, epoch_and_labels, tenants_with_documents
from rag.db.engine import Database
from rag.db.index_versions import IndexVersions
from rag.db.job_table import JobRow
from rag.db.jobs import Jobs, NewJob
from rag.db.labels import labels_of, labels_of_document
from rag.db.lineage import KeptOut, lineages
from rag.db.tables import ApiKeyRow
from rag.domain import Span
from rag.errors import AuditUnavailable, Unauthenticated
from rag.identity.authenticate import IdentityParts, authenticate
from rag.identity.credentials import Credentials
from rag.identity.scim.store import Directory
from rag.identity.store import ApiKeys
from rag.index.projection import Projection
from rag.settings import Settings
from tests.db.two_tenants import TENANTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Read = Callable[[AsyncSession, str, str], Awaitable[Any]]

# Of each: a session, a tenant, and the id of what that tenant has.
READS: dict[str, Read] = {
    "Documents.find": lambda s, t, i: Documents(s).find(t, i),
    "Documents.find_by_path": lambda s, t, i: Documents(s).find_by_path(t, i, i),
    "Documents.of_tenant": lambda s, t, i: Documents(s).of_tenant(t),
    "Documents.load_version": lambda s, t, i: Documents(s).load_version(t, i, i),
    "Documents.versions_of": lambda s, t, i: Documents(s).versions_of(t, i),
    "Documents.chunks_of": lambda s, t, i: Documents(s).chunks_of(t, i),
    "Documents.chunks_touching": lambda s, t, i: Documents(s).chunks_touching(t, i, Span(0, 9)),
    "Documents.load_chunks": lambda s, t, i: Documents(s).load_chunks(t, [i]),
    "Documents.labels_of_chunks": lambda s, t, i: Documents(s).labels_of_chunks(t, [i]),
    "Documents.labels_of_documents": lambda s, t, i: Documents(s).labels_of_documents(t, [i]),
    "labels_of": lambda s, t, i: labels_of(s, t),
    "labels_of_document": labels_of_document,
    "PolicyStore.epoch": lambda s, t, i: PolicyStore(s).epoch(t),
    "PolicyStore.rules": lambda s, t, i: PolicyStore(s).rules(t),
    "PolicyStore.links": lambda s, t, i: PolicyStore(s).links(t),
    "AuditRecords.last": lambda s, t, i: AuditRecords(s).last(t, lock=False),
    "AuditRecords.recent": lambda s, t, i: AuditRecords(s).recent(t, 9),
    "AuditRecords.first_since": lambda s, t, i: AuditRecords(s).first_since(t, NOW),
    "AuditCheckpoints.pruned": lambda s, t, i: AuditCheckpoints(s).pruned(t),
    "ApiKeys.list": lambda s, t, i: ApiKeys(s).list(t),
    "Jobs.listed": lambda s, t, i: Jobs(s).listed(t),
    "IndexVersions.rows": lambda s, t, i: IndexVersions(s, t).rows(),
    "IndexVersions.sources": lambda s, t, i: IndexVersions(s, t).sources(),
    "lineages": lambda s, t, i: lineages(s, t, [i]),
    "KeptOut.all": lambda s, t, i: KeptOut(s, t).all(),
    "DocumentStore.find": lambda s, t, i: DocumentStore(s, t, i).find(i),
    "DocumentStore.path_digests": lambda s, t, i: DocumentStore(s, t, i).path_digests(),
    "DocumentStore.newest_version": lambda s, t, i: DocumentStore(s, t, i).newest_version(i),
    "DocumentStore.versions": lambda s, t, i: DocumentStore(s, t, i).versions(i),
    "Projection.staged": lambda s, t, i: Projection(s, t).staged(),
    "Projection.tombstones": lambda s, t, i: Projection(s, t).tombstones(),
    "Directory.revision": lambda s, t, i: Directory(s, t, i).revision(),
}

_LAST_USED = select(ApiKeyRow.last_used_at).where(ApiKeyRow.id == bindparam("id"))


async def test_work_of_one_tenant_gets_nothing_of_another_whatever_it_asks_a_store(walled: Database) -> None:
    async def found(tenant: str) -> set[str]:
        async with walled.reading() as session:
            return {name for name, read in READS.items() if await read(session, tenant, f"{tenant}-1")}

    with within("acme"):
        assert await found("other") == set()
        assert await found("acme") == set(READS)


async def test_work_of_nobody_gets_nothing_and_work_of_all_gets_both(walled: Database) -> None:
    async def seen(whose: AbstractContextManager[None]) -> tuple[object, ...]:
        with whose:
            epoch, labels = await epoch_and_labels(walled, "acme", ["acme-1"])
            async with walled.glance() as session:
                others = await Documents(session).others("acme", ["acme-1", "other-1"])
                return epoch, len(labels), await tenants_with_documents(session), others

    assert await seen(nullcontext()) == (None, 0, [], frozenset())
    assert await seen(within("acme")) == (1, 1, ["acme"], frozenset())
    assert await seen(every_tenant()) == (1, 1, list(TENANTS), frozenset({"other-1"}))


async def test_what_is_read_for_the_wrong_tenant_is_not_remembered(walled: Database) -> None:
    """The cache of policies is the whole process's."""
    snapshots = SnapshotCache()

    async def rules() -> int:
        async with walled.reading() as session:
            return len((await snapshots.get(session, "acme")).rules)

    for _ in range(2):
        with within("other"):
            assert await rules() == 0
        with within("acme"):
            assert await rules() == 1


async def test_nothing_is_recorded_in_the_log_of_another_tenant(walled: Database) -> None:
    with within("acme"):
        with pytest.raises(AuditUnavailable):
            async with walled.unit_of_work() as session:
                await AuditLog().append(session, "other", "denied", {"code": "x"})
        async with walled.unit_of_work() as session:
            assert (await AuditLog().append(session, "acme", "denied", {"code": "x"})).sequence == 2


async def test_a_key_is_found_before_anybody_knows_whose_it_is(walled: Database) -> None:
    with within("acme"):
        async with walled.unit_of_work() as session:
            new = await ApiKeys(session).create(tenant="acme", subject="user:ann", now=NOW)

    async def knows(tenant: str, subject: str) -> bool:
        return False

    parts = IdentityParts(walled, None, None, knows)
    principal = await authenticate(Credentials(authorization=(f"Bearer {new.bearer}",)), parts)
    assert (principal.tenant, principal.person) == ("acme", "user:ann")
    with pytest.raises(Unauthenticated):
        await authenticate(Credentials(authorization=(f"Bearer {new.bearer}x",)), parts)
    assert await walled.rows(_LAST_USED, {"id": new.key.id}) == [], (
        "the search for the key has ended, and with it the sight of all keys"
    )
    with within("acme"):
        assert [row.last_used_at is None for row in await walled.rows(_LAST_USED, {"id": new.key.id})] == [False]


async def test_a_worker_takes_jobs_of_all_tenants_and_ends_one_as_its_tenants(walled: Database) -> None:
    queue = JobQueue(walled, "one")
    with within("other"):
        job = await queue.enqueue(NewJob("other", "documents", "docs", priority=9))
    lease = await queue.claim()
    assert lease is not None
    assert (lease.job, lease.tenant) == (job, "other")
    assert not await queue.superseded(lease)
    with within("acme"), pytest.raises(LeaseLost):
        await queue.finish(lease, Progress(), {})
    with within("other"):
        await queue.finish(lease, Progress(), {})


async def test_a_workers_jobs_are_each_for_their_tenant(walled: Database) -> None:
    """Of a kind that there is not: the worker can end it only as its tenant's."""
    with within("acme"):
        await JobQueue(walled, "one").enqueue(NewJob("acme", "nothing", "docs", priority=9, attempts_max=1))
    ends: list[tuple[str, str, str]] = []

    def tell(lease: Lease, end: End, reason: str) -> None:
        ends.append((lease.tenant, end, reason))

    async def publish(database: Database, tenant: str) -> object:
        raise NotImplementedError

    parts = JobParts(None, open_configured(Settings()), publish)  # type: ignore[arg-type] # it is never got to
    worker = Worker(JobQueue(walled, "one"), parts, tell=tell)
    with within("acme"):
        async with walled.unit_of_work() as session:
            await session.execute(delete(JobRow).where(JobRow.kind != "nothing"))
    with within("other"):
        async with walled.unit_of_work() as session:
            await session.execute(delete(JobRow))
    await worker.run(once=True)
    assert ends == [("acme", "dead", "unknown_job")]
