"""Casbin's stock enforcer on the whole policy: the authority that plan and check are held against.

Shares the model file with the product and nothing else: its own rows, its own registered functions, all
tenants' rules, no slice, no snapshot.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import casbin
from casbin.model import Model

from policies.rules import Attributes, Caller, RoleLink, Rule

MODEL = Path(__file__).parents[2] / "policies" / "model.conf"


class Oracle:
    """Answers for one policy. Callers with groups of their own get an enforcer of their own."""

    def __init__(self, rules: Iterable[Rule], links: Iterable[RoleLink]) -> None:
        self._rules = list(rules)
        self._links = list(links)
        self._enforcers: dict[Caller, Any] = {}

    def allows(self, callers: Sequence[Caller], action: str, attributes: Attributes) -> bool:
        return bool(callers) and all(
            self._enforcer(caller).enforce(caller.subject, caller.tenant, attributes, action) for caller in callers
        )

    def _enforcer(self, caller: Caller) -> Any:
        if caller not in self._enforcers:
            self._enforcers[caller] = self._build(caller)
        return self._enforcers[caller]

    def _build(self, caller: Caller) -> Any:
        model = Model()
        model.load_model(str(MODEL))
        for rule in self._rules:
            tags = ",".join(sorted(rule.tags))
            scope = [rule.department, tags, rule.owner, rule.document, str(int(rule.level))]
            model["p"]["p"].policy.append([rule.subject, rule.tenant, rule.action, *scope, rule.effect.value])
        for link in self._links:
            model["g"]["g"].policy.append([link.member, link.parent, link.tenant])
        for group in caller.groups:
            model["g"]["g"].policy.append([caller.subject, group, caller.tenant])
        enforcer = casbin.Enforcer(model)
        enforcer.build_role_links()
        held = enforcer.get_role_manager().has_link
        enforcer.add_function("atMost", lambda level, limit: int(level) <= int(limit))
        enforcer.add_function("hasAll", lambda tags, wanted: all(t in tags for t in wanted.split(",") if t))
        enforcer.add_function("isAny", lambda sub, names, dom: any([held(sub, n, dom) for n in names]))
        enforcer.add_function("isAll", lambda sub, names, dom: all([held(sub, n, dom) for n in names]))
        return enforcer
