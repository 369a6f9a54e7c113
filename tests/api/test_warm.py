"""What a service reads before it answers."""

import logging

import pytest
from sqlalchemy import text

from policies.edits import Edit
from policies.rules import Rule
from policies.store import PolicyStore, SnapshotCache
from rag.api.warm import read_policies
from rag.db.engine import Database
from tests.db.test_documents import document


@pytest.fixture
async def two_tenants(database: Database) -> Database:
    async with database.unit_of_work() as session:
        session.add_all([document("acme"), document("globex")])
        for tenant in ("acme", "globex"):
            edit = Edit(add_rules=(Rule("user:ann", tenant, "read"),))
            await PolicyStore(session).apply(tenant, edit, author="user:admin", reason="test")
    return database


async def reads(database: Database, snapshots: SnapshotCache, tenant: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether getting the tenant's policy now reads its rules."""
    read: list[str] = []
    whole = PolicyStore.snapshot

    async def snapshot(store: PolicyStore, tenant: str) -> object:
        read.append(tenant)
        return await whole(store, tenant)

    with monkeypatch.context() as patch:
        patch.setattr(PolicyStore, "snapshot", snapshot)
        async with database.reading() as session:
            await snapshots.get(session, tenant)
    return bool(read)


async def test_the_first_question_finds_the_policy_read(two_tenants: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, warm = SnapshotCache(), SnapshotCache()
    await read_policies(two_tenants, warm)
    for tenant in ("acme", "globex"):
        assert await reads(two_tenants, cold, tenant, monkeypatch)
        assert not await reads(two_tenants, warm, tenant, monkeypatch)


async def test_a_policy_that_cannot_be_read_stops_no_start(
    two_tenants: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_tenants.unit_of_work() as session:
        await session.execute(text("UPDATE policy_epoch SET epoch = -1 WHERE tenant = 'acme'"))
    snapshots = SnapshotCache()
    with caplog.at_level(logging.ERROR):
        await read_policies(two_tenants, snapshots)
    assert "policy_unreadable tenant=acme" in caplog.text
    assert not await reads(two_tenants, snapshots, "globex", monkeypatch)
