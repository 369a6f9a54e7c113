"""Which documents may each of many callers act on, under one snapshot?

Says what `catalogue.admitted(plan(...))` says, caller by caller; the laws hold the two equal. A plan belongs to
one caller and takes milliseconds where many rules meet in her. Here the rules of a group or role are laid over
the documents once, for everybody who is in it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from policies.plan import Clause
from policies.rules import ANY, SELF, SHARED, Caller, Effect, Rule
from policies.snapshot import Snapshot
from policies.survey.catalogue import Catalogue
from policies.survey.postings import Selection, without


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller goes by in one snapshot: her names, herself among them, and the compartments she holds."""

    subject: str
    names: frozenset[str]
    compartments: frozenset[str]

    @classmethod
    def of(cls, snapshot: Snapshot, caller: Caller) -> "Standing":
        """Raises ValueError for a caller of another tenant."""
        if caller.tenant != snapshot.tenant:
            raise ValueError(f"{caller.subject} does not belong to tenant {snapshot.tenant}")
        return cls(caller.subject, snapshot.closure(caller), snapshot.compartments(caller))


_Kind = tuple[bool, bool, bool]
"""Of a rule: whether it denies, and whether it depends on who asks, by owning the document or by its shares."""


_Reach = Mapping[_Kind, Selection]
"""What the rules of one subject cover, whoever asks."""


class Extents:
    """The extent of every caller's rights to `action`. For one thread at a time.

    Raises:
        ValueError: the catalogue holds another tenant's documents.
    """

    def __init__(self, snapshot: Snapshot, catalogue: Catalogue, action: str) -> None:
        if catalogue.tenant not in (None, snapshot.tenant):
            raise ValueError(f"A policy of tenant {snapshot.tenant!r} says nothing about {catalogue!r}.")
        self._snapshot = snapshot
        self._catalogue = catalogue
        self._action = action
        self._found: dict[str, _Reach] = {}
        self._before: Extents | None = None
        self._changed: frozenset[str] = frozenset()

    def after(self, snapshot: Snapshot, changed: Collection[str]) -> "Extents":
        """The extents under `snapshot`, in which no rule about this action but those of `changed` differs."""
        later = Extents(snapshot, self._catalogue, self._action)
        later._before, later._changed = self, frozenset(changed)
        return later

    def of(self, standing: Standing) -> Selection:
        """The entries that this caller may act on."""
        total: defaultdict[_Kind, Selection] = defaultdict(int)
        for name in standing.names:
            for kind, found in self._reach(name).items():
                total[kind] |= found
        allowed = denied = 0
        for (denies, owned, shared), found in total.items():
            if owned:
                found &= self._catalogue.owned_by(standing.subject)
            if shared:
                found &= self._catalogue.shared_with(standing.names)
            if denies:
                denied |= found
            else:
                allowed |= found
        if not allowed:
            return 0
        return without(allowed, denied | self._catalogue.barred(standing.names, standing.compartments))

    def _reach(self, name: str) -> _Reach:
        if self._before is not None and name not in self._changed:
            return self._before._reach(name)
        reach = self._found.get(name)
        if reach is None:
            reach = _lay(self._snapshot.rules_for((name,), self._action), self._catalogue)
            if name.startswith(("group:", "role:")):
                # The rules of one person serve her alone; remembered, ten thousand of them would fill the memory.
                self._found[name] = reach
        return reach


def _lay(rules: Iterable[Rule], catalogue: Catalogue) -> _Reach:
    reach: defaultdict[_Kind, Selection] = defaultdict(int)
    for rule in rules:
        kind = (rule.effect is Effect.DENY, rule.owner == SELF, rule.document == SHARED)
        reach[kind] |= catalogue.meeting(_without_the_caller(rule))
    return reach


def _without_the_caller(rule: Rule) -> Clause:
    """The restrictions that are the same for every caller."""
    return Clause(
        departments=None if rule.department == ANY else frozenset({rule.department}),
        tags=rule.tags,
        owner=None,
        documents=None if rule.document in (ANY, SHARED) else frozenset({rule.document}),
        shared_with=None,
        max_level=rule.level,
    )
