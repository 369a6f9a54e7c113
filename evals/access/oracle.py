"""Casbin's stock enforcer on the whole policy: the authority that plan, filter and check are held against.

Shares the model file with the product and nothing else: its own rows, its own registered functions, all
tenants' rules, no slice, no snapshot, no memory of answers.
"""

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import CodeType
from typing import Any

import casbin
from casbin.model import Model

from policies.rules import Attributes, Caller, RoleLink, Rule

MODEL = resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8")


class CompiledOnce(casbin.Enforcer):  # type: ignore[misc] # casbin has no types
    """The stock enforcer, except that Python evaluates the matcher, compiled once, and not `simpleeval` anew at every
    rule: a quarter of the time.

    The matcher is the model's own text in Casbin's own Python spelling, which calls no `eval()`, so it is always the
    same. Nothing of a rule or a request becomes code.
    """

    def _get_expression(self, expr: str, functions: Any = None) -> Any:
        return _Matcher(_compiled(expr), {"__builtins__": {}, **functions})


@dataclass(frozen=True, slots=True)
class _Matcher:
    """What Casbin asks about each rule, with the columns of the rule and of the request as names."""

    code: CodeType
    functions: dict[str, Any]

    def eval(self, names: dict[str, Any]) -> Any:
        return eval(self.code, self.functions, names)  # noqa: S307 - the matcher of our own model file


@cache
def _compiled(expr: str) -> CodeType:
    parsed = casbin.Enforcer._get_expression(expr, {}).ast_parsed_value
    return compile(ast.Expression(parsed), "model.conf", "eval")


class Oracle:
    """Answers for one policy. Callers with groups of their own get an enforcer of their own."""

    def __init__(
        self, rules: Iterable[Rule], links: Iterable[RoleLink], *, enforcer: Callable[[Any], Any] = casbin.Enforcer
    ) -> None:
        self._rows = [_row(rule) for rule in rules]
        self._links = [[link.member, link.parent, link.tenant] for link in links]
        self._enforcer = enforcer
        self._enforcers: dict[Caller, Any] = {}

    def allows(self, callers: Sequence[Caller], action: str, attributes: Attributes) -> bool:
        return bool(callers) and all(
            self.of(caller).enforce(caller.subject, caller.tenant, attributes, action) for caller in callers
        )

    def of(self, caller: Caller) -> Any:
        """The enforcer that answers for `caller`."""
        if caller not in self._enforcers:
            self._enforcers[caller] = self._build(caller)
        return self._enforcers[caller]

    def _build(self, caller: Caller) -> Any:
        model = Model()
        model.load_model_from_text(MODEL)
        model["p"]["p"].policy.extend(self._rows)
        model["g"]["g"].policy.extend(self._links)
        model["g"]["g"].policy.extend([caller.subject, group, caller.tenant] for group in caller.groups)
        enforcer = self._enforcer(model)
        # Comparing each new name with all others is quadratic; there are no patterns here.
        enforcer.get_role_manager().matching_func = None
        enforcer.build_role_links()
        held = enforcer.get_role_manager().has_link
        enforcer.add_function("atMost", lambda level, limit: int(level) <= int(limit))
        enforcer.add_function("hasAll", lambda tags, wanted: all(t in tags for t in wanted.split(",") if t))
        enforcer.add_function("isAny", lambda sub, names, dom: any([held(sub, n, dom) for n in names]))
        enforcer.add_function("isAll", lambda sub, names, dom: all([held(sub, n, dom) for n in names]))
        return enforcer


def _row(rule: Rule) -> list[str]:
    tags = ",".join(sorted(rule.tags))
    scope = [rule.department, tags, rule.owner, rule.document, str(int(rule.level))]
    return [rule.subject, rule.tenant, rule.action, *scope, rule.effect.value]
