"""Queries about provisioned people and groups. Takes a session; never commits.

One client (the key of one identity provider) sees and changes what it provisioned itself, and nothing else. Names in
the policy are unique in the tenant, so that no two clients provision the same person.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from policies.rules import RoleLink
from rag.db.provisioned import DirectoryRow, DisabledPersonRow, MemberRow, ProvisionedRow
from rag.db.statements import batches
from rag.errors import Unauthenticated
from rag.identity.scim.entry import Entry, Kind, Member, Moved, Taken

_MEMBER = (MemberRow.member_id == ProvisionedRow.id) & (MemberRow.tenant == ProvisionedRow.tenant)


async def standing(session: AsyncSession, tenant: str, person: str, groups: frozenset[str]) -> frozenset[str]:
    """The groups among `groups` that a token's word counts for.

    Of a provisioned group it does not: role links say who is in it, and a token would keep somebody in who left.

    Raises:
        Unauthenticated: her identity provider deactivated or removed this person.
    """
    if await session.get(DisabledPersonRow, (tenant, person)) is not None:
        raise Unauthenticated()
    if not groups:
        return groups
    statement = select(ProvisionedRow.name).where(ProvisionedRow.tenant == tenant, ProvisionedRow.name.in_(groups))
    return groups - frozenset(await session.scalars(statement))


class Directory:
    """The people and groups of one client in one tenant."""

    def __init__(self, session: AsyncSession, tenant: str, client: str) -> None:
        self._session = session
        self._tenant = tenant
        self._client = client

    async def revision(self) -> int:
        """How often the tenant's directory was written to, by any client."""
        statement = select(DirectoryRow.revision).where(DirectoryRow.tenant == self._tenant)
        return await self._session.scalar(statement) or 0

    async def advance(self, revision: int) -> None:
        """Count one write, made from the state at `revision`. Raises Moved if that is not the newest."""
        if revision == 0:
            if await self.revision() != 0:
                raise Moved()
            # Two first writers at once: the second one's insert is refused by the database.
            self._session.add(DirectoryRow(tenant=self._tenant, revision=1))
            await self._session.flush()
            return
        raised = await self._session.execute(
            update(DirectoryRow)
            .where(DirectoryRow.tenant == self._tenant, DirectoryRow.revision == revision)
            .values(revision=revision + 1)
            .returning(DirectoryRow.revision)
        )
        if raised.scalar_one_or_none() is None:
            raise Moved()

    async def find(self, kind: Kind, identifier: str) -> Entry | None:
        """The entry with its members, None where there is none of this client's."""
        rows = await self._rows(ProvisionedRow.kind == kind, ProvisionedRow.id == identifier)
        return next(iter(await self.with_members([_entry(row) for row in rows])), None)

    async def entries(
        self, kinds: Collection[Kind], *, label: str | None = None, external_id: str | None = None
    ) -> list[Entry]:
        """The entries of these kinds, without their members, oldest first; those with exactly this, where given."""
        conditions: list[ColumnElement[bool]] = [ProvisionedRow.kind.in_(kinds)]
        if label is not None:
            conditions.append(ProvisionedRow.label_key == label.casefold())
        if external_id is not None:
            conditions.append(ProvisionedRow.external_id == external_id)
        return [_entry(row) for row in await self._rows(*conditions)]

    async def with_members(self, entries: list[Entry]) -> list[Entry]:
        """The same entries with their members."""
        members: dict[str, list[Member]] = {}
        groups = [entry.id for entry in entries if entry.kind == "Group"]
        for some in batches(groups):
            statement = (
                select(MemberRow.group_id, MemberRow.member_id, ProvisionedRow.kind)
                .join(ProvisionedRow, _MEMBER)
                .where(MemberRow.tenant == self._tenant, MemberRow.group_id.in_(some))
                .order_by(MemberRow.member_id)
            )
            for group, member, kind in await self._session.execute(statement):
                members.setdefault(group, []).append(Member(member, _kind(kind)))
        return [replace(entry, members=tuple(members.get(entry.id, ()))) for entry in entries]

    async def members(self, identifiers: Collection[str]) -> tuple[Member, ...]:
        """Those of these ids that are this client's, ordered."""
        found: list[Member] = []
        for some in batches(sorted(identifiers)):
            found += [Member(row.id, _kind(row.kind)) for row in await self._rows(ProvisionedRow.id.in_(some))]
        return tuple(sorted(found))

    async def groups_of(self, member: str) -> frozenset[str]:
        """The names of the groups that a person or group is a direct member of."""
        statement = (
            select(ProvisionedRow.name)
            .join(MemberRow, (MemberRow.group_id == ProvisionedRow.id) & (MemberRow.tenant == ProvisionedRow.tenant))
            .where(ProvisionedRow.tenant == self._tenant, MemberRow.member_id == member)
        )
        return frozenset(await self._session.scalars(statement))

    async def links_to(self, groups: Collection[str]) -> frozenset[RoleLink]:
        """The role links that the policy must have to these groups, by name: one for each active direct member."""
        links: set[RoleLink] = set()
        for name in sorted(groups):
            group = await self._session.scalar(
                select(ProvisionedRow.id).where(ProvisionedRow.tenant == self._tenant, ProvisionedRow.name == name)
            )
            if group is None:
                continue
            statement = (
                select(ProvisionedRow.name)
                .join(MemberRow, _MEMBER)
                .where(MemberRow.tenant == self._tenant, MemberRow.group_id == group, ProvisionedRow.active)
            )
            links |= {RoleLink(member, name, self._tenant) for member in await self._session.scalars(statement)}
        return frozenset(links)

    async def add(self, entry: Entry) -> None:
        """Raises Taken."""
        await self._require_free(entry)
        self._session.add(
            ProvisionedRow(
                tenant=self._tenant,
                id=entry.id,
                kind=entry.kind,
                client=self._client,
                name=entry.name,
                label=entry.label,
                label_key=entry.label.casefold(),
                external_id=entry.external_id,
                active=entry.active,
                version=entry.version,
                created_at=entry.created_at,
                updated_at=entry.updated_at,
            )
        )
        await self._session.flush()
        await self._set_members(entry)
        await self._settle(entry)

    async def change(self, entry: Entry) -> None:
        """Store an entry that is there already, under the same id. Raises Taken."""
        (row,) = await self._rows(ProvisionedRow.id == entry.id)
        if row.name != entry.name or row.label_key != entry.label.casefold():
            await self._require_free(entry)
        if row.name != entry.name and entry.kind == "User":
            # Whoever was called so is now called otherwise: the old name must not let anybody in.
            await self._disable(row.name, entry.updated_at)
        row.name, row.label, row.label_key = entry.name, entry.label, entry.label.casefold()
        row.external_id, row.active = entry.external_id, entry.active
        row.version, row.updated_at = entry.version, entry.updated_at
        await self._session.flush()
        await self._set_members(entry)
        await self._settle(entry)

    async def remove(self, entry: Entry, *, now: datetime) -> None:
        """Remove an entry and every membership in it and of it. A person who is removed is not let in any more."""
        for column in (MemberRow.group_id, MemberRow.member_id):
            await self._session.execute(delete(MemberRow).where(MemberRow.tenant == self._tenant, column == entry.id))
        await self._session.execute(
            delete(ProvisionedRow).where(ProvisionedRow.tenant == self._tenant, ProvisionedRow.id == entry.id)
        )
        if entry.kind == "User":
            await self._disable(entry.name, now)

    async def _rows(self, *conditions: ColumnElement[bool]) -> list[ProvisionedRow]:
        statement = (
            select(ProvisionedRow)
            .where(
                ProvisionedRow.tenant == self._tenant,
                ProvisionedRow.client == self._client,
                *conditions,
            )
            .order_by(ProvisionedRow.created_at, ProvisionedRow.id)
            .execution_options(populate_existing=True)
        )
        return list(await self._session.scalars(statement))

    async def _require_free(self, entry: Entry) -> None:
        statement = select(ProvisionedRow.id).where(
            ProvisionedRow.tenant == self._tenant, ProvisionedRow.name == entry.name, ProvisionedRow.id != entry.id
        )
        same_label = await self._rows(
            ProvisionedRow.kind == entry.kind,
            ProvisionedRow.label_key == entry.label.casefold(),
            ProvisionedRow.id != entry.id,
        )
        disabled = await self._session.get(DisabledPersonRow, (self._tenant, entry.name))
        by_another = disabled is not None and disabled.client != self._client
        if same_label or by_another or await self._session.scalar(statement) is not None:
            raise Taken()

    async def _set_members(self, entry: Entry) -> None:
        if entry.kind != "Group":
            return
        mine = (MemberRow.tenant == self._tenant, MemberRow.group_id == entry.id)
        stored = set(await self._session.scalars(select(MemberRow.member_id).where(*mine)))
        wanted = {member.id for member in entry.members}
        for some in batches(sorted(stored - wanted)):
            await self._session.execute(delete(MemberRow).where(*mine, MemberRow.member_id.in_(some)))
        joining = sorted(wanted - stored)
        if joining:
            rows = [{"tenant": self._tenant, "group_id": entry.id, "member_id": member} for member in joining]
            await self._session.execute(insert(MemberRow), rows)

    async def _settle(self, entry: Entry) -> None:
        """Let her in, or keep her out, by whether she is active."""
        if entry.kind != "User":
            return
        if not entry.active:
            await self._disable(entry.name, entry.updated_at)
            return
        await self._session.execute(
            delete(DisabledPersonRow).where(
                DisabledPersonRow.tenant == self._tenant,
                DisabledPersonRow.person == entry.name,
                DisabledPersonRow.client == self._client,
            )
        )

    async def _disable(self, person: str, now: datetime) -> None:
        if await self._session.get(DisabledPersonRow, (self._tenant, person)) is None:
            row = DisabledPersonRow(tenant=self._tenant, person=person, client=self._client, since=now)
            self._session.add(row)
            await self._session.flush()


def _entry(row: ProvisionedRow) -> Entry:
    return Entry(
        id=row.id,
        kind=_kind(row.kind),
        name=row.name,
        label=row.label,
        external_id=row.external_id,
        active=row.active,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _kind(stored: str) -> Kind:
    return "User" if stored == "User" else "Group"
