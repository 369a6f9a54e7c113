"""Questions about rights, asked by those who administer them: why, who, and what.

Whoever administers a part of the tenant is told about the documents of that part. One that she does not administer
is, to her, one that does not exist.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from policies.administration import ADMINISTER, Administrator, NotAdministered, administers_rule, administers_something
from policies.change import administered, may_see_all
from policies.check import check
from policies.desk import DeskParts
from policies.edits import Edit, PolicyError
from policies.explain import Explanation, Verdict, explain
from policies.plan import Plan, plan
from policies.rules import Attributes, Caller
from policies.snapshot import Snapshot
from policies.survey.catalogue import Catalogue
from policies.survey.readers import Reach, Reader, people_of, what, who


class NoSuchDocument(PolicyError):
    """It does not exist, or she does not administer it: the same words."""

    code = "not_found"

    def __init__(self, tenant: str, document: str) -> None:
        super().__init__(f"Tenant {tenant!r} has no document {document!r}, or none that you administer.")


@dataclass(frozen=True, slots=True)
class Explained:
    """One set of labels of a document, the whole one's first, with the decision about it."""

    attributes: Attributes
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may act on something with these labels, of all the people known."""

    attributes: Attributes
    readers: tuple[Reader, ...]
    people: int


class Enquiries:
    """Reads only; each answer is of one epoch.

    Every answer about others' rights raises NotAdministered for whoever administers nothing.
    """

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts

    async def explain(
        self, tenant: str, administrator: Administrator, callers: Sequence[Caller], action: str, document: str
    ) -> tuple[Explained, ...]:
        """Why they may, or may not, act on the document, and on each stricter kind of paragraph in it.

        Raises:
            NoSuchDocument: there is none that the administrator administers.
        """
        async with self._parts.reading() as session:
            snapshot = await self._parts.snapshots.get(session, tenant)
            labels = await self._labels(session, snapshot, administrator, document)

        def work() -> tuple[Explained, ...]:
            return tuple(
                Explained(found, _told(explain(snapshot, callers, action, found), snapshot, administrator))
                for found in labels
            )

        return await asyncio.to_thread(work)

    async def who(self, tenant: str, administrator: Administrator, document: str, action: str) -> tuple[Readers, ...]:
        """Everybody who may act on the document, and on each stricter kind of paragraph. Raises as `explain`."""
        async with self._parts.reading() as session:
            snapshot = await self._parts.snapshots.get(session, tenant)
            labels = await self._labels(session, snapshot, administrator, document)
            everything = await self._parts.labels(session, tenant)

        def work() -> tuple[Readers, ...]:
            people = people_of(snapshot, Catalogue(everything))
            # On a copy: thousands of decisions would push out those that questions come back to.
            copy = snapshot.changed(Edit(), snapshot.epoch)
            return tuple(Readers(found, who(copy, found, people, action), len(people)) for found in labels)

        return await asyncio.to_thread(work)

    async def what(self, tenant: str, administrator: Administrator, callers: Sequence[Caller], action: str) -> Reach:
        """What they may act on, of the documents that the administrator administers."""
        async with self._parts.reading() as session:
            snapshot = await self._parts.snapshots.get(session, tenant)
            _require_some(snapshot, administrator)
            labels = await self._parts.labels(session, tenant)

        def work() -> Reach:
            whole = Catalogue(labels)
            shown = Catalogue(whole.entries(administered(snapshot, administrator, whole)))
            return what(snapshot, callers, shown, action)

        return await asyncio.to_thread(work)

    async def plan(self, tenant: str, callers: Sequence[Caller], action: str) -> Plan:
        """What their searches are filtered by. For the operator: a plan names people and compartments."""
        async with self._parts.reading() as session:
            return plan(await self._parts.snapshots.get(session, tenant), callers, action)

    async def _labels(
        self, session: AsyncSession, snapshot: Snapshot, administrator: Administrator, document: str
    ) -> Sequence[Attributes]:
        _require_some(snapshot, administrator)
        labels = await self._parts.find(session, snapshot.tenant, document)
        if not labels:
            raise NoSuchDocument(snapshot.tenant, document)
        callers = administrator.callers
        if callers is not None and not check(snapshot, callers, ADMINISTER, labels[0]).allowed:
            raise NoSuchDocument(snapshot.tenant, document)
        return labels


def _require_some(snapshot: Snapshot, administrator: Administrator) -> None:
    if not administers_something(snapshot, administrator):
        raise NotAdministered(f"{administrator.name} administers nothing of tenant {snapshot.tenant}.")


def _told(explanation: Explanation, snapshot: Snapshot, administrator: Administrator) -> Explanation:
    """Of the rules that came near, only those that she administers."""
    callers = administrator.callers
    if callers is None or may_see_all(snapshot, administrator):
        return explanation

    def seen(verdict: Verdict) -> Verdict:
        return replace(
            verdict, nearest=tuple(near for near in verdict.nearest if administers_rule(snapshot, callers, near.rule))
        )

    return replace(explanation, verdicts=tuple(seen(verdict) for verdict in explanation.verdicts))
