"""The policy in SQL: what is read, and how it changes.

`PolicyStore` takes a session and never commits. A change and the raising of the epoch stand in one
transaction, so whoever reads the new epoch reads the new rules. `SnapshotCache` asks for the epoch at every
call, so a change holds on the very next question; it never answers from memory alone.

    PolicyError
    ├── InvalidEdit        would store what cannot hold: the message says which line and why
    ├── EditConflict       somebody else changed the policy meanwhile: read it again
    └── PolicyUnreadable   rules or epoch cannot be read, or do not make sense: nothing may be answered
"""

from sqlalchemy import URL, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from policies.edits import Edit, InvalidEdit, PolicyError, require_applicable, require_sound_links, require_tenant
from policies.history import History, HistoryIncomplete, HistoryUnreadable, Retry
from policies.rows import link_columns, link_of, rule_columns, rule_of
from policies.rules import RoleLink, Rule, plain_name
from policies.snapshot import Snapshot
from policies.tables import EpochRow, RoleLinkRow, RuleRow

__all__ = [
    "Edit",
    "EditConflict",
    "InvalidEdit",
    "PolicyError",
    "PolicyStore",
    "PolicyUnreadable",
    "SnapshotCache",
]

_READ_ATTEMPTS = 5
_REPLAYED_MAX = 1000
"""Changes that a remembered snapshot is brought forward by; beyond that the whole policy is read again."""
_EDITED = "policies.edited"
"""Marks a session that holds uncommitted changes of a policy."""


class EditConflict(PolicyError):
    """The policy is not at the version that the edit was made for."""

    code = "edit_conflict"


class PolicyUnreadable(PolicyError):
    """No policy, no answer."""

    code = "policy_unreadable"


class PolicyStore:
    """Reads and changes policies. Takes a session, never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def epoch(self, tenant: str) -> int:
        """The policy version of `tenant`; 0 for a tenant without a policy."""
        try:
            statement = select(EpochRow.epoch).where(EpochRow.tenant == tenant)
            epoch = await self._session.scalar(statement)
        except SQLAlchemyError as cause:
            raise _unreadable(tenant) from cause
        if epoch is None:
            return 0
        # A database without strict types may hold anything here, and a version that cannot be compared is none.
        if not isinstance(epoch, int) or epoch < 0:
            raise _unreadable(tenant)
        return epoch

    async def rules(self, tenant: str) -> tuple[Rule, ...]:
        """All rules of `tenant`, in the order in which they were added.

        Raises:
            PolicyUnreadable: the database failed, or a stored rule is not valid.
        """
        try:
            columns = (column for column in RuleRow.__table__.columns if column.name != "id")
            statement = select(*columns).where(RuleRow.tenant == tenant).order_by(RuleRow.id)
            return tuple(rule_of(row) for row in (await self._session.execute(statement)).mappings())
        except (SQLAlchemyError, ValueError) as cause:
            raise _unreadable(tenant) from cause

    async def links(self, tenant: str) -> tuple[RoleLink, ...]:
        """All role links of `tenant`, in the order in which they were added. Raises as `rules`."""
        try:
            columns = (RoleLinkRow.member, RoleLinkRow.parent, RoleLinkRow.tenant)
            statement = select(*columns).where(RoleLinkRow.tenant == tenant).order_by(RoleLinkRow.id)
            return tuple(link_of(row) for row in (await self._session.execute(statement)).mappings())
        except (SQLAlchemyError, ValueError) as cause:
            raise _unreadable(tenant) from cause

    async def snapshot(self, tenant: str) -> Snapshot:
        """The whole policy of `tenant` at one epoch, even while others change it.

        Raises:
            PolicyUnreadable: also when a chain of links is longer than Casbin follows. Such a chain could
                silently lose a denial, so nothing is answered until it is mended.
        """
        epoch = await self.epoch(tenant)
        for _ in range(_READ_ATTEMPTS):
            rules, links = await self.rules(tenant), await self.links(tenant)
            # Between two reads, a database that shows each statement the newest commit may have moved on.
            before, epoch = epoch, await self.epoch(tenant)
            if before != epoch:
                continue
            try:
                require_sound_links(links)
            except InvalidEdit as cause:
                raise _unreadable(tenant) from cause
            return Snapshot(tenant, epoch, rules, links)
        raise PolicyUnreadable(f"The policy of tenant {tenant!r} changes faster than it can be read. Retry.")

    async def validate(self, tenant: str, edit: Edit, *, expected_epoch: int | None = None) -> int:
        """The epoch that `edit` would create. Changes nothing; raises what `apply` would raise."""
        require_tenant(edit, tenant)
        return await self._applicable(tenant, edit, await self.epoch(tenant), expected_epoch)

    async def _applicable(self, tenant: str, edit: Edit, epoch: int, expected_epoch: int | None) -> int:
        if expected_epoch is not None and epoch != expected_epoch:
            raise EditConflict(
                f"The policy of tenant {tenant!r} is at version {epoch}, the edit was made for version "
                f"{expected_epoch}. Read it again and repeat the edit."
            )
        require_applicable(edit, await self.rules(tenant), await self.links(tenant))
        return epoch + 1

    async def apply(
        self,
        tenant: str,
        edit: Edit,
        *,
        author: str,
        reason: str,
        expected_epoch: int | None = None,
        retry: Retry | None = None,
    ) -> int:
        """Make the edit part of the caller's transaction and return the new epoch.

        Raises:
            InvalidEdit: an added line exists, a removed one does not, links would form a circle or too long
                a chain, author or reason is missing. Nothing was changed.
            EditConflict: the policy is not at `expected_epoch`, or another writer was faster.
        """
        if not author.strip() or not reason.strip():
            raise InvalidEdit("An edit needs an author and a reason; both stay in the history.")
        require_tenant(edit, tenant)
        epoch = await self._applicable(tenant, edit, await self._epoch_for_writing(tenant), expected_epoch)
        try:
            for rule in edit.remove_rules:
                await self._session.execute(delete(RuleRow).filter_by(**rule_columns(rule)))
            for link in edit.remove_links:
                await self._session.execute(delete(RoleLinkRow).filter_by(**link_columns(link)))
            if edit.add_rules:
                await self._session.execute(insert(RuleRow), [rule_columns(rule) for rule in edit.add_rules])
            if edit.add_links:
                await self._session.execute(insert(RoleLinkRow), [link_columns(link) for link in edit.add_links])
            await self._write_epoch(tenant, epoch)
            History(self._session, tenant).add(epoch, edit, author=author, reason=reason, retry=retry)
            await self._session.flush()
        except IntegrityError as cause:
            raise EditConflict(
                f"Somebody else changed the policy of tenant {tenant!r} at the same moment. Repeat the edit."
            ) from cause
        return epoch

    async def raise_epoch(self, tenant: str) -> int:
        """Make every snapshot of `tenant` outdated, as when attributes or people changed; return the new epoch."""
        plain_name(tenant, "tenant")
        epoch = await self._epoch_for_writing(tenant) + 1
        await self._write_epoch(tenant, epoch)
        History(self._session, tenant).add_attributes(epoch)
        await self._session.flush()
        return epoch

    async def _epoch_for_writing(self, tenant: str) -> int:
        # The row is locked where the database can; SQLite's unit of work holds the write lock from its start.
        statement = select(EpochRow.epoch).where(EpochRow.tenant == tenant).with_for_update()
        try:
            epoch = await self._session.scalar(statement)
            if epoch is None:
                # What is not there cannot be locked: of two first writers the second waits here for the first.
                dialect = postgresql if self._session.get_bind().dialect.name == "postgresql" else sqlite
                first = dialect.insert(EpochRow).values(tenant=tenant, epoch=0)
                await self._session.execute(first.on_conflict_do_nothing())
                epoch = await self._session.scalar(statement)
            return epoch or 0
        except SQLAlchemyError as cause:
            raise _unreadable(tenant) from cause

    async def _write_epoch(self, tenant: str, epoch: int) -> None:
        self._session.info.setdefault(_EDITED, set()).add(tenant)
        row = await self._session.get_one(EpochRow, tenant, populate_existing=True)
        row.epoch = epoch
        await self._session.flush()


class SnapshotCache:
    """The newest snapshot of each tenant, checked against the database at every call.

    Kept apart by database: tenants of the same name at the same epoch need not have the same policy.
    """

    def __init__(self) -> None:
        self._snapshots: dict[tuple[URL, str], Snapshot] = {}

    async def get(self, session: AsyncSession, tenant: str) -> Snapshot:
        """The snapshot of the epoch that stands in the database now.

        Raises:
            PolicyUnreadable: the epoch or the rules cannot be read. A remembered snapshot is no substitute.
        """
        store = PolicyStore(session)
        if tenant in session.info.get(_EDITED, ()):
            # Uncommitted rules: if they were remembered and then rolled back, the next edit would get the
            # same epoch and find the wrong rules under it.
            return await store.snapshot(tenant)
        epoch = await store.epoch(tenant)
        key = (session.get_bind().engine.url, tenant)
        found = self._snapshots.get(key)
        if found is not None and found.epoch == epoch:
            return found
        snapshot = await _brought_forward(session, found, epoch) if found is not None else None
        if snapshot is None:
            snapshot = await store.snapshot(tenant)
        if snapshot.epoch:
            # A tenant without a policy is not remembered: unknown names would fill the memory.
            self._snapshots[key] = snapshot
        return snapshot


def _unreadable(tenant: str) -> PolicyUnreadable:
    return PolicyUnreadable(
        f"The policy of tenant {tenant!r} cannot be read, so nothing is answered. "
        "The cause stands in the log; `ringfence doctor` checks the database."
    )


async def _brought_forward(session: AsyncSession, known: Snapshot, epoch: int) -> Snapshot | None:
    """The snapshot of `epoch`, made of a known one and the changes since; None where that cannot be relied on.

    Somebody who changes rules by hand and raises the epoch leaves no record: then the whole policy is read.
    """
    if not known.epoch < epoch <= known.epoch + _REPLAYED_MAX:
        return None
    try:
        snapshot = known
        for revision in await History(session, known.tenant).between(known.epoch, epoch):
            snapshot = snapshot.changed(revision.edit, revision.epoch)
    except (HistoryIncomplete, HistoryUnreadable, ValueError):
        return None
    return snapshot
