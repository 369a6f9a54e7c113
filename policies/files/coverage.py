"""Which lines of a policy file its cases exercise, and which nobody would miss in a test run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from policies.files.cases import CaseResult
from policies.files.file_format import PolicyFile
from policies.files.policy_file import CASE_TENANT
from policies.rules import Effect, RoleLink, Rule
from policies.snapshot import Snapshot

_HELD = ("role:", "group:")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the cases of a file exercise.

    A rule is exercised by a case that it helped to decide; a role link by a case in which a deciding rule, a share
    or a compartment reached the caller over it. A role or group is `never_permitted` when no case is allowed
    through it, though not all its rules are denials, and `never_refused` when no case refuses anybody who has it.
    """

    rules: int
    links: int
    unexercised_rules: tuple[Rule, ...]
    unexercised_links: tuple[RoleLink, ...]
    never_permitted: tuple[str, ...]
    never_refused: tuple[str, ...]

    @property
    def rules_percent(self) -> float:
        return _percent(self.rules, self.unexercised_rules)

    @property
    def links_percent(self) -> float:
        return _percent(self.links, self.unexercised_links)


def coverage(file: PolicyFile, results: Sequence[CaseResult], tenant: str = CASE_TENANT) -> Coverage:
    """What `results`, the run of this file's cases in `tenant`, exercised. Lines stand in the order of the file."""
    rules, links = file.rules_in(tenant), file.links_in(tenant)
    outcomes = [found for result in results for found in result.outcomes]
    decided = {rule for found in outcomes for rule in found.rules}
    walked = {link for found in outcomes for link in found.links}
    permitting: set[str] = set()
    refused: set[str] = set()
    snapshot = Snapshot(tenant, 1, rules, links)
    for found in outcomes:
        if found.allowed:
            permitting |= {rule.subject for rule in found.rules} | {link.parent for link in found.links}
        else:
            refused |= snapshot.closure(found.caller)
    held = _roles_and_groups(rules, links)
    return Coverage(
        rules=len(rules),
        links=len(links),
        unexercised_rules=tuple(rule for rule in rules if rule not in decided),
        unexercised_links=tuple(link for link in links if link not in walked),
        never_permitted=tuple(name for name in held if name not in permitting | _only_denied(rules)),
        never_refused=tuple(name for name in held if name not in refused),
    )


def _roles_and_groups(rules: Collection[Rule], links: Collection[RoleLink]) -> list[str]:
    names = {rule.subject for rule in rules} | {name for link in links for name in (link.member, link.parent)}
    return sorted(name for name in names if name.startswith(_HELD))


def _only_denied(rules: Collection[Rule]) -> set[str]:
    """Subjects all of whose rules are denials."""
    allowing = {rule.subject for rule in rules if rule.effect is Effect.ALLOW}
    return {rule.subject for rule in rules} - allowing


def _percent(total: int, missing: Collection[object]) -> float:
    """Nothing to exercise is exercised in full."""
    return 100.0 if not total else 100.0 * (total - len(missing)) / total
