"""What a run has to ask about: canaries as SQL has them, who may read them by now, and callers with their keys."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import httpx

from evals.leak.surfaces import Caller
from evals.live.canaries import Canary
from evals.live.faults import FaultyFront
from evals.live.places import Place
from evals.live.planting import PlantedSection, read_all
from evals.live.rights import read_lines
from evals.live.sweep import LiveWorld
from evals.live.transport import Patient
from evals.oracle import Oracle
from policies.tenancy import within
from rag.db.engine import Database

THROUGH_ASSISTANTS = 2
"""People of each tenant who also ask through every assistant."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What stands in one tenant: canaries as SQL has them, and bearers by subject."""

    place: Place
    canaries: tuple[Canary, ...]
    sections: tuple[PlantedSection, ...] = field(repr=False)
    bearers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that is planted, and the service that is asked."""

    database: Database
    url: str
    planted: tuple[Planted, ...]

    @property
    def sections(self) -> tuple[PlantedSection, ...]:
        return tuple(section for one in self.planted for section in one.sections)

    async def world(self, one: Planted) -> LiveWorld:
        """As it looks from one tenant, by the policy that stands in SQL at this moment."""
        tenant = one.place.tenant
        with within(tenant):
            async with self.database.reading() as session:
                lines = await read_lines(session, tenant)
        everything = {section.stored.name: section.stored for section in self.sections}
        inside = {section.stored.name for section in one.sections}
        if one.place.like == tenant:
            planted = {section.stored.document for section in one.sections}
            others = [stored for stored in await read_all(self.database, tenant) if stored.document not in planted]
            everything |= {stored.name: stored for stored in others}
            inside |= {stored.name for stored in others}
        administrators = frozenset(rule["subject"] for rule in lines.rules if rule["action"] == "administer")
        return LiveWorld(
            sections=tuple(everything.values()),
            questions=(),
            oracle=Oracle(lines.rules, lines.links),
            tenant=tenant,
            inside=frozenset(inside),
            administrators=administrators,
        )

    def client(self, fault: str = "", widest: str = "") -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """To the service, with a fault before it where one is named."""
        inner: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport()
        if fault:
            there = {word for section in self.sections for word in section.words}
            there |= {section.stored.document for section in self.sections}
            inner = FaultyFront(inner, fault, widest, there)
        return httpx.AsyncClient(transport=Patient(inner), base_url=self.url, timeout=120, trust_env=False)


def callers_of(one: Planted, client: httpx.AsyncClient) -> list[Caller]:
    """Everybody of a tenant alone, then some through each assistant."""

    def sent(subject: str, person: str | None = None) -> dict[str, str]:
        named = {} if person is None else {"X-Ringfence-Person": person}
        return {"Authorization": f"Bearer {one.bearers[subject]}", **named}

    place = one.place
    alone = [Caller(person, None, client, sent(person)) for person in (*place.people, *place.strangers)]
    through = [(person, by) for by in place.assistants for person in place.people[:THROUGH_ASSISTANTS]]
    return alone + [Caller(person, by, client, sent(by, person)) for person, by in through]
