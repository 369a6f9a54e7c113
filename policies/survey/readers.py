"""Who can read this document, and what can this person read?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from policies.check import check
from policies.paths import Path, paths_from
from policies.plan import plan
from policies.rules import Attributes, Caller, Level, Rule
from policies.snapshot import Snapshot
from policies.survey.catalogue import Catalogue
from policies.survey.extents import Extents, Standing

STAND_IN = "user:anyone-in-this-group"
"""The name under which a group's stand-in asks; numbered where the policy or a document already uses it."""
EXAMPLES_MAX = 5


class Disagreement(RuntimeError):
    """The plan admits what the check refuses. One of the two is wrong about who may read: an alarm, not an answer."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody whom `check` allows, the rule that does it, and how she comes by that rule."""

    caller: Caller
    rule: Rule
    path: Path


@dataclass(frozen=True, slots=True)
class Reach:
    """What callers may act on: how many documents, and examples with the highest level first.

    A document counts once in `total` and in its department. One whose paragraphs stand at several levels counts
    at each level of which she may act on something.
    """

    total: int
    by_department: dict[str, int]
    by_level: dict[Level, int]
    examples: tuple[Attributes, ...]


def people_of(snapshot: Snapshot, catalogue: Catalogue) -> tuple[Caller, ...]:
    """Everybody whom the policy or a document mentions, and one stand-in per group that the policy mentions.

    A stand-in asks for "anyone whom the identity provider puts in this group" and is told by `stands_for`. Whoever
    is in several groups of a token at once, or is also named by the policy, may have more than each of them.
    """
    return everybody((snapshot,), catalogue)


def everybody(snapshots: Iterable[Snapshot], catalogue: Catalogue) -> tuple[Caller, ...]:
    """The people of several snapshots of one tenant, with the same stand-ins for all of them.

    Raises:
        ValueError: the snapshots or the catalogue belong to different tenants, or there is no snapshot.
    """
    snapshots = tuple(snapshots)
    tenants = {snapshot.tenant for snapshot in snapshots}
    if len(tenants) != 1 or {catalogue.tenant} - {None} - tenants:
        raise ValueError("the people of a policy are those of exactly one tenant, and of its own documents")
    (tenant,) = tenants
    named = set(catalogue.people)
    for snapshot in snapshots:
        named.update(rule.subject for rule in snapshot.rules)
        named.update(chain.from_iterable((link.member, link.parent) for link in snapshot.links))
    people = [Caller(tenant, name) for name in sorted(named) if name.startswith(("user:", "assistant:"))]
    stand_in = _unused(snapshots, catalogue)
    groups = sorted(name for name in named if name.startswith("group:"))
    return (*people, *(Caller(tenant, stand_in, frozenset({group})) for group in groups))


def stands_for(caller: Caller) -> str | None:
    """The group that a caller of `people_of` is the stand-in of; None for a person or an assistant."""
    if caller.subject.startswith(STAND_IN) and len(caller.groups) == 1:
        return next(iter(caller.groups))
    return None


def label(caller: Caller) -> str:
    """The caller's name, for display; for a stand-in, whom it stands for."""
    group = stands_for(caller)
    return caller.subject if group is None else f"anyone in {group}"


def who(
    snapshot: Snapshot, attributes: Attributes, people: Iterable[Caller], action: str = "read"
) -> tuple[Reader, ...]:
    """Those of `people` whom `check` allows, each by herself, in the order given.

    Raises:
        Disagreement: somebody whom the policy's plan admits is refused by the check, or deciding failed.
    """
    if attributes.tenant != snapshot.tenant:
        return ()
    catalogue = Catalogue((attributes,))
    extents = Extents(snapshot, catalogue, action)
    candidates = (caller for caller in people if extents.of(Standing.of(snapshot, caller)))
    return tuple(_reader(snapshot, caller, action, attributes) for caller in candidates)


def what(
    snapshot: Snapshot,
    callers: Sequence[Caller],
    catalogue: Catalogue,
    action: str = "read",
    examples: int = EXAMPLES_MAX,
) -> Reach:
    """What all of `callers` together may act on, of the documents of the catalogue.

    Raises:
        Disagreement: an example that the plan admits is refused by the check.
        PlanTooLarge: the policy gives them more rules than can be searched with.
    """
    admitted = catalogue.admitted(plan(snapshot, callers, action))
    shown = catalogue.examples(admitted, examples)
    for entry in shown:
        if not check(snapshot, callers, action, entry).allowed:
            raise _disagreement(snapshot, callers, action, entry)
    return Reach(catalogue.count(admitted), catalogue.by_department(admitted), catalogue.by_level(admitted), shown)


def _reader(snapshot: Snapshot, caller: Caller, action: str, attributes: Attributes) -> Reader:
    decision = check(snapshot, (caller,), action, attributes)
    path = paths_from(snapshot, caller).get(decision.rule.subject) if decision.rule else None
    if not decision.allowed or decision.rule is None or path is None:
        raise _disagreement(snapshot, (caller,), action, attributes)
    return Reader(caller, decision.rule, path)


def _disagreement(snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Attributes) -> Disagreement:
    names = " and ".join(label(caller) for caller in callers)
    return Disagreement(
        f"Plan and check disagree on whether {names} may {action} document {attributes.document!r} of tenant "
        f"{snapshot.tenant!r} at policy version {snapshot.epoch}. No answer is given. Report this with the policy "
        "and the document's attributes."
    )


def _unused(snapshots: Sequence[Snapshot], catalogue: Catalogue) -> str:
    """The first name of the stand-ins that nothing mentions: one that had rights of its own would be no stand-in."""
    names = chain((STAND_IN,), (f"{STAND_IN}.{number}" for number in count(2)))
    return next(
        name
        for name in names
        if not catalogue.mentions(name) and not any(snapshot.knows(name) for snapshot in snapshots)
    )
