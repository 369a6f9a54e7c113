"""One epoch of a tenant's policy: immutable, with its indexes built once.

Whoever holds a snapshot holds one consistent policy for the whole of a question. A new epoch is a new
snapshot; nothing here is ever changed in place, so threads share it without a lock.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from policies.rules import ANY, COMPARTMENT_KIND, ROLE_DEPTH_MAX, SHARED, Caller, RoleLink, Rule

_COMPARTMENT_PREFIX = COMPARTMENT_KIND + ":"


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The rules and role links of `tenant` at `epoch`. Compared by identity.

    Raises:
        ValueError: a rule or link belongs to another tenant.
    """

    tenant: str
    epoch: int
    rules: tuple[Rule, ...] = field(repr=False)
    links: tuple[RoleLink, ...] = field(repr=False)
    _by_subject: Mapping[tuple[str, str], tuple[Rule, ...]] = field(init=False, repr=False)
    _by_scope: Mapping[tuple[str, str, str, str], tuple[Rule, ...]] = field(init=False, repr=False)
    _links_of: Mapping[str, tuple[RoleLink, ...]] = field(init=False, repr=False)
    _subjects: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        tenants = {rule.tenant for rule in self.rules} | {link.tenant for link in self.links}
        if tenants - {self.tenant}:
            raise ValueError(f"a snapshot of tenant {self.tenant!r} cannot hold entries of another tenant")
        by_subject: defaultdict[tuple[str, str], list[Rule]] = defaultdict(list)
        by_scope: defaultdict[tuple[str, str, str, str], list[Rule]] = defaultdict(list)
        for rule in self.rules:
            by_subject[rule.subject, rule.action].append(rule)
            by_scope[rule.subject, rule.action, rule.department, rule.document].append(rule)
        links_of: defaultdict[str, list[RoleLink]] = defaultdict(list)
        for link in self.links:
            links_of[link.member].append(link)
        subjects = {rule.subject for rule in self.rules}
        subjects.update(name for link in self.links for name in (link.member, link.parent))
        set_once = object.__setattr__
        set_once(self, "_by_subject", MappingProxyType({key: tuple(found) for key, found in by_subject.items()}))
        set_once(self, "_by_scope", MappingProxyType({key: tuple(found) for key, found in by_scope.items()}))
        set_once(self, "_links_of", MappingProxyType({key: tuple(found) for key, found in links_of.items()}))
        set_once(self, "_subjects", frozenset(subjects))

    def knows(self, subject: str) -> bool:
        """Whether any rule or role link names `subject`."""
        return subject in self._subjects

    def closure(self, caller: Caller) -> frozenset[str]:
        """The caller, the groups vouched for in this call, and all groups and roles within `ROLE_DEPTH_MAX` links.

        A vouched group counts as one link, exactly as a stored membership would.
        """
        return frozenset(name for name in self._within_depth(caller) if not name.startswith(_COMPARTMENT_PREFIX))

    def compartments(self, caller: Caller) -> frozenset[str]:
        """The compartments the caller holds, within the same number of links."""
        return frozenset(name for name in self._within_depth(caller) if name.startswith(_COMPARTMENT_PREFIX))

    def rules_for(self, names: Iterable[str], action: str) -> tuple[Rule, ...]:
        """All rules about `action` whose subject is one of `names`, each once, in no particular order."""
        return tuple(rule for name in set(names) for rule in self._by_subject.get((name, action), ()))

    def rules_about(self, names: Collection[str], action: str, *, department: str, document: str) -> tuple[Rule, ...]:
        """Those of `rules_for` whose department and document columns can cover the given document, in a fixed order."""
        return tuple(
            rule
            for name in sorted(set(names))
            for in_department in (ANY, department)
            for of_document in (ANY, SHARED, document)
            for rule in self._by_scope.get((name, action, in_department, of_document), ())
        )

    def links_from(self, caller: Caller) -> tuple[RoleLink, ...]:
        """Every role link that lies on a path from the caller, however long, and the vouched groups as links.

        Longer paths than may count are included on purpose: how far a path counts is Casbin's decision.
        """
        vouched = [RoleLink(caller.subject, group, self.tenant) for group in sorted(caller.groups)]
        found: dict[RoleLink, None] = dict.fromkeys(vouched)
        seen = {caller.subject}
        frontier = [caller.subject, *sorted(caller.groups)]
        seen.update(frontier)
        while frontier:
            for link in self._links_of.get(frontier.pop(), ()):
                found[link] = None
                if link.parent not in seen:
                    seen.add(link.parent)
                    frontier.append(link.parent)
        return tuple(found)

    def _within_depth(self, caller: Caller) -> set[str]:
        reached = {caller.subject}
        frontier: set[str] = {caller.subject}
        for depth in range(ROLE_DEPTH_MAX):
            parents = {link.parent for name in frontier for link in self._links_of.get(name, ())}
            if depth == 0:
                parents |= caller.groups
            frontier = parents - reached
            if not frontier:
                break
            reached |= frontier
        return reached
