"""A policy that cannot be read, or fails in the middle of a change: one whole policy decides, or none at all."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from policies.rules import Level, RoleLink
from policies.snapshot import Snapshot
from policies.store import Edit, PolicyError, PolicyStore, SnapshotCache
from rag.domain import Span
from rag.errors import IndexUnavailable, PolicyUnreadable
from rag.query.answer import ClaimReady, answer, ask
from rag.query.decide import PolicyChanged, read_policy
from rag.query.parts import QueryParts
from rag.query.passages import open_passage
from rag.query.retrieve import search
from tests.query.company import TENANT, Company, person, rule
from tests.query.faults import ThenBreaks, find_table, lose_table, run
from tests.query.test_answer import budget_writer

QUESTION = "What is the travel budget for a quarter?"
LIMIT = 50

Place = tuple[str, str, Span]


@pytest.fixture
async def budget(company: Company) -> Place:
    """Where finn reads the budget, before anything fails. Now his policy is remembered, too."""
    found = await search(QUESTION, person("finn"), company.parts, LIMIT)
    chunk = next(one.chunk for one in found if one.chunk.document == company.ids["budget"])
    return chunk.document, chunk.version, chunk.span


async def documents_shown(name: str, parts: QueryParts) -> frozenset[str]:
    return frozenset(found.chunk.document for found in await search(QUESTION, person(name), parts, LIMIT))


async def require_refusals(parts: QueryParts, budget: Place) -> None:
    """Every way in which finn could see the budget ends in an error that says nothing of it."""
    for asked in (
        search(QUESTION, person("finn"), parts, LIMIT),
        answer(QUESTION, person("finn"), parts),
        open_passage(*budget, person("finn"), parts),
    ):
        with pytest.raises(PolicyUnreadable) as raised:
            await asked
        assert "120,000" not in str(raised.value)


async def require_answers(parts: QueryParts, budget: Place) -> None:
    assert budget[0] in await documents_shown("finn", parts)
    assert "120,000" in (await answer(QUESTION, person("finn"), parts)).text
    assert "120,000" in (await open_passage(*budget, person("finn"), parts)).text


async def unrecorded_change(company: Company) -> None:
    """The epoch is raised by hand: what a replica remembers is outdated."""
    await run(company, "UPDATE policy_epoch SET epoch = epoch + 1")


@pytest.mark.parametrize("table", ["policy_rule", "policy_role_link"])
async def test_rules_that_cannot_be_read_are_an_error_even_to_a_replica_that_remembers_them(
    company: Company, budget: Place, table: str
) -> None:
    await unrecorded_change(company)
    await lose_table(company, table)
    await require_refusals(company.parts, budget)
    await require_refusals(company.with_parts(snapshots=SnapshotCache()), budget)
    await find_table(company, table)
    await require_answers(company.parts, budget)


@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        ("policy_rule SET effect = 'Allow' WHERE effect = 'allow'", "policy_rule SET effect = 'allow'"),
        ("policy_rule SET level = 9 WHERE level = 4", "policy_rule SET level = 4 WHERE level = 9"),
        ("policy_role_link SET parent = 'user:finn' WHERE parent = 'role:finance'",
         "policy_role_link SET parent = 'role:finance' WHERE parent = 'user:finn'"),
    ],
)  # fmt: skip
async def test_one_line_that_makes_no_sense_closes_the_tenant_until_it_is_repaired(
    company: Company, budget: Place, damage: str, repair: str
) -> None:
    await unrecorded_change(company)
    await run(company, f"UPDATE {damage}")
    await require_refusals(company.parts, budget)
    await run(company, f"UPDATE {repair}")
    await require_answers(company.parts, budget)


@pytest.mark.parametrize("epoch", ["newest", -1])
async def test_an_epoch_that_makes_no_sense_shows_nothing(company: Company, budget: Place, epoch: object) -> None:
    await run(company, sql("UPDATE policy_epoch SET epoch = :epoch").bindparams(epoch=epoch))
    try:
        shown = await documents_shown("finn", company.parts)
    except (PolicyUnreadable, IndexUnavailable):
        shown = frozenset()
    assert not shown
    await run(company, "UPDATE policy_epoch SET epoch = 2")
    await require_answers(company.parts, budget)


async def test_a_policy_put_back_from_an_older_copy_is_obeyed(company: Company, budget: Place) -> None:
    """The epoch is smaller than the one that is remembered, and that one's rules are not used."""
    await company.edit(add_rules=(rule("user:sam", department="finance"),))
    assert budget[0] in await documents_shown("sam", company.parts)
    await run(
        company,
        "DELETE FROM policy_rule WHERE subject = 'user:sam'",
        "DELETE FROM policy_change WHERE epoch = 2",
        "UPDATE policy_epoch SET epoch = 1",
    )
    assert budget[0] not in await documents_shown("sam", company.parts)
    await require_answers(company.parts, budget)


@pytest.mark.parametrize("table", ["policy_epoch", "document", "chunk"])
async def test_what_is_lost_between_search_and_answer_lets_nothing_leave(
    company: Company, budget: Place, table: str
) -> None:
    for asked in (search, answer):
        parts = company.with_parts(stores=ThenBreaks(company.stores, partial(lose_table, company, table)))
        with pytest.raises(PolicyUnreadable):
            await asked(QUESTION, person("finn"), parts, *((LIMIT,) if asked is search else ()))
        await find_table(company, table)
    await require_answers(company.parts, budget)


async def test_an_epoch_lost_between_two_claims_ends_the_answer(company: Company, budget: Place) -> None:
    async def lose_before_second(number: int) -> None:
        if number == 1:
            await lose_table(company, "policy_epoch")

    left: list[str] = []
    parts = company.with_parts(generator=budget_writer(lose_before_second))
    with pytest.raises(PolicyUnreadable):
        async with aclosing(ask(QUESTION, person("finn"), parts)) as events:
            async for event in events:
                left += [event.text] if isinstance(event, ClaimReady) else []
    assert len(left) == 1
    assert "120,000" in left[0]
    await find_table(company, "policy_epoch")
    assert len((await answer(QUESTION, person("finn"), company.with_parts(generator=budget_writer()))).claims) == 2


EDIT = Edit(
    remove_rules=(rule("role:finance", department="finance", level=Level.CONFIDENTIAL),),
    add_rules=(rule("role:staff", department="board"),),
    remove_links=(RoleLink("user:hana", "role:people", TENANT),),
    add_links=(RoleLink("user:sam", "role:people", TENANT),),
)
"""Finance is closed and the board opened; hana hands her role to sam. Any half of it would show."""
TOUCHED = ("finn", "sam", "hana")


async def read(company: Company, snapshots: SnapshotCache) -> Snapshot:
    async with company.parts.database.reading() as session:
        return await read_policy(company.with_parts(snapshots=snapshots), session, TENANT)


async def apply(company: Company, then: Callable[[], Awaitable[None]] | None = None) -> None:
    async with company.parts.database.unit_of_work() as session:
        await PolicyStore(session).apply(TENANT, EDIT, author="user:test", reason="test")
        if then is not None:
            await then()


def lines(snapshot: Snapshot) -> tuple[int, frozenset[object]]:
    return snapshot.epoch, frozenset([*snapshot.rules, *snapshot.links])


async def require_whole(company: Company, before: Snapshot, shown: dict[str, frozenset[str]]) -> None:
    """To a replica that remembers and to a new one, nothing has happened."""
    for snapshots in (company.parts.snapshots, SnapshotCache()):
        assert lines(await read(company, snapshots)) == lines(before)
        parts = company.with_parts(snapshots=snapshots)
        assert {name: await documents_shown(name, parts) for name in TOUCHED} == shown


@pytest.mark.parametrize(
    "statement",
    ["DELETE ON policy_rule", "INSERT ON policy_rule", "DELETE ON policy_role_link", "INSERT ON policy_role_link",
     "UPDATE ON policy_epoch", "INSERT ON policy_change"],
)  # fmt: skip
async def test_a_database_that_fails_in_the_middle_of_an_edit_leaves_the_old_policy_whole(
    company: Company, statement: str
) -> None:
    before = await read(company, company.parts.snapshots)
    shown = {name: await documents_shown(name, company.parts) for name in TOUCHED}
    await run(company, f"CREATE TRIGGER fails BEFORE {statement} BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END")
    with pytest.raises((PolicyError, SQLAlchemyError)):
        await apply(company)
    await require_whole(company, before, shown)
    await run(company, "DROP TRIGGER fails")
    await apply(company)
    after = {name: await documents_shown(name, company.parts) for name in TOUCHED}
    assert all(after[name] != shown[name] for name in TOUCHED)
    assert (await read(company, company.parts.snapshots)).epoch == before.epoch + 1


async def test_readers_during_an_edit_see_the_old_policy_until_it_is_committed_and_for_ever_if_it_is_not(
    company: Company,
) -> None:
    before = await read(company, company.parts.snapshots)
    shown = {name: await documents_shown(name, company.parts) for name in TOUCHED}

    async def look() -> None:
        for snapshots in (company.parts.snapshots, SnapshotCache()):
            assert lines(await read(company, snapshots)) == lines(before)

    async def look_and_fail() -> None:
        await look()
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await apply(company, look_and_fail)
    await require_whole(company, before, shown)
    await apply(company, look)
    for snapshots in (company.parts.snapshots, SnapshotCache()):
        assert (await read(company, snapshots)).epoch == before.epoch + 1


@dataclass
class Swaps:
    """finn is moved to and fro between two roles, each time in one edit, while others ask as him.

    `started` and `committed` count edits; `answered` counts answers, by what they showed.
    """

    company: Company
    sides: tuple[frozenset[str], frozenset[str]]
    started: int = 0
    committed: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def edit(self, times: int) -> None:
        """Between two edits, one answer is asked for and given; others are under way."""
        for number in range(times):
            self.started += 1
            await swap(self.company, back=number % 2 == 1)
            self.committed += 1
            await self._undisturbed_answer()

    async def _undisturbed_answer(self) -> None:
        before = self.answered["undisturbed"]
        async with self.progress:
            await self.progress.wait_for(lambda: self.answered["undisturbed"] > before)

    async def ask(self) -> None:
        begun, quiet = self.committed, self.started == self.committed
        try:
            shown = await documents_shown("finn", self.company.parts)
        except PolicyChanged:
            assert self.started > begun
            self.answered["stopped"] += 1
            return
        assert shown in self.sides
        if quiet and self.started == begun:
            assert shown == self.sides[begun % 2]
            async with self.progress:
                self.answered["undisturbed"] += 1
                self.progress.notify_all()


async def swap(company: Company, *, back: bool) -> None:
    finance, people = (RoleLink("user:finn", f"role:{name}", TENANT) for name in ("finance", "people"))
    old, new = (people, finance) if back else (finance, people)
    await company.edit(remove_links=(old,), add_links=(new,))


async def test_questions_during_many_reloads_see_one_whole_policy_each(company: Company) -> None:
    finance = await documents_shown("finn", company.parts)
    await swap(company, back=False)
    people = await documents_shown("finn", company.parts)
    await swap(company, back=True)
    assert finance - people == {company.ids["budget"]}
    assert people - finance == {company.ids["salaries"]}
    swaps = Swaps(company, (finance, people))
    editing = asyncio.create_task(swaps.edit(16))

    async def keep_asking() -> None:
        while not editing.done():
            await swaps.ask()

    await asyncio.gather(editing, *(keep_asking() for _ in range(5)))
    assert swaps.committed == 16
    assert swaps.answered["undisturbed"] >= 16, swaps.answered
    assert swaps.answered["stopped"] >= 1, swaps.answered
