"""An erased person is in no directory any more, whether or not a document ever named her."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from rag.db.engine import Database
from rag.db.tables import DirectoryRow
from rag.errors import Conflict, Misuse
from rag.privacy.configured import Change, Configurations
from rag.privacy.directory import Directory, parse_columns, read_directory
from rag.privacy.directory_forms import Records, forms_digest, packed, unpacked
from rag.privacy.erased import Erased, is_erased
from rag.privacy.known_forms import KnownForms
from rag.privacy.known_values import Form, Kind, known_values_key
from rag.privacy.receipts import verify_receipt
from tests.privacy.people import NOW, SIGNER, TENANT, World, found_world

STAFF = "name,email\nCleo Quist,cleo@acme.example\nAl Lee,al@acme.example\nNora Vale,nora@acme.example\n"
COLUMNS = ("name=PERSON", "email=EMAIL_ADDRESS")
CHANGE = Change("operator:test", "import", NOW)


@pytest.fixture
async def world(any_database: Database) -> World:
    found = await found_world(any_database)
    await put(found, "staff", STAFF)
    await put(found, "board", "name\nNora Vale\n", "name=PERSON")
    return found


async def read(world: World, text: str, *columns: str) -> Directory:
    async with world.database.reading() as session:
        marks = await Erased(session, TENANT).all()
    key = known_values_key(world.keys)
    return read_directory(
        io.BytesIO(text.encode()),
        parse_columns(columns or COLUMNS),
        key,
        erased=lambda entity, value: is_erased(marks, world.keys.vault.marks, entity, value),
    )


async def put(world: World, name: str, text: str, *columns: str) -> None:
    directory = await read(world, text, *columns)
    async with world.database.unit_of_work() as session:
        await Configurations(session, TENANT).put_directory(name, directory, CHANGE)


async def recognised(world: World, text: str) -> list[str]:
    """What the newest version of the directories finds in a text."""
    key = known_values_key(world.keys)
    async with world.database.reading() as session:
        store = Configurations(session, TENANT)
        rules = await store.rules(await store.newest_number(), key)
    return [text[one.start : one.end] for one in rules.sources.find(text)]


async def test_an_erased_person_is_recognised_by_no_directory_and_others_are(world: World) -> None:
    text = "Cleo Quist, QUIST, Cleo and C. Quist met Al Lee; cleo@acme.example."
    assert await recognised(world, text) == ["Cleo Quist", "QUIST, Cleo", "C. Quist", "Al Lee", "cleo@acme.example"]
    await world.erase("Cleo Quist")
    assert await recognised(world, text) == ["Al Lee", "cleo@acme.example"], "what was not named stays"
    await world.erase("cleo@acme.example")
    assert await recognised(world, text) == ["Al Lee"]


async def test_a_person_of_a_directory_that_no_document_names_is_erased_everywhere(world: World) -> None:
    plan = await world.plan("nora vale")
    assert (plan.erased, plan.missing, set(plan.digests)) == ((), (), {"staff", "board"})
    done = await world.erase("nora vale")
    assert done.tokens == () and set(done.unlisted.digests) == {"staff", "board"}
    assert await recognised(world, "Nora Vale, Vale, N. and nora@acme.example") == ["nora@acme.example"]
    async with world.database.reading() as session:
        listed = await Configurations(session, TENANT).directories()
    assert [(one.name, one.entities) for one in listed] == [("staff", {"EMAIL_ADDRESS": 3, "PERSON": 2})]
    value = world.value("Nora Vale")
    async with world.database.unit_of_work() as session:
        assert await world.vault.store(session, [value]) == {value.token}, "and no document brings her back"


async def test_the_receipt_says_how_many_digests_of_which_directory_and_whose_they_are_nowhere(world: World) -> None:
    done = await world.erase("Nora Vale")
    facts = verify_receipt(done.text, SIGNER.public_key)
    number = len({"nora vale", "vale nora", "n vale", "vale n"})
    assert facts["directories"] == [{"name": "board", "digests": number}, {"name": "staff", "digests": number}]
    assert "Nora" not in done.text and "Vale" not in done.text
    other = await world.erase("Ann Lee")
    assert json.loads(other.text)["directories"] == []


async def test_importing_the_file_again_brings_back_namesakes_and_not_her(world: World) -> None:
    """ "A. Lee" is Ann's and Al's: a directory holds it once."""
    await put(world, "staff", "name,email\nAnn Lee,\nAl Lee,\n")
    assert await recognised(world, "A. Lee and Ann Lee") == ["A. Lee", "Ann Lee"]
    await world.erase("Ann Lee")
    assert await recognised(world, "A. Lee, Ann Lee and Al Lee") == ["Al Lee"]
    again = await read(world, "name,email\nAnn Lee,\nDr Ann Lee,\nAl Lee,\n")
    assert [(one.line, one.reason) for one in again.broken] == [
        (2, "the PERSON was erased"),
        (3, "the PERSON was erased"),
    ]
    await put(world, "staff", "name,email\nAnn Lee,\nAl Lee,\n")
    assert await recognised(world, "A. Lee, Ann Lee and Al Lee") == ["A. Lee", "Al Lee"]


async def test_a_part_of_her_name_that_is_a_town_stays_one(world: World) -> None:
    await put(world, "sites", "place\nQuist\n", "place=LOCATION")
    await world.erase("Cleo Quist")
    assert await recognised(world, "in Quist") == ["Quist"]


async def test_a_new_version_says_so_and_what_was_deleted_is_known_for_scrubbing(world: World) -> None:
    async with world.database.reading() as session:
        before = {row.name: row.forms for row in await session.scalars(select(DirectoryRow))}
    done = await world.erase("Cleo Quist")
    async with world.database.reading() as session:
        newest = await Configurations(session, TENANT).newest()
        row = await session.get_one(DirectoryRow, (TENANT, "staff"))
        assert (newest.change, newest.reason) == ("erasure", done.receipt)
        assert row.digest == forms_digest(row.entities, row.forms)
        assert all(one in before["staff"] and one not in row.forms for one in done.unlisted.deleted)
    assert len(done.unlisted.deleted) == done.unlisted.digests["staff"] > 0
    assert done.unlisted.outdated == 2, "both documents were masked without a directory"


async def test_a_reason_that_names_somebody_who_is_only_listed_is_refused(world: World) -> None:
    with pytest.raises(Misuse, match="number of the request"):
        await world.erase("Nora Vale", reason="asked by Nora Vale")
    assert await recognised(world, "Nora Vale") == ["Nora Vale"]


async def test_a_plan_of_a_listed_person_that_somebody_else_has_carried_out_is_a_conflict(world: World) -> None:
    plan = await world.plan("Nora Vale")
    await world.erase("Nora Vale")
    async with world.database.unit_of_work() as session:
        with pytest.raises(Conflict, match="erased meanwhile"):
            await world.carry_out(session, plan)
    again = await world.plan("Nora Vale")
    assert not again.erases and list(again.before) == ["line 1"]


RECORDS = st.sets(
    st.builds(
        lambda kind, length, digest: Form(kind, length, digest[:8], digest),
        st.sampled_from(Kind), st.integers(1, 9), st.binary(min_size=16, max_size=16),
    ), max_size=20,
)  # fmt: skip


@given(RECORDS, RECORDS, st.sampled_from(["PERSON", "TITLE"]))
def test_removing_records_leaves_exactly_the_others(held: set[Form], asked: set[Form], entity: str) -> None:
    entities = {"PERSON": 1, "TITLE": 1}
    stored = b"".join(sorted(packed(entities, entity, form) for form in held))
    records = Records(stored)
    gone = records.held({packed(entities, entity, form) for form in asked})
    assert gone == {packed(entities, entity, form) for form in held & asked}
    assert {form for form, _ in unpacked(entities, records.without(gone))} == held - asked
    assert len(KnownForms(b"k" * 32, unpacked(entities, records.without(gone)))) <= len(held - asked)
