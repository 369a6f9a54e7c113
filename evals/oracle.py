"""Who may do what, by brute force: the second opinion that the real decisions are compared with.

Written from the description of the access model alone, on the policy *file* and on label values, one document at
a time. It shares no code with `policies`: what both get wrong the same way, nothing here would find.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

LEVELS = ("public", "internal", "confidential", "restricted", "secret")


@dataclass(frozen=True, slots=True)
class Labels:
    """What decides about a document or a paragraph. `level` is 0 (public) to 4 (secret)."""

    name: str
    department: str
    level: int
    tags: tuple[str, ...] = ()
    owner: str = ""
    shares: tuple[str, ...] = ()
    denied_shares: tuple[str, ...] = ()
    compartments: tuple[str, ...] = ()

    def with_level_at_least(self, level: int) -> "Labels":
        return replace(self, level=max(self.level, level))


class Oracle:
    """Answers `may` from the lines of a policy file."""

    def __init__(self, rules: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, str]]) -> None:
        self._rules = rules
        self._links = links

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(sorted({link["member"] for link in self._links if link["member"].startswith("user:")}))

    @property
    def assistants(self) -> tuple[str, ...]:
        return tuple(sorted({r["subject"] for r in self._rules if r["subject"].startswith("assistant:")}))

    def names_of(self, caller: str) -> set[str]:
        """The caller and everything she is linked to, directly or through others; compartments too."""
        names = {caller}
        while True:
            more = {link["parent"] for link in self._links if link["member"] in names} - names
            if not more:
                return names
            names |= more

    def may(self, callers: Iterable[str], action: str, document: Labels) -> bool:
        """True when every one of `callers` (a person, or a person and an assistant) is allowed."""
        asked = list(callers)
        return bool(asked) and all(self._one_may(caller, action, document) for caller in asked)

    def _one_may(self, caller: str, action: str, document: Labels) -> bool:
        names = self.names_of(caller)
        for compartment in document.compartments:
            if compartment not in names:
                return False
        for denied in document.denied_shares:
            if denied in names:
                return False
        allowed = False
        for rule in self._rules:
            if rule["subject"] in names and self._matches(rule, caller, names, action, document):
                if rule.get("effect", "allow") == "deny":
                    return False
                allowed = True
        return allowed

    def _matches(self, rule: Mapping[str, Any], caller: str, names: set[str], action: str, document: Labels) -> bool:
        actions = rule["action"] if isinstance(rule["action"], list) else [rule["action"]]
        wanted = rule.get("document", "*")
        return (
            action in actions
            and rule.get("department", "*") in ("*", document.department)
            and all(tag in document.tags for tag in rule.get("tags", ()))
            and (rule.get("owner", "*") == "*" or document.owner == caller)
            and (wanted in ("*", document.name) or (wanted == "@shared" and any(s in names for s in document.shares)))
            and document.level <= level_number(rule.get("level", "secret"))
        )


def level_number(value: str | int) -> int:
    return value if isinstance(value, int) else LEVELS.index(value)


def read_oracle(policy: Path) -> Oracle:
    """The oracle of a policy file."""
    content = yaml.safe_load(policy.read_text(encoding="utf-8"))
    return Oracle(content["rules"], content["links"])
