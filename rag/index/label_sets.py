"""The sets of labels that the points of an index carry, and the filter that names those which a plan admits.

Many points share few sets of labels. Whoever writes every point of an index knows them all, so a plan is held
against the sets, not against the points: the filter has one condition where the plan has dozens, and costs a search
the same however tangled the rules are. A set is named by a digest of everything in it, so its name decides what its
points are; points of documents that rules name one by one are left to the filter of the plan itself.

Not safe for several threads: the owner asks and writes under one lock, so that no point with labels unknown here
comes between a filter and its search.
"""

from collections.abc import Iterable
from dataclasses import replace

from policies.plan import Clause, Conditions, Grant
from policies.rules import Attributes
from policies.survey.catalogue import Catalogue
from rag.index.filter import access_filter, one_of
from rag.index.payload import LABELS_KEY, attributes_in
from rag.index.store import Payload
from rag.index.tree import AtMost, Every, Some, any_of

LABEL_SETS_MAX = 4000
"""Beyond so many, naming them costs more than the conditions of a plan."""
_REMEMBERED_MAX = 500
_ANY = "any"
"""Stands for the document in a set of labels: no clause that names a document is asked about it."""


class LabelSets:
    """All sets of labels of one tenant's points."""

    def __init__(self) -> None:
        self._sets: dict[str, Attributes] = {}
        self._too_many = False
        self._catalogue: tuple[Catalogue, dict[Attributes, str]] | None = None
        self._filters: dict[int, tuple[Conditions, Every | None]] = {}

    @property
    def usable(self) -> bool:
        """Whether `filter_of` may be asked. Once there were too many sets, no longer."""
        return not self._too_many

    def add(self, payloads: Iterable[Payload]) -> None:
        """Points with these payloads, checked already, are about to be written. Sets are never forgotten."""
        for payload in () if self._too_many else payloads:
            name = str(payload[LABELS_KEY])
            if name in self._sets:
                continue
            self._sets[name] = replace(attributes_in(payload), document=_ANY)
            self._catalogue = None
            self._filters.clear()
            if len(self._sets) > LABEL_SETS_MAX:
                self._too_many = True
                self._sets.clear()
                return

    def filter_of(self, plan: Conditions) -> Every | None:
        """Admits what `access_filter(plan)` does, of the points there are. None: it admits nothing.

        Raises:
            IndexUnavailable: as `access_filter`, where rules name documents.
        """
        # A plan is remembered by its snapshot, so the same object comes again; it is kept here, so that no other
        # can get its number.
        remembered = self._filters.get(id(plan))
        if remembered is not None:
            return remembered[1]
        found = self._filter_of(plan)
        self._filters[id(plan)] = plan, found
        while len(self._filters) > _REMEMBERED_MAX:
            del self._filters[next(iter(self._filters))]
        return found

    def _filter_of(self, plan: Conditions) -> Every | None:
        named = frozenset(
            document
            for grant in plan.grants
            for clause in (*grant.allow, *grant.deny)
            for document in clause.documents or ()
        )
        alternatives = [self._of_sets(plan, named), _of_documents(plan, named) if named else None]
        found = [node for node in alternatives if node is not None]
        if len(found) < 2:
            return found[0] if found else None
        return Every((Some(tuple(found)),))

    def _of_sets(self, plan: Conditions, named: frozenset[str]) -> Every | None:
        """What is admitted of documents that no rule names."""
        bare = _without_documents(plan)
        if bare is None:
            return None
        if self._catalogue is None:
            self._catalogue = Catalogue(self._sets.values()), {labels: name for name, labels in self._sets.items()}
        catalogue, names = self._catalogue
        admitted = catalogue.entries(catalogue.admitted(bare))
        if not admitted:
            return None
        only = one_of(LABELS_KEY, (names[labels] for labels in admitted))
        return Every((only, AtMost("epoch", plan.epoch)), any_of("document", named) if named else ())


def _of_documents(plan: Conditions, named: frozenset[str]) -> Every | None:
    """What is admitted of the documents that rules name, by the filter of the plan."""
    whole = access_filter(plan)
    if whole is None:
        return None
    return Every((one_of("document", named), *whole.must), whole.must_not)


def _without_documents(plan: Conditions) -> Conditions | None:
    """What the plan says of a document that it does not name; None where it admits none of those."""
    grants: list[Grant] = []
    for grant in plan.grants:
        allow = _unnamed(grant.allow)
        if not allow:
            return None
        grants.append(replace(grant, allow=allow, deny=_unnamed(grant.deny)))
    return replace(plan, grants=tuple(grants))


def _unnamed(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    return tuple(clause for clause in clauses if clause.documents is None)
