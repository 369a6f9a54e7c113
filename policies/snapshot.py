"""One epoch of a tenant's policy: immutable, with its indexes built once.

Whoever holds a snapshot holds one consistent policy for the whole of a question. A new epoch is a new snapshot;
nothing a snapshot says ever changes, so threads share it without a lock. The indexes are persistent maps: the
snapshot of the next epoch shares all but the changed lines with the one before, so that an edit of a policy of
100 000 rules costs the very next question microseconds.
"""

from __future__ import annotations  # rpds' maps take type arguments for the checker only

from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import chain
from threading import Lock
from typing import TypeVar

from rpds import HashTrieMap

from policies.edits import Edit
from policies.rules import ANY, COMPARTMENT_KIND, ROLE_DEPTH_MAX, SHARED, Caller, RoleLink, Rule

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)

_COMPARTMENT_PREFIX = COMPARTMENT_KIND + ":"

ANSWERS_MAX = 8192
"""Plans and decisions that one snapshot remembers."""


class Snapshot:
    """The rules and role links of `tenant` at `epoch`. Compared by identity.

    Raises:
        ValueError: a rule or link belongs to another tenant.
    """

    __slots__ = (
        "_actions",
        "_by_scope",
        "_by_subject",
        "_links_of",
        "_mentions",
        "_named",
        "answers",
        "epoch",
        "tenant",
    )

    def __init__(self, tenant: str, epoch: int, rules: Iterable[Rule], links: Iterable[RoleLink]) -> None:
        rules, links = tuple(dict.fromkeys(rules)), tuple(dict.fromkeys(links))
        _require_tenant(tenant, rules, links)
        self.tenant = tenant
        self.epoch = epoch
        self.answers = Answers(ANSWERS_MAX)
        self._by_subject = _grouped((_subject_key(rule), rule) for rule in rules)
        self._by_scope = _grouped((_scope_key(rule), rule) for rule in rules)
        self._links_of = _grouped((link.member, link) for link in links)
        self._mentions = _counted(chain(_names_in_rules(rules), _names_in_links(links)))
        self._named = _counted(rule.document for rule in rules)
        self._actions = _counted(rule.action for rule in rules)

    def __repr__(self) -> str:
        return f"Snapshot(tenant={self.tenant!r}, epoch={self.epoch})"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in no particular order."""
        return tuple(chain.from_iterable(self._by_subject.values()))

    @property
    def links(self) -> tuple[RoleLink, ...]:
        """All role links, in no particular order."""
        return tuple(chain.from_iterable(self._links_of.values()))

    def changed(self, edit: Edit, epoch: int) -> Snapshot:
        """The snapshot of `epoch`, which differs by `edit`. An empty edit is a change of attributes alone.

        Raises:
            ValueError: another tenant's line, or a line to remove that is not here.
        """
        _require_tenant(self.tenant, (*edit.add_rules, *edit.remove_rules), (*edit.add_links, *edit.remove_links))
        new = Snapshot.__new__(Snapshot)
        new.tenant, new.epoch, new.answers = self.tenant, epoch, Answers(ANSWERS_MAX)
        new._by_subject, new._by_scope, new._named = self._by_subject, self._by_scope, self._named
        new._links_of, new._mentions, new._actions = self._links_of, self._mentions, self._actions
        for rule in edit.remove_rules:
            new._by_subject = _without(new._by_subject, _subject_key(rule), rule)
            new._by_scope = _without(new._by_scope, _scope_key(rule), rule)
        for rule in edit.add_rules:
            new._by_subject = _with(new._by_subject, _subject_key(rule), rule)
            new._by_scope = _with(new._by_scope, _scope_key(rule), rule)
        for link in edit.remove_links:
            new._links_of = _without(new._links_of, link.member, link)
        for link in edit.add_links:
            new._links_of = _with(new._links_of, link.member, link)
        for step, rules, links in ((1, edit.add_rules, edit.add_links), (-1, edit.remove_rules, edit.remove_links)):
            for name in chain(_names_in_rules(rules), _names_in_links(links)):
                new._mentions = _count(new._mentions, name, step)
            for rule in rules:
                new._named = _count(new._named, rule.document, step)
                new._actions = _count(new._actions, rule.action, step)
        return new

    def knows(self, subject: str) -> bool:
        """Whether any rule or role link names `subject`."""
        return subject in self._mentions

    def names_document(self, document: str) -> bool:
        """Whether any rule names this one document. Of the others, only their labels decide."""
        return document in self._named

    def names(self) -> Iterator[str]:
        """Everybody and everything that a rule or role link names, in no particular order."""
        return iter(self._mentions.keys())

    def actions(self) -> tuple[str, ...]:
        """Every action that a rule speaks about, sorted."""
        return tuple(sorted(self._actions.keys()))

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

    def rules_of(self, subject: str) -> tuple[Rule, ...]:
        """All rules whose subject is exactly this name, whatever the action."""
        return tuple(rule for action in self.actions() for rule in self._by_subject.get((subject, action), ()))

    def rules_about(self, names: Collection[str], action: str, *, department: str, document: str) -> tuple[Rule, ...]:
        """Those of `rules_for` whose department and document columns can cover the given document, in a fixed order."""
        documents = (ANY, SHARED, document) if self.names_document(document) else (ANY, SHARED)
        return tuple(
            rule
            for name in sorted(set(names))
            for in_department in (ANY, department)
            for of_document in documents
            for rule in self._by_scope.get((name, action, in_department, of_document), ())
        )

    def links_of(self, member: str) -> tuple[RoleLink, ...]:
        """The role links whose member is exactly this name."""
        return self._links_of.get(member, ())

    def links_from(self, caller: Caller) -> tuple[RoleLink, ...]:
        """Every role link that lies on a path from the caller, however long, and the vouched groups as links.

        Longer paths than may count are included on purpose: how far a path counts is Casbin's decision.
        """
        vouched = [RoleLink(caller.subject, group, self.tenant) for group in sorted(caller.groups)]
        found: dict[RoleLink, None] = dict.fromkeys(vouched)
        frontier = [caller.subject, *sorted(caller.groups)]
        seen = set(frontier)
        while frontier:
            for link in self.links_of(frontier.pop()):
                found[link] = None
                if link.parent not in seen:
                    seen.add(link.parent)
                    frontier.append(link.parent)
        return tuple(found)

    def _within_depth(self, caller: Caller) -> set[str]:
        reached = {caller.subject}
        frontier: set[str] = {caller.subject}
        for depth in range(ROLE_DEPTH_MAX):
            parents = {link.parent for name in frontier for link in self.links_of(name)}
            if depth == 0:
                parents |= caller.groups
            frontier = parents - reached
            if not frontier:
                break
            reached |= frontier
        return reached


class Answers:
    """Remembers what follows from a snapshot and the key alone; the oldest are forgotten first. Thread-safe.

    It lives and dies with its snapshot, so nothing in it can outlive a change of the policy.
    """

    __slots__ = ("_found", "_lock", "_size")

    def __init__(self, size: int) -> None:
        self._found: dict[Hashable, object] = {}
        self._lock = Lock()
        self._size = size

    def get(self, key: Hashable) -> object | None:
        return self._found.get(key)

    def keep(self, key: Hashable, answer: object) -> None:
        with self._lock:
            self._found[key] = answer
            while len(self._found) > self._size:
                del self._found[next(iter(self._found))]


def _require_tenant(tenant: str, rules: Iterable[Rule], links: Iterable[RoleLink]) -> None:
    if ({rule.tenant for rule in rules} | {link.tenant for link in links}) - {tenant}:
        raise ValueError(f"a snapshot of tenant {tenant!r} cannot hold entries of another tenant")


def _subject_key(rule: Rule) -> tuple[str, str]:
    return rule.subject, rule.action


def _scope_key(rule: Rule) -> tuple[str, str, str, str]:
    return rule.subject, rule.action, rule.department, rule.document


def _names_in_rules(rules: Iterable[Rule]) -> Iterator[str]:
    return (rule.subject for rule in rules)


def _names_in_links(links: Iterable[RoleLink]) -> Iterator[str]:
    return (name for link in links for name in (link.member, link.parent))


def _grouped(pairs: Iterable[tuple[K, V]]) -> HashTrieMap[K, tuple[V, ...]]:
    found: dict[K, list[V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return HashTrieMap({key: tuple(values) for key, values in found.items()})


def _with(groups: HashTrieMap[K, tuple[V, ...]], key: K, value: V) -> HashTrieMap[K, tuple[V, ...]]:
    return groups.insert(key, (*groups.get(key, ()), value))


def _without(groups: HashTrieMap[K, tuple[V, ...]], key: K, value: V) -> HashTrieMap[K, tuple[V, ...]]:
    held = groups.get(key, ())
    if value not in held:
        raise ValueError("a line that is not in the snapshot cannot be removed")
    left = tuple(other for other in held if other != value)
    return groups.insert(key, left) if left else groups.remove(key)


def _counted(names: Iterable[str]) -> HashTrieMap[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return HashTrieMap(counts)


def _count(counts: HashTrieMap[str, int], name: str, step: int) -> HashTrieMap[str, int]:
    left = counts.get(name, 0) + step
    return counts.insert(name, left) if left > 0 else counts.discard(name)
