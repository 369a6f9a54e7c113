"""The stored policy: edits are whole, counted, kept in the history, and hold on the next question."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, text, update

from policies.plan import DenyAll, plan
from policies.rules import Caller, Effect, Level, RoleLink, Rule
from policies.store import (
    Edit,
    EditConflict,
    InvalidEdit,
    PolicyError,
    PolicyStore,
    PolicyUnreadable,
    SnapshotCache,
)
from policies.tables import ChangeRow, EpochRow, RoleLinkRow, RuleRow
from rag.db.engine import Database, open_database

ANN = Caller("t", "user:ann")
ALLOW = Rule("user:ann", "t", "read", "hr", frozenset({"b", "a"}), "self", "@shared", Level.RESTRICTED)
DENY = Rule("role:left", "t", "read", effect=Effect.DENY)
LINK = RoleLink("user:ann", "role:left", "t")


@pytest.fixture
def database(any_database: Database) -> Database:
    """On both databases: neither stands in for the other."""
    return any_database


async def apply(database: Database, edit: Edit, tenant: str = "t", expected_epoch: int | None = None) -> int:
    async with database.unit_of_work() as session:
        return await PolicyStore(session).apply(
            tenant, edit, author="operator:eve", reason="because", expected_epoch=expected_epoch
        )


async def stored(database: Database, tenant: str = "t") -> tuple[int, tuple[Rule, ...], tuple[RoleLink, ...]]:
    async with database.reading() as session:
        store = PolicyStore(session)
        return await store.epoch(tenant), await store.rules(tenant), await store.links(tenant)


def chain(names: Sequence[str]) -> tuple[RoleLink, ...]:
    return tuple(RoleLink(a, b, "t") for a, b in itertools.pairwise(names))


async def test_what_was_written_is_read_back_with_every_column(database: Database) -> None:
    """Stock adapters store six columns and drop the rest."""
    assert await apply(database, Edit(add_rules=(ALLOW, DENY), add_links=(LINK,))) == 1
    assert await stored(database) == (1, (ALLOW, DENY), (LINK,))


async def test_a_tenant_without_a_policy_is_at_version_zero_and_closed(database: Database) -> None:
    async with database.reading() as session:
        snapshot = await SnapshotCache().get(session, "nobody")
    assert snapshot.epoch == 0
    assert isinstance(plan(snapshot, [Caller("nobody", "user:ann")]), DenyAll)


async def test_tenants_do_not_see_each_other(database: Database) -> None:
    await apply(database, Edit(add_rules=(ALLOW,)))
    await apply(database, Edit(add_rules=(Rule("user:ann", "other", "read"),)), "other")
    assert await stored(database) == (1, (ALLOW,), ())
    assert await stored(database, "other") == (1, (Rule("user:ann", "other", "read"),), ())


async def test_an_edit_removes_and_adds_at_once_and_stays_in_the_history(database: Database) -> None:
    await apply(database, Edit(add_rules=(ALLOW,), add_links=(LINK,)))
    assert await apply(database, Edit(add_rules=(DENY,), remove_rules=(ALLOW,), remove_links=(LINK,))) == 2
    assert await stored(database) == (2, (DENY,), ())
    async with database.reading() as session:
        changes = list(await session.scalars(select(ChangeRow).order_by(ChangeRow.epoch)))
    assert [(change.epoch, change.author, change.reason) for change in changes] == [
        (1, "operator:eve", "because"),
        (2, "operator:eve", "because"),
    ]
    assert changes[1].edit["remove_rules"][0]["tags"] == "a,b"
    assert changes[1].edit["remove_links"] == [{"tenant": "t", "member": "user:ann", "parent": "role:left"}]


REFUSED = {
    "nothing": Edit(),
    "a line that is there": Edit(add_rules=(ALLOW,)),
    "a line twice": Edit(add_rules=(DENY, DENY)),
    "a line both ways": Edit(add_rules=(DENY,), remove_rules=(DENY,)),
    "removal of what is not there": Edit(remove_links=(LINK,)),
    "another tenant's line": Edit(add_rules=(Rule("user:ann", "other", "read"),)),
    "a circle": Edit(add_links=chain(["role:a", "role:b", "role:c", "role:a"])),
    "ten links": Edit(add_links=chain(["user:x", *(f"role:{n}" for n in range(10))])),
    "nine links below a group": Edit(add_links=chain(["group:x", *(f"role:{n}" for n in range(9))])),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_edit_is_refused_whole_that_holds(name: str, database: Database) -> None:
    await apply(database, Edit(add_rules=(ALLOW,)))
    good = RoleLink("user:zoe", "role:zoe", "t")
    bad = REFUSED[name]
    partly = bad if bad.empty else Edit(bad.add_rules, bad.remove_rules, (*bad.add_links, good), bad.remove_links)
    with pytest.raises(InvalidEdit):
        await apply(database, partly)
    async with database.unit_of_work() as session:
        with pytest.raises(InvalidEdit):
            await PolicyStore(session).apply("t", partly, author="operator:eve", reason="caught, then committed")
    assert await stored(database) == (1, (ALLOW,), ())


async def test_nine_links_and_eight_below_a_group_are_accepted(database: Database) -> None:
    await apply(database, Edit(add_links=chain(["user:x", *(f"role:{n}" for n in range(9))])))
    await apply(database, Edit(add_links=(RoleLink("group:x", "role:1", "t"),)))
    assert len((await stored(database))[2]) == 10


async def test_a_chain_that_grows_too_long_across_edits_is_refused(database: Database) -> None:
    await apply(database, Edit(add_links=chain([f"role:{n}" for n in range(9)])))
    await apply(database, Edit(add_links=(RoleLink("user:x", "role:0", "t"),)))
    with pytest.raises(InvalidEdit, match="chain of 9"):
        await apply(database, Edit(add_links=(RoleLink("group:x", "role:0", "t"),)))


async def test_an_edit_without_author_or_reason_is_refused(database: Database) -> None:
    async with database.unit_of_work() as session:
        for author, reason in ((" ", "because"), ("operator:eve", "")):
            with pytest.raises(InvalidEdit, match="author and a reason"):
                await PolicyStore(session).apply("t", Edit(add_rules=(ALLOW,)), author=author, reason=reason)


async def test_an_edit_made_for_an_older_version_is_refused(database: Database) -> None:
    await apply(database, Edit(add_rules=(ALLOW,)), expected_epoch=0)
    with pytest.raises(EditConflict, match="version 1"):
        await apply(database, Edit(add_rules=(DENY,)), expected_epoch=0)
    assert await apply(database, Edit(add_rules=(DENY,)), expected_epoch=1) == 2


async def test_concurrent_edits_all_hold_and_none_shares_a_version(database: Database) -> None:
    """On Postgres, from the second on: of those that would all be the first, one is, and the others are conflicts."""
    await apply(database, Edit(add_rules=(ALLOW,)))
    edits = [Edit(add_rules=(Rule(f"user:u{n}", "t", "read"),)) for n in range(8)]
    assert sorted(await asyncio.gather(*(apply(database, edit) for edit in edits))) == list(range(2, 10))
    assert len((await stored(database))[1]) == 9


async def test_a_revocation_holds_on_the_very_next_question(database: Database) -> None:
    cache = SnapshotCache()
    rule = Rule("user:ann", "t", "read")
    await apply(database, Edit(add_rules=(rule,)))
    async with database.reading() as session:
        assert not isinstance(plan(await cache.get(session, "t"), [ANN]), DenyAll)
    await apply(database, Edit(remove_rules=(rule,)))
    async with database.reading() as session:
        assert isinstance(plan(await cache.get(session, "t"), [ANN]), DenyAll)


async def test_an_unchanged_policy_is_compiled_once(database: Database) -> None:
    cache = SnapshotCache()
    await apply(database, Edit(add_rules=(ALLOW,)))
    async with database.reading() as session:
        first = await cache.get(session, "t")
        assert await cache.get(session, "t") is first


async def test_one_cache_never_mixes_two_databases(database: Database, tmp_path: Path) -> None:
    """The same tenant at the same epoch, with other rules."""
    cache = SnapshotCache()
    other = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
    try:
        for opened, rule in ((database, Rule("user:ann", "t", "read")), (other, DENY)):
            await apply(opened, Edit(add_rules=(rule,)))
            async with opened.reading() as session:
                snapshot = await cache.get(session, "t")
            assert (snapshot.epoch, snapshot.rules) == (1, (rule,))
    finally:
        await other.close()


async def test_raising_the_epoch_outdates_snapshots(database: Database) -> None:
    cache = SnapshotCache()
    await apply(database, Edit(add_rules=(ALLOW,)))
    async with database.reading() as session:
        first = await cache.get(session, "t")
    async with database.unit_of_work() as session:
        assert await PolicyStore(session).raise_epoch("t") == 2
        assert await PolicyStore(session).raise_epoch("new") == 1
    async with database.reading() as session:
        second = await cache.get(session, "t")
    assert (second.epoch, second.rules, second is first) == (2, first.rules, False)


async def test_rules_that_are_rolled_back_are_never_remembered(database: Database) -> None:
    """The next edit gets the same version number; it must not find the abandoned rules under it."""
    cache = SnapshotCache()
    with pytest.raises(RuntimeError, match="abandoned"):
        async with database.unit_of_work() as session:
            await PolicyStore(session).apply(
                "t", Edit(add_rules=(Rule("user:ann", "t", "read"),)), author="operator:eve", reason="oops"
            )
            assert (await cache.get(session, "t")).epoch == 1
            raise RuntimeError("abandoned")
    await apply(database, Edit(add_rules=(DENY,)))
    async with database.reading() as session:
        snapshot = await cache.get(session, "t")
    assert (snapshot.epoch, snapshot.rules) == (1, (DENY,))


@pytest.mark.parametrize("column", [{"effect": "Deny"}, {"subject": "mallory, t2, *("}, {"level": 9}, {"action": "x"}])
async def test_one_damaged_rule_closes_the_tenant(column: dict[str, object], database: Database) -> None:
    """A denial that cannot be understood must not be skipped."""
    cache = SnapshotCache()
    await apply(database, Edit(add_rules=(ALLOW, DENY)))
    async with database.reading() as session:
        assert await cache.get(session, "t")
    async with database.unit_of_work() as session:
        await session.execute(update(RuleRow).where(RuleRow.effect == "deny").values(**column))
        await session.execute(update(EpochRow).values(epoch=EpochRow.epoch + 1))
    async with database.reading() as session:
        with pytest.raises(PolicyUnreadable):
            await cache.get(session, "t")


async def test_a_rule_removed_by_hand_is_gone_once_the_epoch_is_raised_by_hand(database: Database) -> None:
    """Such a change leaves no record, so a remembered snapshot must not be brought forward by the records."""
    cache = SnapshotCache()
    await apply(database, Edit(add_rules=(Rule("user:ann", "t", "read"), DENY)))
    async with database.reading() as session:
        assert not isinstance(plan(await cache.get(session, "t"), [ANN]), DenyAll)
    async with database.unit_of_work() as session:
        await session.execute(delete(RuleRow).where(RuleRow.subject == "user:ann"))
        await session.execute(update(EpochRow).values(epoch=EpochRow.epoch + 1))
    async with database.reading() as session:
        assert isinstance(plan(await cache.get(session, "t"), [ANN]), DenyAll)


async def test_a_snapshot_brought_forward_says_what_a_new_one_does(database: Database) -> None:
    forward = SnapshotCache()
    edits = [
        Edit(add_rules=(ALLOW, DENY), add_links=(LINK,)),
        Edit(add_rules=(Rule("role:left", "t", "read", document="d1"),), remove_rules=(DENY,)),
        Edit(remove_links=(LINK,), add_links=chain(["user:ann", "group:g", "role:left"])),
        Edit(remove_rules=(ALLOW,)),
    ]
    for edit in edits:
        await apply(database, edit)
        async with database.unit_of_work() as session:
            await PolicyStore(session).raise_epoch("t")
        async with database.reading() as session:
            known, new = await forward.get(session, "t"), await SnapshotCache().get(session, "t")
        assert known.epoch == new.epoch
        assert (set(known.rules), set(known.links)) == (set(new.rules), set(new.links))
        assert plan(known, [ANN]) == plan(new, [ANN])
        assert set(known.names()) == set(new.names())
        assert [known.names_document(name) for name in ("d1", "d2", "@shared")] == [
            new.names_document(name) for name in ("d1", "d2", "@shared")
        ]


async def test_a_record_that_cannot_be_understood_is_not_relied_on(database: Database) -> None:
    cache = SnapshotCache()
    await apply(database, Edit(add_rules=(Rule("user:ann", "t", "read"),)))
    async with database.reading() as session:
        assert await cache.get(session, "t")
    await apply(database, Edit(remove_rules=(Rule("user:ann", "t", "read"),)))
    async with database.unit_of_work() as session:
        await session.execute(update(ChangeRow).where(ChangeRow.epoch == 2).values(edit={"add_rules": []}))
    async with database.reading() as session:
        assert isinstance(plan(await cache.get(session, "t"), [ANN]), DenyAll)


async def test_links_too_long_to_follow_close_the_tenant(database: Database) -> None:
    async with database.unit_of_work() as session:
        for link in chain(["user:x", *(f"role:{n}" for n in range(10))]):
            await session.execute(insert(RoleLinkRow).values(tenant="t", member=link.member, parent=link.parent))
    async with database.reading() as session:
        with pytest.raises(PolicyUnreadable):
            await PolicyStore(session).snapshot("t")


async def test_an_unreadable_epoch_is_an_error_even_when_a_snapshot_is_remembered(database: Database) -> None:
    cache = SnapshotCache()
    await apply(database, Edit(add_rules=(ALLOW,)))
    async with database.reading() as session:
        assert await cache.get(session, "t")
    async with database.unit_of_work() as session:
        await session.execute(text("DROP TABLE policy_epoch"))
    async with database.reading() as session:
        with pytest.raises(PolicyUnreadable):
            await cache.get(session, "t")


async def test_validating_an_edit_changes_nothing(database: Database) -> None:
    async with database.unit_of_work() as session:
        assert await PolicyStore(session).validate("t", Edit(add_rules=(ALLOW,))) == 1
    async with database.reading() as session:
        for table in (EpochRow, RuleRow, ChangeRow):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


def test_every_refusal_is_a_policy_error() -> None:
    assert all(issubclass(kind, PolicyError) for kind in (InvalidEdit, EditConflict, PolicyUnreadable))


async def test_the_first_writers_of_a_tenant_all_raise_its_epoch(database: Database) -> None:
    """None of them finds a row that it could lock: the others must wait for the first, not fail."""

    async def first() -> int:
        async with database.unit_of_work() as session:
            return await PolicyStore(session).raise_epoch("new")

    assert sorted(await asyncio.gather(*(first() for _ in range(4)))) == [1, 2, 3, 4]
    assert (await stored(database, "new"))[0] == 4
