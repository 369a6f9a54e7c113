"""The desk: a change is looked at, saved whole with its records, and never saved over somebody else's."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from policies.administration import ADMINISTER, Administrator, NotAdministered
from policies.change import CanaryExposed
from policies.desk import DeskParts, Outcome, PolicyDesk, Wish
from policies.edits import Edit, InvalidEdit
from policies.enquiries import Enquiries, NoSuchDocument
from policies.history import HistoryIncomplete, Retry
from policies.rules import Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.store import EditConflict, PolicyStore, SnapshotCache
from rag.db.engine import Database

OPERATOR = Administrator("operator:eve", None)
HANNA = Administrator("user:hanna", (Caller("acme", "user:hanna"),))
STAFF = Rule("role:staff", "acme", "read", level=Level.INTERNAL)
HR = Rule("user:ann", "acme", "read", "hr")
MEMBER = RoleLink("user:ann", "role:staff", "acme")
DOCUMENTS = (
    Attributes("acme", "handbook", "hr", Level.INTERNAL),
    Attributes("acme", "wages", "hr", Level.RESTRICTED),
    Attributes("acme", "trap", "law", Level.SECRET, frozenset({"canary"})),
)


@dataclass
class Records:
    """The audit log of these tests. Says no when told to."""

    kept: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    refuses: bool = False

    async def __call__(self, _session: AsyncSession, _tenant: str, kind: str, body: Mapping[str, Any]) -> None:
        if self.refuses:
            raise OSError("the log is full")
        self.kept.append((kind, body))


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def desk(database: Database, records: Records) -> PolicyDesk:
    async def labels(_session: AsyncSession, _tenant: str) -> Sequence[Attributes]:
        return DOCUMENTS

    async def find(_session: AsyncSession, _tenant: str, document: str) -> Sequence[Attributes]:
        return [labels for labels in DOCUMENTS if labels.document == document]

    parts = DeskParts(database.reading, database.unit_of_work, labels, find, records, SnapshotCache())
    return PolicyDesk(parts)


async def edit(desk: PolicyDesk, made: Edit, by: Administrator = OPERATOR, **wish: Any) -> Outcome:
    return await desk.edit("acme", lambda *_: made, by, Wish(**{"reason": "because", **wish}))


async def stored(desk: PolicyDesk) -> tuple[int, set[Rule], set[RoleLink]]:
    visible = await desk.visible("acme", OPERATOR)
    return visible.epoch, set(visible.rules), set(visible.links)


async def test_a_saved_edit_stands_in_policy_history_and_log(desk: PolicyDesk, records: Records) -> None:
    outcome = await edit(desk, Edit(add_rules=(STAFF,), add_links=(MEMBER,)))
    assert (outcome.stored, outcome.epoch) == (True, 1)
    assert outcome.simulation is not None
    assert outcome.simulation.gains == 1
    assert await stored(desk) == (1, {STAFF}, {MEMBER})
    (revision,) = await desk.history("acme", OPERATOR, limit=10)
    assert (revision.epoch, revision.author, revision.reason) == (1, "operator:eve", "because")
    assert revision.edit == Edit(add_rules=(STAFF,), add_links=(MEMBER,))
    ((kind, body),) = records.kept
    assert (kind, body["author"], body["epoch"], body["rules_added"]) == ("policy_edit", "operator:eve", 1, 1)


async def test_without_its_record_there_is_no_change(desk: PolicyDesk, records: Records) -> None:
    records.refuses = True
    with pytest.raises(OSError, match="log is full"):
        await edit(desk, Edit(add_rules=(STAFF,)))
    assert await stored(desk) == (0, set(), set())
    records.refuses = False
    assert (await edit(desk, Edit(add_rules=(STAFF,)))).epoch == 1


async def test_a_dry_run_tells_and_stores_nothing(desk: PolicyDesk, records: Records) -> None:
    outcome = await edit(desk, Edit(add_rules=(HR,)), dry_run=True, reason="")
    assert (outcome.stored, outcome.epoch) == (False, 1)
    assert outcome.simulation is not None
    assert (outcome.simulation.gains, outcome.simulation.gainers) == (2, 1)
    assert await stored(desk) == (0, set(), set())
    assert records.kept == []


async def test_an_edit_made_for_another_version_is_not_saved(desk: PolicyDesk) -> None:
    await edit(desk, Edit(add_rules=(STAFF,)), expected_epoch=0)
    with pytest.raises(EditConflict):
        await edit(desk, Edit(add_rules=(HR,)), expected_epoch=0)
    assert (await edit(desk, Edit(add_rules=(HR,)), expected_epoch=1)).epoch == 2


async def test_an_edit_overtaken_by_another_is_looked_at_again(desk: PolicyDesk, database: Database) -> None:
    """Between looking and saving, somebody else saves: what is saved is what was looked at last."""
    overtakers = [Edit(add_rules=(STAFF,)), Edit(add_links=(MEMBER,))]
    writing = desk.parts.writing

    @asynccontextmanager
    async def overtaken() -> AsyncIterator[AsyncSession]:
        if overtakers:
            async with database.unit_of_work() as session:
                await PolicyStore(session).apply("acme", overtakers.pop(0), author="user:bob", reason="first")
        async with writing() as session:
            yield session

    slow = PolicyDesk(replace(desk.parts, writing=overtaken))
    outcome = await edit(slow, Edit(add_rules=(HR,)))
    assert (outcome.epoch, overtakers) == (3, [])
    assert await stored(desk) == (3, {STAFF, HR}, {MEMBER})


async def test_a_repeated_request_is_made_once(desk: PolicyDesk) -> None:
    first = await edit(desk, Edit(add_rules=(STAFF,)), retry=Retry("key-1", "digest"))
    await edit(desk, Edit(add_rules=(HR,)))
    again = await edit(desk, Edit(add_rules=(STAFF,)), retry=Retry("key-1", "digest"))
    assert (again.repeated, again.epoch, again.edit) == (True, first.epoch, first.edit)
    with pytest.raises(EditConflict, match="another edit"):
        await edit(desk, Edit(add_links=(MEMBER,)), retry=Retry("key-1", "another"))
    by_another = await edit(desk, Edit(add_links=(MEMBER,)), retry=Retry("key-1", "another"), by=_admin("user:bob"))
    assert by_another.repeated is False


def _admin(name: str) -> Administrator:
    return Administrator(name, None)


async def test_the_policy_can_be_rolled_back_to_any_version(desk: PolicyDesk) -> None:
    edits = [
        Edit(add_rules=(STAFF,)),
        Edit(add_links=(MEMBER,)),
        Edit(add_rules=(HR,), remove_links=(MEMBER,)),
        Edit(remove_rules=(STAFF,)),
    ]
    states = [await stored(desk)]
    for made in edits:
        await edit(desk, made)
        states.append(await stored(desk))
    for epoch, rules, links in states[1:]:
        await desk.roll_back("acme", epoch, OPERATOR, Wish("back"))
        assert (await stored(desk))[1:] == (rules, links)
    unchanged = await desk.roll_back("acme", 8, OPERATOR, Wish("back"))
    assert (unchanged.edit.empty, unchanged.stored, unchanged.epoch) == (True, False, 8)
    with pytest.raises(HistoryIncomplete):
        await desk.roll_back("acme", 99, OPERATOR, Wish("back"))


async def test_versions_are_compared_in_either_direction(desk: PolicyDesk) -> None:
    await edit(desk, Edit(add_rules=(STAFF, HR)))
    await edit(desk, Edit(remove_rules=(HR,), add_links=(MEMBER,)))
    assert await desk.diff("acme", OPERATOR, 0, 2) == Edit(add_rules=(STAFF,), add_links=(MEMBER,))
    assert await desk.diff("acme", OPERATOR, 2, 1) == Edit(add_rules=(HR,), remove_links=(MEMBER,))
    assert (await desk.diff("acme", OPERATOR, 1, 1)).empty


async def test_a_change_of_labels_is_no_edit_and_no_gap_in_the_history(desk: PolicyDesk, database: Database) -> None:
    await edit(desk, Edit(add_rules=(STAFF,)))
    async with database.unit_of_work() as session:
        await PolicyStore(session).raise_epoch("acme")
    await edit(desk, Edit(add_rules=(HR,)))
    assert [revision.epoch for revision in await desk.history("acme", OPERATOR, limit=10)] == [3, 1]
    assert [revision.epoch for revision in await desk.history("acme", OPERATOR, before=3, limit=10)] == [1]
    assert await desk.diff("acme", OPERATOR, 1, 3) == Edit(add_rules=(HR,))


async def test_an_edit_that_exposes_a_canary_needs_an_explicit_word(desk: PolicyDesk, records: Records) -> None:
    everything = Edit(add_rules=(Rule("user:ann", "acme", "read"),))
    with pytest.raises(CanaryExposed, match="user:ann read the canary trap"):
        await edit(desk, everything)
    assert (await stored(desk))[0] == 0
    told = await edit(desk, everything, dry_run=True)
    assert told.simulation is not None
    assert [exposure.document for exposure in told.simulation.canaries] == ["trap"]
    await edit(desk, everything, expose_canaries=True)
    assert records.kept[-1][1]["canaries_exposed"] == ["trap"]


async def test_who_administers_a_part_sees_and_changes_that_part(desk: PolicyDesk) -> None:
    await edit(desk, Edit(add_rules=(STAFF, HR, Rule("user:hanna", "acme", ADMINISTER, "hr")), add_links=(MEMBER,)))
    visible = await desk.visible("acme", HANNA)
    assert (visible.whole, visible.links) == (False, ())
    assert {rule.department for rule in visible.rules} == {"hr"}
    outcome = await edit(desk, Edit(remove_rules=(HR,)), by=HANNA)
    assert outcome.simulation is not None
    assert (outcome.simulation.documents, outcome.simulation.losses) == (2, 1)
    with pytest.raises(NotAdministered):
        await edit(desk, Edit(remove_rules=(STAFF,)), by=HANNA)
    for refused in (desk.history("acme", HANNA, limit=1), desk.diff("acme", HANNA, 0, 1)):
        with pytest.raises(NotAdministered):
            await refused


async def test_a_refusal_does_not_tell_which_lines_exist(desk: PolicyDesk) -> None:
    await edit(desk, Edit(add_rules=(STAFF, HR, Rule("user:hanna", "acme", ADMINISTER, "hr")), add_links=(MEMBER,)))
    absent = replace(STAFF, level=Level.PUBLIC)
    messages = set()
    for made in (Edit(add_rules=(STAFF,)), Edit(remove_rules=(STAFF,)), Edit(remove_rules=(absent,))):
        with pytest.raises(NotAdministered) as refusal:
            await edit(desk, made, by=HANNA)
        messages.add(str(refusal.value).replace("public", "internal"))
    for made in (Edit(add_links=(MEMBER,)), Edit(remove_links=(replace(MEMBER, member="user:bob"),))):
        with pytest.raises(NotAdministered):
            await edit(desk, made, by=HANNA)
    assert len(messages) == 1
    with pytest.raises(InvalidEdit, match="already part"):
        await edit(desk, Edit(add_rules=(HR,)), by=HANNA)


async def test_who_administers_nothing_is_told_nothing(desk: PolicyDesk) -> None:
    await edit(desk, Edit(add_rules=(STAFF,), add_links=(MEMBER,)))
    nobody, ann = Administrator("user:zoe", (Caller("acme", "user:zoe"),)), [Caller("acme", "user:ann")]
    enquiries = Enquiries(desk.parts)
    for asked in (
        desk.visible("acme", nobody),
        enquiries.explain("acme", nobody, ann, "read", "handbook"),
        enquiries.explain("acme", nobody, ann, "read", "no-such-document"),
        enquiries.who("acme", nobody, "handbook", "read"),
        enquiries.what("acme", nobody, ann, "read"),
    ):
        with pytest.raises(NotAdministered):
            await asked


async def test_who_administers_a_part_cannot_expose_a_canary_whatever_she_says(desk: PolicyDesk) -> None:
    law = Rule("user:hanna", "acme", ADMINISTER, "law")
    await edit(desk, Edit(add_rules=(law,)))
    exposing = Edit(add_rules=(Rule("user:ann", "acme", "read", "law"),))
    with pytest.raises(CanaryExposed):
        await edit(desk, exposing, by=HANNA, expose_canaries=True)
    await edit(desk, Edit(add_rules=(Rule("user:ann", "acme", "read", "law", level=Level.RESTRICTED),)), by=HANNA)


async def test_rights_too_large_to_search_with_are_refused_when_written(desk: PolicyDesk) -> None:
    many = tuple(Rule("role:staff", "acme", "read", "hr", frozenset({f"t{n}"})) for n in range(400))
    await edit(desk, Edit(add_rules=many[:100], add_links=(MEMBER,)))
    with pytest.raises(InvalidEdit, match=r"user:ann.* need \d+ conditions"):
        await edit(desk, Edit(add_rules=many[100:]))
    denials = tuple(replace(rule, effect=Effect.DENY) for rule in many[:100])
    with pytest.raises(InvalidEdit, match="what they deny"):
        await edit(desk, Edit(add_rules=denials[:99]))
    assert (await edit(desk, Edit(add_rules=denials[:20]))).epoch == 2


async def test_enquiries_tell_of_administered_documents_only(desk: PolicyDesk) -> None:
    await edit(desk, Edit(add_rules=(STAFF, HR, Rule("user:hanna", "acme", ADMINISTER, "hr")), add_links=(MEMBER,)))
    enquiries, ann = Enquiries(desk.parts), [Caller("acme", "user:ann")]
    (explained,) = await enquiries.explain("acme", HANNA, ann, "read", "wages")
    assert explained.explanation.decision.rule == HR
    (readers,) = await enquiries.who("acme", HANNA, "wages", "read")
    assert [reader.caller.subject for reader in readers.readers] == ["user:ann"]
    assert (await enquiries.what("acme", HANNA, ann, "read")).total == 2
    for document in ("trap", "no-such-document"):
        with pytest.raises(NoSuchDocument):
            await enquiries.explain("acme", HANNA, ann, "read", document)
        with pytest.raises(NoSuchDocument):
            await enquiries.who("acme", HANNA, document, "read")
    assert len(await enquiries.who("acme", OPERATOR, "trap", "read")) == 1
