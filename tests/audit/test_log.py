"""The log proves what was shown: whoever changes it afterwards breaks the chain, and no text can enter it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from rag.audit.chain import AuditRef
from rag.audit.log import AuditLog
from rag.audit.record import AuditBody, UnfitRecord, canonical
from rag.db.engine import Database

LOG = AuditLog()


async def append(database: Database, tenant: str, kind: str, body: AuditBody) -> AuditRef:
    async with database.unit_of_work() as session:
        return await LOG.append(session, tenant, kind, body)


async def filled(database: Database, count: int = 6) -> list[AuditRef]:
    return [
        await append(database, "acme", "question", {"number": n, "document": f"doc_{n:032x}"}) for n in range(count)
    ]


async def test_an_untouched_chain_is_intact_and_tenants_are_apart(database: Database) -> None:
    refs = await filled(database)
    other = await append(database, "globex", "question", {"number": 1})
    async with database.reading() as session:
        mine = await LOG.verify(session, "acme", expected=refs[3])
        assert (mine.intact, mine.checked, mine.head) == (True, 6, refs[-1])
        assert (await LOG.verify(session, "globex")).head == other == AuditRef(1, other.digest)
        empty = await LOG.verify(session, "nobody")
        assert (empty.intact, empty.head) == (True, None)


COPY = "INSERT INTO audit_record SELECT tenant, {}, at, kind, body, previous, digest FROM audit_record"
TAMPERINGS = {
    "edited body": ("UPDATE audit_record SET body='{}' WHERE sequence=3", "edited"),
    "edited kind": ("UPDATE audit_record SET kind='denied' WHERE sequence=3", "edited"),
    "edited time": ("UPDATE audit_record SET at='2020-01-01 00:00:00' WHERE sequence=3", "edited"),
    "edited digest": ("UPDATE audit_record SET digest='" + "a" * 64 + "' WHERE sequence=3", "edited"),
    "removed from the middle": ("DELETE FROM audit_record WHERE sequence=3", "missing"),
    "removed from the start": ("DELETE FROM audit_record WHERE sequence=1", "missing"),
    "removed and renumbered": (
        "DELETE FROM audit_record WHERE sequence=3; UPDATE audit_record SET sequence=sequence-1 WHERE sequence>3",
        "edited",
    ),
    "inserted before the start": (
        f"{COPY.format(0)} WHERE sequence=1",
        "missing",
    ),
    "inserted at the end": (
        f"{COPY.format(7)} WHERE sequence=6",
        "edited",
    ),
    "reordered": (
        "UPDATE audit_record SET sequence=100 WHERE sequence=3; UPDATE audit_record SET sequence=3 WHERE sequence=4;"
        "UPDATE audit_record SET sequence=4 WHERE sequence=100",
        "edited",
    ),
    "another tenant's record": (
        "UPDATE audit_record SET tenant='acme', sequence=7 WHERE tenant='globex'",
        "unlinked",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(name: str, database: Database) -> None:
    await filled(database)
    await append(database, "globex", "question", {"number": 1})
    statements, reason = TAMPERINGS[name]
    async with database.unit_of_work() as session:
        for statement in statements.split(";"):
            condition = " AND tenant='acme'" if "WHERE sequence" in statement else ""
            await session.execute(text(statement + condition))
    async with database.reading() as session:
        result = await LOG.verify(session, "acme")
    assert not result.intact
    assert reason in {found.reason for found in result.breaks}


async def test_a_record_rewritten_with_a_fitting_digest_breaks_the_next_link(database: Database) -> None:
    await filled(database)
    async with database.reading() as session:
        third = (await LOG.recent(session, "acme", limit=10))[2]
    from_body = type(third)(third.tenant, 3, third.at, third.kind, '{"number":99}', third.previous, "")
    async with database.unit_of_work() as session:
        await session.execute(
            text("UPDATE audit_record SET body=:b, digest=:d WHERE sequence=3"),
            {"b": from_body.body, "d": from_body.recomputed()},
        )
    async with database.reading() as session:
        result = await LOG.verify(session, "acme")
    assert [(found.sequence, found.reason) for found in result.breaks] == [(4, "unlinked")]


async def test_a_tail_cut_off_is_seen_by_whoever_kept_the_head(database: Database) -> None:
    refs = await filled(database)
    async with database.unit_of_work() as session:
        await session.execute(text("DELETE FROM audit_record WHERE sequence > 4"))
    async with database.reading() as session:
        assert (await LOG.verify(session, "acme", expected=refs[3])).intact
        cut = await LOG.verify(session, "acme", expected=refs[5])
    assert [found.reason for found in cut.breaks] == ["head_differs"]


async def test_many_at_once_make_one_chain(database: Database) -> None:
    refs = await asyncio.gather(*(append(database, "acme", "question", {"number": n}) for n in range(25)))
    assert sorted(ref.sequence for ref in refs) == list(range(1, 26))
    async with database.reading() as session:
        assert (await LOG.verify(session, "acme")).intact


async def test_a_record_of_a_rolled_back_transaction_was_never_there(database: Database) -> None:
    kept = await append(database, "acme", "question", {"number": 1})
    with pytest.raises(RuntimeError):
        async with database.unit_of_work() as session:
            await LOG.append(session, "acme", "question", {"number": 2})
            raise RuntimeError
    async with database.reading() as session:
        assert (await LOG.verify(session, "acme")).head == kept


@pytest.mark.parametrize(
    "body",
    [
        {"quote": "The salary of Ann is 100"},
        {"quote": "line\nbreak"},
        {"quote": "<PERSON_3F9A2C>"},
        {"quote": "x" * 161},
        {"documents": ["doc_1", "two words"]},
        {"nested": {"deep": {"deeper": {"deepest": {"no": 1}}}}},
        {"number": float("nan")},
        {"Field": 1},
        {"a b": 1},
        {"raw": b"bytes"},
        {"many": list(range(1001))},
        {"object": 1j},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_text_cannot_enter_the_log(body: dict[str, Any], database: Database) -> None:
    with pytest.raises(UnfitRecord) as refusal:
        await append(database, "acme", "question", body)
    assert "salary" not in refusal.value.message.lower()
    async with database.reading() as session:
        assert (await LOG.verify(session, "acme")).checked == 0


def test_ids_numbers_and_digests_enter() -> None:
    body = {"documents": [{"id": "doc_1", "version": "ver_2"}], "level": 2, "ms": 1.5, "found": True, "assistant": None}
    assert json.loads(canonical(body)) == body


ids = st.text(alphabet="abcXYZ019_.:@/+-", max_size=20)


@given(
    st.dictionaries(
        st.from_regex(r"\A[a-z]{1,8}\Z"), ids | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_the_spelling_of_a_body_is_one_and_loses_nothing(body: Mapping[str, Any]) -> None:
    written = canonical(body)
    assert json.loads(written) == body
    assert canonical(dict(reversed(list(body.items())))) == written
    assert canonical(json.loads(written)) == written
