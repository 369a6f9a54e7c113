"""Why, or why not: what decided about one document, how it reaches the caller, and what came nearest.

`policies.check` decides; nothing here decides again. What is added is how to read its answer: the role path to
the deciding rule, the vetoes of the document, and the allow rules that failed on the least.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest

from policies.check import Decision, check
from policies.paths import Path, paths_from
from policies.rules import ANY, SELF, SHARED, Attributes, Caller, Effect, Rule
from policies.snapshot import Snapshot

NEAREST_MAX = 5


class Column(StrEnum):
    """A column of a rule that can fail to match, in the order in which failures are told."""

    SUBJECT = "subject"
    DEPARTMENT = "department"
    LEVEL = "level"
    TAGS = "tags"
    OWNER = "owner"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Failure:
    """One column of a rule that does not match: what the rule asks for, and what stands there instead."""

    column: Column
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An allow rule and all that keeps it from matching: nothing, where only a veto does.

    `path` leads the caller to the rule's subject; None where the subject is what fails.
    """

    rule: Rule
    failures: tuple[Failure, ...]
    path: Path | None


@dataclass(frozen=True, slots=True)
class Veto:
    """What closes the document whatever the rules say: denied shares that meet the caller, by their paths, and
    compartments that she does not hold. False where there is neither."""

    denied_shares: tuple[Path, ...] = ()
    missing_compartments: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.denied_shares or self.missing_compartments)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one caller alone.

    `path` leads to the subject of `decision.rule`. `veto` and `nearest` are empty for a caller who is allowed,
    whom a rule denies, or about whom deciding failed.
    """

    caller: Caller
    decision: Decision
    path: Path | None = None
    veto: Veto = Veto()
    nearest: tuple[NearMiss, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision about all callers together, and the verdict on each of them. All must be allowed."""

    decision: Decision
    verdicts: tuple[Verdict, ...]


def explain(snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Attributes) -> Explanation:
    """Explain what `check` answers to the same question, for the person and for the assistant."""
    return Explanation(
        check(snapshot, callers, action, attributes),
        tuple(_verdict(snapshot, caller, action, attributes) for caller in callers),
    )


def _verdict(snapshot: Snapshot, caller: Caller, action: str, attributes: Attributes) -> Verdict:
    decision = check(snapshot, (caller,), action, attributes)
    if decision.error or {caller.tenant, attributes.tenant} != {snapshot.tenant}:
        return Verdict(caller, decision)
    paths = paths_from(snapshot, caller)
    if decision.rule is not None:
        return Verdict(caller, decision, paths.get(decision.rule.subject))
    veto = Veto(
        tuple(paths[name] for name in sorted(attributes.denied_shares & paths.keys())),
        tuple(sorted(attributes.compartments - paths.keys())),
    )
    nearest = _nearest(snapshot, action, _Columns(caller, paths, attributes))
    return Verdict(caller, decision, veto=veto, nearest=nearest)


class _Columns:
    """The values of each column with which a rule matches this caller and this document."""

    def __init__(self, caller: Caller, paths: Mapping[str, Path], attributes: Attributes) -> None:
        self.caller, self.paths, self.attributes = caller, paths, attributes
        self.departments = {ANY, attributes.department}
        self.owners = {ANY, SELF} if attributes.owner == caller.subject else {ANY}
        shared = not attributes.shares.isdisjoint(paths)
        self.documents = {ANY, SHARED, attributes.document} if shared else {ANY, attributes.document}

    def match(self, rule: Rule) -> tuple[bool, ...]:
        """Whether each `Column` matches."""
        return (
            rule.subject in self.paths,
            rule.department in self.departments,
            rule.level >= self.attributes.level,
            rule.tags <= self.attributes.tags,
            rule.owner in self.owners,
            rule.document in self.documents,
        )

    def failures(self, rule: Rule) -> Iterator[Failure]:
        attributes = self.attributes
        told = {
            Column.SUBJECT: (rule.subject, self.caller.subject),
            Column.DEPARTMENT: (rule.department, attributes.department),
            Column.LEVEL: (f"at most {rule.level.name.lower()}", attributes.level.name.lower()),
            Column.TAGS: (_listed(rule.tags), _listed(attributes.tags)),
            Column.OWNER: (self.caller.subject, attributes.owner or "nobody"),
            Column.DOCUMENT: (rule.document, attributes.document),
        }
        if rule.document == SHARED:
            told[Column.DOCUMENT] = ("shared with the reader", _listed(attributes.shares))
        for column, matches in zip(Column, self.match(rule), strict=True):
            if not matches:
                yield Failure(column, *told[column])


def _nearest(snapshot: Snapshot, action: str, columns: _Columns) -> tuple[NearMiss, ...]:
    """The allow rules that fail on the fewest columns, in an order that depends on the policy only."""
    kinds: defaultdict[tuple[bool, ...], list[Rule]] = defaultdict(list)
    for rule in snapshot.rules:
        if rule.action == action and rule.effect is Effect.ALLOW:
            kinds[columns.match(rule)].append(rule)
    found: list[Rule] = []
    for failed in range(len(Column) + 1):
        if len(found) >= NEAREST_MAX:
            break
        # Taken in turn from each kind of failure: many rules that fail on the same column would hide the others.
        turns = [
            (turn, kind, rule)
            for kind, rules in kinds.items()
            if kind.count(False) == failed
            for turn, rule in enumerate(nsmallest(NEAREST_MAX, rules, key=_order))
        ]
        found += [rule for _, _, rule in sorted(turns, key=lambda item: item[:2])]
    return tuple(
        NearMiss(rule, tuple(columns.failures(rule)), columns.paths.get(rule.subject)) for rule in found[:NEAREST_MAX]
    )


def _order(rule: Rule) -> tuple[object, ...]:
    return (rule.subject, rule.department, rule.document, rule.owner, -rule.level, sorted(rule.tags))


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
