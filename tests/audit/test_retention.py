"""Old records leave in whole batches, and what is left still verifies: here and in a file."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from rag.audit.chain import Break, VerifyResult
from rag.audit.export import verify_export
from rag.audit.log import AuditLog
from rag.audit.retention import Removal, plan_removal, remove
from rag.db.engine import Database
from rag.errors import Damaged
from tests.audit.signers import KEYS, SIGNER, exported, filled, sealed

LATER = timedelta(days=1)


async def pruned(database: Database, before: datetime) -> Removal | None:
    async with database.unit_of_work() as session:
        removal = await plan_removal(session, "acme", before, KEYS)
        if removal is not None:
            await remove(session, "acme", removal, SIGNER, "operator:root")
        return removal


async def verified(database: Database) -> VerifyResult:
    async with database.reading() as session:
        return await AuditLog().verify(session, "acme", keys=KEYS)


async def test_what_is_left_verifies_and_the_log_says_what_left(database: Database) -> None:
    await filled(database, 4)
    between = datetime.now(UTC)
    await filled(database, 4)
    removal = await pruned(database, between)
    assert removal is not None
    # Record 4 is old too, but stands in a batch with younger ones.
    assert (removal.records, removal.through) == (3, 3)
    result = await verified(database)
    assert (result.intact, result.removed, result.checked, result.checkpoints) == (True, 3, 6, 2)
    async with database.reading() as session:
        records = await AuditLog().recent(session, "acme", limit=10)
    assert [record.sequence for record in records] == [4, 5, 6, 7, 8, 9]
    assert records[-1].kind == "audit_pruned"


async def test_everything_may_leave_and_the_chain_goes_on(database: Database) -> None:
    await filled(database, 6)
    assert await pruned(database, datetime.now(UTC) + LATER) is not None
    await filled(database, 2)
    assert await pruned(database, datetime.now(UTC) + LATER) is not None
    result = await verified(database)
    assert (result.intact, result.removed, result.checked) == (True, 9, 1)
    await sealed(database)
    file = verify_export(await exported(database), KEYS)
    assert (file.intact, file.removed, file.checked, file.head) == (True, 9, 1, result.head)


async def test_where_nothing_is_old_nothing_happens(database: Database) -> None:
    refs = await filled(database, 6)
    assert await pruned(database, datetime.now(UTC) - LATER) is None
    assert (await verified(database)).head == refs[-1]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM audit_record WHERE sequence = 4", Break(4, "missing")),
        ("DELETE FROM audit_record WHERE sequence <= 6", Break(4, "missing")),
        ("UPDATE audit_record SET kind = 'other' WHERE sequence = 5", Break(5, "edited")),
        ("DELETE FROM audit_pruned", Break(1, "missing")),
        ("DELETE FROM audit_checkpoint WHERE number = 1", Break(1, "missing", "checkpoint")),
        ("UPDATE audit_pruned SET body = replace(body, '\"through\"\\:3', '\"through\"\\:6')", Break(1, "edited")),
    ],
)
async def test_what_retention_did_not_remove_is_missed(statement: str, expected: Break, database: Database) -> None:
    await filled(database, 4)
    between = datetime.now(UTC)
    await filled(database, 4)
    await pruned(database, between)
    assert (await verified(database)).intact
    async with database.unit_of_work() as session:
        await session.execute(text(statement))
    assert expected in (await verified(database)).breaks


async def test_a_log_that_was_changed_is_not_pruned(database: Database) -> None:
    """Its old records are the evidence."""
    await filled(database, 6)
    async with database.unit_of_work() as session:
        await session.execute(text("UPDATE audit_record SET kind = 'other' WHERE sequence = 2"))
    with pytest.raises(Damaged):
        await pruned(database, datetime.now(UTC) + LATER)
    assert (await verified(database)).checked == 6
