"""A policy of any size and documents in a real database, as the path of a question finds them.

However large the policy, one person's part of it stays about the same: eight roles with some twenty rules each.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy import insert

from policies.edits import Edit
from policies.rules import SHARED, Attributes, Effect, Level, RoleLink, Rule
from policies.store import PolicyStore, SnapshotCache
from rag.db.engine import Database
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.domain import Principal, PrincipalSource, content_id, digest_of
from rag.query.parts import QueryParts
from rag.settings import Settings

TENANT = "firm"
DOCUMENTS = 1000
CHUNKS_PER_DOCUMENT = 4
_RULES_PER_ROLE = 20
_ROLES_PER_PERSON = 8
_PEOPLE_MAX = 200
_DEPARTMENTS = tuple(f"dept{n}" for n in range(40))
_TAGS = ("region:eu", "region:us", "project:x", "draft")
_STAFF = "role:staff"
_TEXT = "The quarterly report of the committee names the cost centre and whoever answers for it. " * 9


@dataclass(frozen=True, slots=True)
class Company:
    """A policy, the people in it, and the labels of its documents."""

    rules: tuple[Rule, ...] = field(repr=False)
    links: tuple[RoleLink, ...] = field(repr=False)
    people: tuple[str, ...] = field(repr=False)
    documents: tuple[Attributes, ...] = field(repr=False)

    def principal(self, number: int) -> Principal:
        person = self.people[number % len(self.people)]
        return Principal(TENANT, person, frozenset(), None, PrincipalSource.API_KEY)


def make_company(seed: int, rules: int) -> Company:
    """A company with exactly so many rules; ten or more."""
    random = Random(f"{seed}/{rules}")
    roles = [f"role:r{number}" for number in range(max(2, rules // _RULES_PER_ROLE))]
    made = {Rule(_STAFF, TENANT, "read", level=Level.INTERNAL): None}
    while len(made) < rules:
        made[_rule(random, roles[len(made) % len(roles)])] = None
    people = [f"user:p{number}" for number in range(min(_PEOPLE_MAX, max(4, rules // 10)))]
    links = {RoleLink(person, _STAFF, TENANT): None for person in people}
    for number, person in enumerate(people):
        group = f"group:g{number // 5}"
        links[RoleLink(person, group, TENANT)] = None
        for role in random.sample(roles, min(_ROLES_PER_PERSON, len(roles))):
            links[RoleLink(random.choice((person, group)) if number % 5 == 0 else person, role, TENANT)] = None
    for lower, upper in zip(roles[::10], roles[1::10], strict=False):
        links[RoleLink(lower, upper, TENANT)] = None
    documents = tuple(_labels(random, number) for number in range(DOCUMENTS))
    return Company(tuple(made), tuple(links), tuple(people), documents)


async def store_company(database: Database, company: Company) -> None:
    """Write policy and documents as the product would have them."""
    async with database.unit_of_work() as session:
        edit = Edit(add_rules=company.rules, add_links=company.links)
        epoch = await PolicyStore(session).apply(TENANT, edit, author="eval", reason="a company of this size")
        await session.execute(insert(DocumentRow), [_document(number, d) for number, d in enumerate(company.documents)])
        await session.execute(insert(VersionRow), [_version(found, epoch) for found in company.documents])
        chunks = [_chunk(found, n) for found in company.documents for n in range(CHUNKS_PER_DOCUMENT)]
        await session.execute(insert(ChunkRow), chunks)


def chunk_of(document: str, ordinal: int) -> str:
    return content_id("chk", digest_of([document, str(ordinal)]))


def deciding_parts(database: Database, settings: Settings) -> QueryParts:
    """What `rag.query.decide` works with. It never touches the parts that search, embed, write or record."""
    absent: Any = None
    return QueryParts(
        database=database,
        snapshots=SnapshotCache(),
        privacy=absent,
        embedder=absent,
        lexical=absent,
        stores=absent,
        generator=absent,
        audit=absent,
        settings=settings,
    )


def _rule(random: Random, role: str) -> Rule:
    if random.random() < 0.1:
        tags = frozenset(random.sample(_TAGS, 2))
        return Rule(role, TENANT, "read", random.choice(_DEPARTMENTS), tags, effect=Effect.DENY)
    document = random.choice((SHARED, f"doc{random.randrange(DOCUMENTS)}")) if random.random() < 0.1 else "*"
    return Rule(
        role,
        TENANT,
        "read",
        department=random.choice(_DEPARTMENTS) if random.random() < 0.9 else "*",
        tags=frozenset(random.sample(_TAGS, random.choice((0, 0, 1, 2)))),
        owner="self" if random.random() < 0.05 else "*",
        document=document,
        level=random.choice(list(Level)),
    )


def _labels(random: Random, number: int) -> Attributes:
    return Attributes(
        TENANT,
        f"doc{number}",
        random.choice(_DEPARTMENTS),
        random.choice((Level.PUBLIC, Level.INTERNAL, Level.INTERNAL, Level.CONFIDENTIAL, Level.RESTRICTED)),
        frozenset(random.sample(_TAGS, random.choice((0, 1, 2)))),
        owner=f"user:p{random.randrange(_PEOPLE_MAX)}",
        shares=frozenset({f"user:p{random.randrange(_PEOPLE_MAX)}"} if random.random() < 0.1 else ()),
        denied_shares=frozenset({f"group:g{random.randrange(40)}"} if random.random() < 0.03 else ()),
        compartments=frozenset({"compartment:deal"} if random.random() < 0.03 else ()),
    )


def _document(number: int, found: Attributes) -> dict[str, Any]:
    return {
        "id": found.document,
        "tenant": TENANT,
        "source": "eval",
        "path_digest": str(number),
        "path": found.document,
        "title": found.document,
        "media_type": "text/plain",
        "department": found.department,
        "level": int(found.level),
        "tags": sorted(found.tags),
        "owner": found.owner,
        "shares": sorted(found.shares),
        "denied_shares": sorted(found.denied_shares),
        "compartments": sorted(found.compartments),
        "indexed_attribute_version": 1,
        "current_version": f"ver_{found.document}",
        "flags": [],
        "updated_at": datetime.now(UTC),
    }


def _version(found: Attributes, epoch: int) -> dict[str, Any]:
    return {
        "id": f"ver_{found.document}",
        "document": found.document,
        "tenant": TENANT,
        "content_digest": "",
        "pipeline_digest": "",
        "state": "published",
        "text": _TEXT,
        "policy_epoch": epoch,
        "created_at": datetime.now(UTC),
    }


def _chunk(found: Attributes, ordinal: int) -> dict[str, Any]:
    length = len(_TEXT) // CHUNKS_PER_DOCUMENT
    nothing: list[str] = []
    return {
        "id": chunk_of(found.document, ordinal),
        "version": f"ver_{found.document}",
        "document": found.document,
        "tenant": TENANT,
        "ordinal": ordinal,
        "start": ordinal * length,
        "end": (ordinal + 1) * length,
        "heading": "",
        "more_compartments": nothing,
        "more_denied_shares": nothing,
        "dense": b"",
        "lexical_indices": b"",
        "lexical_values": b"",
    }
