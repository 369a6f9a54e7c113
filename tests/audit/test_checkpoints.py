"""Who writes the database but holds no key changes nothing under a checkpoint without being found."""

import asyncio

import pytest
from sqlalchemy import text

from rag.audit.chain import Break, VerifyResult
from rag.audit.log import AuditLog
from rag.audit.record import NO_PREVIOUS, record_digest
from rag.db.engine import Database
from tests.audit.signers import KEYS, SIGNER, STRANGER, filled, sealed


async def verified(database: Database, keys: set[str] = KEYS) -> VerifyResult:
    async with database.reading() as session:
        return await AuditLog().verify(session, "acme", keys=keys)


async def execute(database: Database, *statements: str) -> None:
    async with database.unit_of_work() as session:
        for statement in statements:
            await session.execute(text(statement))


async def test_a_full_batch_is_signed_with_its_last_record_and_the_rest_on_demand(database: Database) -> None:
    refs = await filled(database, 7)
    result = await verified(database)
    assert (result.intact, result.checked, result.checkpoints, result.covered) == (True, 7, 2, 6)
    assert await sealed(database) == 1
    result = await verified(database)
    assert (result.intact, result.checkpoints, result.covered, result.head) == (True, 3, 7, refs[-1])
    assert await sealed(database) == 0


async def test_a_service_signs_for_every_tenant_when_it_stops(database: Database) -> None:
    log = AuditLog(SIGNER)
    for tenant in ("acme", "globex", "acme"):
        async with database.unit_of_work() as session:
            await log.append(session, tenant, "question", {"number": 1})
    await AuditLog().seal_all(database)
    assert (await verified(database)).checkpoints == 0, "without a key nothing can be signed"
    await log.seal_all(database)
    async with database.reading() as session:
        both = [await log.verify(session, tenant, keys=KEYS) for tenant in ("acme", "globex")]
    assert [(one.intact, one.checkpoints, one.covered) for one in both] == [(True, 1, 2), (True, 1, 1)]


async def test_a_record_that_is_rolled_back_takes_its_checkpoint_along(database: Database) -> None:
    await filled(database, 2)
    with pytest.raises(RuntimeError):
        async with database.unit_of_work() as session:
            await AuditLog(SIGNER, checkpoint_every=3).append(session, "acme", "question", {"number": 3})
            raise RuntimeError
    assert (await verified(database)).checkpoints == 0
    await filled(database, 1)
    assert (await verified(database)).covered == 3


async def test_many_at_once_make_one_chain_of_checkpoints(database: Database) -> None:
    log = AuditLog(SIGNER, checkpoint_every=3)

    async def append(number: int) -> None:
        async with database.unit_of_work() as session:
            await log.append(session, "acme", "question", {"number": number})

    await asyncio.gather(*(append(number) for number in range(20)))
    result = await verified(database)
    assert (result.intact, result.checked, result.covered) == (True, 20, 18)


async def test_a_log_without_checkpoints_is_signed_bit_by_bit(database: Database) -> None:
    """As an older release wrote it: one answer must not wait for all of it."""
    async with database.unit_of_work() as session:
        for number in range(29):
            await AuditLog().append(session, "acme", "question", {"number": number})
    await filled(database, 1)
    assert (await verified(database)).covered == 12


async def rewritten(database: Database, first: int) -> None:
    """The chain computed anew from a record on, as only its writer could wish to."""
    async with database.unit_of_work() as session:
        records = await AuditLog().recent(session, "acme", limit=100)
        previous = NO_PREVIOUS
        for record in records:
            body = '{"number":99}' if record.sequence == first else record.body
            digest = record_digest("acme", record.sequence, record.at, record.kind, body, previous)
            values = {"b": body, "p": previous, "d": digest, "n": record.sequence}
            statement = "UPDATE audit_record SET body=:b, previous=:p, digest=:d WHERE sequence=:n"
            await session.execute(text(statement), values)
            previous = digest


@pytest.mark.parametrize(("first", "checkpoint"), [(1, 1), (3, 1), (5, 2)])
async def test_a_chain_that_was_computed_anew_is_found(first: int, checkpoint: int, database: Database) -> None:
    await filled(database, 7)
    await rewritten(database, first)
    async with database.reading() as session:
        assert (await AuditLog().verify(session, "acme")).intact, "the chain alone cannot show it"
    assert (await verified(database)).breaks[0] == Break(checkpoint, "records_differ", "checkpoint")


TAMPERINGS: dict[str, tuple[list[str], Break]] = {
    "records cut off": (["DELETE FROM audit_record WHERE sequence > 5"], Break(6, "missing")),
    "a checkpoint removed": (["DELETE FROM audit_checkpoint WHERE number = 1"], Break(1, "missing", "checkpoint")),
    "a checkpoint edited": (
        ["UPDATE audit_checkpoint SET body = replace(body, '\"last\"\\:6', '\"last\"\\:5') WHERE number = 2"],
        Break(2, "edited", "checkpoint"),
    ),
    "a checkpoint replaced by another": (
        ["UPDATE audit_checkpoint SET body = (SELECT body FROM audit_checkpoint WHERE number = 1) WHERE number = 2"],
        Break(2, "missing", "checkpoint"),
    ),
    "a checkpoint that is none": (
        ["UPDATE audit_checkpoint SET body = '{}' WHERE number = 2"],
        Break(2, "unreadable", "checkpoint"),
    ),
    "records removed as if by retention": (["DELETE FROM audit_record WHERE sequence <= 3"], Break(1, "missing")),
    "retention forged": (
        [
            "DELETE FROM audit_record WHERE sequence <= 3",
            "INSERT INTO audit_pruned SELECT tenant, 3, body FROM audit_checkpoint WHERE number = 1",
        ],
        Break(1, "unreadable"),
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_with_the_database_is_found(name: str, database: Database) -> None:
    await filled(database, 7)
    assert (await verified(database)).intact
    statements, expected = TAMPERINGS[name]
    await execute(database, *statements)
    assert expected in (await verified(database)).breaks


async def test_a_checkpoint_signed_with_another_key_counts_only_for_who_names_that_key(database: Database) -> None:
    """As after the signing key was replaced."""
    await filled(database, 3)
    await filled(database, 2)
    await sealed(database, STRANGER)
    assert (await verified(database)).breaks == (Break(2, "other_key", "checkpoint"),)
    both = await verified(database, {*KEYS, STRANGER.public_key})
    assert (both.intact, both.covered) == (True, 5)


async def test_a_statement_of_one_purpose_is_none_of_another() -> None:
    assert SIGNER.sign_for("one", b"message") != SIGNER.sign_for("other", b"message")
