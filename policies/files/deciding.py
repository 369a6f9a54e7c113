"""What decides about one caller: every rule that does, or what refuses when none does, and the way that led there.

`policies.check` names the one rule that Casbin stops at. To know all of them, the same check is asked again on the
policy reduced to a single rule, so that it is always Casbin that says whether a rule matches.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from policies.check import check
from policies.rules import SHARED, Attributes, Caller, RoleLink, Rule
from policies.snapshot import Snapshot


class VetoKind(StrEnum):
    """What refuses whatever the rules say. The words are those of a case's `rule`."""

    DENIED_SHARE = "denied_share"
    COMPARTMENT = "compartment"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one caller and all that it rests on.

    `rules` are all rules that decide alike; `vetoes` what alone refuses where the rules would allow; with neither,
    no rule gave the right. `links` are the role links over which that reached the caller, groups vouched for in
    the call among them.
    """

    caller: Caller
    allowed: bool
    rules: tuple[Rule, ...]
    vetoes: frozenset[VetoKind]
    links: frozenset[RoleLink]


def outcome(snapshot: Snapshot, caller: Caller, action: str, attributes: Attributes) -> Outcome:
    """Decide about this caller alone and say what decided."""
    allowed = check(snapshot, [caller], action, attributes).allowed
    rules = deciding_rules(snapshot, caller, action, attributes)
    vetoes = frozenset[VetoKind]() if allowed or rules else vetoes_against(snapshot, caller, action, attributes)
    targets = {rule.subject for rule in rules}
    if rules:
        targets |= attributes.compartments
    if any(rule.document == SHARED for rule in rules):
        targets |= attributes.shares
    if VetoKind.DENIED_SHARE in vetoes:
        targets |= attributes.denied_shares
    return Outcome(caller, allowed, rules, vetoes, _links_towards(targets, snapshot.links_from(caller)))


def deciding_rules(snapshot: Snapshot, caller: Caller, action: str, attributes: Attributes) -> tuple[Rule, ...]:
    """All rules that match and have the deciding effect, in a fixed order; empty where no rule matches.

    Without any one of them but not all, the answer would be the same.
    """
    decision = check(snapshot, [caller], action, attributes)
    if decision.rule is None:
        return ()
    links = snapshot.links_from(caller)
    names = {caller.subject, *(link.parent for link in links)}
    # The slice that `check` itself considers: of the other rules none can match.
    candidates = snapshot.rules_about(names, action, department=attributes.department, document=attributes.document)
    return tuple(
        rule
        for rule in candidates
        if rule.effect is decision.rule.effect
        and check(Snapshot(snapshot.tenant, snapshot.epoch, (rule,), links), [caller], action, attributes).rule == rule
    )


def vetoes_against(snapshot: Snapshot, caller: Caller, action: str, attributes: Attributes) -> frozenset[VetoKind]:
    """What of the document keeps out a caller whom the rules would let in, each by itself."""
    nobody = frozenset[str]()

    def admits(lifted: Attributes) -> bool:
        return check(snapshot, [caller], action, lifted).allowed

    without_walls = replace(attributes, compartments=nobody)
    without_denials = replace(attributes, denied_shares=nobody)
    if not admits(replace(without_walls, denied_shares=nobody)):
        return frozenset()
    standing = {VetoKind.DENIED_SHARE: without_walls, VetoKind.COMPARTMENT: without_denials}
    return frozenset(veto for veto, alone in standing.items() if not admits(alone))


def _links_towards(targets: Iterable[str], links: Iterable[RoleLink]) -> frozenset[RoleLink]:
    """Those of a caller's links that lie on a path to one of the targets."""
    found: set[RoleLink] = set()
    frontier = set(targets)
    while frontier:
        below = {link for link in links if link.parent in frontier} - found
        found |= below
        frontier = {link.member for link in below}
    return frozenset(found)
