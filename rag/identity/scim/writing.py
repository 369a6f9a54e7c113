"""A write to the directory, and the change of the policy that follows from it: both, or neither.

The policy is edited the one way there is, at the desk: what the edit would do is looked at first, and it is saved
only if nothing moved meanwhile. The write itself is made in the transaction that saves the edit. To know the edit
beforehand, the write is made once for trial and taken back.

A provisioned group is the provider's alone: its people and groups in the policy are exactly its active members.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.administration import Administrator
from policies.desk import PolicyDesk, Wish
from policies.edits import Edit
from policies.rules import RoleLink
from policies.store import EditConflict
from rag.db.engine import Database
from rag.errors import Unavailable
from rag.identity.scim.entry import Moved
from rag.identity.scim.store import Directory

_ATTEMPTS = 5
_FOLLOWING = ("user:", "group:")
"""Members of a provisioned group that follow from the directory. Assistants and roles are linked by people."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the names of the groups whose members may have changed, and what the audit log says."""

    groups: frozenset[str]
    record: Mapping[str, Any]


Write = Callable[[Directory], Awaitable[Written]]
"""Writes to the directory of one client. Called more than once; only the last one stays."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes for one client: the subject of its key, for example assistant:okta, and the key's id."""

    database: Database
    desk: PolicyDesk
    tenant: str
    client: str
    key: str

    async def carry_out(self, write: Write) -> None:
        """Make the write and the edit that follows from it, once.

        Raises:
            InvalidEdit, CanaryExposed: the policy cannot become what follows; nothing was written.
            Unavailable: others kept writing; nothing was written.
        """
        for _ in range(_ATTEMPTS):
            try:
                return await self._attempt(write)
            except (Moved, EditConflict):
                continue
        raise Unavailable("The people and groups of this tenant would not hold still. Retrying may help.")

    async def _attempt(self, write: Write) -> None:
        async with self.database.unit_of_work() as session:
            directory = Directory(session, self.tenant, self.client)
            revision = await directory.revision()
            written = await write(directory)
            wanted = await directory.links_to(written.groups)
            await session.rollback()

        async def store(session: AsyncSession) -> None:
            directory = Directory(session, self.tenant, self.client)
            try:
                await directory.advance(revision)
            except IntegrityError as cause:
                raise Moved() from cause
            await write(directory)
            await self.desk.parts.record(
                session, self.tenant, "scim_write", {"key": self.key, "client": self.client, **written.record}
            )

        async def record(session: AsyncSession, tenant: str, kind: str, body: Mapping[str, Any]) -> None:
            await self.desk.parts.record(session, tenant, kind, body)
            await store(session)

        desk = PolicyDesk(replace(self.desk.parts, record=record))
        outcome = await desk.edit(
            self.tenant,
            lambda rules, links: _edit(links, written.groups, wanted),
            Administrator(f"scim:{self.client.partition(':')[2]}", None),
            Wish(reason=f"provisioned: {written.record['operation']} of a {written.record['kind']}"),
        )
        if not outcome.stored:
            async with self.database.unit_of_work() as session:
                await store(session)


def _edit(links: Sequence[RoleLink], groups: frozenset[str], wanted: frozenset[RoleLink]) -> Edit:
    standing = {link for link in links if link.parent in groups and link.member.startswith(_FOLLOWING)}
    return Edit(add_links=tuple(sorted(wanted - standing)), remove_links=tuple(sorted(standing - wanted)))
