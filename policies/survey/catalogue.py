"""A tenant's documents as bitmaps: a plan is answered for all of them at once, in microseconds.

An entry is one set of attributes: a document's, or those of a paragraph stricter than its document. Several
entries may belong to one document. A selection is an integer in which bit n stands for entry n, so that "and",
"or" and "not" of selections are the operators of Python.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain, compress

from policies.plan import Clause, DenyAll, Grant, Plan
from policies.rules import Attributes, Level
from policies.survey.postings import Postings, Selection, bitmap, without

CANARY_TAG = "canary"
"""The reserved tag of documents that nobody may read. Whoever could read one has been given too much."""


class Catalogue:
    """The attributes of one tenant's documents. Never changed once built, so threads may share it.

    Equal documents give equal catalogues, whatever their order: entries are sorted by document.

    Raises:
        ValueError: the documents belong to more than one tenant.
    """

    def __init__(self, documents: Iterable[Attributes]) -> None:
        self._entries = entries = tuple(sorted(set(documents), key=_order))
        tenants = sorted({entry.tenant for entry in entries})
        if len(tenants) > 1:
            raise ValueError(f"A catalogue holds the documents of one tenant; these belong to {' and '.join(tenants)}.")
        self.tenant = tenants[0] if tenants else None
        """Whose documents these are; None where there are none."""
        size = len(entries)
        self.everything: Selection = (1 << size) - 1
        self._documents = Postings(((entry.document,) for entry in entries), size)
        self._departments = Postings(((entry.department,) for entry in entries), size)
        self._owners = Postings(((entry.owner,) for entry in entries), size)
        self._tags = Postings((entry.tags for entry in entries), size)
        self._shares = Postings((entry.shares for entry in entries), size)
        self._denied_shares = Postings((entry.denied_shares for entry in entries), size)
        self._compartments = Postings((entry.compartments for entry in entries), size)
        self._at_level = {
            level: bitmap([number for number, entry in enumerate(entries) if entry.level == level], size)
            for level in Level
        }
        self._at_most = {level: sum(self._at_level[lower] for lower in Level if lower <= level) for level in Level}
        self._folds = tuple(_folds(entries))

    def __repr__(self) -> str:
        return f"Catalogue(tenant={self.tenant!r}, entries={len(self._entries)})"

    @property
    def people(self) -> frozenset[str]:
        """Everybody who owns a document, or with whom one is shared by name."""
        named = chain(self._owners, self._shares)
        return frozenset(name for name in named if name.startswith("user:"))

    def mentions(self, subject: str) -> bool:
        """Whether an entry names `subject` as owner, in its shares or in its denied shares."""
        return any(subject in index for index in (self._owners, self._shares, self._denied_shares))

    def admitted(self, compiled: Plan) -> Selection:
        """The entries that the plan lets its callers act on; none of them for a plan of another tenant."""
        if isinstance(compiled, DenyAll) or compiled.tenant != self.tenant:
            return 0
        found = self.everything
        for grant in compiled.grants:
            found &= self._granted(grant)
        return found

    def meeting(self, clause: Clause) -> Selection:
        """The entries that meet every restriction of the clause."""
        found = self._at_most[clause.max_level]
        for tag in clause.tags:
            found &= self._tags.any_of((tag,))
        if clause.departments is not None:
            found &= self._departments.any_of(clause.departments)
        if clause.documents is not None:
            found &= self._documents.any_of(clause.documents)
        if clause.owner is not None:
            found &= self.owned_by(clause.owner)
        if clause.shared_with is not None:
            found &= self.shared_with(clause.shared_with)
        return found

    def owned_by(self, subject: str) -> Selection:
        return self._owners.any_of((subject,))

    def shared_with(self, names: Iterable[str]) -> Selection:
        """The entries whose shares contain one of `names`."""
        return self._shares.any_of(names)

    def naming(self, names: Collection[str]) -> Selection:
        """The entries whose shares or denied shares contain one of `names`."""
        return self._shares.any_of(names) | self._denied_shares.any_of(names)

    def barred(self, names: Iterable[str], compartments: frozenset[str]) -> Selection:
        """The entries closed to whoever goes by `names` and holds `compartments`, whatever the rules say."""
        missing = (name for name in self._compartments if name not in compartments)
        return self._denied_shares.any_of(names) | self._compartments.any_of(missing)

    def tagged(self, tag: str) -> Selection:
        return self._tags.any_of((tag,))

    def count(self, selection: Selection) -> int:
        """How many documents have an entry in the selection."""
        # Entries of one document stand side by side: the bits of each are folded onto its first entry.
        for distance, far_enough in self._folds:
            selection |= (selection & far_enough) >> distance
        followers = self._folds[0][1] if self._folds else 0
        return without(selection, followers).bit_count()

    def by_department(self, selection: Selection) -> dict[str, int]:
        """How many documents of each department have an entry in the selection; those without are left out."""
        counts = {name: self.count(selection & self._departments.any_of((name,))) for name in sorted(self._departments)}
        return {name: count for name, count in counts.items() if count}

    def by_level(self, selection: Selection) -> dict[Level, int]:
        """The same by level. A document whose entries stand at several levels counts at each of them."""
        counts = {level: self.count(selection & self._at_level[level]) for level in Level}
        return {level: count for level, count in counts.items() if count}

    def highest_level(self, selection: Selection) -> Level | None:
        return max((level for level in Level if selection & self._at_level[level]), default=None)

    def compartments_in(self, selection: Selection) -> frozenset[str]:
        """The compartments of the selected entries."""
        return frozenset(name for name in self._compartments if selection & self._compartments.any_of((name,)))

    def entries(self, selection: Selection) -> tuple[Attributes, ...]:
        """The selected entries, by document."""
        bits = bin(selection & self.everything)[:1:-1]
        return tuple(compress(self._entries, map(int, bits)))

    def examples(self, selection: Selection, limit: int) -> tuple[Attributes, ...]:
        """At most `limit` selected entries of different documents: the highest level first, then by document."""
        found: dict[str, Attributes] = {}
        for level in reversed(Level):
            rest = selection & self._at_level[level]
            while rest and len(found) < limit:
                lowest = rest & -rest
                entry = self._entries[lowest.bit_length() - 1]
                found.setdefault(entry.document, entry)
                rest ^= lowest
        return tuple(found.values())

    def _granted(self, grant: Grant) -> Selection:
        allowed = denied = 0
        for clause in grant.allow:
            allowed |= self.meeting(clause)
        for clause in grant.deny:
            denied |= self.meeting(clause)
        return without(allowed, denied | self.barred(grant.closure, grant.compartments))


def _folds(entries: tuple[Attributes, ...]) -> Iterator[tuple[int, Selection]]:
    """Distances 1, 2, 4, ... with the entries that stand at least so far behind the first one of their document."""
    behind: list[int] = []
    for number, entry in enumerate(entries):
        follows = number > 0 and entries[number - 1].document == entry.document
        behind.append(behind[-1] + 1 if follows else 0)
    distance = 1
    while distance <= max(behind, default=0):
        yield distance, bitmap([number for number, steps in enumerate(behind) if steps >= distance], len(entries))
        distance *= 2


def _order(entry: Attributes) -> tuple[object, ...]:
    sets = (entry.tags, entry.shares, entry.denied_shares, entry.compartments)
    return (entry.document, entry.level, entry.department, entry.owner, *map(sorted, sets), entry.tenant)
