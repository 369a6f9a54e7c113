"""Where a run plants, and whom it makes up there: people with the rights that the real policy gives, and no others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.live.journal import Journal
from evals.live.rights import Lines, classes_of, shared_lines
from policies.edits import Edit
from policies.rules import Effect, Level, RoleLink, Rule


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant to plant in. `edit` brings the made-up people into its policy; an own tenant's whole policy is in it.

    `strangers` are people whom the policy does not mention. `classes` counts the classes of rights there are,
    of which each of `people` stands for one.
    """

    tenant: str
    like: str
    edit: Edit
    people: tuple[str, ...]
    strangers: tuple[str, ...]
    assistants: tuple[str, ...]
    classes: int

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whoever gets a key."""
        return (*self.people, *self.strangers, *self.assistants)


def places_of(journal: Journal, policies: Mapping[str, Lines], people_max: int) -> tuple[Place, ...]:
    """A copy of each policy in a tenant of the run's own, then a neighbour whose one reader may read everything there,
    then the existing tenants that are planted in.
    """
    *copies, beside = journal.own
    places = [
        _place(journal, tenant, like, policies[like], people_max, offset=index * people_max, copied=True)
        for index, (tenant, like) in enumerate(zip(copies, policies, strict=True))
    ]
    offset = len(copies) * people_max
    places.append(_neighbour(f"{journal.people}{offset}", beside))
    for index, tenant in enumerate(journal.lent, start=1):
        offset = (len(copies) + index) * people_max
        places.append(_place(journal, tenant, tenant, policies[tenant], people_max, offset=offset, copied=False))
    return tuple(places)


def _place(
    journal: Journal, tenant: str, like: str, lines: Lines, people_max: int, *, offset: int, copied: bool
) -> Place:
    every = classes_of(lines)
    chosen = every[: people_max - 1]
    people = [f"{journal.people}{offset + number}" for number in range(len(chosen))]
    shared = shared_lines(lines) if copied else Lines((), ())
    rules = [_rule(tenant, rule["subject"], rule) for rule in shared.rules]
    links = [RoleLink(link["member"], link["parent"], tenant) for link in shared.links]
    for person, rights in zip(people, chosen, strict=True):
        rules += [_rule(tenant, person, rule) for rule in rights.rules]
        links += [RoleLink(person, parent, tenant) for parent in rights.parents]
    return Place(
        tenant=tenant,
        like=like,
        edit=Edit(add_rules=tuple(rules), add_links=tuple(links)),
        people=tuple(people),
        strangers=(f"{journal.people}{offset + people_max - 1}",),
        assistants=_assistants(lines) if copied else (),
        classes=len(every),
    )


def _neighbour(person: str, tenant: str) -> Place:
    edit = Edit(add_rules=(Rule(person, tenant, "read"), Rule(person, tenant, "administer")))
    return Place(tenant, "", edit, (person,), (), (), 1)


def _assistants(lines: Lines) -> tuple[str, ...]:
    # A key for an assistant of an existing tenant would be one that its program could be taken for.
    return tuple(sorted({rule["subject"] for rule in lines.rules if rule["subject"].startswith("assistant:")}))


def _rule(tenant: str, subject: str, columns: Mapping[str, Any]) -> Rule:
    return Rule(
        subject=subject,
        tenant=tenant,
        action=columns["action"],
        department=columns["department"],
        tags=frozenset(columns["tags"]),
        owner=columns["owner"],
        document=columns["document"],
        level=Level(columns["level"]),
        effect=Effect(columns["effect"]),
    )


def without_rights(place: Place, person: str) -> Edit:
    """What takes everything from one of the made-up people."""
    return Edit(
        remove_rules=tuple(rule for rule in place.edit.add_rules if rule.subject == person),
        remove_links=tuple(link for link in place.edit.add_links if link.member == person),
    )


def lines_of_run(lines: Lines, prefix: str) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, str]]]:
    """The rules and links of a stored policy that are about people whose names begin with `prefix`."""
    rules = [rule for rule in lines.rules if rule["subject"].startswith(prefix)]
    return rules, [link for link in lines.links if link["member"].startswith(prefix)]


def removal(tenant: str, lines: Lines, prefix: str) -> Edit:
    """What takes all people whose names begin with `prefix` out of a stored policy; empty where there are none."""
    rules, links = lines_of_run(lines, prefix)
    return Edit(
        remove_rules=tuple(_rule(tenant, rule["subject"], rule) for rule in rules),
        remove_links=tuple(RoleLink(link["member"], link["parent"], tenant) for link in links),
    )
