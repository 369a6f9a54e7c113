"""The directory and the policy change together or not at all, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from policies.desk import DeskParts, PolicyDesk
from policies.edits import Edit, InvalidEdit
from policies.rules import RoleLink
from policies.store import PolicyStore, SnapshotCache
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.db.labels import labels_of, labels_of_document
from rag.errors import AuditUnavailable, Unauthenticated
from rag.identity.scim.entry import Entry, Member, Moved, Taken
from rag.identity.scim.store import Directory, standing
from rag.identity.scim.writing import Writer, Written

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANN = Entry("a", "User", "user:ann", "ann", None, True, 1, NOW, NOW)
BOB = Entry("b", "User", "user:bob", "bob", None, True, 1, NOW, NOW)
FINANCE = Entry("f", "Group", "group:finance", "Finance", "ext", True, 1, NOW, NOW)

Record = Callable[[AsyncSession, str, str, Mapping[str, Any]], Awaitable[object]]


def writer(database: Database, *, record: Record | None = None, client: str = "assistant:okta") -> Writer:
    async def append(session: AsyncSession, tenant: str, kind: str, body: Mapping[str, Any]) -> object:
        return await AuditLog().append(session, tenant, kind, body)

    parts = DeskParts(
        database.reading, database.unit_of_work, labels_of, labels_of_document, record or append, SnapshotCache()
    )
    return Writer(database, PolicyDesk(parts), "acme", client, "k1")


def adding(*entries: Entry) -> Callable[[Directory], Awaitable[Written]]:
    async def write(directory: Directory) -> Written:
        for entry in entries:
            await directory.add(entry)
        groups = frozenset(entry.name for entry in entries if entry.kind == "Group")
        return Written(groups, {"operation": "create", "kind": entries[-1].kind})

    return write


def changing(entry: Entry) -> Callable[[Directory], Awaitable[Written]]:
    async def write(directory: Directory) -> Written:
        await directory.change(entry)
        groups = await directory.groups_of(entry.id)
        return Written(
            groups | ({entry.name} if entry.kind == "Group" else set()), {"operation": "update", "kind": "x"}
        )

    return write


async def links(database: Database) -> set[str]:
    async with database.reading() as session:
        return {f"{link.member}>{link.parent}" for link in await PolicyStore(session).links("acme")}


@asynccontextmanager
async def reading(database: Database, client: str = "assistant:okta") -> AsyncIterator[Directory]:
    async with database.reading() as session:
        yield Directory(session, "acme", client)


async def test_memberships_are_links_and_inactive_people_have_none(any_database: Database) -> None:
    both = replace(FINANCE, members=(Member("a", "User"), Member("b", "User")))
    write = writer(any_database)
    await write.carry_out(adding(ANN, BOB, both))
    assert await links(any_database) == {"user:ann>group:finance", "user:bob>group:finance"}
    await write.carry_out(changing(replace(ANN, active=False)))
    assert await links(any_database) == {"user:bob>group:finance"}
    async with any_database.reading() as session:
        with pytest.raises(Unauthenticated):
            await standing(session, "acme", "user:ann", frozenset())
        assert await standing(session, "acme", "user:bob", frozenset({"group:finance", "group:x"})) == {"group:x"}
    await write.carry_out(changing(ANN))
    assert await links(any_database) == {"user:ann>group:finance", "user:bob>group:finance"}
    async with reading(any_database) as directory:
        assert await directory.find("Group", "f") == both


async def test_an_edit_that_the_policy_refuses_leaves_the_directory_as_it_was(any_database: Database) -> None:
    inner = replace(FINANCE, id="g", name="group:inner", label="inner")
    write = writer(any_database)
    await write.carry_out(adding(inner, replace(FINANCE, members=(Member("g", "Group"),))))
    with pytest.raises(InvalidEdit, match="circle"):
        await write.carry_out(changing(replace(inner, members=(Member("f", "Group"),))))
    assert await links(any_database) == {"group:inner>group:finance"}
    async with reading(any_database) as directory:
        assert await directory.find("Group", "g") == inner


async def test_what_cannot_be_recorded_changes_neither(any_database: Database) -> None:
    async def refuse(*_: object) -> object:
        raise AuditUnavailable("not now")

    await writer(any_database).carry_out(adding(ANN, BOB))
    with pytest.raises(AuditUnavailable):
        await writer(any_database, record=refuse).carry_out(adding(replace(FINANCE, members=(Member("a", "User"),))))
    assert await links(any_database) == set()
    async with reading(any_database) as directory:
        assert await directory.find("Group", "f") is None
        assert [entry.id for entry in await directory.entries(["User", "Group"])] == ["a", "b"]


async def test_a_write_from_an_older_state_is_not_made(any_database: Database) -> None:
    async with any_database.unit_of_work() as session:
        await Directory(session, "acme", "assistant:okta").advance(0)
    for stale in (0, 2):
        with pytest.raises(Moved):
            async with any_database.unit_of_work() as session:
                await Directory(session, "acme", "assistant:entra").advance(stale)
    async with any_database.unit_of_work() as session:
        await Directory(session, "acme", "assistant:entra").advance(1)
    async with reading(any_database) as directory:
        assert await directory.revision() == 2


async def test_writers_side_by_side_all_get_through(any_database: Database) -> None:
    """Each with its own desk and memory, as in several service processes."""
    groups = [replace(FINANCE, id=f"g{n}", name=f"group:g{n}", label=f"g{n}") for n in range(4)]
    await writer(any_database).carry_out(adding(ANN))
    members = (Member("a", "User"),)
    await asyncio.gather(*(writer(any_database).carry_out(adding(replace(group, members=members))) for group in groups))
    assert await links(any_database) == {f"user:ann>group:g{n}" for n in range(4)}


async def test_a_name_belongs_to_one_client_and_a_label_to_one_resource(any_database: Database) -> None:
    await writer(any_database).carry_out(adding(ANN))
    for client, entry in (
        ("assistant:entra", replace(ANN, id="x")),
        ("assistant:okta", replace(ANN, id="x", name="user:other", label="ANN")),
    ):
        with pytest.raises(Taken):
            await writer(any_database, client=client).carry_out(adding(entry))
    other = replace(ANN, id="x", name="user:corp/ann")
    await writer(any_database, client="assistant:entra").carry_out(adding(other))
    async with reading(any_database) as directory:
        assert await directory.find("User", "x") is None


async def test_links_of_a_provisioned_group_that_people_added_do_not_outlast_the_next_write(
    any_database: Database,
) -> None:
    """The group is the provider's: whoever it does not name is not in it."""
    by_hand = RoleLink("user:eve", "group:finance", "acme")
    await writer(any_database).carry_out(adding(ANN, FINANCE))
    async with any_database.unit_of_work() as session:
        edit = Edit(add_links=(by_hand,))
        await PolicyStore(session).apply("acme", edit, author="operator:setup", reason="by hand")
    assert await links(any_database) == {"user:eve>group:finance"}
    await writer(any_database).carry_out(changing(replace(FINANCE, members=(Member("a", "User"),))))
    assert await links(any_database) == {"user:ann>group:finance"}
