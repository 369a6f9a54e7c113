"""Whom an edit can concern, and about which actions: everybody else's rights are what they were."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from policies.rules import Caller
from policies.snapshot import Snapshot
from policies.survey.extents import Standing


@dataclass(frozen=True, slots=True)
class Move:
    """A caller's standing before and after an edit."""

    caller: Caller
    before: Standing
    after: Standing

    @classmethod
    def of(cls, before: Snapshot, after: Snapshot, caller: Caller) -> "Move":
        """Raises ValueError for a caller of another tenant."""
        return cls(caller, Standing.of(before, caller), Standing.of(after, caller))

    def concerned(self, subjects: frozenset[str]) -> bool:
        """Whether her rights can differ, given the subjects of the changed rules."""
        return self.before != self.after or not subjects.isdisjoint(self.before.names)


def touched(before: Snapshot, after: Snapshot) -> Mapping[str, frozenset[str]]:
    """The actions that the difference can change anything about, with the subjects of the changed rules."""
    old, new = set(before.rules), set(after.rules)
    subjects: defaultdict[str, set[str]] = defaultdict(set)
    if set(before.links) != set(after.links):
        subjects.update((action, set()) for action in {rule.action for rule in old | new})
    for rule in old ^ new:
        subjects[rule.action].add(rule.subject)
    return {action: frozenset(names) for action, names in sorted(subjects.items())}
