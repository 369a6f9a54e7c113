"""The policy as it is stored, read line by line in SQL, and the classes of rights that its people fall into.

It shares no code with `policies`: the oracle that is made of these lines is a second opinion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from evals.oracle import Oracle

_RULES = text(
    "SELECT subject, action, department, tags, owner, document, level, effect FROM policy_rule "
    "WHERE tenant = :tenant ORDER BY id"
)
_LINKS = text("SELECT member, parent FROM policy_role_link WHERE tenant = :tenant ORDER BY id")
_TENANTS = text("SELECT tenant FROM policy_epoch ORDER BY tenant")
_PERSON = "user:"


@dataclass(frozen=True, slots=True)
class Lines:
    """The rules and links of one tenant, as mappings from column to value; `tags` is a tuple."""

    rules: tuple[Mapping[str, Any], ...]
    links: tuple[Mapping[str, str], ...]

    @property
    def oracle(self) -> Oracle:
        return Oracle(self.rules, self.links)


@dataclass(frozen=True, slots=True)
class RightsClass:
    """People whom the policy gives the same: what they are linked to, and rules that name them themselves."""

    parents: tuple[str, ...]
    rules: tuple[Mapping[str, Any], ...]
    people: int


async def read_lines(session: AsyncSession, tenant: str) -> Lines:
    """The policy of `tenant` at this moment. A tenant without one has no lines."""
    rules = (await session.execute(_RULES, {"tenant": tenant})).mappings()
    links = (await session.execute(_LINKS, {"tenant": tenant})).mappings()
    split = ({**row, "tags": tuple(row["tags"].split(",")) if row["tags"] else ()} for row in rules)
    return Lines(tuple(split), tuple({"member": row["member"], "parent": row["parent"]} for row in links))


async def tenants_with_policy(session: AsyncSession) -> tuple[str, ...]:
    return tuple(await session.scalars(_TENANTS))


def classes_of(lines: Lines) -> tuple[RightsClass, ...]:
    """Every class of rights that somebody has, the most frequent first."""
    oracle = lines.oracle
    named = {rule["subject"] for rule in lines.rules} | {link["member"] for link in lines.links}
    found: dict[tuple[frozenset[str], frozenset[str]], list[str]] = {}
    for person in sorted(name for name in named if name.startswith(_PERSON)):
        own = frozenset(repr(sorted(rule.items())) for rule in _own_rules(lines, person))
        found.setdefault((frozenset(oracle.names_of(person) - {person}), own), []).append(person)
    classes = [
        RightsClass(
            tuple(sorted(link["parent"] for link in lines.links if link["member"] == people[0])),
            tuple(_own_rules(lines, people[0])),
            len(people),
        )
        for people in found.values()
    ]
    return tuple(sorted(classes, key=lambda one: (-one.people, one.parents)))


def shared_lines(lines: Lines) -> Lines:
    """Those that name no person."""
    return Lines(
        tuple(rule for rule in lines.rules if not rule["subject"].startswith(_PERSON)),
        tuple(link for link in lines.links if not link["member"].startswith(_PERSON)),
    )


def _own_rules(lines: Lines, person: str) -> list[Mapping[str, Any]]:
    return [
        {name: value for name, value in rule.items() if name != "subject"}
        for rule in lines.rules
        if rule["subject"] == person
    ]
