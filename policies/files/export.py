"""A policy as the text of a policy file: exact, the same for equal policies, and made to be read and compared."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from policies.rules import ANY, PLAIN_ACTIONS, Effect, InvalidRule, Level, RoleLink, Rule, plain_name
from policies.wording import columns

_UNQUOTED = re.compile(r"[A-Za-z][A-Za-z0-9_.@+/-]*(:[A-Za-z0-9_.@+/-]+)*")
_READ_OTHERWISE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What some version of YAML does not take for text, in whatever case."""


def export_policy(
    rules: Iterable[Rule], links: Iterable[RoleLink], *, tenant: str | None = None, epoch: int | None = None
) -> str:
    """The policy as `policies.files.policy_file` reads it, from which exactly the same rules and links come back.

    Equal policies give equal bytes, whatever their order. Rules stand together by subject; actions of otherwise
    equal rules share a line. A comment at the top names `tenant` and `epoch` where they are given.

    Raises:
        InvalidRule: lines of several tenants, or of another one than `tenant`: a file names none, so they would mix.
    """
    all_rules, all_links = set(rules), set(links)
    _require_one_tenant({rule.tenant for rule in all_rules} | {link.tenant for link in all_links}, tenant)
    header = _header(tenant, epoch)
    return f"{header}rules:{_rules(all_rules)}\nlinks:{_links(all_links)}"


@dataclass(frozen=True, slots=True)
class _Line:
    """Rules that differ in nothing but the action."""

    rule: Rule
    actions: tuple[str, ...]

    @property
    def order(self) -> tuple[object, ...]:
        """By subject, what is allowed first, then by action. Rules themselves are not ordered: their tags are sets."""
        return (
            self.rule.subject,
            self.rule.effect,
            [_action_order(action) for action in self.actions],
            *columns(self.rule),
        )

    def __str__(self) -> str:
        rule = self.rule
        parts = [f"subject: {_text(rule.subject)}", f"action: {_one_or_list(self.actions)}"]
        parts += [f"department: {_text(rule.department)}"] if rule.department != ANY else []
        parts += [f"tags: {_list(sorted(rule.tags))}"] if rule.tags else []
        parts += [f"owner: {_text(rule.owner)}"] if rule.owner != ANY else []
        parts += [f"document: {_text(rule.document)}"] if rule.document != ANY else []
        parts += [f"level: {rule.level.name.lower()}"] if rule.level < max(Level) else []
        parts += ["effect: deny"] if rule.effect is Effect.DENY else []
        return f"  - {{{', '.join(parts)}}}\n"


def _require_one_tenant(found: set[str], tenant: str | None) -> None:
    if tenant is not None:
        found = found | {plain_name(tenant, "tenant")}
    if len(found) > 1:
        raise InvalidRule(f"an export holds the policy of one tenant, not of {', '.join(sorted(found))}")


def _header(tenant: str | None, epoch: int | None) -> str:
    of_tenant = "" if tenant is None else f" of tenant {tenant}"
    at_epoch = "" if epoch is None else f" at version {epoch}"
    return f"# Policy{of_tenant}{at_epoch}.\n\n" if of_tenant or at_epoch else ""


def _rules(rules: Collection[Rule]) -> str:
    if not rules:
        return " []\n"
    actions: defaultdict[Rule, list[str]] = defaultdict(list)
    for rule in rules:
        actions[replace(rule, action=PLAIN_ACTIONS[0])].append(rule.action)
    lines = sorted(
        (_Line(rule, tuple(sorted(of_rule, key=_action_order))) for rule, of_rule in actions.items()),
        key=lambda line: line.order,
    )
    groups = groupby(lines, key=lambda line: line.rule.subject)
    return "\n" + "\n".join("".join(map(str, group)) for _, group in groups)


def _links(links: Collection[RoleLink]) -> str:
    if not links:
        return " []\n"
    lines = (f"  - {{member: {_text(link.member)}, parent: {_text(link.parent)}}}\n" for link in sorted(links))
    return "\n" + "".join(lines)


def _action_order(action: str) -> tuple[bool, int, str]:
    """Plain actions in their usual order, then unmasking by entity."""
    plain = action in PLAIN_ACTIONS
    return not plain, PLAIN_ACTIONS.index(action) if plain else 0, action


def _one_or_list(values: Collection[str]) -> str:
    return _text(next(iter(values))) if len(values) == 1 else _list(values)


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """Without quotes only where every version of YAML reads text."""
    if _UNQUOTED.fullmatch(value) and value.casefold() not in _READ_OTHERWISE:
        return value
    return json.dumps(value)
