"""An index that lies, a decision that fails, labels that make no sense: nothing is shown that may not be read.

Each fault has its twin: what may be read still can be, or can be again when the fault is mended.
"""

import casbin
import pytest
from sqlalchemy import text as sql
from sqlalchemy import update

from policies.rules import Level
from rag.db.tables import DocumentRow
from rag.domain import Principal
from rag.errors import PolicyUnreadable
from rag.query.metrics import private_metrics
from rag.query.parts import QueryParts
from rag.query.retrieve import search
from tests.query.company import Company, LeakyStore, OneStore, person
from tests.query.faults import AlsoReturns, give_to, labelled, run

QUESTION = "What is the travel budget for a quarter?"
PEOPLE = ("hana", "finn", "sam", "dana", "pia", "nobody")
LIMIT = 50
"""More than there are chunks: an answer is everything that may be read."""


@pytest.fixture
def parts(company: Company) -> QueryParts:
    """The company's, with counters that start at zero."""
    return company.with_parts(metrics=private_metrics())


def alarms(parts: QueryParts) -> int:
    return int(parts.metrics.dropped_by_check._value.get())


async def shown(who: Principal | str, parts: QueryParts) -> frozenset[str]:
    principal = person(who) if isinstance(who, str) else who
    return frozenset(found.chunk.id for found in await search(QUESTION, principal, parts, LIMIT))


async def chunks_of(company: Company, *keys: str) -> frozenset[str]:
    """The chunks of these documents, or of all."""
    async with company.parts.database.reading() as session:
        rows = await session.execute(sql("SELECT id, document FROM chunk"))
        wanted = {company.ids[key] for key in keys or company.ids}
        return frozenset(chunk for chunk, document in rows if document in wanted)


async def test_an_index_that_ignores_its_filter_shows_everybody_what_a_sound_one_does(
    company: Company, parts: QueryParts
) -> None:
    """To the chunk, for each person; and each one too many is an alarm."""
    everything = await chunks_of(company)
    sound = {name: await shown(name, parts) for name in PEOPLE}
    assert alarms(parts) == 0
    leaky = LeakyStore(sorted(everything))
    for name in PEOPLE:
        lying = company.with_parts(metrics=private_metrics(), stores=OneStore(leaky))
        assert await shown(name, lying) == sound[name]
        assert alarms(lying) == (len(everything - sound[name]) if sound[name] else 0)
    assert len(set(sound.values())) == len(PEOPLE) - 1  # hana, who reads most, and others apart; pia reads as sam does
    assert sound["sam"] == sound["pia"] < sound["hana"] < everything


async def test_another_tenants_chunks_are_not_shown_by_an_index_that_mixes_tenants(
    company: Company, parts: QueryParts
) -> None:
    """Public ones, whose labels would admit everybody here."""
    async with company.parts.database.unit_of_work() as session:
        foreign = await give_to(session, "globex", company.ids["travel"])
    sound = await shown("sam", parts)
    mixed = company.with_parts(metrics=private_metrics(), stores=AlsoReturns(parts.stores, foreign))
    assert await shown("sam", mixed) == sound
    assert await chunks_of(company, "travel") <= sound
    assert not await shown(person("sam", tenant="globex"), mixed)


async def test_another_tenants_chunk_in_an_index_is_an_alarm(company: Company, parts: QueryParts) -> None:
    async with company.parts.database.unit_of_work() as session:
        foreign = await give_to(session, "globex", company.ids["travel"])
    mixed = company.with_parts(metrics=private_metrics(), stores=AlsoReturns(parts.stores, foreign))
    await shown("sam", mixed)
    assert alarms(mixed) == len(foreign)


async def test_an_index_that_lost_a_relabelling_shows_nothing_by_its_old_payload(
    company: Company, parts: QueryParts
) -> None:
    """SQL believes that the index was told, so that the old payload is no expected lag but an alarm."""
    leave = await chunks_of(company, "leave")
    assert leave & await shown("sam", parts)
    await company.relabel("leave", Level.RESTRICTED)
    await run(company, "UPDATE document SET indexed_attribute_version = attribute_version")
    assert not leave & await shown("sam", parts)
    assert alarms(parts) == 1  # the managers' paragraph was secret before, so the filter keeps it out by itself
    assert leave <= await shown("hana", parts)


@pytest.mark.parametrize("successor", [None, "'ver_00000000000000000000000000000000'"])
async def test_points_of_a_version_that_is_not_the_visible_one_are_not_shown(
    company: Company, parts: QueryParts, successor: str | None
) -> None:
    """Withdrawn, or replaced. The index is behind, which is no alarm."""
    travel = await chunks_of(company, "travel")
    assert travel <= await shown("sam", parts)
    await run(company, labelled(company.ids["travel"], current_version=successor))
    after = await shown("sam", parts)
    assert not travel & after
    assert after
    assert alarms(parts) == 0
    assert parts.metrics.dropped_stale._value.get() == len(travel)


async def test_a_chunk_that_sql_does_not_know_is_not_shown(company: Company, parts: QueryParts) -> None:
    unknown = ("chk_" + "0" * 32, "chk_", "", "'; DROP TABLE chunk; --")
    sound = await shown("sam", parts)
    lying = company.with_parts(metrics=private_metrics(), stores=AlsoReturns(parts.stores, unknown))
    assert await shown("sam", lying) == sound
    assert sound


async def test_an_exception_inside_casbin_shows_nothing_and_is_an_alarm(
    company: Company, parts: QueryParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise SystemError("AST constructor recursion depth mismatch")

    with monkeypatch.context() as patched:
        patched.setattr(casbin.Enforcer, "enforce_ex", fails)
        assert not await shown("hana", parts)
        assert alarms(parts) > 0
    assert await shown("hana", parts)


MADE_NO_SENSE = (
    ("level", "9"),
    ("level", "'public'"),
    ("department", "''"),
    ("department", "'*'"),
    ("tags", "'[\"R&&D\"]'"),
    ("owner", "'role:staff'"),
    ("shares", "'[\"everybody\"]'"),
    ("compartments", "'not json'"),
)
OF_A_WRONG_TYPE = (
    ("tags", "'null'"),
    ("tags", "'5'"),
    ("shares", "'null'"),
    ("shares", "'{}'"),
    ("denied_shares", "'[7]'"),
    ("denied_shares", "'\"\"'"),
    ("compartments", "'null'"),
    ("compartments", "'{}'"),
)


@pytest.mark.parametrize(("column", "value"), [*MADE_NO_SENSE, *OF_A_WRONG_TYPE])
async def test_a_document_with_labels_that_make_no_sense_is_an_error_to_its_readers_and_nothing_else(
    company: Company, parts: QueryParts, column: str, value: str
) -> None:
    """dana alone reads of the merger. sam, whose searches do not meet it, notices nothing."""
    before = {name: await shown(name, parts) for name in ("dana", "sam")}
    assert await chunks_of(company, "merger") <= before["dana"]
    async with company.parts.database.reading() as session:
        sound = getattr(await session.get_one(DocumentRow, company.ids["merger"]), column)
    await run(company, labelled(company.ids["merger"], **{column: value}))
    with pytest.raises(PolicyUnreadable):
        await shown("dana", parts)
    assert await shown("sam", parts) == before["sam"]
    await run(company, update(DocumentRow).where(DocumentRow.id == company.ids["merger"]).values({column: sound}))
    assert await shown("dana", parts) == before["dana"]
