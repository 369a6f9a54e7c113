"""Who may change which lines of a policy. The policy itself says so: the action is `administer`.

A rule that lets somebody administer documents lets her change the rules about those documents, and nothing else:
nobody grants, forbids or takes away beyond what she administers. The documents that a rule speaks about must lie
within one clause of what she administers, whoever owns them and whomever they are shared with. A role link passes
on everything its parent has, so all of that must lie within it too, and so must every document whose shares name
the parent. Compartments are walls between those who otherwise may read the same: only who administers the whole
tenant opens or closes one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policies.edits import Edit, PolicyError
from policies.plan import Clause, Conditions, plan
from policies.rules import ANY, COMPARTMENT_KIND, SHARED, Caller, Level, RoleLink, Rule
from policies.snapshot import Snapshot
from policies.survey.catalogue import Catalogue
from policies.wording import describe

ADMINISTER = "administer"


class NotAdministered(PolicyError):
    """The policy does not let them change this line. The message names the line."""

    code = "not_administered"


@dataclass(frozen=True, slots=True)
class Administrator:
    """On whose authority a policy is read or changed.

    `callers` must all be allowed to administer what is touched. None is the operator of the installation, who owns
    the database and whom no policy can bind. `name` stands in the history.
    """

    name: str
    callers: tuple[Caller, ...] | None


def administers_everything(snapshot: Snapshot, callers: Sequence[Caller]) -> bool:
    """Whether all of `callers` administer every document of the tenant, those to come included."""
    compiled = plan(snapshot, callers, ADMINISTER)
    return isinstance(compiled, Conditions) and all(
        not grant.deny and any(clause.covers(_EVERYTHING) for clause in grant.allow) for grant in compiled.grants
    )


def administers_rule(snapshot: Snapshot, callers: Sequence[Caller], rule: Rule) -> bool:
    """Whether all of `callers` administer every document that `rule` can speak about."""
    compiled = plan(snapshot, callers, ADMINISTER)
    region = _region(rule)
    return isinstance(compiled, Conditions) and all(
        any(clause.covers(region) for clause in grant.allow) and all(_apart(denied, region) for denied in grant.deny)
        for grant in compiled.grants
    )


def administers_link(
    snapshot: Snapshot, standing: Snapshot, link: RoleLink, callers: Sequence[Caller], catalogue: Catalogue
) -> bool:
    """Whether all of `callers` administer, by `snapshot`, everything that the link passes on where it stands.

    That is what the parent and everything above it has by rules, and every document that names one of them.
    """
    passed_on = frozenset(_upwards(standing, link.parent))
    if any(name.startswith(COMPARTMENT_KIND + ":") for name in passed_on):
        return administers_everything(snapshot, callers)
    administered = catalogue.admitted(plan(snapshot, callers, ADMINISTER))
    return not catalogue.naming(passed_on) & ~administered and all(
        administers_rule(snapshot, callers, rule) for name in passed_on for rule in standing.rules_of(name)
    )


def administers_something(snapshot: Snapshot, administrator: Administrator) -> bool:
    """Whether there is any document, now or to come, that she administers."""
    return administrator.callers is None or isinstance(plan(snapshot, administrator.callers, ADMINISTER), Conditions)


def require_administered(before: Snapshot, edit: Edit, administrator: Administrator, catalogue: Catalogue) -> None:
    """Return if the administrator may make this edit. Her rights are those of `before`: no edit can widen them first.

    To be asked before whether the edit fits the policy: that would tell which lines exist that she does not see.

    Raises:
        NotAdministered: names the first line that lies outside, and nothing that she did not write herself.
    """
    callers = administrator.callers
    if callers is None or administers_everything(before, callers):
        return
    after = before.changed(_new_lines(before, edit), before.epoch)
    for rule in (*edit.add_rules, *edit.remove_rules):
        if not administers_rule(before, callers, rule):
            raise NotAdministered(
                f"{administrator.name} does not administer everything that this rule speaks about: {describe(rule)}."
            )
    for links, standing in ((edit.add_links, after), (edit.remove_links, before)):
        for link in links:
            if not administers_link(before, standing, link, callers, catalogue):
                raise NotAdministered(
                    f"{link.parent} passes on more than {administrator.name} administers, so she cannot change "
                    f"whether {link.member} is in it."
                )


def _new_lines(before: Snapshot, edit: Edit) -> Edit:
    """What the edit adds and the policy does not have."""
    return Edit(
        add_rules=tuple(rule for rule in edit.add_rules if rule not in before.rules_of(rule.subject)),
        add_links=tuple(link for link in edit.add_links if link not in before.links_of(link.member)),
    )


def _upwards(snapshot: Snapshot, start: str) -> Iterator[str]:
    """The name and everything above it, compartments included, however far: more than counts is on the safe side."""
    seen, frontier = {start}, [start]
    while frontier:
        name = frontier.pop()
        yield name
        for link in snapshot.links_of(name):
            if link.parent not in seen:
                seen.add(link.parent)
                frontier.append(link.parent)


_EVERYTHING = Clause(None, frozenset(), None, None, None, Level.SECRET)


def _region(rule: Rule) -> Clause:
    """The documents that the rule can speak about, whoever asks."""
    return Clause(
        departments=None if rule.department == ANY else frozenset({rule.department}),
        tags=rule.tags,
        owner=None,
        documents=None if rule.document in (ANY, SHARED) else frozenset({rule.document}),
        shared_with=None,
        max_level=rule.level,
    )


def _apart(one: Clause, other: Clause) -> bool:
    """Whether no document can meet both clauses, as far as single-valued columns tell."""
    return _disjoint(one.departments, other.departments) or _disjoint(one.documents, other.documents)


def _disjoint(one: Iterable[str] | None, other: Iterable[str] | None) -> bool:
    return one is not None and other is not None and frozenset(one).isdisjoint(other)
