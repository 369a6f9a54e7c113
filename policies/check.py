"""May these callers act on this one document? Casbin's own enforcer decides, on the rules that could matter.

The enforcer walks every rule of a policy at every call, so it is given a slice: the rules whose subject the
caller can reach and whose columns of single values can cover the document. A rule that is left out
could not have matched, so leaving it out changes no decision. Nothing here is shared with `policies.plan`
except the snapshot: the two must agree because they are both right, not because they are the same code.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from threading import Lock
from typing import Any

import casbin
from casbin.model import Model

from policies.rules import ANY, Attributes, Caller, RoleLink, Rule
from policies.snapshot import Snapshot
from policies.wording import describe

_log = logging.getLogger(__name__)

_ENFORCING = Lock()
"""Casbin parses the matcher at every call, and CPython before 3.11.8 shares the parser's depth counter between
threads: two at once raise SystemError. That would deny what is allowed. The interpreter runs one at a time anyway."""


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
    try:
        return _check(snapshot, tuple(callers), action, attributes)
    except Exception as cause:  # noqa: BLE001 - an undecided question must end in a denial, not in a stack trace
        _log.exception("a decision failed and was answered with a denial")
        return Decision(False, action, None, f"deciding failed ({type(cause).__name__})", error=True)


def _check(snapshot: Snapshot, callers: tuple[Caller, ...], action: str, attributes: Attributes) -> Decision:
    # Documents with the same labels get the same decision unless a rule names one of them: the matcher reads a
    # document's id in one place only, to compare it with the id that a rule names.
    named = attributes.document if snapshot.names_document(attributes.document) else None
    key = ("check", callers, action, named, *_labels(attributes))
    remembered = snapshot.answers.get(key)
    if isinstance(remembered, Decision):
        return remembered
    decision = _decide(snapshot, callers, action, attributes)
    snapshot.answers.keep(key, decision)
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


def _decide(snapshot: Snapshot, callers: tuple[Caller, ...], action: str, attributes: Attributes) -> Decision:
    if attributes.tenant != snapshot.tenant:
        return _denied(action, f"the document does not belong to tenant {snapshot.tenant}")
    decisions: list[Decision] = []
    for caller in callers:
        decision = _check_one(snapshot, caller, action, attributes)
        if not decision.allowed:
            return decision
        decisions.append(decision)
    return decisions[0] if decisions else _denied(action, "nobody is asking")


def _check_one(snapshot: Snapshot, caller: Caller, action: str, attributes: Attributes) -> Decision:
    if caller.tenant != snapshot.tenant:
        return _denied(action, f"{caller.subject} does not belong to tenant {snapshot.tenant}")
    links = snapshot.links_from(caller)
    names = {caller.subject, *(link.parent for link in links)}
    covering = snapshot.rules_about(names, action, department=attributes.department, document=attributes.document)
    rules = [rule for rule in covering if _can_match(rule, caller, attributes)]
    nothing = _denied(action, f"no rule lets {caller.subject} {action} this document")
    if not rules:
        # Casbin answers an empty policy by evaluating the matcher on empty columns.
        return nothing
    rows = [_row(rule) for rule in rules]
    with _ENFORCING:
        enforcer = _enforcer(rows, links)
        allowed, matched = enforcer.enforce_ex(caller.subject, snapshot.tenant, attributes, action)
    decisive = next((rule for rule, row in zip(rules, rows, strict=True) if row is matched), None)
    if decisive is None:
        return nothing
    return Decision(allowed is True, action, decisive, describe(decisive))


def _can_match(rule: Rule, caller: Caller, attributes: Attributes) -> bool:
    """False only for a rule that the matcher would refuse by its level, tags or owner column alone.

    Casbin evaluates the matcher once per rule, which is nearly all that a decision costs.
    """
    return (
        _at_most(int(attributes.level), int(rule.level))
        and _has_all(attributes.tags, rule.tags)
        and (rule.owner == ANY or attributes.owner == caller.subject)
    )


def _denied(action: str, reason: str) -> Decision:
    return Decision(False, action, None, reason)


def _row(rule: Rule) -> list[object]:
    """The columns in the order of the model. Levels and tags keep their types: nothing is parsed again."""
    return [
        rule.subject,
        rule.tenant,
        rule.action,
        rule.department,
        rule.tags,
        rule.owner,
        rule.document,
        int(rule.level),
        rule.effect.value,
    ]


def _enforcer(rows: list[list[object]], links: Iterable[RoleLink]) -> Any:
    """A new stock enforcer on exactly these lines.

    New for each decision: an enforcer keeps every name that it was ever asked about, and one that is changed
    while another thread asks it has answered wrongly.
    """
    template = _template()
    model = Model()
    for section in ("r", "e", "m"):
        model[section] = template[section]
    for section in ("p", "g"):
        model.add_def(section, section, template[section][section].value)
    # Appended as lists: the text form of a policy would be parsed again, and a name could shift columns.
    model["p"]["p"].policy = rows
    model["g"]["g"].policy = [[link.member, link.parent, link.tenant] for link in links]
    enforcer = casbin.Enforcer(model)
    roles = enforcer.get_role_manager()
    # The default compares each new name with all others, which is quadratic; there are no patterns here.
    roles.matching_func = None
    enforcer.build_role_links()

    def is_any(subject: str, names: frozenset[str], tenant: str) -> bool:
        return any(roles.has_link(subject, name, tenant) for name in names)

    def is_all(subject: str, names: frozenset[str], tenant: str) -> bool:
        return all(roles.has_link(subject, name, tenant) for name in names)

    enforcer.add_function("isAny", is_any)
    enforcer.add_function("isAll", is_all)
    enforcer.add_function("atMost", _at_most)
    enforcer.add_function("hasAll", _has_all)
    if not enforcer.enabled:
        raise RuntimeError("a disabled enforcer allows everything")
    return enforcer


@cache
def _template() -> Any:
    """The parsed model. Read, never changed."""
    model = Model()
    model.load_model_from_text(resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8"))
    return model


def _at_most(level: object, limit: object) -> bool:
    if not isinstance(level, int) or isinstance(level, bool) or not isinstance(limit, int):
        raise TypeError("a level is a whole number")
    return level <= limit


def _has_all(tags: object, required: object) -> bool:
    if not isinstance(tags, frozenset) or not isinstance(required, frozenset):
        raise TypeError("tags are a set")
    return required <= tags
