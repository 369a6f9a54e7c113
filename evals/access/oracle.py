"""Casbin's stock enforcer on the whole policy: the authority that plan, filter and check are held against.

Shares the model file with the product and nothing else: its own rows, its own registered functions, all
tenants' rules, no slice, no snapshot, no memory of answers.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Any

import casbin
from casbin.model import Model
from casbin.util.expression import SimpleEval

from policies.rules import Attributes, Caller, RoleLink, Rule

MODEL = resources.files("policies").joinpath("model.conf").read_text(encoding="utf-8")


class ParsedOnce(casbin.Enforcer):  # type: ignore[misc] # casbin has no types
    """The stock enforcer, except that it parses its matcher once and not at every request: half of the time.

    Its one matcher calls no `eval()`, so the text that it parses is always the same.
    """

    _parsed: Any = None

    def _get_expression(self, expr: str, functions: Any = None) -> Any:
        if self._parsed is None:
            self._parsed = super()._get_expression(expr, functions).ast_parsed_value
        expression = SimpleEval("", functions)
        expression.ast_parsed_value = self._parsed
        return expression


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
