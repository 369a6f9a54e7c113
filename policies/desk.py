"""Where a policy is read, changed and looked back on: one way for the command line, the API and the console.

The desk is given the database by whoever opens it. Each change is proposed outside a transaction, since looking at
what it would do takes time, and saved in one that holds only if nothing moved meanwhile. It is recorded in the
same transaction, in the history and in the audit log: without its record there is no change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from policies.administration import (
    Administrator,
    NotAdministered,
    administers_link,
    administers_rule,
    administers_something,
)
from policies.change import Proposal, may_see_all, propose, repeated, save
from policies.diff import edit_between, net, reverse
from policies.edits import Edit
from policies.history import History, Retry, Revision
from policies.rules import Attributes, RoleLink, Rule
from policies.simulate import Simulation
from policies.snapshot import Snapshot
from policies.store import EditConflict, PolicyStore, SnapshotCache
from policies.survey.catalogue import Catalogue

OpenSession = Callable[[], AbstractAsyncContextManager[AsyncSession]]
LoadLabels = Callable[[AsyncSession, str], Awaitable[Sequence[Attributes]]]
"""The attributes of all of a tenant's documents, and of paragraphs stricter than their document."""
FindLabels = Callable[[AsyncSession, str, str], Awaitable[Sequence[Attributes]]]
"""The attributes of one document, then those of its stricter paragraphs; nothing where there is no such document."""
Record = Callable[[AsyncSession, str, str, Mapping[str, Any]], Awaitable[object]]
"""Writes (tenant, kind, body) into the audit log, in the given session. Raises where it cannot."""
MakeEdit = Callable[[Sequence[Rule], Sequence[RoleLink]], Edit]
"""An edit, made from the rules and links that stand now, in no particular order. Called in a worker thread."""

_ATTEMPTS = 5
_LISTED_MAX = 100


@dataclass(frozen=True, slots=True)
class DeskParts:
    """`reading` never commits; `writing` commits when it is left without an error."""

    reading: OpenSession
    writing: OpenSession
    labels: LoadLabels
    find: FindLabels
    record: Record
    snapshots: SnapshotCache


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done with an edit. `expected_epoch`: only if the policy still stands there."""

    reason: str = ""
    dry_run: bool = False
    expose_canaries: bool = False
    expected_epoch: int | None = None
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an edit. `epoch` is the policy's version now, or would be after a dry run.

    `simulation` is None where nothing was looked at: the edit was empty, or was already made by the same request.
    """

    edit: Edit
    epoch: int
    stored: bool
    repeated: bool = False
    simulation: Simulation | None = None


@dataclass(frozen=True, slots=True)
class Visible:
    """The part of a policy that somebody administers; `whole` where that is all of it."""

    epoch: int
    rules: tuple[Rule, ...]
    links: tuple[RoleLink, ...]
    whole: bool


class PolicyDesk:
    """One tenant's policy at a time; every method takes on whose authority it acts."""

    def __init__(self, parts: DeskParts) -> None:
        self.parts = parts

    async def visible(self, tenant: str, administrator: Administrator) -> Visible:
        """The rules and links that she administers, in the order in which they were added.

        Raises:
            NotAdministered: she administers nothing.
        """
        async with self.parts.reading() as session:
            snapshot = await self.parts.snapshots.get(session, tenant)
            if not administers_something(snapshot, administrator):
                raise NotAdministered(f"{administrator.name} administers nothing of tenant {tenant}.")
            store = PolicyStore(session)
            rules, links = await store.rules(tenant), await store.links(tenant)
            if may_see_all(snapshot, administrator):
                return Visible(snapshot.epoch, rules, links, True)
            labels = await self.parts.labels(session, tenant)
        callers = administrator.callers or ()

        def administered() -> Visible:
            catalogue = Catalogue(labels)
            return Visible(
                snapshot.epoch,
                tuple(rule for rule in rules if administers_rule(snapshot, callers, rule)),
                tuple(link for link in links if administers_link(snapshot, snapshot, link, callers, catalogue)),
                False,
            )

        return await asyncio.to_thread(administered)

    async def edit(self, tenant: str, make: MakeEdit, administrator: Administrator, wish: Wish) -> Outcome:
        """Propose the edit, and save it unless it is only tried out.

        Raises:
            InvalidEdit, NotAdministered, CanaryExposed: it is not made; the message says why.
            EditConflict: the policy is not at the expected version, or would not hold still.
        """
        for attempt in range(_ATTEMPTS):
            outcome, proposal = await self._propose(tenant, make, administrator, wish)
            if proposal is None or wish.dry_run:
                return outcome
            try:
                epoch = await self._save(tenant, proposal, administrator, wish)
            except EditConflict:
                # Somebody else was faster: unless this very policy was meant, look at the new one.
                if wish.expected_epoch is not None or attempt == _ATTEMPTS - 1:
                    raise
                continue
            return Outcome(proposal.edit, epoch, stored=True, simulation=proposal.simulation)
        raise EditConflict(f"The policy of tenant {tenant!r} would not hold still. Repeat the edit.")

    async def history(
        self, tenant: str, administrator: Administrator, *, before: int | None = None, limit: int
    ) -> list[Revision]:
        """The newest edits. Only for who administers the whole tenant."""
        async with self.parts.reading() as session:
            await self._require_all(session, tenant, administrator)
            return await History(session, tenant).newest(before=before, limit=limit)

    async def diff(self, tenant: str, administrator: Administrator, old: int, new: int) -> Edit:
        """What leads from the policy of one epoch to that of another, in either direction.

        Raises:
            HistoryIncomplete: one of them does not exist, or not every step between them is known.
        """
        async with self.parts.reading() as session:
            await self._require_all(session, tenant, administrator)
            steps = await History(session, tenant).between(min(old, new), max(old, new))
        forward = net([step.edit for step in steps])
        return forward if old <= new else reverse(forward)

    async def roll_back(self, tenant: str, to: int, administrator: Administrator, wish: Wish) -> Outcome:
        """Make the policy what it was at epoch `to`: a new epoch with the old lines. Raises as `edit` and `diff`."""
        async with self.parts.reading() as session:
            now = await self._require_all(session, tenant, administrator)
        undo = await self.diff(tenant, administrator, now.epoch, to)

        def make(rules: Sequence[Rule], links: Sequence[RoleLink]) -> Edit:
            new_rules = (set(rules) - set(undo.remove_rules)) | set(undo.add_rules)
            new_links = (set(links) - set(undo.remove_links)) | set(undo.add_links)
            return edit_between(rules, links, new_rules, new_links)

        if wish.expected_epoch is None:
            wish = replace(wish, expected_epoch=now.epoch)
        return await self.edit(tenant, make, administrator, wish)

    async def _propose(
        self, tenant: str, make: MakeEdit, administrator: Administrator, wish: Wish
    ) -> tuple[Outcome, Proposal | None]:
        async with self.parts.reading() as session:
            if wish.retry is not None:
                earlier = await repeated(session, tenant, administrator, wish.retry)
                if earlier is not None:
                    return Outcome(earlier.edit, earlier.epoch, stored=True, repeated=True), None
            snapshot = await self.parts.snapshots.get(session, tenant)
            if wish.expected_epoch not in (None, snapshot.epoch):
                raise EditConflict(
                    f"The policy of tenant {tenant!r} is at version {snapshot.epoch}, the edit was made for version "
                    f"{wish.expected_epoch}. Read it again and repeat the edit."
                )
            edit = await asyncio.to_thread(lambda: make(snapshot.rules, snapshot.links))
            if edit.empty:
                return Outcome(edit, snapshot.epoch, stored=False), None
            labels = await self.parts.labels(session, tenant)
        proposal = await asyncio.to_thread(lambda: propose(snapshot, edit, administrator, Catalogue(labels)))
        return Outcome(edit, snapshot.epoch + 1, stored=False, simulation=proposal.simulation), proposal

    async def _save(self, tenant: str, proposal: Proposal, administrator: Administrator, wish: Wish) -> int:
        async with self.parts.writing() as session:
            epoch = await save(
                session,
                proposal,
                administrator,
                reason=wish.reason,
                expose_canaries=wish.expose_canaries,
                retry=wish.retry,
            )
            await self.parts.record(session, tenant, "policy_edit", _recorded(proposal, administrator, epoch))
        return epoch

    async def _require_all(self, session: AsyncSession, tenant: str, administrator: Administrator) -> Snapshot:
        snapshot = await self.parts.snapshots.get(session, tenant)
        if not may_see_all(snapshot, administrator):
            raise NotAdministered(f"{administrator.name} does not administer the whole of tenant {tenant}.")
        return snapshot


def _recorded(proposal: Proposal, administrator: Administrator, epoch: int) -> Mapping[str, Any]:
    """What the audit log says of an edit: who, how much, and whether canaries were exposed. The lines are history."""
    edit, simulation = proposal.edit, proposal.simulation
    return {
        "author": administrator.name,
        "through": [caller.subject for caller in (administrator.callers or ())[1:]],
        "epoch": epoch,
        "rules_added": len(edit.add_rules),
        "rules_removed": len(edit.remove_rules),
        "links_added": len(edit.add_links),
        "links_removed": len(edit.remove_links),
        "gained": simulation.gains,
        "lost": simulation.losses,
        "canaries_exposed": sorted({exposure.document for exposure in simulation.canaries})[:_LISTED_MAX],
    }
