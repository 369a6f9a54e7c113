"""May these callers act on this one document? Casbin's own enforcer decides, on the rules that could matter.

The enforcer walks every rule of a policy at every call, so it is given a slice: the rules whose subject the
caller can reach and whose columns of single values can cover the document. A rule that is left out
could not have matched, so leaving it out changes no decision. Nothing here is shared with `policies.plan`
except the snapshot: the two must agree because they are both right, not because they are the same code.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from policies.enforcer import Enforcer, at_most, has_all
from policies.rules import ANY, SHARED, Attributes, Caller, Effect, Rule
from policies.snapshot import Snapshot
from policies.wording import describe

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and what decided it.

    `rule` is the rule that allowed or forbade, None where no rule matched. `error` means that deciding failed;
    such a decision always denies. `reason` names subjects and rules, for records and operators.
    """

    allowed: bool
    action: str
    rule: Rule | None
    reason: str
    error: bool = False

    def __post_init__(self) -> None:
        if self.allowed and (self.error or self.rule is None):
            raise ValueError("only a rule can allow")


def check(snapshot: Snapshot, callers: Sequence[Caller], action: str, attributes: Attributes) -> Decision:
    """Decide. Every one of `callers` must be allowed; with none of them, the answer is no.

    Never raises: whatever goes wrong denies, with `error` set. Safe to call from several threads.
    """
    return _guarded(_Asking(snapshot, tuple(callers), action), attributes)


def check_each(
    snapshot: Snapshot, callers: Sequence[Caller], action: str, documents: Collection[Attributes]
) -> dict[Attributes, Decision]:
    """`check` for each of `documents`, each distinct one once, for less than as many calls cost."""
    asking = _Asking(snapshot, tuple(callers), action)
    return {attributes: _guarded(asking, attributes) for attributes in dict.fromkeys(documents)}


@dataclass(frozen=True, slots=True)
class _Reach:
    """The names that could stand for a caller, Casbin's enforcer on her links, and the rules looked up for her."""

    names: frozenset[str]
    enforcer: Enforcer
    covering: dict[tuple[str, str | None], tuple[Rule, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks for what, and what was found out about each caller on the way. For one thread."""

    snapshot: Snapshot
    callers: tuple[Caller, ...]
    action: str
    reaches: dict[Caller, _Reach] = field(default_factory=dict)

    def reach(self, caller: Caller) -> _Reach:
        found = self.reaches.get(caller)
        if found is None:
            links = self.snapshot.links_from(caller)
            names = frozenset((caller.subject, *(link.parent for link in links)))
            found = self.reaches[caller] = _Reach(names, Enforcer(caller, links))
        return found

    def named(self, attributes: Attributes) -> str | None:
        """The document's id where a rule names it; the matcher compares it with nothing else."""
        return attributes.document if self.snapshot.names_document(attributes.document) else None

    def covering(self, reach: _Reach, attributes: Attributes) -> tuple[Rule, ...]:
        key = attributes.department, self.named(attributes)
        found = reach.covering.get(key)
        if found is None:
            about = self.snapshot.rules_about
            found = about(reach.names, self.action, department=attributes.department, document=attributes.document)
            reach.covering[key] = found
        return found


def _guarded(asking: _Asking, attributes: Attributes) -> Decision:
    try:
        return _remembered(asking, attributes)
    except Exception as cause:  # noqa: BLE001 - an undecided question must end in a denial, not in a stack trace
        _log.exception("a decision failed and was answered with a denial")
        # What a failure left behind decides nothing else.
        asking.reaches.clear()
        return Decision(False, asking.action, None, f"deciding failed ({type(cause).__name__})", error=True)


def _remembered(asking: _Asking, attributes: Attributes) -> Decision:
    # Documents with the same labels get the same decision unless a rule names one of them.
    key = ("check", asking.callers, asking.action, asking.named(attributes), *_labels(attributes))
    remembered = asking.snapshot.answers.get(key)
    if isinstance(remembered, Decision):
        return remembered
    decision = _decide(asking, attributes)
    asking.snapshot.answers.keep(key, decision)
    return decision


def _labels(attributes: Attributes) -> tuple[object, ...]:
    """Everything but which document it is."""
    return (
        attributes.tenant,
        attributes.department,
        # A level of the wrong type must be refused, and True equals 1.
        type(attributes.level),
        attributes.level,
        attributes.tags,
        attributes.owner,
        attributes.shares,
        attributes.denied_shares,
        attributes.compartments,
    )


def _decide(asking: _Asking, attributes: Attributes) -> Decision:
    if attributes.tenant != asking.snapshot.tenant:
        return _denied(asking.action, f"the document does not belong to tenant {asking.snapshot.tenant}")
    decisions: list[Decision] = []
    for caller in asking.callers:
        decision = _check_one(asking, caller, attributes)
        if not decision.allowed:
            return decision
        decisions.append(decision)
    return decisions[0] if decisions else _denied(asking.action, "nobody is asking")


def _check_one(asking: _Asking, caller: Caller, attributes: Attributes) -> Decision:
    snapshot, action = asking.snapshot, asking.action
    if caller.tenant != snapshot.tenant:
        return _denied(action, f"{caller.subject} does not belong to tenant {snapshot.tenant}")
    reach = asking.reach(caller)
    rules = [rule for rule in asking.covering(reach, attributes) if _can_match(rule, caller, attributes)]
    enough = _enough(rules)
    for asked in (enough, rules) if len(enough) < len(rules) else (rules,):
        # Casbin answers an empty policy by evaluating the matcher on empty columns.
        decisive, allowed = reach.enforcer.decide(asked, action, attributes) if asked else (None, False)
        if decisive is not None:
            return Decision(allowed, action, decisive, describe(decisive))
    return _denied(action, f"no rule lets {caller.subject} {action} this document")


def _enough(rules: Sequence[Rule]) -> list[Rule]:
    """Every denial, and of what allows the last rule that needs no share, with all that follow it.

    Where that rule matches, the rest could change neither the decision nor the rule that Casbin names for it, which
    is the last that allowed. Where nothing matches, all of `rules` must be asked.
    """
    last = max((place for place, rule in enumerate(rules) if _allows_without_share(rule)), default=0)
    return [rule for place, rule in enumerate(rules) if place >= last or rule.effect is not Effect.ALLOW]


def _allows_without_share(rule: Rule) -> bool:
    return rule.effect is Effect.ALLOW and rule.document != SHARED


def _can_match(rule: Rule, caller: Caller, attributes: Attributes) -> bool:
    """False only for a rule that the matcher would refuse by its level, tags or owner column alone.

    Casbin evaluates the matcher once per rule, which is nearly all that a decision costs.
    """
    return (
        at_most(int(attributes.level), int(rule.level))
        and has_all(attributes.tags, rule.tags)
        and (rule.owner == ANY or attributes.owner == caller.subject)
    )


def _denied(action: str, reason: str) -> Decision:
    return Decision(False, action, None, reason)
