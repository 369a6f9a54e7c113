"""A person is erased: nothing gives her values back, other people's stay, and a receipt proves it."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from rag.db.engine import Database
from rag.db.scrub import scrub
from rag.db.tables import ErasedRow, VaultRow
from rag.errors import Conflict, Damaged, Misuse, NotFound
from rag.privacy.faces import FaceMaker
from rag.privacy.mask import index_face_of_reading
from rag.privacy.names import Kept, Why, decide
from rag.privacy.receipts import Receipts, Signer, verify_receipt
from rag.privacy.unmask import unmask
from tests.privacy.people import DOMAINS, SIGNER, TENANT, World, found_world


@pytest.fixture
async def world(any_database: Database) -> World:
    return await found_world(any_database)


async def test_a_plan_tells_what_goes_what_stays_and_why_and_changes_nothing(world: World) -> None:
    plan = await world.plan("ann lee")
    ann, doctor = world.token("Ann Lee"), world.token("Dr Ann Lee")
    assert {one.token: one.why for one in plan.erased} == {ann: Why.NAMED, doctor: Why.SPELLING}
    assert {one.token: (one.why, one.used_by) for one in plan.kept} == {
        world.token("Ann"): (Kept.SHARED, 1),
        world.token("Lee"): (Kept.SHARED, 2),
        world.token("Ann Lee Parker"): (Kept.LONGER, 0),
    }
    counts = {one.token: (one.documents, one.chunks) for one in plan.erased}
    assert counts == {ann: (2, 2), doctor: (0, 0)}
    assert plan.documents == {"doc_1", "doc_2"}
    assert plan.chunks == {"chk_doc_1_0", "chk_doc_2_1"}
    assert len(await world.originals(ann, doctor)) == 2


async def test_an_erased_person_is_gone_and_another_ones_values_are_not(world: World) -> None:
    gone = [world.token(name) for name in ("Ann Lee", "Dr Ann Lee")]
    stay = {world.token(name): name for name in ("Bob Lee", "Lee", "Ann", "Ann Lee Parker", "Cleo Quist")}
    assert len(await world.originals(*gone)) == 2
    done = await world.erase("Ann Lee")
    assert set(done.tokens) == set(gone)
    assert await world.originals(*gone, *stay) == stay
    assert set((await world.originals(world.token("ann.lee@acme.example", "EMAIL_ADDRESS"))).values()) == {
        "ann.lee@acme.example"
    }, "a value that was not named stays"


async def test_parts_of_a_name_that_nobody_else_has_go_with_it(world: World) -> None:
    done = await world.erase("Cleo Quist")
    assert set(done.tokens) == {world.token(name) for name in ("Cleo Quist", "Cleo", "Quist")}


@pytest.mark.parametrize("written", ["{0}", "{1}", "{2}", " Ann.Lee@ACME.example"])
async def test_an_address_is_erased_by_value_and_by_token_as_people_type_them(world: World, written: str) -> None:
    token = world.token("ann.lee@acme.example", "EMAIL_ADDRESS")
    done = await world.erase(written.format(token, token.strip("<>"), token.lower()))
    assert done.tokens == (token,)


async def test_a_token_names_the_person_it_stands_for(world: World) -> None:
    plan = await world.plan(world.token("Cleo Quist"))
    assert {one.token for one in plan.erased} == {world.token(name) for name in ("Cleo Quist", "Cleo", "Quist")}


async def test_what_is_not_held_is_told_by_its_place_and_takes_no_part_of_a_name_with_it(world: World) -> None:
    plan = await world.plan("Zoe Quist", "<PERSON_0000000000000000>", "nobody@acme.example", "Bob")
    assert plan.missing == ("line 1", "line 2", "line 3")
    assert {one.token for one in plan.erased} == {world.token("Bob")}


async def test_erased_before_is_told_with_its_receipt(world: World) -> None:
    done = await world.erase("Cleo Quist")
    email = await world.erase("bob@acme.example")
    plan = await world.plan("cleo  quist", world.token("Cleo"), "BOB@acme.example", "Ms Cleo Quist")
    assert dict(plan.before) == {
        "line 1": done.receipt,
        "line 2": done.receipt,
        "line 3": email.receipt,
        "line 4": done.receipt,
    }
    assert not plan.erased and not plan.missing


async def test_a_plan_that_somebody_else_has_carried_out_is_a_conflict(world: World) -> None:
    plan = await world.plan("Bob Lee")
    await world.erase("Bob Lee")
    async with world.database.unit_of_work() as session:
        with pytest.raises(Conflict, match="erased meanwhile"):
            await world.carry_out(session, plan)


async def test_a_source_that_still_holds_a_value_does_not_bring_it_back(world: World) -> None:
    """Neither spelled otherwise nor taken for something else; a namesake in part is another person."""
    await world.erase("Cleo Quist")
    again = [world.value(name) for name in ("Cleo Quist", "CLEO QUIST", "Mrs Cleo Quist", "Quist, Cleo", "Quist")]
    place = world.value("Cleo Quist", "LOCATION")
    other = [world.value("Cleo Marsh"), world.value("Quist", "LOCATION")]
    async with world.database.unit_of_work() as session:
        refused = await world.vault.store(session, [*again, place, *other])
    assert refused == {value.token for value in (*again, place)}
    assert await world.originals(*refused, *(value.token for value in other)) == {
        value.token: value.original for value in other
    }


async def test_marks_do_not_tell_what_was_erased(world: World) -> None:
    await world.erase("Cleo Quist")
    async with world.database.reading() as session:
        marks = " ".join(await session.scalars(select(ErasedRow.mark)))
    assert marks and "cleo" not in marks.casefold() and "quist" not in marks.casefold()


async def test_who_stores_what_is_being_erased_waits_and_is_refused(world: World) -> None:
    value = world.value("Bob Lee")

    async def store() -> frozenset[str]:
        async with world.database.unit_of_work() as session:
            return await world.vault.store(session, [value])

    plan = await world.plan("Bob Lee")
    async with world.database.unit_of_work() as session:
        await world.carry_out(session, plan)
        waiting = asyncio.create_task(store())
        finished, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not finished
    assert value.token in await waiting
    assert await world.originals(value.token) == {}


async def test_look_up_needs_no_key_of_the_vault(world: World) -> None:
    async with world.database.unit_of_work() as session:
        await session.execute(update(VaultRow).values(sealed=b"\x00" * 40))
        faces = FaceMaker(world.keys.tokens, world.keys.words, DOMAINS)
        assert await world.vault.find(session, "ANN  LEE", faces) == {world.token("Ann Lee"): "PERSON"}
        assert await world.vault.find(session, "Zoe Lee", faces) == {}


async def test_an_entry_that_does_not_open_is_counted_and_can_be_erased_by_token(world: World) -> None:
    bob = world.token("Bob Lee")
    async with world.database.unit_of_work() as session:
        await session.execute(update(VaultRow).where(VaultRow.token == bob).values(sealed=b"\x00" * 40))
    plan = await world.plan("Cleo Quist")
    assert (plan.unreadable, len(plan.erased)) == (1, 3)
    assert (await world.erase(bob)).tokens == (bob,)


@pytest.mark.parametrize("reason", ["asked by Cleo Quist", "CLEO  QUIST (17)", "Quist, Cleo", "x" * 501])
async def test_a_reason_that_names_the_person_is_refused_and_nothing_is_erased(world: World, reason: str) -> None:
    with pytest.raises(Misuse, match="number of the request"):
        await world.erase("Cleo Quist", reason=reason)
    assert await world.originals(world.token("Cleo Quist"))


async def test_the_receipt_verifies_offline_and_a_changed_one_does_not(world: World) -> None:
    done = await world.erase("Ann Lee", reason="request 17")
    facts = verify_receipt(done.text, SIGNER.public_key)
    assert (facts["by"], facts["reason"], facts["documents"], facts["chunks"]) == (
        "operator:test", "request 17", 2, 2,
    )  # fmt: skip
    assert {one["token"] for one in facts["tokens"]} == set(done.tokens)
    assert {one["why"] for one in facts["kept"]} == {"part_of_other_names", "longer_name"}
    assert verify_receipt(json.dumps(json.loads(done.text), indent=4), SIGNER.public_key) == facts
    async with world.database.reading() as session:
        assert await Receipts(session, TENANT).get(done.receipt) == done.text
        assert await Receipts(session, TENANT).all() == [done.text]
        with pytest.raises(NotFound):
            await Receipts(session, "globex").get(done.receipt)
    for field, value in (("documents", 3), ("tokens", []), ("signature", "AAAA"), ("signature", None), ("extra", 1)):
        with pytest.raises(Damaged, match="changed"):
            verify_receipt(json.dumps({**json.loads(done.text), field: value}), SIGNER.public_key)
    with pytest.raises(Damaged, match="another key"):
        verify_receipt(done.text, Signer.of(b"\x06" * 32).public_key)
    assert "Ann" not in done.text and "Lee" not in done.text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "{" * 100_000, '{"format":"x","format":"x"}', "no"])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="not an erasure receipt"):
        verify_receipt(text, SIGNER.public_key)
    with pytest.raises(Misuse, match="public key"):
        verify_receipt('{"format":"ringfence erasure receipt 1"}', "nonsense")


async def test_an_erased_token_stays_a_token_in_texts_and_leaves_nothing_in_index_faces(world: World) -> None:
    cleo, bob = world.token("Cleo Quist"), world.token("Bob Lee")
    reading = f"{cleo} met {bob}."
    assert unmask(reading, await world.originals(cleo, bob)) == "Cleo Quist met Bob Lee."
    await world.erase("Cleo Quist")
    originals = await world.originals(cleo, bob)
    assert unmask(reading, originals) == f"{cleo} met Bob Lee."
    faces = FaceMaker(world.keys.tokens, world.keys.words, DOMAINS)
    assert index_face_of_reading(reading, originals, faces) == f" met {faces.words('PERSON', 'Bob Lee')}."


async def test_after_scrubbing_no_file_holds_what_was_deleted(
    world: World, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Searched: every byte of the database and its log; on Postgres, of the table's own file."""

    async def stored() -> bytes:
        async with world.database.reading() as session:
            if session.get_bind().dialect.name != "postgresql":
                return content(tmp_path / "ringfence.db", tmp_path / "ringfence.db-wal")
            file = await session.scalar(text("SELECT pg_relation_filepath('vault_entry')"))
            await session.execute(text("CHECKPOINT"))
            return content(Path(request.getfixturevalue("postgres").pgdata) / str(file))

    async with world.database.reading() as session:
        held = list(await session.scalars(select(VaultRow.sealed)))
    done = await world.erase("Cleo Quist", "Ann Lee")
    before = await stored()
    assert [sealed for sealed in done.deleted if sealed in before], "without scrubbing they are still there"
    assert await scrub(database_url, "vault_entry", done.deleted)
    after = await stored()
    assert all((sealed in after) == (sealed not in done.deleted) for sealed in held)
    for name in ("Cleo", "Quist"):
        assert name.encode() not in after and name.encode("utf-16-le") not in after


def content(*paths: Path) -> bytes:
    return b"".join(path.read_bytes() for path in paths)


async def test_scrubbing_says_so_when_a_reader_is_in_the_way(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.db.scrub.BUSY_MS", 1)
    world, url = await found_world(database), f"sqlite+aiosqlite:///{tmp_path / 'ringfence.db'}"
    async with database.reading() as session:
        await session.execute(select(VaultRow.token))
        done = await world.erase("Cleo Quist")
        assert not await scrub(url, "vault_entry", done.deleted)
    assert await scrub(url, "vault_entry", done.deleted)


PARTS = st.frozensets(st.sampled_from("abcde"), min_size=1, max_size=4)


@given(st.sets(PARTS, min_size=1, max_size=3), st.dictionaries(st.integers(0, 40).map(str), PARTS, max_size=12))
def test_parts_go_only_where_no_remaining_name_has_them(
    names: set[frozenset[str]], entries: dict[str, frozenset[str]]
) -> None:
    decision = decide(names, (), entries)
    remaining = {token: parts for token, parts in entries.items() if token not in decision.erased}
    for token, parts in entries.items():
        if parts in names:
            assert decision.erased[token] is Why.SPELLING
        if token in decision.erased:
            assert any(parts <= name for name in names)
            assert parts in names or not any(parts < other for other in remaining.values())
        elif any(parts < name for name in names):
            assert any(parts < other for other in remaining.values()), "a part that nobody else has must go"
            assert decision.kept[token][0] is Kept.SHARED
