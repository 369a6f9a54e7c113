"""Casbin's own enforcer, asked about one caller and a few rules at a time."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from threading import Lock
from typing import Any

import casbin
from casbin.model import Model
from casbin.util.expression import SimpleEval

from policies.rules import Attributes, Caller, RoleLink, Rule

_PARSING = Lock()
"""CPython before 3.11.8 shares the parser's depth counter between threads: two at once raise SystemError. That would
deny what is allowed."""


class ParsedOnce(casbin.Enforcer):  # type: ignore[misc] # casbin has no types
    """The stock enforcer, which parses the matcher of the model once and not for each decision: half of its time.

    What evaluates it is Casbin's own. Nothing of a rule or of a request is in the matcher's text.
    """

    @staticmethod
    def _get_expression(expr: str, functions: Any = None) -> Any:
        expression = SimpleEval("", functions)
        expression.ast_parsed_value = _parsed(expr)
        return expression


class Enforcer:
    """An enforcer that knows one caller's role links. For one thread, and for the decisions of one moment.

    Short-lived on purpose: an enforcer keeps every name that it was ever asked about, and one that is changed while
    another thread asks it has answered wrongly.
    """

    def __init__(self, caller: Caller, links: Sequence[RoleLink]) -> None:
        self._caller = caller
        self._model = _model(links)
        self._enforcer = _enforcer(self._model)

    def decide(self, rules: Sequence[Rule], action: str, attributes: Attributes) -> tuple[Rule | None, bool]:
        """The rule that Casbin decided by, and its answer; no rule where none of `rules` matched."""
        rows = [_row(rule) for rule in rules]
        # Set as lists: the text form of a policy would be parsed again, and a name could shift columns.
        self._model["p"]["p"].policy = rows
        allowed, matched = self._enforcer.enforce_ex(self._caller.subject, self._caller.tenant, attributes, action)
        decisive = next((rule for rule, row in zip(rules, rows, strict=True) if row is matched), None)
        return decisive, allowed is True


def at_most(level: object, limit: object) -> bool:
    """The matcher's `atMost`. Raises TypeError for what is not a level."""
    if not isinstance(level, int) or isinstance(level, bool) or not isinstance(limit, int):
        raise TypeError("a level is a whole number")
    return level <= limit


def has_all(tags: object, required: object) -> bool:
    """The matcher's `hasAll`. Raises TypeError for what is not a set of tags."""
    if not isinstance(tags, frozenset) or not isinstance(required, frozenset):
        raise TypeError("tags are a set")
    return required <= tags


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


def _model(links: Sequence[RoleLink]) -> Any:
    template = _template()
    model = Model()
    for section in ("r", "e", "m"):
        model[section] = template[section]
    for section in ("p", "g"):
        model.add_def(section, section, template[section][section].value)
    model["g"]["g"].policy = [[link.member, link.parent, link.tenant] for link in links]
    return model


def _enforcer(model: Any) -> Any:
    enforcer = ParsedOnce(model)
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
    enforcer.add_function("atMost", at_most)
    enforcer.add_function("hasAll", has_all)
    if not enforcer.enabled:
        raise RuntimeError("a disabled enforcer allows everything")
    return enforcer


@cache
def _parsed(expr: str) -> Any:
    """The matcher as Casbin parses it. Read, never changed."""
    with _PARSING:
        return casbin.Enforcer._get_expression(expr).ast_parsed_value


@cache
def _template() -> Any:
    """The parsed model. Read, never changed."""
    model = Model()
    model.load_model_from_text(resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8"))
    return model
